"""What each kind of policy must say, and AWS's words for those that do not."""

import json

import pytest

from holdfast.model import iam
from holdfast.model.errors import InvalidParameter, MalformedPolicyDocument
from tests.model.iam.builders import HOME, REPOSITORY, ROLE, ROOT, USER, document, statement

SYNTAX = "Syntax errors in policy."
LEGACY = "The policy failed legacy parsing"
VERSION = "Policy document must be version 2012-10-17 or greater."
SIDS = "Statement IDs (SID) in a single policy must be unique."
ACTIONS = "Policy statement must contain actions."
RESOURCES = "Policy statement must contain resources."
PREFIX = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
ONE_COLON = "Actions/Condition can contain only one colon."
VENDOR = "Resource vendor must be fully qualified and cannot contain regexes."
TRUST = (
    "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  "
    "and sts:AssumeRoleWithWebIdentity"
)
ALPHANUMERIC = (
    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
)
LIKE_IDENTITY = [iam.Kind.IDENTITY, iam.Kind.BOUNDARY, iam.Kind.SESSION, iam.Kind.GUARDRAIL]
PROVIDER = f"arn:aws:iam::{HOME}:oidc-provider/token.actions.githubusercontent.com"
OF_ACME = {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:acme/*"}}


def refusal_of(text, kind=iam.Kind.IDENTITY):
    """The words in which a document is refused, if it is."""
    try:
        iam.parse(text, kind)
    except (MalformedPolicyDocument, InvalidParameter) as refusal:
        return refusal.message
    return None


def trust(**members):
    return document(statement(action="sts:AssumeRole", resource=None, **({"Principal": {"AWS": USER}} | members)))


# ---- Policies of identities, and those that limit them


@pytest.mark.parametrize("kind", LIKE_IDENTITY)
@pytest.mark.parametrize(
    "text",
    [
        document(statement()),
        json.dumps({"Version": "2012-10-17", "Statement": statement()}),
        document(statement(Sid="abc123"), statement(Sid="def"), statement(Sid=""), statement(Sid="")),
        document(statement(action="*")),
        document(statement(action=["s3:*", "ecr:Put?mage", "iam: with blanks "])),
        document(statement(action=None, NotAction="a-b.c:d")),
        document(statement(resource=None, NotResource=["arn:aws:s3:::a/*", "*"])),
        document(statement(resource="arn:aws:ecr:*:*:repository/${aws:username}/*")),
        document(statement(resource="arn:*:ecr:*:*:*")),
        document(statement(resource="arn:aws-us-gov:ecr:*:*:*")),
        document(statement(resource="arn:aws:ecr")),
        document(statement(Condition={})),
        document(statement(Condition={"DateGreaterThan": {}})),
        document(statement(Condition={"DateGreaterThan": {"a": []}})),
        document(statement(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "x"}, "Bool": {"a:b": True}})),
        "\t" + document(statement(Condition={"StringEquals": {"aws:x": "\u00e9"}})) + "\r\n",
        json.dumps(json.loads(document(statement(Sid="a"))), indent=4),
    ],
)
def test_a_policy_of_an_identity_may_say_this(text, kind):
    assert refusal_of(text, kind) is None


@pytest.mark.parametrize("kind", LIKE_IDENTITY)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("This is not a json document", SYNTAX),
        (document(statement(), version=None), VERSION),
        (document(statement(), version="2008-10-17"), VERSION),
        (document(statement(), version="2013-10-17"), SYNTAX),
        (json.dumps({"Version": "2012-10-17", "Id": "x", "Statement": statement()}), SYNTAX),
        (document(statement(effect="denY")), LEGACY),
        (document(statement(effect="permit")), SYNTAX),
        (document(statement(effect="denY"), version=None), VERSION),
        (document(statement(Principal="*")), "Policy document should not specify a principal."),
        (document(statement(NotPrincipal={"AWS": USER})), "Policy document should not specify a principal."),
        (document(statement(Sid="with blanks")), ALPHANUMERIC),
        (document(statement(Sid="a"), statement(action=None, Sid="a")), SIDS),
        (document(statement(action=None)), ACTIONS),
        (document(statement(), statement(action=None, resource=None)), ACTIONS),
        (document(statement(action=[])), ACTIONS),
        (document(statement(resource=None)), RESOURCES),
        (document(statement(resource=[])), RESOURCES),
        (document(statement(action="invalid")), PREFIX),
        (document(statement(action=None, NotAction="")), PREFIX),
        (document(statement(action="invalid", resource=None)), PREFIX),
        (document(statement(action="s3:List:Bucket")), ONE_COLON),
        (document(statement(), statement(action=["s3s:ListBucket", "s:3s:ListBucket"])), ONE_COLON),
        (document(statement(action="a a:ListBucket")), "Vendor a a is not valid"),
        (document(statement(action="ec*:ListBucket")), "Vendor ec* is not valid"),
        (document(statement(resource="invalid resource")), 'Resource invalid resource must be in ARN format or "*".'),
        (document(statement(resource="")), 'Resource  must be in ARN format or "*".'),
        (document(statement(resource="**")), 'Resource ** must be in ARN format or "*".'),
        (document(statement(resource=["*", "adf"])), 'Resource adf must be in ARN format or "*".'),
        (document(statement(resource="sdf", action="s:3:x")), 'Resource sdf must be in ARN format or "*".'),
        (document(statement(resource="a:b")), 'Partition "b" is not valid for resource "arn:b:*:*:*:*".'),
        (document(statement(resource="a:b:c")), 'Partition "b" is not valid for resource "arn:b:c:*:*:*".'),
        (document(statement(resource="a:b:c:d:e:f:g")), 'Partition "b" is not valid for resource "arn:b:c:d:e:f:g".'),
        (document(statement(resource="aws:s3:::x")), 'Partition "s3" is not valid for resource "arn:s3:::x:*".'),
        (document(statement(resource="arn:aws")), VENDOR),
        (document(statement(resource="arn:aws:*:x:y:z")), VENDOR),
        (document(statement(resource="arn:aws:s3::example_bucket")), LEGACY),
        (document(statement(resource="arn:aws:s3::example_bucket", action=None)), LEGACY),
        (document(statement(resource="arn:aws::fdsasf")), LEGACY),
        (document(statement(resource="arn:aws::::example_bucket")), LEGACY),
        (document(statement(resource=None, NotResource="arn:aws:s3::example_bucket")), LEGACY),
        (document(statement(resource="arn:x:y", Condition={"DateLessThan": {"a:b": "soon"}})), LEGACY),
        (document(statement(Condition={"NumericLessThan": {"a:b": "ten"}})), LEGACY),
        (document(statement(Condition={"IpAddress": {"a:b": ["10.0.0.0/8", "10.0.0.0/99"]}})), LEGACY),
        (document(statement(Condition={"Bool": {"a:b": "yes"}})), LEGACY),
        (document(statement(Condition={"Bool": {"a:b": "yes"}}), version=None), VERSION),
        (document(statement(Condition={"x": {"a:b": "1"}})), SYNTAX),
        (document(statement(Condition={"NullIfExists": {"a:b": "true"}})), SYNTAX),
        (document(statement(Sid="\u0142")), ALPHANUMERIC),
        (document(statement()).replace("*", "\u0142"), SYNTAX),
        (document(statement()).replace("{", "{\u0000"), SYNTAX),
    ],
)  # fmt: skip
def test_a_policy_of_an_identity_may_not_say_this(text, message, kind):
    assert refusal_of(text, kind) == message


def test_a_refusal_repeats_no_more_than_a_door_can_write():
    assert refusal_of(document(statement(resource="\ud800\u0000" + "x" * 10_000))) == (
        f'Resource ??{"x" * 298} must be in ARN format or "*".'
    )


# ---- Trust policies


@pytest.mark.parametrize(
    "text",
    [
        trust(),
        trust(Principal="*"),
        trust(Principal={"AWS": [HOME, ROOT, ROLE, "AROADBQP57FF2AEXAMPLE", "*"]}),
        trust(Principal={"Service": ["codebuild.amazonaws.com", "ecs-tasks.amazonaws.com"]}),
        trust(Principal={"Federated": PROVIDER}, Action="sts:AssumeRoleWithWebIdentity", Condition=OF_ACME),
        trust(Principal={"Federated": "www.amazon.com"}, Action=["STS:assumerolewithwebidentity"]),
        trust(Action=["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRoleWithSAML"]),
        trust(Sid="a", Effect="Deny", Condition={"StringEquals": {"sts:ExternalId": "x"}}),
        json.dumps(json.loads(trust()) | {"Version": "2008-10-17", "Id": "an id"}),
        json.dumps({"Statement": json.loads(trust())["Statement"]}),
    ],
)
def test_a_trust_policy_may_say_this(text):
    assert refusal_of(text, iam.Kind.TRUST) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not JSON", "This policy contains invalid Json"),
        (trust().replace('"Effect": "Allow"', '"Effect": "Allow",,'), "This policy contains invalid Json"),
        (trust().replace('"Effect"', '"Action": "x:y", "Effect"'), SYNTAX),
        ("{}", SYNTAX),
        (trust(Action="sts:*"), TRUST),
        (trust(Action=["sts:AssumeRole", "ecr:PutImage"]), TRUST),
        (trust(Action="*"), TRUST),
        (trust(Action=None, NotAction="sts:AssumeRole"), TRUST),
        (trust(Action=None), ACTIONS),
        (trust(Action="AssumeRole"), PREFIX),
        (trust(Resource="*"), "Has prohibited field Resource."),
        (trust(NotResource="*"), "Has prohibited field NotResource."),
        (trust(Resource="*", Action="ecr:PutImage"), TRUST),
        (trust(Principal=None), "Missing required field Principal"),
        (trust(Principal=None, NotPrincipal="*"), "Has prohibited field NotPrincipal."),
        (trust(Principal={"AWS": "nobody"}), 'Invalid principal in policy: "AWS":"nobody"'),
        (trust(Principal={"AWS": ROLE + "*"}), f'Invalid principal in policy: "AWS":"{ROLE}*"'),
        (trust(Principal={"Service": "lambda"}), 'Invalid principal in policy: "SERVICE":"lambda"'),
        (trust(Principal={"Service": "*"}), 'Invalid principal in policy: "SERVICE":"*"'),
        (trust(Principal={"Federated": ROLE}), f'Invalid principal in policy: "FEDERATED":"{ROLE}"'),
        (trust(Principal={"CanonicalUser": "x"}), 'Invalid principal in policy: "CANONICALUSER":"x"'),
        (trust(Sid="with blanks"), ALPHANUMERIC),
    ],
)
def test_a_trust_policy_may_not_say_this(text, message):
    assert refusal_of(text, iam.Kind.TRUST) == message


def test_a_principal_that_is_not_there_is_refused_in_the_same_words():
    assert iam.invalid_principal("AWS", ROLE).message == f'Invalid principal in policy: "AWS":"{ROLE}"'


# ---- Policies of endpoints


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Principal": "*"}, None),
        ({"Principal": "*", "Sid": "any text"}, None),
        ({}, "Missing required field Principal"),
        ({"Principal": "*", "Resource": None}, RESOURCES),
        ({"Principal": "*", "Action": "nothing"}, PREFIX),
    ],
)
def test_a_policy_of_an_endpoint_has_principals_and_resources(members, message):
    merged = {name: value for name, value in (statement() | members).items() if value is not None}

    assert refusal_of(document(merged), iam.Kind.ENDPOINT) == message
    assert refusal_of(document(merged, version=None), iam.Kind.ENDPOINT) == message


# ---- ECR's policies


@pytest.mark.parametrize("kind", [iam.Kind.REPOSITORY, iam.Kind.REGISTRY])
@pytest.mark.parametrize(
    ("members", "is_right"),
    [
        ({}, True),
        ({"Sid": "any text \u0142"}, True),
        ({"Principal": None, "NotPrincipal": {"AWS": USER}, "Effect": "Deny"}, True),
        ({"Principal": {"AWS": "AIDACKCEVSQ6C2EXAMPLE"}}, True),
        ({"Principal": {"Service": "codebuild.amazonaws.com"}}, True),
        ({"Resource": REPOSITORY}, True),
        ({"Principal": None}, False),
        ({"Principal": {"Service": "*"}}, False),
        ({"Action": None}, False),
        ({"Action": []}, False),
        ({"Action": "s3:GetObject"}, False),
        ({"Resource": []}, False),
        ({"Resource": "arn:aws:s3:::x"}, False),
        ({"Effect": "allow"}, False),
        ({"Condition": {"StringEquals": {}}}, False),
        ({"Condition": {"StringEquals": {"aws:x": []}}}, False),
        ({"Condition": {"Sounds": {"aws:x": "a"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "everywhere"}}}, False),
    ],
)
def test_a_policy_of_ecr_is_one_or_refused_without_a_reason(kind, members, is_right):
    merged = {name: value for name, value in (statement(Principal="*") | members).items() if value is not None}

    answer = refusal_of(document(merged), kind)

    invalid = f"Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid {kind.value} policy provided'"
    assert answer == (None if is_right else invalid)


def test_a_registry_must_name_repositories_and_its_version_and_a_repository_need_not():
    bare = document({"Effect": "Allow", "Principal": "*", "Action": "ecr:PutImage"})
    unversioned = document(statement(Principal="*"), version=None)

    assert refusal_of(bare, iam.Kind.REPOSITORY) is None
    assert refusal_of(unversioned, iam.Kind.REPOSITORY) is None
    assert refusal_of(bare, iam.Kind.REGISTRY)
    assert refusal_of(unversioned, iam.Kind.REGISTRY)
