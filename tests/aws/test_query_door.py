"""The way into IAM and STS: who is let in, which operation is meant, and what an answer and a refusal look like."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from holdfast import registry
from holdfast.aws import iam, query_protocol, sts
from holdfast.aws.door import GLOBAL_REGION, Door
from holdfast.aws.operations import Operation
from holdfast.http import ReadBody, Request
from holdfast.model import errors
from holdfast.model.callers import ANONYMOUS
from holdfast.model.names import Registry
from holdfast.registry.accounts import Tokens
from holdfast.registry.throttle import Throttle
from tests.callers import TARGET, Query
from tests.registry.ground import HOME, Clock, open_ground

ELSEWHERE = Registry("111122223333", "eu-central-1")
IAM, STS = "2010-05-08", "2011-06-15"
FORM = "application/x-www-form-urlencoded"
DOES_NOT_MATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
INVALID_TOKEN = "The security token included in the request is invalid"
FAULTS = [
    case
    for case in json.loads((Path(__file__).parent / "data" / "signature_faults.json").read_text())["faults"]
    if case["check"] not in {"13", "16"}  # which speak of the service, or need a key
    and "x-amz-target" not in dict(case["headers"])  # which is of JSON services only
]
ASKING_WHO = f"Action=GetCallerIdentity&Version={STS}"


def fault(answer):
    """Status, code and message of a refusal, which must look like one in every way."""
    assert answer.headers["content-type"] == "text/xml"
    parsedate_to_datetime(answer.headers["date"])
    return spelled(answer.status, answer.headers["x-amzn-requestid"], answer.body)


def spelled(status, request_id, body):
    document = ET.fromstring(body)
    space = document.tag.partition("}")[0] + "}"
    error = {element.tag.removeprefix(space): element.text or "" for element in document.find(f"{space}Error")}
    assert document.tag == f"{space}ErrorResponse"
    assert document.find(f"{space}RequestId").text == request_id == str(uuid.UUID(request_id))
    assert error.pop("Type") == ("Sender" if status < 500 else "Receiver")
    return status, error.pop("Code"), error.pop("Message")


# ---- Through the front door


@pytest.fixture(params=["iam", "sts"])
def query(product, request):
    return Query(product.address, *product.credentials(), request.param)


def test_an_action_that_is_none_of_the_service_is_refused(query):
    answer = query("Nonsense")

    assert fault(answer) == (400, "InvalidAction", f"Could not find operation Nonsense for version {query.version}")
    assert f"https://{query.service}.amazonaws.com/doc/{query.version}/".encode() in answer.body


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Action": "GetUser", "Version": "2099-01-01"}, "Could not find operation GetUser for version 2099-01-01"),
        ({"Action": "GetUser"}, "Could not find operation GetUser for version NO_VERSION_SPECIFIED"),
        ({"Action": "getUser", "Version": IAM}, f"Could not find operation getUser for version {IAM}"),
        ({"Action": "<x>&", "Version": IAM}, f"Could not find operation <x>& for version {IAM}"),
        ({"Action": "x" * 5000, "Version": IAM}, f"Could not find operation {'x' * 100} for version {IAM}"),
        ({"Action": "x", "Version": "y" * 5000}, f"Could not find operation x for version {'y' * 100}"),
    ],
)
def test_an_action_or_version_that_is_unknown_is_refused(product, parameters, message):
    query = Query(product.address, *product.credentials())

    answer = query.send(query.signed(**parameters))

    assert fault(answer) == (400, "InvalidAction", message)


@pytest.mark.parametrize("parameters", [{}, {"Version": IAM}, {"Action": "", "Version": IAM}])
def test_a_form_without_an_action_is_refused(query, parameters):
    answer = query.send(query.signed(**parameters))

    assert fault(answer) == (400, "MissingAction", "Missing Action")


def test_an_operation_of_one_service_signed_for_the_other_is_refused(query):
    other, version = {"iam": ("sts", STS), "sts": ("iam", IAM)}[query.service]

    answer = query.send(query.signed(Action="GetUser", Version=version))

    message = f"Credential should be scoped to correct service: '{other}'."
    assert fault(answer) == (403, "SignatureDoesNotMatch", message)


def test_a_signature_for_ecr_is_refused(product):
    query = Query(product.address, *product.credentials(), "ecr")

    answer = query.send(query.signed(Action="GetCallerIdentity", Version=STS))

    message = "Credential should be scoped to correct service: 'iam' or 'sts'."
    assert fault(answer) == (403, "SignatureDoesNotMatch", message)


def test_a_wrong_secret_is_refused(product, query):
    key_id, secret = product.credentials()

    answer = Query(product.address, key_id, secret + "x", query.service)("GetUser")

    assert fault(answer) == (403, "SignatureDoesNotMatch", DOES_NOT_MATCH)


def test_an_unknown_key_is_refused(product, query):
    answer = Query(product.address, "AKIAAAAAAAAAAAAAAAAA", "x", query.service)("GetUser")

    assert fault(answer) == (403, "InvalidClientTokenId", f"{INVALID_TOKEN}.")


def test_a_session_token_that_nobody_was_given_is_refused(query):
    query.credentials = replace_token(query.credentials, "nonsense")

    assert fault(query("GetUser")) == (403, "InvalidClientTokenId", INVALID_TOKEN)


def replace_token(credentials, token):
    return Credentials(credentials.access_key, credentials.secret_key, token)


@pytest.mark.parametrize("scheme", ["Basic QVdTOng=", "Bearer x", "AWS4-ECDSA-P256-SHA256 Credential=x"])
def test_another_scheme_is_refused(query, scheme):
    answer = query.send(query.signed(Action="GetUser", Version=IAM), authorization=scheme)

    words = f"Unsupported AWS 'algorithm': '{scheme.partition(' ')[0]}'."
    assert fault(answer) == (400, "IncompleteSignature", words)


def test_a_changed_form_is_refused(query):
    request = query.signed(Action="DeleteUser", Version=query.version, UserName="a")
    request.data = request.data.replace(b"UserName=a", b"UserName=b")

    assert fault(query.send(request)) == (403, "SignatureDoesNotMatch", DOES_NOT_MATCH)


def test_a_query_that_was_not_signed_is_refused(query):
    request = query.signed(Version=query.version)
    request.url += "?Action=DeleteUser"

    assert fault(query.send(request)) == (403, "SignatureDoesNotMatch", DOES_NOT_MATCH)


@pytest.mark.parametrize("in_query", [False, True])
def test_an_action_that_nobody_signed_is_named_before_anything_is_asked(product, in_query):
    query = Query(product.address)

    answer = query.send(query.signed(in_query=in_query, Action="Nonsense", Version=STS))

    assert fault(answer) == (400, "InvalidAction", f"Could not find operation Nonsense for version {STS}")


@pytest.mark.parametrize("presigned", [False, True])
def test_an_action_may_be_asked_for_in_the_query(query, presigned):
    request = query.signed(in_query=True, presigned=presigned, Action="Nonsense", Version=query.version)

    code = fault(query.send(request))
    request.url = request.url.replace("Nonsense", "Nonsensf")
    changed = fault(query.send(request))

    assert code == (400, "InvalidAction", f"Could not find operation Nonsense for version {query.version}")
    assert changed == (403, "SignatureDoesNotMatch", DOES_NOT_MATCH)


def test_a_key_that_no_database_could_hold_is_refused(product):
    query = Query(product.address, "\0", "secret", "sts")

    answer = query.send(query.signed(in_query=True, presigned=True, Action="GetCallerIdentity", Version=STS))

    assert fault(answer)[:2] == (403, "SignatureDoesNotMatch")


def test_who_one_is_may_be_asked_with_a_presigned_address(product):
    query = Query(product.address, *product.credentials(), "sts")

    answer = query.send(query.signed(in_query=True, presigned=True, Action="GetCallerIdentity", Version=STS))

    if "GetCallerIdentity" in sts.OPERATIONS:
        assert answer.status == 200
        assert b"<Account>000000000000</Account>" in answer.body
    else:
        message = "This version of Holdfast does not answer the action GetCallerIdentity yet"
        assert fault(answer) == (400, "InvalidAction", message)


def test_a_refusal_is_in_json_for_whoever_accepts_that(query):
    request = query.signed(Action="Nonsense", Version=query.version)

    answer = query.send(request, accept="application/json")

    message = f"Could not find operation Nonsense for version {query.version}"
    assert answer.headers["content-type"] == "application/json"
    assert answer.status == 400
    assert answer.json() == {
        "Error": {"Code": "InvalidAction", "Message": message, "Type": "Sender"},
        "RequestId": answer.headers["x-amzn-requestid"],
    }


def test_a_form_with_a_broken_escape_is_refused(query):
    request = query.signed()
    request.data = b"Action=GetUser&UserName=%2"
    SigV4Auth(query.credentials, query.service, "eu-central-1").add_auth(request)

    answer = query.send(request)

    assert fault(answer) == (400, "MalformedQueryString", "Incomplete trailing escape % sequence")


def test_a_form_that_is_too_large_is_refused_and_the_next_request_is_answered(query):
    answer = query("Nonsense", Padding="x" * query_protocol.FORM_BYTES)
    following = query("Nonsense", Padding="x" * (query_protocol.FORM_BYTES - 100))

    assert fault(answer)[:2] == (413, "RequestEntityTooLarge")
    assert fault(following)[:2] == (400, "InvalidAction")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_a_form_is_posted_or_not_at_all(query, method):
    answer = query.http(method, f"/?{ASKING_WHO}", b"Action=GetUser", content_type=FORM)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_a_target_is_asked_in_json_whatever_the_query_says(product):
    aws = product.aws()

    answer = aws.http("POST", f"/?{ASKING_WHO}", b"{}", x_amz_target=f"{TARGET}.DescribeRegistry")

    assert answer.json()["__type"] == "MissingAuthenticationTokenException"


# ---- With operations of our own, and a clock that stands still


class Desk:
    """A door, and a key to it."""

    def __init__(self, folder):
        self.on = open_ground(folder, Clock())
        self.key, secret = registry.accounts.create_key(self.on, HOME.account_id)
        self.credentials = Credentials(self.key.id, secret)

    def ask(self, form="", *, query="", service="sts", signer=SigV4Auth, method="POST", **headers):
        """Send a form, or just a query; signed for a service, or for none. The answer's status and body."""
        request = AWSRequest(method, f"http://localhost/?{query}", data=form.encode())
        if method == "POST":
            request.headers["content-type"] = FORM
        for name, value in headers.items():
            request.headers[name] = value
        if service:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("botocore.auth.get_current_datetime", lambda: self.on.clock().replace(tzinfo=None))
                signer(self.credentials, service, "eu-central-1").add_auth(request)
        head = [("host", "localhost"), *((name.lower(), value) for name, value in request.headers.items())]
        return self.hand_in(request.method, request.url.partition("?")[2], head, form.encode())

    def hand_in(self, method, query, headers, body=b""):
        request = Request(method, "/", query, headers, peer="127.0.0.1", is_secure=False)
        door = Door(self.on, Tokens(self.on), window=timedelta(minutes=15))
        try:
            answer = door(request)
            answer = answer.then(body) if isinstance(answer, ReadBody) else answer
        except Exception as failure:  # noqa: BLE001 - as the server does
            answer = door.failed(request, failure)
        assert dict(answer.headers)["x-amzn-RequestId"] == request.id
        return answer

    def refused(self, *arguments, **changed):
        answer = self.ask(*arguments, **changed)
        return spelled(answer.status, dict(answer.headers)["x-amzn-RequestId"], answer.body)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def says_nothing(call, request):
    return {}


@pytest.fixture
def answer_with(monkeypatch):
    """Let a function be an operation; the calls that it gets."""
    table = {"iam": iam.OPERATIONS, "sts": sts.OPERATIONS}

    def mark(service, name, function=says_nothing, *, on=None, unsigned=False):
        calls = []

        def noted(call, request):
            calls.append((call, request))
            return function(call, request)

        monkeypatch.setitem(table[service], name, Operation(name, noted, on, unsigned=unsigned))
        return calls

    return mark


def fails(call, request):
    raise ZeroDivisionError


def elsewhere(call, request):
    return ELSEWHERE


def says_who(call, request):
    return {"Account": call.caller.account_id, "Arn": call.caller.arn}


@pytest.mark.parametrize(
    "how",
    [
        {"form": ASKING_WHO},
        {"query": ASKING_WHO},
        {"query": ASKING_WHO, "method": "GET"},
        {"query": ASKING_WHO, "method": "GET", "signer": SigV4QueryAuth},
        {"form": f"Version={STS}", "query": "Action=GetCallerIdentity"},
        {"form": ASKING_WHO, "query": "Action=Nonsense&Version=1"},
        {"form": ASKING_WHO.replace("Caller", "%43aller")},
    ],
)
def test_an_operation_is_asked_for_in_a_form_or_a_query(desk, answer_with, how):
    calls = answer_with("sts", "GetCallerIdentity", says_who)

    answer = desk.ask(**how)

    assert answer.status == 200
    assert b"<Account>000000000000</Account><Arn>arn:aws:iam::000000000000:root</Arn>" in answer.body
    [(call, request)] = calls
    assert (call.caller.access_key_id, call.region, request) == (desk.key.id, "eu-central-1", {})


def test_an_answer_is_in_json_for_whoever_accepts_that(desk, answer_with):
    answer_with("sts", "GetCallerIdentity", says_who)

    answer = desk.ask(ASKING_WHO, accept="application/json")

    document = json.loads(answer.body)["GetCallerIdentityResponse"]
    assert document["GetCallerIdentityResult"]["Account"] == HOME.account_id
    assert document["ResponseMetadata"] == {"RequestId": dict(answer.headers)["x-amzn-RequestId"]}


def test_the_members_of_a_form_are_read_and_checked(desk, answer_with):
    calls = answer_with("iam", "TagUser")
    form = f"Action=TagUser&Version={IAM}&UserName={{}}&Tags.member.1.Key=a+b&Tags.member.1.Value="

    answered = desk.ask(form.format("a"), service="iam")
    refused = desk.refused(form.format("a/"), service="iam")

    assert answered.status == 200
    assert [request for _, request in calls] == [{"UserName": "a", "Tags": [{"Key": "a b", "Value": ""}]}]
    assert refused[:2] == (400, "ValidationError")


def test_leave_is_asked_for_the_action_on_the_resource(desk, answer_with, monkeypatch):
    asked = []
    monkeypatch.setattr(registry.access, "require", lambda *arguments: asked.append(arguments))
    answer_with("iam", "GetUser", on=elsewhere)
    answer_with("sts", "GetCallerIdentity")

    desk.ask(f"Action=GetUser&Version={IAM}", service="iam")
    desk.ask(ASKING_WHO)

    [(_, caller, action, resource, *_)] = asked
    assert caller.access_key_id == desk.key.id
    assert (action, resource) == ("iam:GetUser", ELSEWHERE)


def test_who_has_no_leave_is_refused(desk, answer_with):
    calls = answer_with("iam", "GetUser", on=elsewhere)

    refused = desk.refused(f"Action=GetUser&Version={IAM}", service="iam")

    assert refused[:2] == (403, "AccessDenied")
    assert "is not authorized to perform: iam:GetUser on resource: * because" in refused[2]
    assert calls == []


def test_an_unsigned_call_is_refused_unless_the_operation_takes_it(desk, answer_with):
    calls = answer_with("sts", "GetCallerIdentity"), answer_with("sts", "AssumeRoleWithSAML", unsigned=True)
    form = f"Action=AssumeRoleWithSAML&Version={STS}&RoleArn={'r' * 20}&PrincipalArn={'p' * 20}&SAMLAssertion=aaaa"

    refused = desk.refused(ASKING_WHO, service="")
    answered = desk.ask(form, service="")
    in_query = desk.ask(query=form, method="GET", service="")

    assert refused == (403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    assert (answered.status, in_query.status) == (200, 200)
    assert calls[0] == []
    assert [(call.caller, call.region) for call, _ in calls[1]] == [(ANONYMOUS, GLOBAL_REGION)] * 2


def test_a_signature_that_need_not_be_must_be_right_all_the_same(desk, answer_with):
    calls = answer_with("sts", "AssumeRoleWithSAML", unsigned=True)
    form = f"Action=AssumeRoleWithSAML&Version={STS}&RoleArn={'r' * 20}&PrincipalArn={'p' * 20}&SAMLAssertion=aaaa"

    answered = desk.ask(form)
    desk.credentials = Credentials(desk.key.id, "another")
    refused = desk.refused(form)

    assert answered.status == 200
    assert [call.caller.access_key_id for call, _ in calls] == [desk.key.id]
    assert refused == (403, "SignatureDoesNotMatch", DOES_NOT_MATCH)


def test_an_operation_that_needs_no_signature_and_is_not_answered_yet_says_so(desk, monkeypatch):
    monkeypatch.delitem(sts.OPERATIONS, "AssumeRoleWithSAML", raising=False)

    refused = desk.refused(f"Action=AssumeRoleWithSAML&Version={STS}", service="")

    message = "This version of Holdfast does not answer the action AssumeRoleWithSAML yet"
    assert refused == (400, "InvalidAction", message)


@pytest.mark.parametrize("service", ["sts", ""])
def test_calls_are_throttled_signed_or_not(desk, answer_with, service):
    answer_with("sts", "GetFederationToken", unsigned=True)
    desk.on = replace(desk.on, throttle=Throttle({"*": 0.5}, lambda: 0.0))
    form = f"Action=GetFederationToken&Version={STS}&Name=ab"

    answered = desk.ask(form, service=service)
    refused = desk.refused(form, service=service)

    assert answered.status == 200
    assert refused == (400, "Throttling", "Rate exceeded")


def test_a_refusal_of_an_operation_has_the_words_of_its_service(desk, answer_with):
    class NoSuchEntity(errors.NotFound):
        pass

    def refuse(call, request):
        raise NoSuchEntity("The user with name a cannot be found.")

    answer_with("iam", "GetUser", refuse)

    refused = desk.refused(f"Action=GetUser&Version={IAM}", service="iam")

    assert refused == (404, "NoSuchEntity", "The user with name a cannot be found.")


@pytest.mark.parametrize(
    ("service", "form", "code"),
    [("iam", f"Action=GetUser&Version={IAM}", "ServiceFailure"), ("sts", ASKING_WHO, "InternalFailure")],
)
def test_what_nobody_expected_is_a_failure_that_the_log_knows_by_its_id(desk, answer_with, caplog, service, form, code):
    answer_with(service, form.partition("=")[2].partition("&")[0], fails)

    status, said, message = desk.refused(form, service=service)

    assert (status, said) == (500, code)
    assert message.rpartition(" ")[2] in caplog.text


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: f"{case['check']}-{case['message'][:40]}")
def test_each_fault_of_a_signature_has_the_words_of_the_query_services(desk, answer_with, case):
    answer_with("sts", "GetCallerIdentity")
    desk.on.clock.now = datetime(2026, 8, 30, 12, 36, tzinfo=UTC)
    query = "&".join(filter(None, (case["query"], ASKING_WHO))).replace("%2Fecr%2F", "%2Fsts%2F")
    headers = [(name, value.replace("/ecr/", "/sts/")) for name, value in case["headers"]]

    refused = desk.hand_in(case["method"], query, headers)

    said = (
        case["query_status"],
        case["query_code"],
        case.get("query_message", case["message"]).replace("/ecr/", "/sts/"),
    )
    assert spelled(refused.status, dict(refused.headers)["x-amzn-RequestId"], refused.body) == said
