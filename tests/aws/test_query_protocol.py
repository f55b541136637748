"""What botocore sends to IAM and STS is read, what is answered is read by botocore, and refusals are in AWS's words."""

import json
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from botocore.awsrequest import AWSRequest
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.aws import query_protocol, service_models, signature
from holdfast.http import Request
from holdfast.model import errors

FORM = "application/x-www-form-urlencoded; charset=utf-8"
TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PARSER = create_parser("query")
BROKEN_CONSTRAINTS = json.loads((Path(__file__).parent / "data" / "query_constraints.json").read_text())
QUICK = settings(derandomize=True, database=None, deadline=None, max_examples=12)

# A service with what requests to IAM and STS do not have today: times, blobs, longs, and sensitive lists.
EXOTIC = ServiceModel(
    {
        "metadata": {
            "protocol": "query",
            "apiVersion": "2000-01-01",
            "xmlNamespace": "https://x/",
            "endpointPrefix": "x",
        },
        "operations": {
            "Do": {
                "name": "Do",
                "http": {"method": "POST", "requestUri": "/"},
                "input": {"shape": "All"},
                "output": {"shape": "All", "resultWrapper": "DoResult"},
            },
        },
        "shapes": {
            "All": {
                "type": "structure",
                "required": ["Count"],
                "members": {
                    "Time": {"shape": "Time"},
                    "Times": {"shape": "Times"},
                    "Count": {"shape": "Count"},
                    "Blob": {"shape": "Blob"},
                    "Text": {"shape": "Key"},
                    "Flag": {"shape": "Flag"},
                    "Secret": {"shape": "Secret"},
                    "Keys": {"shape": "Keys"},
                    "Map": {"shape": "Map"},
                    "Inner": {"shape": "All"},
                    "Inners": {"shape": "Inners"},
                },
            },
            "Time": {"type": "timestamp"},
            "Times": {"type": "list", "member": {"shape": "Time"}, "max": 2},
            "Key": {"type": "string", "min": 1, "max": 3, "pattern": "[a-z]*"},
            "Keys": {"type": "list", "member": {"shape": "Key"}},
            "Map": {"type": "map", "key": {"shape": "Key"}, "value": {"shape": "Count"}},
            "Inners": {"type": "list", "member": {"shape": "All"}, "max": 1},
            "Count": {"type": "long", "min": 1},
            "Blob": {"type": "blob", "max": 4},
            "Flag": {"type": "boolean"},
            "Secret": {"type": "string", "max": 3, "sensitive": True},
        },
    }
)
SERVICES = {name: service_models.load(name) for name in ("iam", "sts")}
OPERATIONS = [(service, name) for service, found in SERVICES.items() for name in found.operation_names]
each_operation = pytest.mark.parametrize(("service", "name"), OPERATIONS, ids=[name for _, name in OPERATIONS])


def operation(name):
    found = (service.find(name) for service in SERVICES.values())
    return next(filter(None, found), None) or EXOTIC.operation_model(name)


def a_request(query="", content_type=FORM, method="POST", **headers):
    headers = [("content-type", content_type), *headers.items()]
    return Request(method, "/", query, headers, peer="127.0.0.1", is_secure=False)


def sent(model, parameters):
    """The body that boto3 would send."""
    fields = create_serializer("query", include_validation=False).serialize_to_request(parameters, model)["body"]
    return AWSRequest("POST", "http://localhost/", data=fields).prepare().body.encode()


def read(model, body, query=""):
    return query_protocol.parse(model, query_protocol.read_form(a_request(query), body))


def asked(name, body):
    """Parse and validate a request with these parameters."""
    found = read(operation(name), body.encode())
    query_protocol.validate(operation(name), found)
    return found


def answered(model, value, **headers):
    request = a_request(**headers)
    return request, query_protocol.answer(request, model, value)


def received(model, response):
    """What boto3 would make of an answer."""
    return PARSER.parse({"status_code": response.status, "headers": {}, "body": response.body}, model.output_shape)


def refused(call, *arguments):
    with pytest.raises(errors.Refusal) as refusal:
        call(*arguments)
    return query_protocol.words(SERVICES["iam"], refusal.value)


# ---- There and back

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
SPEAKABLE = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("\t\n\r<&>"), max_size=8
)
SPEAKABLE = SPEAKABLE.map(lambda text: query_protocol.answers.UNSPEAKABLE.sub("", text))
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)


def samples(shape, text, least=0):
    """Values of a shape, with members that are required and some that are not."""
    match shape.type_name:
        case "structure":
            members = {name: samples(member, text, 1) for name, member in shape.members.items()}
            required = {
                name: members.pop(name)
                for name in [*shape.required_members, *list(members)[:least]][:40]
                if name in members
            }
            return st.fixed_dictionaries(required, optional=members)
        case "list":
            return st.lists(samples(shape.member, text, 1), max_size=2)
        case "map":
            return st.dictionaries(samples(shape.key, text), samples(shape.value, text, 1), min_size=least, max_size=2)
        case "string":
            return st.sampled_from(shape.enum) if shape.enum else text
        case "boolean":
            return st.booleans()
        case "integer" | "long" as kind:
            bits = {"integer": 31, "long": 63}[kind]
            return st.integers(-(2**bits), 2**bits - 1)
        case "timestamp":
            return TIMES
        case _:
            return st.binary(max_size=8)


FLAT = {
    name: samples(member, SPEAKABLE, 1)
    for name, member in EXOTIC.shape_for("All").members.items()
    if not name.startswith("Inner")
}


@each_operation
def test_what_botocore_sends_is_read(service, name):
    model = operation(name)

    @QUICK
    @given(parameters=samples(model.input_shape, TEXT) if model.input_shape else st.just({}))
    def ask(parameters):
        assert read(model, sent(model, parameters)) == parameters

    ask()


@each_operation
def test_what_is_answered_is_read_by_botocore(service, name):
    model = operation(name)

    @QUICK
    @given(value=samples(model.output_shape, SPEAKABLE) if model.output_shape else st.just({}))
    def check(value):
        request, response = answered(model, value)

        assert response.headers == [("x-amzn-RequestId", request.id), ("Content-Type", "text/xml")]
        assert received(model, response) == value | {
            "ResponseMetadata": {"RequestId": request.id, "HTTPStatusCode": 200, "HTTPHeaders": {}}
        }

    check()


@given(parameters=st.fixed_dictionaries({}, optional=FLAT))
def test_what_no_operation_takes_today_is_read_and_answered_too(parameters):
    model = operation("Do")

    found = read(model, sent(model, parameters))
    _, response = answered(model, parameters)

    assert found == parameters
    assert received(model, response).items() >= parameters.items()


@pytest.mark.parametrize("service", SERVICES)
def test_the_descriptions_spell_nothing_in_a_way_that_is_not_read(service):
    def walk(shape):
        assert not shape.serialization.keys() - {"resultWrapper"}, shape
        match shape.type_name:
            case "structure":
                for member in shape.members.values():
                    walk(member)
            case "list":
                assert shape.member.type_name not in {"list", "map"}, shape
                walk(shape.member)
            case "map":
                walk(shape.key)
                walk(shape.value)

    for name in SERVICES[service].operation_names:
        model = operation(name)
        assert model.output_shape is None or model.output_shape.serialization == {"resultWrapper": f"{name}Result"}
        for shape in filter(None, (model.input_shape, model.output_shape)):
            walk(shape)


# ---- Forms


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("UserName=a+b%2Bc%20d", {"UserName": "a+b+c d".replace("+", " ", 1)}),
        ("UserName=Gr%C3%BC%c3%9Fe", {"UserName": "Grüße"}),
        ("UserName=", {"UserName": ""}),
        ("UserName", {"UserName": ""}),
        ("UserName=a=b", {"UserName": "a=b"}),
        ("&&UserName=a&", {"UserName": "a"}),
        ("UserName=a&UserName=b", {"UserName": "b"}),
        ("User%4eame=a", {"UserName": "a"}),
        ("username=a&Nonsense=1&Nonsense.member.7=2&.=&=", {}),
        ("Action=GetUser&Version=1&X-Amz-Signature=0", {}),
        ("Tags=", {"Tags": []}),
        ("Tags.1.Key=a&Tags.foo=1&Tags.entry.1.key=2", {}),
        ("Tags.member.1.Key=a&Tags.member.1.New=1", {"Tags": [{"Key": "a"}]}),
        ("Tags.member.2.Key=b&Tags.member.1.Key=a", {"Tags": [{"Key": "a"}, {"Key": "b"}]}),
        ("Tags.member.1=", {"Tags": [{}]}),
        ("UserName=a&UserName.b.c=d", {"UserName": "a"}),
        (f"UserName=a&{'b.' * 100_000}=d", {"UserName": "a"}),
    ],
)  # fmt: skip
def test_a_form_is_read(body, found):
    assert read(operation("CreateUser"), body.encode()) == found


def test_parameters_may_stand_in_the_query_and_those_of_the_body_win():
    found = read(operation("CreateUser"), b"UserName=a+b", "UserName=x&Path=/a+b/")

    assert found == {"UserName": "a b", "Path": "/a+b/"}


def test_a_body_that_is_no_form_is_not_read():
    form = query_protocol.read_form(a_request("UserName=a", "application/json"), b"UserName=b")

    assert form == {"UserName": "a"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("UserName=%", "Incomplete trailing escape % sequence"),
        ("UserName=a%4", "Incomplete trailing escape % sequence"),
        ("%zz=a", "Illegal hex character in escape % pattern: %zz"),
        ("New=%+1", "Illegal hex character in escape % pattern: % 1"),
    ],
)
def test_a_broken_escape_is_refused(body, message):
    assert refused(asked, "CreateUser", body) == (400, "MalformedQueryString", message)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("CreateUser", "UserName=%ff"),
        ("CreateUser", "%ff=a"),
        ("CreateUser", "UserName.first=a"),
        ("CreateUser", "UserName.member.1=a"),
        ("CreateUser", "Tags=a"),
        ("CreateUser", "Tags.member=a"),
        ("CreateUser", "Tags.member=a&Tags.member.1.Key=a"),
        ("CreateUser", "Tags.member.1=a"),
        ("CreateUser", "Tags.member.0.Key=a"),
        ("CreateUser", "Tags.member.2.Key=a"),
        ("CreateUser", "Tags.member.1.Key=a&Tags.member.3.Key=a"),
        ("CreateUser", "Tags.member.01.Key=a"),
        ("CreateUser", "Tags.member.-1.Key=a"),
        ("CreateUser", "Tags.member.+1.Key=a"),
        ("CreateUser", "Tags.member.x.Key=a"),
        ("CreateUser", "Tags.member..Key=a"),
        ("CreateUser", "Tags.member.%EF%BC%91.Key=a"),
        ("CreateUser", f"Tags.member.{2**31}.Key=a"),
        ("CreateUser", f"Tags.member.{'9' * 10_000}.Key=a"),
        ("CreateUser", "&".join(f"a{number}" for number in range(5001))),
        ("ListUsers", "MaxItems="),
        ("ListUsers", "MaxItems=x"),
        ("ListUsers", "MaxItems=1.0"),
        ("ListUsers", "MaxItems=%201"),
        ("ListUsers", "MaxItems=1_0"),
        ("ListUsers", "MaxItems=%D9%A1"),
        ("ListUsers", f"MaxItems={2**31}"),
        ("ListUsers", f"MaxItems={-(2**31) - 1}"),
        ("ListUsers", f"MaxItems={'9' * 100_000}"),
        ("ListPolicies", "OnlyAttached="),
        ("ListPolicies", "OnlyAttached=1"),
        ("ListPolicies", "OnlyAttached=yes"),
        ("Do", f"Count={2**63}"),
        ("Do", "Blob=YQ"),
        ("Do", "Blob=Y Q="),
        ("Do", "Time="),
        ("Do", "Time=yesterday"),
        ("Do", "Time=-1"),
        ("Do", f"Time={'9' * 12}"),
        ("Do", f"Time={'9' * 5000}"),
        ("Do", "Time=0001-01-01T00:00:00%2B10:00"),
        ("Do", "Map=x"),
        ("Do", "Map.entry.1.key=a"),
        ("Do", "Map.entry.1.value=1"),
        ("Do", "Map.entry.2.key=a&Map.entry.2.value=1"),
        ("Do", "Inner=x"),
    ],
    ids=lambda text: text[:40],
)
def test_parameters_that_do_not_spell_what_the_operation_takes_are_refused(name, body):
    status, code, message = refused(asked, name, body)

    assert (status, code) == (400, "MalformedInput")
    assert len(message) < 200


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("True", True), ("FALSE", False), ("false", False)],
)
def test_a_flag_is_read_in_any_case(text, value):
    assert asked("ListPolicies", f"OnlyAttached={text}") == {"OnlyAttached": value}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", TIME),
        ("2026-01-02T03:04:05", TIME),
        ("2026-01-02T05:04:05%2B02:00", TIME),
        ("2026-01-02T03:04:05.5Z", TIME + timedelta(milliseconds=500)),
        ("1767323045", TIME),
        ("1767323045.5", TIME + timedelta(milliseconds=500)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_the_forms_that_clients_write(text, moment):
    assert asked("Do", f"Count=1&Time={text}")["Time"] == moment


def test_a_form_of_nothing_but_parameters_is_refused_at_once():
    started = time.process_time()

    with pytest.raises(query_protocol.MalformedInput):
        read(operation("CreateUser"), b"a&" * (query_protocol.FORM_BYTES // 2))

    assert time.process_time() - started < 0.5


def test_the_largest_form_of_other_names_is_read_soon():
    name = "Tags.member.{}.Key.a.b.c.d.e.f.g.h.i"
    body = "&".join(name.format(number) + "=" + "%41" * 20 for number in range(4999)).encode()
    started = time.process_time()

    with pytest.raises(query_protocol.MalformedInput):
        read(operation("CreateUser"), body)

    assert len(body) < query_protocol.FORM_BYTES
    assert time.process_time() - started < 2


# ---- Constraints


@pytest.mark.parametrize("case", BROKEN_CONSTRAINTS, ids=lambda case: f"{case['action']}-{case['form'][:40]}")
def test_every_member_that_breaks_a_constraint_is_named(case):
    shown = [(f"Value {value} at" if value else "Value at", *rest) for value, *rest in case["faults"]]
    faults = [f"{value} '{field}' failed to satisfy constraint: {why}" for value, field, why in shown]

    status, code, message = refused(asked, case["action"], case["form"])

    assert (status, code) == (400, "ValidationError")
    assert message == f"{len(faults)} validation error{'s' * (len(faults) > 1)} detected: {'; '.join(faults)}"


def test_a_list_that_the_model_leaves_without_a_bound_has_one_and_is_not_shown_whole():
    _, _, message = refused(asked, "Do", "Count=1&" + "&".join(f"Keys.member.{n}=a" for n in range(1, 1002)))

    assert message == (
        f"1 validation error detected: Value '[{'a, ' * 341}...' at 'keys' failed to satisfy constraint: "
        "Member must have length less than or equal to 1000"
    )


def test_no_refusal_names_more_than_ten_faults():
    body = "UserName=a&" + "&".join(f"Tags.member.{number}.Key=!" for number in range(1, 51))

    _, _, message = refused(asked, "TagUser", body)

    assert message.startswith("10 validation errors detected: ")
    assert message.count("failed to satisfy") == 10


@pytest.mark.parametrize("name", ["GetAccountSummary", "GetCallerIdentity", "ListUsers"])
def test_a_request_without_members_keeps_every_constraint(name):
    assert asked(name, f"Action={name}") == {}


# ---- Answers


def test_an_answer_looks_as_aws_writes_it():
    user = {"Path": "/", "UserName": "a&b", "CreateDate": TIME, "Arn": None}
    request, response = answered(operation("ListUsers"), {"Users": [user], "IsTruncated": False})

    assert response.body.decode() == (
        '<ListUsersResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListUsersResult><Users><member>'
        "<Path>/</Path><UserName>a&amp;b</UserName><CreateDate>2026-01-02T03:04:05Z</CreateDate>"
        "</member></Users><IsTruncated>false</IsTruncated></ListUsersResult>"
        f"<ResponseMetadata><RequestId>{request.id}</RequestId></ResponseMetadata></ListUsersResponse>"
    )


def test_an_empty_list_is_an_empty_element_and_an_operation_without_output_has_no_result():
    _, listed = answered(operation("ListUsers"), {"Users": [], "IsTruncated": True})
    request, deleted = answered(operation("DeleteUser"), {})

    assert b"<Users/><IsTruncated>true</IsTruncated>" in listed.body
    assert deleted.body.decode() == (
        '<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata>'
        f"<RequestId>{request.id}</RequestId></ResponseMetadata></DeleteUserResponse>"
    )


def test_each_service_answers_in_its_own_namespace():
    _, response = answered(operation("GetCallerIdentity"), {})

    assert response.body.startswith(b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">')


@pytest.mark.parametrize(
    ("text", "read_back"),
    [
        ('<a href="x">\'&amp;]]>', '<a href="x">\'&amp;]]>'),
        ("a\r\nb\tc\rd", "a\r\nb\tc\rd"),
        ("a\x00b\x1bc\x0bd", "a\ufffdb\ufffdc\ufffdd"),
        ("\ud800\ufffe\uffff", "\ufffd\ufffd\ufffd"),
        ("\x7f\x85\U0001f600", "\x7f\x85\U0001f600"),
        (" ", " "),
    ],
)
def test_what_xml_cannot_carry_is_replaced_and_all_else_survives(text, read_back):
    request, response = answered(operation("GetGroup"), {"Marker": text})
    refusal = query_protocol.fault(request, SERVICES["iam"], 400, "Code", text)

    assert received(operation("GetGroup"), response)["Marker"] == read_back
    assert ET.fromstring(refusal.body)[0][2].text == read_back


@pytest.mark.parametrize(
    "accept", ["application/json", "text/html, Application/JSON;q=0.9", "application/json; charset=utf-8"]
)
def test_json_is_answered_to_whoever_accepts_it(accept):
    credentials = {"AccessKeyId": "ASIA", "Expiration": TIME, "SessionToken": None}
    request, response = answered(operation("GetSessionToken"), {"Credentials": credentials}, accept=accept)
    nothing, deleted = answered(operation("DeleteUser"), {}, accept=accept)
    refusal = query_protocol.fault(request, SERVICES["sts"], 403, "ExpiredToken", "Grüße\x00")

    assert response.headers == [("x-amzn-RequestId", request.id), ("Content-Type", "application/json")]
    assert json.loads(response.body) == {
        "GetSessionTokenResponse": {
            "GetSessionTokenResult": {"Credentials": {"AccessKeyId": "ASIA", "Expiration": TIME.timestamp()}},
            "ResponseMetadata": {"RequestId": request.id},
        }
    }
    assert json.loads(deleted.body) == {"DeleteUserResponse": {"ResponseMetadata": {"RequestId": nothing.id}}}
    assert refusal.headers == response.headers
    assert json.loads(refusal.body) == {
        "Error": {"Code": "ExpiredToken", "Message": "Grüße\x00", "Type": "Sender"},
        "RequestId": request.id,
    }


@pytest.mark.parametrize("accept", ["", "*/*", "text/xml", "application/jsonp", "application/*"])
def test_xml_is_answered_to_everybody_else(accept):
    _, response = answered(operation("GetUser"), {}, accept=accept)

    assert dict(response.headers)["Content-Type"] == "text/xml"


@pytest.mark.parametrize("accept", ["text/xml", "application/json"])
def test_what_the_description_does_not_have_is_never_answered(accept):
    with pytest.raises(KeyError):
        answered(operation("GetUser"), {"User": {"Name": "a"}}, accept=accept)
    with pytest.raises(KeyError):
        answered(operation("DeleteUser"), {"User": {}}, accept=accept)


def test_a_time_is_answered_in_utc_and_never_without_a_zone():
    moment = datetime(2026, 1, 2, 5, 4, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))

    _, response = answered(operation("Do"), {"Time": moment})

    assert b"<Time>2026-01-02T03:04:05Z</Time>" in response.body
    with pytest.raises(AssertionError):
        answered(operation("Do"), {"Time": TIME.replace(tzinfo=None)})


# ---- Refusals


def test_a_refusal_looks_as_aws_writes_it():
    request = a_request()

    response = query_protocol.fault(
        request, SERVICES["iam"], 404, "NoSuchEntity", "The user with name <x> cannot be found."
    )

    assert response.status == 404
    assert response.headers == [("x-amzn-RequestId", request.id), ("Content-Type", "text/xml")]
    assert response.body.decode() == (
        '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
        "<Code>NoSuchEntity</Code><Message>The user with name &lt;x&gt; cannot be found.</Message></Error>"
        f"<RequestId>{request.id}</RequestId></ErrorResponse>"
    )
    assert received(operation("GetUser"), response)["Error"] == {
        "Type": "Sender",
        "Code": "NoSuchEntity",
        "Message": "The user with name <x> cannot be found.",
    }


@pytest.mark.parametrize(("service", "code"), [("iam", "ServiceFailure"), ("sts", "InternalFailure")])
def test_a_failure_is_the_receivers(service, code):
    response = query_protocol.failure(a_request(), SERVICES[service], "Oh")

    assert response.status == 500
    assert received(operation("GetUser"), response)["Error"] == {"Type": "Receiver", "Code": code, "Message": "Oh"}


def described_faults():
    for service, found in SERVICES.items():
        for shape in found._model.error_shapes:
            error = shape.metadata.get("error", {"code": shape.name, "httpStatusCode": 400})
            yield service, shape.name, (error["httpStatusCode"], error["code"])


@pytest.mark.parametrize(("service", "name", "said"), list(described_faults()))
def test_a_refusal_has_the_status_and_the_code_of_the_description(service, name, said):
    refusal = type(name.removesuffix("Exception"), (errors.Refusal,), {})("Why")

    assert query_protocol.words(SERVICES[service], refusal) == (*said, "Why")


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (errors.AccessDenied("arn:a", "iam:GetUser", "arn:b", "because"), 403, "AccessDenied"),
        (errors.Throttling(), 400, "Throttling"),
        (errors.RequestTooLarge(7), 413, "RequestEntityTooLarge"),
        (errors.StorageFull(), 503, "ServiceUnavailable"),
        (errors.UnrecognizedClient(), 403, "InvalidClientTokenId"),
        (errors.TokenExpired(), 403, "ExpiredToken"),
        (errors.SessionTokenExpired(), 403, "ExpiredToken"),
        (errors.SessionTokenInvalid(), 403, "InvalidClientTokenId"),
        (errors.StsAccessDenied("Why"), 403, "AccessDenied"),
        (errors.Validation("Why"), 400, "ValidationError"),
        (errors.InvalidParameter("path", "why"), 400, "ValidationError"),
        (errors.LimitExceeded("Why"), 409, "LimitExceeded"),
        (query_protocol.MissingAction(), 400, "MissingAction"),
        (query_protocol.InvalidAction("Why"), 400, "InvalidAction"),
        (query_protocol.MalformedInput("Why"), 400, "MalformedInput"),
        (signature.MalformedQueryString("Why"), 400, "MalformedQueryString"),
        (signature.SignatureDoesNotMatch("Why"), 403, "SignatureDoesNotMatch"),
        (signature.IncompleteSignature("Why"), 400, "IncompleteSignature"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, errors.Refusal) else "",
)
def test_a_refusal_that_no_description_lists_has_words_of_its_own(refusal, status, code):
    assert query_protocol.words(SERVICES["iam"], refusal) == (status, code, refusal.message)


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (
            signature.MissingAuthenticationToken(),
            (403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
        ),
        (signature.RequestExpired(TIME, TIME, timedelta()), (400, "RequestExpired", "Request has expired.")),
    ],
)
def test_some_faults_of_signatures_are_said_otherwise_than_in_json(refusal, said):
    assert query_protocol.words(SERVICES["sts"], refusal) == said
    assert refusal.message != said[2]


# ---- Whatever is sent

NAMES = st.lists(
    st.sampled_from(
        ["UserName", "Tags", "member", "1", "2", "3", "Key", "Value", "MaxItems", "", "x", "RoleArn", "entry"]
    ),
    max_size=6,
).map(".".join)
VALUES = st.sampled_from(["", "a", "1", "true", "%", "%41", "%ff", "%00", "+", "2026-01-02", "9" * 30]) | st.text(
    max_size=9
)
FORMS = st.lists(st.tuples(NAMES, VALUES).map("=".join), max_size=8).map("&".join).map(str.encode)


@given(body=FORMS | st.binary(), name=st.sampled_from([name for _, name in OPERATIONS]))
@settings(max_examples=500, deadline=None)
def test_whatever_is_sent_only_refusals_come_back(body, name):
    try:
        query_protocol.validate(operation(name), read(operation(name), body))
    except errors.Refusal as refusal:
        _, code, _ = query_protocol.words(SERVICES["iam"], refusal)
        assert code in {"MalformedQueryString", "MalformedInput", "ValidationError"}
