"""The policies of users, groups and roles, managed and inline, as AWS's own client sees them."""

import json
import re

import pytest

from tests.callers import Query, refusal

ALLOW = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}})
DENY = ALLOW.replace("Allow", "Deny")
TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
})  # fmt: skip
READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
APP_RUNNER = "arn:aws:iam::aws:policy/service-role/AWSAppRunnerServicePolicyForECRAccess"
OF_A_SERVICE = "arn:aws:iam::aws:policy/aws-service-role/ECRReplicationServiceRolePolicy"
INLINE = {"user": 2048, "group": 5120, "role": 10240}
MALFORMED_ARN = ("ValidationError", "Invalid ARN:  Could not be parsed!")
each_kind = pytest.mark.parametrize("kind", INLINE)


class Holder:
    """A user, a group or a role of a test's account, and the operations about its policies."""

    def __init__(self, account, kind, name="some"):
        self.account, self.kind, self.named = account, kind, {f"{kind.capitalize()}Name": name}

    def make(self):
        trust = {"AssumeRolePolicyDocument": TRUST} if self.kind == "role" else {}
        getattr(self.account.iam, f"create_{self.kind}")(**self.named, **trust)
        return self

    def __call__(self, operation, **members):
        return getattr(self.account.iam, operation.format(self.kind))(**self.named, **members)

    def refusal(self, operation, **members):
        return refusal(getattr(self.account.iam, operation.format(self.kind)), **self.named, **members)

    def attached(self, **members):
        listed = self("list_attached_{}_policies", **members)["AttachedPolicies"]
        return [one["PolicyArn"] for one in listed]

    def pages(self, operation, member, **members):
        paginator = self.account.iam.get_paginator(operation.format(self.kind))
        pages = paginator.paginate(**self.named, **members, PaginationConfig={"PageSize": 2})
        return [page[member] for page in pages]

    def put(self, name="own", document=ALLOW):
        self("put_{}_policy", PolicyName=name, PolicyDocument=document)

    def document(self, name="own"):
        """An inline policy to the letter: boto3 would read the JSON in it."""
        query = Query(self.account.product.address, self.account.root["key_id"], self.account.root["secret"])
        answer = query(f"Get{self.kind.capitalize()}Policy", **self.named, PolicyName=name)
        text = re.search("<PolicyDocument>(.*)</PolicyDocument>", answer.body.decode())[1]
        return re.sub("(?:%..)+", lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), text)


def own_policies(account, count):
    made = [account.iam.create_policy(PolicyName=f"own-{n}", PolicyDocument=ALLOW) for n in range(count)]
    return [one["Policy"]["Arn"] for one in made]


def large(length):
    """A policy of so many characters besides white space."""
    bare = len("".join(ALLOW.split()))
    return ALLOW.replace("ecr:*", "ecr:" + "a" * (length - bare + 1))


# ---- Managed policies


@each_kind
def test_policies_are_attached_listed_and_detached(account, kind):
    holder = Holder(account, kind).make()
    [own] = own_policies(account, 1)

    for arn in (READ_ONLY, own, own, APP_RUNNER):
        holder("attach_{}_policy", PolicyArn=arn)
    listed = holder("list_attached_{}_policies")
    below = holder.attached(PathPrefix="/service-role/")
    holder("detach_{}_policy", PolicyArn=READ_ONLY)

    assert listed["IsTruncated"] is False
    assert listed["AttachedPolicies"] == [
        {"PolicyName": "AmazonEC2ContainerRegistryReadOnly", "PolicyArn": READ_ONLY},
        {"PolicyName": "AWSAppRunnerServicePolicyForECRAccess", "PolicyArn": APP_RUNNER},
        {"PolicyName": "own-0", "PolicyArn": own},
    ]
    assert below == [APP_RUNNER]
    assert holder.attached() == [APP_RUNNER, own]


@each_kind
def test_attached_policies_are_listed_page_by_page(account, kind):
    holder = Holder(account, kind).make()
    arns = own_policies(account, 5)
    for arn in arns:
        holder("attach_{}_policy", PolicyArn=arn)

    pages = holder.pages("list_attached_{}_policies", "AttachedPolicies")

    assert [[one["PolicyArn"] for one in page] for page in pages] == [arns[:2], arns[2:4], arns[4:]]


@each_kind
def test_an_own_policy_and_one_of_amazons_may_have_the_same_name(account, kind):
    holder = Holder(account, kind).make()
    own = account.iam.create_policy(PolicyName="ReadOnlyAccess", PolicyDocument=ALLOW)["Policy"]["Arn"]
    arns = [own, "arn:aws:iam::aws:policy/ReadOnlyAccess", READ_ONLY]
    for arn in arns:
        holder("attach_{}_policy", PolicyArn=arn)

    pages = holder.pages("list_attached_{}_policies", "AttachedPolicies")

    assert sorted(one["PolicyArn"] for page in pages for one in page) == sorted(arns)


@each_kind
@pytest.mark.parametrize(
    ("arn", "code", "text"),
    [
        ("arn:aws:iam::{id}:policy/not-there", "NoSuchEntity",
         "Policy arn:aws:iam::{id}:policy/not-there does not exist or is not attachable."),
        ("arn:aws:iam::aws:policy/NotThere", "NoSuchEntity",
         "Policy arn:aws:iam::aws:policy/NotThere does not exist or is not attachable."),
        ("arn:aws:iam::999999999999:policy/own-0", "NoSuchEntity",
         "Policy arn:aws:iam::999999999999:policy/own-0 does not exist or is not attachable."),
        ("arn:aws:iam::{id}:policy/OWN-0", "NoSuchEntity",
         "Policy arn:aws:iam::{id}:policy/OWN-0 does not exist or is not attachable."),
        (OF_A_SERVICE, "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer {kind}."),
        ("arn:aws:iam::{id}:user/own-0", "InvalidInput", "ARN arn:aws:iam::{id}:user/own-0 is not valid."),
        ("a-name-that-is-long-enough", *MALFORMED_ARN),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_attached_is_refused(account, kind, arn, code, text):
    holder = Holder(account, kind).make()
    own_policies(account, 1)
    fill = {"id": account.id, "kind": kind.capitalize()}

    answer = holder.refusal("attach_{}_policy", PolicyArn=arn.format(**fill))

    assert answer[0] == code
    assert text is None or answer[1] == text.format(**fill)
    assert holder.attached() == []


@each_kind
def test_an_eleventh_policy_is_refused(account, kind):
    holder = Holder(account, kind).make()
    *arns, one_more = own_policies(account, 11)
    for arn in arns:
        holder("attach_{}_policy", PolicyArn=arn)

    answer = holder.refusal("attach_{}_policy", PolicyArn=one_more)
    holder("attach_{}_policy", PolicyArn=arns[0])

    assert answer == ("LimitExceeded", f"Cannot exceed quota for PoliciesPer{kind.capitalize()}: 10")
    assert sorted(holder.attached()) == sorted(arns)


@each_kind
def test_a_policy_that_is_not_attached_cannot_be_detached(account, kind):
    holder = Holder(account, kind).make()

    absent = holder.refusal("detach_{}_policy", PolicyArn=READ_ONLY)
    malformed = holder.refusal("detach_{}_policy", PolicyArn="a-name-that-is-long-enough")
    no_policys = holder.refusal("detach_{}_policy", PolicyArn="arn:aws:iam::aws:user/somebody")

    assert absent == ("NoSuchEntity", f"Policy {READ_ONLY} was not found.")
    assert malformed == MALFORMED_ARN
    assert no_policys[0] == "InvalidInput"


@each_kind
def test_who_is_not_there_has_no_policies(account, kind):
    holder = Holder(account, kind, "nobody")
    nobody = "NoSuchEntity", f"The {kind} with name nobody cannot be found."

    assert holder.refusal("attach_{}_policy", PolicyArn=READ_ONLY) == nobody
    assert holder.refusal("detach_{}_policy", PolicyArn=READ_ONLY) == nobody
    assert holder.refusal("list_attached_{}_policies") == nobody
    assert holder.refusal("put_{}_policy", PolicyName="own", PolicyDocument=ALLOW) == nobody
    assert holder.refusal("get_{}_policy", PolicyName="own") == nobody
    assert holder.refusal("delete_{}_policy", PolicyName="own") == nobody
    assert holder.refusal("list_{}_policies") == nobody


# ---- Inline policies


@each_kind
def test_inline_policies_are_put_read_listed_and_deleted(account, kind):
    holder = Holder(account, kind).make()
    statement = '{"Effect":"Deny","Action":"ecr:*","Resource":"arn:aws:ecr:*:*:%2F+ü"}'
    text = '\n{ "Version":\t"2012-10-17","Statement":' + statement + "\r\n}"

    holder.put("b")
    holder.put("own")
    holder.put("own", text)
    found = holder("get_{}_policy", PolicyName="own")
    listed = holder("list_{}_policies")
    exact = holder.document("own")
    holder("delete_{}_policy", PolicyName="b")

    assert (found["PolicyName"], found["PolicyDocument"]) == ("own", json.loads(text))
    assert holder.named.items() <= found.items()
    assert (listed["PolicyNames"], listed["IsTruncated"]) == (["b", "own"], False)
    assert exact == text
    assert holder("list_{}_policies")["PolicyNames"] == ["own"]


@each_kind
def test_inline_policies_are_listed_page_by_page(account, kind):
    holder = Holder(account, kind).make()
    names = [f"own-{number}" for number in range(5)]
    for name in names:
        holder.put(name)

    pages = holder.pages("list_{}_policies", "PolicyNames")

    assert pages == [names[:2], names[2:4], names[4:]]


@each_kind
def test_an_inline_policy_that_is_not_there_is_not_found(account, kind):
    holder = Holder(account, kind).make()
    nothing = "NoSuchEntity", f"The {kind} policy with name own cannot be found."

    assert holder.refusal("get_{}_policy", PolicyName="own") == nothing
    assert holder.refusal("delete_{}_policy", PolicyName="own") == nothing


@each_kind
@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"PolicyDocument": "nonsense"}, "MalformedPolicyDocument"),
        ({"PolicyDocument": TRUST}, "MalformedPolicyDocument"),
        ({"PolicyDocument": "€"}, "ValidationError"),
        ({"PolicyName": "a policy"}, "ValidationError"),
        ({"PolicyName": "x" * 129}, "ValidationError"),
    ],
)
def test_an_inline_policy_that_cannot_be_is_refused_and_changes_nothing(account, kind, members, code):
    holder = Holder(account, kind).make()
    holder.put()

    answer = holder.refusal("put_{}_policy", **{"PolicyName": "own", "PolicyDocument": DENY} | members)

    assert answer[0] == code
    assert holder.document() == ALLOW
    assert holder("list_{}_policies")["PolicyNames"] == ["own"]


@each_kind
def test_all_inline_policies_together_have_a_size_in_which_white_space_does_not_count(account, kind):
    holder = Holder(account, kind).make()
    half = INLINE[kind] // 2
    holder.put("first", large(half))
    holder.put("first", large(half).replace(" ", " \n" * 100))

    too_large = holder.refusal("put_{}_policy", PolicyName="second", PolicyDocument=large(half + 1))
    holder.put("second", large(half))
    too_many = holder.refusal("put_{}_policy", PolicyName="third", PolicyDocument=ALLOW)

    refused = "LimitExceeded", f"Maximum policy size of {INLINE[kind]} bytes exceeded for {kind} some"
    assert too_large == too_many == refused
    assert holder("list_{}_policies")["PolicyNames"] == ["first", "second"]


# ---- What follows


def test_what_is_attached_decides_from_the_next_request_on(account):
    somebody = account.client("ecr", **account.a_user("alice", {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}))
    account.iam.create_group(GroupName="all")
    account.iam.add_user_to_group(GroupName="all", UserName="alice")
    [own] = own_policies(account, 1)

    def may():
        try:
            somebody.describe_registry()
        except somebody.exceptions.ClientError as fault:
            assert fault.response["Error"]["Code"] == "AccessDeniedException"  # noqa: PT017 - not what is tested
            return False
        return True

    told = [may()]
    account.iam.attach_group_policy(GroupName="all", PolicyArn=own)
    told.append(may())
    account.iam.create_policy_version(PolicyArn=own, PolicyDocument=DENY, SetAsDefault=True)
    told.append(may())
    account.iam.set_default_policy_version(PolicyArn=own, VersionId="v1")
    told.append(may())
    account.iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=READ_ONLY)
    told.append(may())
    account.iam.delete_user_permissions_boundary(UserName="alice")
    told.append(may())
    account.iam.detach_group_policy(GroupName="all", PolicyArn=own)
    told.append(may())
    account.iam.put_user_policy(UserName="alice", PolicyName="another", PolicyDocument=ALLOW)
    told.append(may())
    account.iam.delete_user_policy(UserName="alice", PolicyName="another")
    told.append(may())

    assert told == [False, True, False, True, False, True, False, True, False]
