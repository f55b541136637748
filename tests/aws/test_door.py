"""The way into the API: who is let in, and what an answer and a refusal look like."""

import hashlib
import json
import re
import uuid
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from tests.callers import TARGET, Aws, Http

MIB = 2**20
JSON = "application/x-amz-json-1.1"
DESCRIBE = f"{TARGET}.DescribeRepositories"
DOES_NOT_MATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
WRONG_SIGNATURE = ("InvalidSignatureException", DOES_NOT_MATCH)
INVALID_TOKEN = "The security token included in the request is invalid"


@pytest.fixture
def aws(product):
    return product.aws()


def fault(answer):
    """Code and message of a refusal, which must look like one in every way."""
    body = answer.json()
    assert answer.headers["content-type"] == JSON
    assert answer.headers["x-amzn-errortype"] == body["__type"]
    uuid.UUID(answer.headers["x-amzn-requestid"])
    parsedate_to_datetime(answer.headers["date"])
    return answer.status, body["__type"], body["message"]


# ---- What an answer looks like


def test_an_answer_has_a_type_and_an_id(aws):
    answer = aws("DescribeRegistry")

    assert answer.status == 200
    assert answer.headers["content-type"] == JSON
    assert str(uuid.UUID(answer.headers["x-amzn-requestid"])) == answer.headers["x-amzn-requestid"]
    assert "x-amzn-errortype" not in answer.headers


def test_a_refusal_says_its_code_in_the_body_and_in_a_header(aws):
    answer = aws("ListImages", {"repositoryName": "no/such"})

    assert fault(answer)[:2] == (400, "RepositoryNotFoundException")
    assert set(answer.json()) == {"__type", "message"}


def test_every_answer_has_an_id_of_its_own(aws):
    ids = {aws(operation).headers["x-amzn-requestid"] for operation in ("DescribeRegistry", "ListImages") * 3}

    assert len(ids) == 6


def test_a_client_may_look_at_the_door_without_knocking(product):
    http = Http(product.address)

    assert http("GET", "/").status == 200
    assert http("HEAD", "/").body == b""
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = http(method, "/")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST"), method


# ---- Which operation


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "DescribeRepositories",
        f"{TARGET}.",
        f"{TARGET}.Nonsense",
        f"{TARGET}.describeRepositories",
        f"{TARGET}.DescribeRepositories.",
        f"{TARGET}/DescribeRepositories",
        "AmazonEC2ContainerRegistry_V20990101.DescribeRepositories",
        ".DescribeRepositories",
        "Kinesis_20131202.DescribeRepositories",
        f"{TARGET}.{'x' * 5000}",
    ],
    ids=lambda target: repr(target)[:60],
)
def test_a_target_that_is_no_operation_is_refused(aws, target):
    answer = aws.send(aws.signed(target, b"{}"))

    assert fault(answer)[:2] == (400, "UnknownOperationException")


def test_members_that_the_operation_does_not_have_are_ignored(aws):
    answer = aws("DescribeRegistry", {"new": {"in": [2030]}, "registryId": 7, "": None})

    assert answer.status == 200


def test_sdk_headers_are_ignored(aws):
    request = aws.signed(DESCRIBE, b"{}")

    answer = aws.send(request, amz_sdk_request="attempt=1; max=2", amz_sdk_invocation_id="x", user_agent="boto3")

    assert answer.status == 200


# ---- Who is let in


def test_a_request_without_a_signature_is_refused(aws):
    request = aws.signed(DESCRIBE, b"{}")

    answer = aws.send(request, authorization=None)

    assert fault(answer) == (400, "MissingAuthenticationTokenException", "Missing Authentication Token")


@pytest.mark.parametrize("scheme", ["Basic QVdTOng=", "Bearer x", "AWS4-ECDSA-P256-SHA256 Credential=x", "AWS4"])
def test_another_scheme_is_refused(aws, scheme):
    answer = aws.send(aws.signed(DESCRIBE, b"{}"), authorization=scheme)

    assert fault(answer) == (
        400,
        "IncompleteSignatureException",
        f"Unsupported AWS 'algorithm': '{scheme.partition(' ')[0]}'.",
    )


def test_a_wrong_secret_is_refused(product):
    key_id, secret = product.credentials()

    answer = Aws(product.address, key_id, secret + "x")("DescribeRegistry")

    assert fault(answer) == (400, *WRONG_SIGNATURE)


def test_an_unknown_key_is_refused(product):
    answer = Aws(product.address, "AKIAAAAAAAAAAAAAAAAA", product.credentials()[1])("DescribeRegistry")

    assert fault(answer) == (400, "UnrecognizedClientException", f"{INVALID_TOKEN}.")


def a_key(product):
    """A further key of the default account."""
    made = product.cli("account", "create-key", "000000000000").stdout
    return re.search(r"aws_access_key_id = (\S+)\naws_secret_access_key = (\S+)", made).groups()


def test_a_disabled_key_is_refused_at_once_and_an_enabled_one_is_not(product):
    key = a_key(product)
    aws = Aws(product.address, *key)

    answers = [aws("DescribeRegistry")]
    product.cli("account", "disable-key", key[0])
    answers.append(aws("DescribeRegistry"))
    product.cli("account", "enable-key", key[0])
    answers.append(aws("DescribeRegistry"))
    product.cli("account", "delete-key", key[0])
    answers.append(aws("DescribeRegistry"))

    assert [answer.status for answer in answers] == [200, 400, 200, 400]
    for answer in answers[1::2]:
        assert fault(answer) == (400, "UnrecognizedClientException", f"{INVALID_TOKEN}.")


def test_a_session_token_that_nobody_was_given_is_refused(aws):
    answer = aws("DescribeRegistry", x_amz_security_token="nonsense")

    assert fault(answer) == (400, "UnrecognizedClientException", INVALID_TOKEN)


@pytest.mark.parametrize("service", ["api.ecr", "ecr-public", "s3", "sts", "ECR", ""])
def test_a_signature_for_another_service_is_refused(aws, service):
    answer = aws.send(aws.signed(DESCRIBE, b"{}", service=service))

    status, code, message = fault(answer)
    assert (status, code) == (400, "InvalidSignatureException")
    assert message == "Credential should be scoped to correct service: 'ecr'."


@pytest.mark.parametrize("region", ["", "a", "EU-WEST-1", "x" * 26, "eu west"])
def test_a_signature_for_no_region_is_refused(product, region):
    aws = product.aws(region)

    assert fault(aws("DescribeRegistry"))[:2] == (400, "InvalidSignatureException")


@pytest.mark.parametrize("minutes", [14, -14])
def test_a_clock_may_be_off_by_a_quarter_of_an_hour(aws, minutes):
    answer = aws.send(aws.signed(DESCRIBE, b"{}", late=timedelta(minutes=minutes)))

    assert answer.status == 200


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (16, r"Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 15 min\.\)"),
        (60 * 24 * 400, r"Signature expired: .* - 15 min\.\)"),
        (-16, r"Signature not yet current: \d{8}T\d{6}Z is still later than \d{8}T\d{6}Z \(\d{8}T\d{6}Z \+ 15 min\.\)"),
    ],
)
def test_a_clock_that_is_off_further_is_refused(aws, minutes, words):
    answer = aws.send(aws.signed(DESCRIBE, b"{}", late=timedelta(minutes=minutes)))

    status, code, message = fault(answer)
    assert (status, code) == (400, "InvalidSignatureException")
    assert re.fullmatch(words, message)


class QueryAuth(SigV4QueryAuth):
    """Botocore presigns requests without a body only; this one knows of ours."""

    def payload(self, _request):
        return hashlib.sha256(b"{}").hexdigest()


def presigned(aws, expires, late=timedelta()):
    request = AWSRequest("POST", f"http://{aws.http.address}/")
    request.headers["Content-Type"] = JSON
    request.headers["X-Amz-Target"] = f"{TARGET}.DescribeRegistry"
    with pytest.MonkeyPatch.context() as patch:
        moment = parsedate_to_datetime(aws.http("GET", "/healthz").headers["date"]).replace(tzinfo=None) - late
        patch.setattr("botocore.auth.get_current_datetime", lambda: moment)
        QueryAuth(aws.credentials, "ecr", aws.region, expires=expires).add_auth(request)
    request.data = b"{}"
    return request


def test_a_presigned_request_is_answered_until_it_expires(aws):
    request = presigned(aws, 60)

    assert aws.send(request).json()["registryId"] == "000000000000"


def test_a_presigned_request_past_its_time_is_refused(aws):
    answer = aws.send(presigned(aws, 60, late=timedelta(seconds=90)))

    status, code, message = fault(answer)
    assert (status, code) == (400, "InvalidSignatureException")
    assert message.startswith("Signature expired: ")


def test_a_presigned_request_with_another_body_is_refused(aws):
    request = presigned(aws, 60)
    request.data = b'{"a":1}'

    assert fault(aws.send(request)) == (400, *WRONG_SIGNATURE)


def test_a_presigned_request_with_a_header_too_is_refused(aws):
    request = presigned(aws, 60)

    answer = aws.send(request, authorization="AWS4-HMAC-SHA256 Credential=x")

    assert fault(answer)[:2] == (400, "InvalidSignatureException")


# ---- What was signed is what is done


def test_a_changed_body_is_refused(aws):
    request = aws.signed(f"{TARGET}.CreateRepository", b'{"repositoryName":"door/aaaa"}')
    request.data = b'{"repositoryName":"door/bbbb"}'

    answer = aws.send(request)

    assert fault(answer) == (400, *WRONG_SIGNATURE)
    assert aws("ListImages", {"repositoryName": "door/bbbb"}).json()["__type"] == "RepositoryNotFoundException"


@pytest.mark.parametrize(
    "changed",
    [
        {"x_amz_target": f"{TARGET}.DescribeRegistry"},
        {"host": "other.example"},
        {"content_type": "application/json"},
        {"x_amz_content_sha256": "0" * 64},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_changed_header_is_refused(aws, changed):
    request = aws.signed(DESCRIBE, b"{}", x_amz_content_sha256="a")

    answer = aws.send(request, **changed)

    assert fault(answer) == (400, *WRONG_SIGNATURE)


@pytest.mark.parametrize(("part", "other"), [("/us-east-1/", "/eu-west-1/"), ("Signature=", "Signature=0")])
def test_a_changed_signature_is_refused(aws, part, other):
    request = aws.signed(DESCRIBE, b"{}")
    request.headers.replace_header("Authorization", request.headers["Authorization"].replace(part, other))

    assert fault(aws.send(request)) == (400, *WRONG_SIGNATURE)


def test_a_query_that_was_not_signed_is_refused(aws):
    request = aws.signed(DESCRIBE, b"{}")
    request.url += "?Action=Nonsense"

    assert fault(aws.send(request)) == (400, *WRONG_SIGNATURE)


@pytest.mark.parametrize("header", ["x-amz-target", "x-amz-meta", "content-type"])
def test_a_header_that_would_be_believed_must_be_signed(aws, header):
    request = aws.signed(DESCRIBE, b"{}", x_amz_meta="1")
    signed = request.headers["Authorization"]
    request.headers.replace_header("Authorization", signed.replace(f"{header};", "").replace(f";{header}", ""))

    answer = aws.send(request)

    assert fault(answer) == (
        400,
        "InvalidSignatureException",
        f"'{header}' must be a 'SignedHeader' in the AWS Authorization.",
    )


def test_a_promise_about_the_body_that_is_kept_is_welcome(aws):
    empty_object = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

    answer = aws("DescribeRegistry", x_amz_content_sha256=empty_object)

    assert answer.status == 200


def test_a_body_that_was_not_hashed_is_refused(aws):
    answer = aws("DescribeRegistry", x_amz_content_sha256="UNSIGNED-PAYLOAD")

    assert fault(answer) == (400, *WRONG_SIGNATURE)


# ---- Bodies


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"nonsense", b'"{}"', b"\xff", b'{"a":"\xff"}', b"{}{}", b'{"a":' * 100_000],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_json_object_is_refused(aws, body):
    answer = aws.send(aws.signed(DESCRIBE, body))

    assert fault(answer)[:2] == (400, "SerializationException")


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("DescribeRepositories", {"maxResults": "10"}),
        ("DescribeRepositories", {"maxResults": 1.5}),
        ("DescribeRepositories", {"maxResults": 2**31}),
        ("DescribeRepositories", {"repositoryNames": "ab"}),
        ("DescribeRepositories", {"repositoryNames": [None]}),
        ("CreateRepository", {"repositoryName": 7}),
        ("CreateRepository", {"repositoryName": "ab", "imageScanningConfiguration": {"scanOnPush": "yes"}}),
        ("UploadLayerPart", {"layerPartBlob": "not base64!"}),
    ],
)
def test_a_member_of_another_type_is_refused(aws, operation, members):
    assert fault(aws(operation, members))[:2] == (400, "SerializationException")


def test_a_large_body_is_read(aws):
    body = json.dumps({"padding": "x" * (31 * MIB)}).encode()

    answer = aws.send(aws.signed(f"{TARGET}.DescribeRegistry", body))

    assert answer.status == 200


@pytest.mark.parametrize("how", ["with a length", "in chunks"])
def test_a_body_that_is_too_large_is_refused_and_the_next_request_is_answered(aws, how):
    body = json.dumps({"padding": "x" * (33 * MIB)}).encode()
    request = aws.signed(DESCRIBE, body)
    if how == "in chunks":
        request.data = iter([body[start : start + MIB] for start in range(0, len(body), MIB)])

    answer = aws.send(request, transfer_encoding="chunked" if how == "in chunks" else None)
    following = aws("DescribeRegistry")

    assert fault(answer)[:2] == (413, "RequestEntityTooLarge")
    assert following.status == 200


def test_a_large_body_of_nobody_is_refused_and_the_next_request_is_answered(product):
    body = b"x" * (40 * MIB)
    aws = Aws(product.address, "AKIAAAAAAAAAAAAAAAAA", "x")

    answer = aws.send(aws.signed(DESCRIBE, body))
    following = aws.http("GET", "/healthz")

    assert fault(answer)[:2] == (400, "UnrecognizedClientException")
    assert following.status == 200
