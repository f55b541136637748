"""What botocore sends is read, what it would refuse to read is not sent, and every constraint of the model is kept."""

import base64
import json
import re
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from botocore.model import ServiceModel, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.aws import json_protocol, service_models
from holdfast.model.errors import InvalidParameter, Refusal, Validation

ECR = service_models.load("ecr")
UPLOAD_ID = "01234567-89ab-cdef-0123-456789abcdef"
TIME = datetime(2026, 8, 30, 12, 36, 0, 123000, tzinfo=UTC)
BROKEN_CONSTRAINTS = json.loads((Path(__file__).parent / "data" / "broken_constraints.json").read_text())

# A service with what ECR's requests do not have today: times, maps, doubles, and an operation of the newer kind only.
EXOTIC = ServiceModel(
    {
        "metadata": {"protocol": "json", "jsonVersion": "1.1", "targetPrefix": "X", "endpointPrefix": "x"},
        "operations": {
            name: {"name": name, "http": {"method": "POST", "requestUri": "/"}, "errors": [{"shape": error}], **rest}
            for name, error, rest in [
                ("Do", "InvalidParameterException", {"input": {"shape": "All"}, "output": {"shape": "All"}}),
                ("DoNew", "ValidationException", {"input": {"shape": "All"}}),
                ("DoNothing", "ValidationException", {}),
            ]
        },
        "shapes": {
            "All": {
                "type": "structure",
                "members": {
                    "time": {"shape": "Time"},
                    "times": {"shape": "Times"},
                    "ratio": {"shape": "Ratio"},
                    "count": {"shape": "Count"},
                    "blob": {"shape": "Blob"},
                    "inner": {"shape": "All"},
                },
            },
            "Time": {"type": "timestamp"},
            "Times": {"type": "map", "key": {"shape": "Key"}, "value": {"shape": "Time"}, "max": 2},
            "Key": {"type": "string", "max": 3},
            "Ratio": {"type": "double", "max": 1},
            "Count": {"type": "integer", "min": 1},
            "Blob": {"type": "blob", "max": 4},
            "InvalidParameterException": {"type": "structure", "members": {}, "exception": True},
            "ValidationException": {"type": "structure", "members": {}, "exception": True},
        },
    }
)


def operation(name):
    return ECR.find(name) or EXOTIC.operation_model(name)


def sent(name, parameters):
    """The body that boto3 would send."""
    return create_serializer("json").serialize_to_request(parameters, operation(name))["body"]


def received(name, body, status=200):
    """What boto3 would make of an answer."""
    answer = {"status_code": status, "headers": {}, "body": body}
    found = create_parser("json").parse(answer, operation(name).output_shape)
    return {key: value for key, value in found.items() if key != "ResponseMetadata"}


def asked(name, parameters):
    """Parse and validate a request of these JSON members."""
    found = json_protocol.parse(operation(name), msgspec.json.encode(parameters))
    json_protocol.validate(operation(name), found)
    return found


# ---- There and back


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("GetAuthorizationToken", {}),
        (
            "CreateRepository",
            {
                "repositoryName": "team/app",
                "tags": [{"Key": "Grüße", "Value": ""}],
                "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
                "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "dev-*"}],
                "imageScanningConfiguration": {"scanOnPush": True},
                "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/x"},
            },
        ),
        (
            "UploadLayerPart",
            {
                "repositoryName": "app",
                "uploadId": UPLOAD_ID,
                "partFirstByte": 2**40,
                "partLastByte": 2**40 + 3,
                "layerPartBlob": b"\x00\xff\xfe\x80",
            },
        ),
        ("BatchGetImage", {"repositoryName": "app", "imageIds": [{"imageTag": "v1"}, {"imageDigest": "nonsense"}, {}]}),
        ("BatchCheckLayerAvailability", {"repositoryName": "app", "layerDigests": ["", "x" * 1000]}),
        ("DescribeImages", {"repositoryName": "app", "filter": {"tagStatus": "ANY"}, "maxResults": 1000}),
        ("PutReplicationConfiguration", {"replicationConfiguration": {"rules": []}}),
        ("Do", {"time": TIME, "times": {"a": TIME}, "ratio": 0.5, "inner": {"count": 1, "blob": b"abc"}}),
    ],
)
def test_what_boto3_sends_is_read_and_keeps_every_constraint(name, parameters):
    found = json_protocol.parse(operation(name), sent(name, parameters))

    json_protocol.validate(operation(name), found)
    assert found == parameters


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("GetAuthorizationToken", {"authorizationData": [{"authorizationToken": "QVdTOng=", "expiresAt": TIME}]}),
        ("DescribeRepositories", {"repositories": [{"repositoryName": "a", "createdAt": TIME}], "nextToken": "x"}),
        ("DescribeImages", {"imageDetails": [{"imageTags": ["v1"], "imageSizeInBytes": 2**40}]}),
        ("DescribeImageScanFindings", {"imageScanFindings": {"findingSeverityCounts": {"HIGH": 2}, "findings": []}}),
        ("Do", {"blob": b"\x00\xff", "ratio": 0.25, "times": {"a": TIME}, "inner": {"inner": {"count": 1}}}),
        ("TagResource", {}),
    ],
)
def test_what_is_answered_is_read_by_boto3(name, result):
    body = json_protocol.render(operation(name).output_shape, result)

    assert received(name, body) == result


def test_members_without_a_value_are_left_out_of_an_answer():
    result = {"repositories": [{"repositoryName": "a", "createdAt": None}], "nextToken": None}

    body = json_protocol.render(operation("DescribeRepositories").output_shape, result)

    assert body == b'{"repositories":[{"repositoryName":"a"}]}'


def test_a_time_is_answered_in_seconds_to_the_millisecond():
    moment = datetime(2026, 8, 30, 14, 36, 0, 123999, tzinfo=timezone(timedelta(hours=2)))

    assert json_protocol.render(operation("Do").output_shape, {"time": moment}) == b'{"time":1788093360.124}'


def test_a_time_without_a_zone_is_never_answered():
    with pytest.raises(AssertionError):
        json_protocol.render(operation("Do").output_shape, {"time": TIME.replace(tzinfo=None)})


def test_a_member_that_the_description_does_not_have_is_never_answered():
    with pytest.raises(KeyError):
        json_protocol.render(operation("DescribeRepositories").output_shape, {"repositories": [{"name": "a"}]})


def test_an_operation_without_members_takes_and_answers_an_empty_object():
    json_protocol.validate(operation("DoNothing"), json_protocol.parse(operation("DoNothing"), b"{}"))

    assert json_protocol.render(operation("DoNothing").output_shape, {}) == b"{}"


def test_a_refusal_is_read_by_boto3():
    body = json_protocol.render_fault("InvalidLayerPartException", "Grüße", {"lastValidByteReceived": 7})

    answer = received("UploadLayerPart", body, 400)

    assert answer["Error"] == {"Code": "InvalidLayerPartException", "Message": "Grüße"}
    assert msgspec.json.decode(body)["lastValidByteReceived"] == 7


def test_a_denial_says_its_message_under_both_names():
    body = msgspec.json.decode(json_protocol.render_fault("AccessDeniedException", "no", {}))

    assert body == {"__type": "AccessDeniedException", "message": "no", "Message": "no"}


# ---- Types


def test_unknown_members_are_dropped_and_null_members_are_absent():
    parameters = {"repositoryName": "app", "registryId": None, "new": [1], "imageScanningConfiguration": {"new": 1}}

    assert asked("CreateRepository", parameters) == {"repositoryName": "app", "imageScanningConfiguration": {}}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"null", b'"x"', b"1", b"{", b"{}x", b"\xef\xbb\xbf{}"),
        *(b"\xff", b'{"a":"\xff"}', b'{"a":"\\ud800"}', b'{"a":NaN}', b'{"a":1e999}', b'{"a":' + b"9" * 10_000 + b"}"),
        *(b'{"a":' * 100_000, b"[" * 100_000),
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused(body):
    with pytest.raises(json_protocol.Serialization) as refusal:
        json_protocol.parse(operation("DescribeRepositories"), body)

    assert refusal.value.code == "SerializationException"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("DescribeRepositories", {"maxResults": "10"}),
        ("DescribeRepositories", {"maxResults": True}),
        ("DescribeRepositories", {"maxResults": 1.0}),
        ("DescribeRepositories", {"maxResults": 2**31}),
        ("DescribeRepositories", {"repositoryNames": "a"}),
        ("DescribeRepositories", {"repositoryNames": ["a", 1]}),
        ("DescribeRepositories", {"repositoryNames": ["a", None]}),
        ("DescribeRepositories", {"nextToken": ["x"]}),
        ("CreateRepository", {"imageScanningConfiguration": []}),
        ("CreateRepository", {"imageScanningConfiguration": {"scanOnPush": 1}}),
        ("UploadLayerPart", {"partFirstByte": 2**63}),
        ("UploadLayerPart", {"partFirstByte": -(2**63) - 1}),
        ("UploadLayerPart", {"layerPartBlob": "YQ"}),
        ("UploadLayerPart", {"layerPartBlob": "YQ==YQ=="}),
        ("UploadLayerPart", {"layerPartBlob": "Y Q="}),
        ("UploadLayerPart", {"layerPartBlob": "é"}),
        ("UploadLayerPart", {"layerPartBlob": 7}),
        ("Do", {"time": "2026-08-30T12:36:00Z"}),
        ("Do", {"time": True}),
        ("Do", {"time": 1e300}),
        ("Do", {"time": 10**400}),
        ("Do", {"ratio": 10**400}),
        ("Do", {"ratio": "NaN"}),
        ("Do", {"times": []}),
        ("Do", {"times": {"a": None}}),
    ],
)
def test_a_member_of_another_type_is_refused(name, parameters):
    with pytest.raises(json_protocol.Serialization):
        asked(name, parameters)


# ---- Constraints


@pytest.mark.parametrize("case", BROKEN_CONSTRAINTS, ids=lambda case: f"{case['operation']}-{case['field']}")
def test_the_first_member_that_breaks_a_constraint_is_named(case):
    with pytest.raises(InvalidParameter) as refusal:
        asked(case["operation"], case["parameters"])

    assert refusal.value.message == (
        f"Invalid parameter at '{case['field']}' failed to satisfy constraint: '{case['constraint']}'"
    )


@pytest.mark.parametrize(
    ("name", "member", "item"),
    [
        ("TagResource", "tags", {"Key": "k", "Value": ""}),
        ("UntagResource", "tagKeys", "k"),
        ("DescribeRepositoryCreationTemplates", "prefixes", "made"),
    ],
)
def test_a_list_that_the_model_leaves_without_a_bound_has_one(name, member, item):
    enough = {"resourceArn": "arn", member: [item] * json_protocol.MOST_ITEMS}
    started = time.process_time()

    with pytest.raises(InvalidParameter) as refusal:
        asked(name, enough | {member: [item] * 1_000_000})

    assert refusal.value.message == (
        f"Invalid parameter at '{member}' failed to satisfy constraint: 'Member must have length less than or equal to "
        "1000'"
    )
    assert time.process_time() - started < 2  # no item more is read
    assert len(asked(name, enough)[member]) == json_protocol.MOST_ITEMS


def test_operations_of_the_newer_kind_only_answer_in_their_own_code():
    with pytest.raises(Validation) as refusal:
        asked("DoNew", {"count": 0})

    assert refusal.value.code == "ValidationException"
    assert "Invalid parameter at 'count'" in refusal.value.message


def test_a_message_quotes_the_model_even_where_another_pattern_is_matched():
    rules = [{"scanFrequency": "MANUAL", "repositoryFilters": [{"filter": "a..b", "filterType": "WILDCARD"}]}]

    with pytest.raises(InvalidParameter) as refusal:
        asked("PutRegistryScanningConfiguration", {"rules": rules})

    assert r"'^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$'" in refusal.value.message


# ---- Descriptions


def test_the_descriptions_are_those_that_botocore_bundles():
    assert len(ECR.operation_names) == 62
    assert (ECR.signing_name, ECR.target_prefix) == ("ecr", "AmazonEC2ContainerRegistry_V20150921")
    assert service_models.load("sts").api_version == "2011-06-15"
    assert ECR.find("DeleteEverything") is None
    assert service_models.load("ecr") is ECR


def shapes(service):
    model = service_models.load(service)._model
    return [model.shape_for(name) for name in model.shape_names]


@pytest.mark.parametrize("service", ["ecr", "iam", "sts"])
def test_every_pattern_is_understood_and_answers_at_once(service):
    patterns = {shape.metadata["pattern"] for shape in shapes(service) if "pattern" in shape.metadata}
    probes = [
        "a" * 3000 + "!",
        "a-" * 1500 + "!",
        "a/" * 1500 + "!",
        "*" * 3000 + "!",
        "--" * 1500,
        "a_" * 1500,
        "__" * 1500,
    ]

    started = time.process_time()
    for pattern in patterns:
        for probe in probes:
            service_models.matches(pattern, probe)

    assert patterns
    assert time.process_time() - started < 5


def test_a_pattern_is_about_ascii_unless_it_says_otherwise():
    assert service_models.matches(r"\w+", "e")
    assert not service_models.matches(r"\w+", "é")


def test_every_correction_still_corrects_something():
    patterns = [s.metadata.get("pattern", "") for service in ("ecr", "iam", "sts") for s in shapes(service)]

    unused = [wrong for wrong in service_models.CORRECTIONS if not any(wrong in pattern for pattern in patterns)]

    assert unused == []


@given(st.text(alphabet="a*._-/", max_size=7))
def test_the_linear_scanning_filter_describes_the_same_names(text):
    wrong = next(pattern for pattern in service_models.CORRECTIONS if pattern.startswith("^[a-z0-9*]"))

    assert service_models.matches(wrong, text) == bool(re.fullmatch(wrong, text))


@pytest.mark.parametrize(
    ("key", "fits"), [("team", True), ("Größe 1", True), ("a\u2003b", True), ("a\tb", False), ("a!", False)]
)
def test_the_tag_keys_of_iam_may_be_of_any_script(key, fits):
    pattern = next(shape.metadata["pattern"] for shape in shapes("iam") if shape.name == "tagKeyType")

    assert service_models.matches(pattern, key) is fits


# ---- Whatever is sent

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def almost(shape, depth=0):
    """JSON that is nearly what a shape describes: right in most places, anything at all in the others."""
    match shape.type_name:
        case "structure" if isinstance(shape, StructureShape) and depth < 4:
            right = st.fixed_dictionaries({}, optional={k: almost(v, depth + 1) for k, v in shape.members.items()})
        case "list":
            right = st.lists(almost(shape.member, depth + 1), max_size=3)
        case "map":
            right = st.dictionaries(st.text(), almost(shape.value, depth + 1), max_size=3)
        case "string":
            right = st.text() | st.sampled_from(["app", "a" * 2000, UPLOAD_ID, "0" * 12, *shape.enum])
        case "boolean":
            right = st.booleans()
        case "integer" | "long":
            right = st.integers()
        case _:
            right = st.binary().map(lambda blob: base64.b64encode(blob).decode())
    return st.one_of(right, right, right, JSON)


def outcome(name, body):
    """The code of the refusal, or None."""
    try:
        json_protocol.validate(operation(name), json_protocol.parse(operation(name), body))
    except Refusal as refusal:
        return refusal.code
    return None


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_json_is_sent_to_whatever_operation_only_refusals_come_back(data):
    name = data.draw(st.sampled_from(ECR.operation_names))
    parameters = data.draw(almost(operation(name).input_shape))

    code = outcome(name, msgspec.json.encode(parameters))

    assert code in {None, "SerializationException", "InvalidParameterException", "ValidationException"}


@given(st.binary(), st.sampled_from(ECR.operation_names))
def test_whatever_bytes_are_sent_only_refusals_come_back(body, name):
    code = outcome(name, body)

    assert code in {None, "SerializationException", "InvalidParameterException"}
