"""Who may do what with roles, policies and providers: the action, the resource and the condition keys of each call."""

import json

import pytest

from tests.callers import refusal

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
FULL = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryFullAccess"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}})
TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
})  # fmt: skip
TAGS = [{"Key": "team", "Value": "red"}]
REPLICATION = "replication.ecr.amazonaws.com"
SERVICE_ROLE = f"aws-service-role/{REPLICATION}/AWSServiceRoleForECRReplication"
TASK = f"task/{SERVICE_ROLE}/00000000-0000-0000-0000-000000000000"

ROLE = {"RoleName": "SOME"}  # in whatever case: the ARN has the name that it has
PROFILE = {"InstanceProfileName": "MACHINE"}
POLICY = {"PolicyArn": "arn:aws:iam::{id}:policy/a/own"}
PROVIDER = {"OpenIDConnectProviderArn": "arn:aws:iam::{id}:oidc-provider/example.com"}
NEW_ROLE = {"RoleName": "new", "Path": "/b/", "AssumeRolePolicyDocument": TRUST}
VERSION = {"VersionId": "v1"}
INLINE = {"PolicyName": "inline"}
OF_ALICE = {"PolicySourceArn": "arn:aws:iam::{id}:user/a/alice"}

# Operation, members, resource.
CALLS = [
    ("create_role", NEW_ROLE, "role/b/new"),
    ("get_role", ROLE, "role/a/some"),
    ("list_roles", {"PathPrefix": "/a/"}, "role/a/"),
    ("update_role", ROLE, "role/a/some"),
    ("update_role_description", ROLE | {"Description": ""}, "role/a/some"),
    ("update_assume_role_policy", ROLE | {"PolicyDocument": TRUST}, "role/a/some"),
    ("delete_role", ROLE, "role/a/some"),
    ("delete_role", {"RoleName": "nobody"}, "role/nobody"),
    ("tag_role", ROLE | {"Tags": TAGS}, "role/a/some"),
    ("untag_role", ROLE | {"TagKeys": ["a"]}, "role/a/some"),
    ("list_role_tags", ROLE, "role/a/some"),
    ("put_role_permissions_boundary", ROLE | {"PermissionsBoundary": READ_ONLY}, "role/a/some"),
    ("delete_role_permissions_boundary", ROLE, "role/a/some"),
    ("create_service_linked_role", {"AWSServiceName": REPLICATION}, f"role/{SERVICE_ROLE}"),
    ("create_service_linked_role", {"AWSServiceName": "s3.amazonaws.com"}, "role/aws-service-role/s3.amazonaws.com/*"),
    ("delete_service_linked_role", ROLE, "role/a/some"),
    ("get_service_linked_role_deletion_status", {"DeletionTaskId": TASK}, f"role/{SERVICE_ROLE}"),
    ("create_instance_profile", {"InstanceProfileName": "new", "Path": "/b/"}, "instance-profile/b/new"),
    ("get_instance_profile", PROFILE, "instance-profile/a/machine"),
    ("list_instance_profiles", {}, "instance-profile/"),
    ("list_instance_profiles_for_role", ROLE, "role/a/some"),
    ("add_role_to_instance_profile", PROFILE | ROLE, "instance-profile/a/machine"),
    ("remove_role_from_instance_profile", PROFILE | ROLE, "instance-profile/a/machine"),
    ("delete_instance_profile", PROFILE, "instance-profile/a/machine"),
    ("tag_instance_profile", PROFILE | {"Tags": TAGS}, "instance-profile/a/machine"),
    ("untag_instance_profile", PROFILE | {"TagKeys": ["a"]}, "instance-profile/a/machine"),
    ("list_instance_profile_tags", PROFILE, "instance-profile/a/machine"),
    ("create_policy", {"PolicyName": "new", "Path": "/b/", "PolicyDocument": ALLOW}, "policy/b/new"),
    ("get_policy", POLICY, "policy/a/own"),
    ("get_policy_version", POLICY | VERSION, "policy/a/own"),
    ("list_policies", {}, "policy/"),
    ("delete_policy", POLICY, "policy/a/own"),
    ("create_policy_version", POLICY | {"PolicyDocument": ALLOW}, "policy/a/own"),
    ("list_policy_versions", POLICY, "policy/a/own"),
    ("set_default_policy_version", POLICY | VERSION, "policy/a/own"),
    ("delete_policy_version", POLICY | VERSION, "policy/a/own"),
    ("list_entities_for_policy", POLICY, "policy/a/own"),
    ("tag_policy", POLICY | {"Tags": TAGS}, "policy/a/own"),
    ("untag_policy", POLICY | {"TagKeys": ["a"]}, "policy/a/own"),
    ("list_policy_tags", POLICY, "policy/a/own"),
    *(
        (operation, {f"{kind.capitalize()}Name": name} | members, f"{kind}/a/{name.lower()}")
        for kind, name in (("user", "alice"), ("group", "ALL"), ("role", "SOME"))
        for operation, members in (
            (f"attach_{kind}_policy", {"PolicyArn": READ_ONLY}),
            (f"detach_{kind}_policy", {"PolicyArn": READ_ONLY}),
            (f"list_attached_{kind}_policies", {}),
            (f"put_{kind}_policy", INLINE | {"PolicyDocument": ALLOW}),
            (f"get_{kind}_policy", INLINE),
            (f"delete_{kind}_policy", INLINE),
            (f"list_{kind}_policies", {}),
        )
    ),
    ("create_open_id_connect_provider", {"Url": "https://new.example.com"}, "oidc-provider/new.example.com"),
    ("get_open_id_connect_provider", PROVIDER, "oidc-provider/example.com"),
    ("list_open_id_connect_providers", {}, "oidc-provider/*"),
    ("delete_open_id_connect_provider", PROVIDER, "oidc-provider/example.com"),
    ("add_client_id_to_open_id_connect_provider", PROVIDER | {"ClientID": "a"}, "oidc-provider/example.com"),
    ("remove_client_id_from_open_id_connect_provider", PROVIDER | {"ClientID": "a"}, "oidc-provider/example.com"),
    ("update_open_id_connect_provider_thumbprint", PROVIDER | {"ThumbprintList": []}, "oidc-provider/example.com"),
    ("tag_open_id_connect_provider", PROVIDER | {"Tags": TAGS}, "oidc-provider/example.com"),
    ("untag_open_id_connect_provider", PROVIDER | {"TagKeys": ["a"]}, "oidc-provider/example.com"),
    ("list_open_id_connect_provider_tags", PROVIDER, "oidc-provider/example.com"),
    ("simulate_principal_policy", OF_ALICE | {"ActionNames": ["ecr:PutImage"]}, "user/a/alice"),
    ("simulate_custom_policy", {"PolicyInputList": [ALLOW], "ActionNames": ["ecr:PutImage"]}, "*"),
    ("get_context_keys_for_principal_policy", OF_ALICE, "user/a/alice"),
    ("get_context_keys_for_custom_policy", {"PolicyInputList": [ALLOW]}, "*"),
]


def may(*actions, **members):
    return {"Effect": "Allow", "Action": [f"iam:{action}" for action in actions], "Resource": "*"} | members


def filled(members, account):
    return json.loads(json.dumps(members).replace("{id}", account.id))


@pytest.fixture
def furnished(account):
    """An account with one of everything."""
    iam = account.iam
    iam.create_role(RoleName="some", Path="/a/", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="machine", Path="/a/")
    iam.create_policy(PolicyName="own", Path="/a/", PolicyDocument=ALLOW)
    iam.create_open_id_connect_provider(Url="https://example.com")
    iam.create_group(GroupName="all", Path="/a/")
    iam.create_user(UserName="alice", Path="/a/")
    return account


def test_whoever_has_no_leave_is_refused_by_every_operation_with_action_and_resource(furnished):
    nobody = furnished.client("iam", **furnished.a_user("nobody", may("Nothing")))
    names = nobody.meta.method_to_api_mapping

    told = {(operation, resource): refusal(getattr(nobody, operation), **filled(members, furnished))
            for operation, members, resource in CALLS}  # fmt: skip

    who = f"arn:aws:iam::{furnished.id}:user/nobody"
    for (operation, resource), answer in told.items():
        action = f"iam:{names[operation]}"
        arn = resource if resource == "*" else f"arn:aws:iam::{furnished.id}:{resource}"
        reason = f"because no identity-based policy allows the {action} action"
        text = f"User: {who} is not authorized to perform: {action} on resource: {arn} {reason}"
        assert answer == ("AccessDenied", text)


def test_the_policies_of_amazon_are_looked_at_with_leave_of_the_own_account(furnished):
    nobody = furnished.client("iam", **furnished.a_user("nobody", may("Nothing")))
    reader = furnished.client("iam", **furnished.a_user("reader", may("GetPolicy")))

    assert refusal(nobody.get_policy, PolicyArn=READ_ONLY)[0] == "AccessDenied"
    assert reader.get_policy(PolicyArn=READ_ONLY)["Policy"]["Arn"] == READ_ONLY


# ---- Condition keys


@pytest.mark.parametrize("kind", ["user", "role"])
def test_leave_may_hang_on_what_bounds_a_user_or_role(account, kind):
    verbs = ("Attach{}Policy", "Detach{}Policy", "Put{}Policy", "Delete{}Policy", "Delete{}PermissionsBoundary")
    bounded = {"StringEquals": {"iam:PermissionsBoundary": READ_ONLY}}
    actions = [verb.format(kind.capitalize()) for verb in verbs]
    iam = account.client("iam", **account.a_user("boss", may(*actions, Condition=bounded)))
    name = f"{kind.capitalize()}Name"
    trust = {"AssumeRolePolicyDocument": TRUST} if kind == "role" else {}
    for one, members in (("bound", {"PermissionsBoundary": READ_ONLY}), ("free", {}),
                         ("other", {"PermissionsBoundary": FULL})):  # fmt: skip
        getattr(account.iam, f"create_{kind}")(**{name: one}, **trust, **members)

    def calls(one):
        yield f"attach_{kind}_policy", {name: one, "PolicyArn": FULL}
        yield f"detach_{kind}_policy", {name: one, "PolicyArn": FULL}
        yield f"put_{kind}_policy", {name: one, "PolicyName": "own", "PolicyDocument": ALLOW}
        yield f"delete_{kind}_policy", {name: one, "PolicyName": "own"}
        yield f"delete_{kind}_permissions_boundary", {name: one}

    for one in ("free", "other", "nobody"):
        for operation, members in calls(one):
            assert refusal(getattr(iam, operation), **members)[0] == "AccessDenied"
    for operation, members in calls("BOUND"):
        getattr(iam, operation)(**members)
    assert (
        refusal(getattr(iam, f"put_{kind}_policy"), **dict(calls("bound"))[f"put_{kind}_policy"])[0] == "AccessDenied"
    )


def test_a_role_may_be_made_only_with_a_boundary(account):
    bounded = {"StringEquals": {"iam:PermissionsBoundary": READ_ONLY}}
    iam = account.client("iam", **account.a_user("boss", may("CreateRole", "PutRolePermissionsBoundary",
                                                             Condition=bounded)))  # fmt: skip
    new = {"RoleName": "some", "AssumeRolePolicyDocument": TRUST}

    without = refusal(iam.create_role, **new)
    other = refusal(iam.create_role, **new, PermissionsBoundary=ADMINISTRATOR)
    iam.create_role(**new, PermissionsBoundary=READ_ONLY)
    changed = refusal(iam.put_role_permissions_boundary, RoleName="some", PermissionsBoundary=ADMINISTRATOR)
    iam.put_role_permissions_boundary(RoleName="some", PermissionsBoundary=READ_ONLY)

    assert without[0] == other[0] == changed[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("kind", "members"), [("user", {}), ("group", {}), ("role", {"AssumeRolePolicyDocument": TRUST})]
)
def test_leave_may_hang_on_the_policy_that_is_attached(account, kind, members):
    name = f"{kind.capitalize()}Name"
    only = {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistry*"}}
    actions = [f"{verb}{kind.capitalize()}Policy" for verb in ("Attach", "Detach")]
    iam = account.client("iam", **account.a_user("boss", may(*actions, Condition=only)))
    getattr(account.iam, f"create_{kind}")(**{name: "some"}, **members)

    getattr(iam, f"attach_{kind}_policy")(**{name: "some"}, PolicyArn=READ_ONLY)
    getattr(iam, f"detach_{kind}_policy")(**{name: "some"}, PolicyArn=READ_ONLY)
    answer = refusal(getattr(iam, f"attach_{kind}_policy"), **{name: "some"}, PolicyArn=ADMINISTRATOR)

    assert answer[0] == "AccessDenied"


def test_leave_may_hang_on_the_service_of_a_role(account):
    account.iam.create_user(UserName="boss")
    account.iam.attach_user_policy(UserName="boss", PolicyArn=FULL)
    iam = account.client("iam", **account.a_key("boss"))

    answer = refusal(iam.create_service_linked_role, AWSServiceName="ecr.amazonaws.com")
    made = iam.create_service_linked_role(AWSServiceName=REPLICATION)["Role"]

    assert answer[0] == "AccessDenied"
    assert made["Path"] == f"/aws-service-role/{REPLICATION}/"


@pytest.mark.parametrize(
    ("noun", "new", "named"),
    [
        ("Role", {"RoleName": "some", "AssumeRolePolicyDocument": TRUST}, {"RoleName": "some"}),
        ("Policy", {"PolicyName": "own", "PolicyDocument": ALLOW}, {"PolicyArn": "arn:aws:iam::{id}:policy/own"}),
        ("InstanceProfile", {"InstanceProfileName": "some"}, {"InstanceProfileName": "some"}),
        ("OpenIDConnectProvider", {"Url": "https://example.com"}, PROVIDER),
    ],
)
def test_leave_may_hang_on_the_tags(account, noun, new, named):
    snake = {"Role": "role", "Policy": "policy", "InstanceProfile": "instance_profile",
             "OpenIDConnectProvider": "open_id_connect_provider"}[noun]  # fmt: skip
    red = {"StringEquals": {"aws:RequestTag/team": "red"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    unteam = {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    policy = [may(f"Create{noun}", f"Tag{noun}", Condition=red), may(f"Untag{noun}", Condition=unteam)]
    iam, maker = (account.client("iam", **account.a_user(name, statements))
                  for name, statements in (("boss", policy), ("maker", may(f"Create{noun}"))))  # fmt: skip
    named = filled(named, account)
    more = [*TAGS, {"Key": "more", "Value": ""}]

    untagged = refusal(getattr(iam, f"create_{snake}"), **new)
    not_tagging = refusal(getattr(maker, f"create_{snake}"), **new, Tags=TAGS)
    getattr(iam, f"create_{snake}")(**new, Tags=TAGS)
    too_many = refusal(getattr(iam, f"tag_{snake}"), **named, Tags=more)
    getattr(iam, f"tag_{snake}")(**named, Tags=TAGS)
    other = refusal(getattr(iam, f"untag_{snake}"), **named, TagKeys=["more"])
    getattr(iam, f"untag_{snake}")(**named, TagKeys=["team"])

    assert {answer[0] for answer in (untagged, not_tagging, too_many, other)} == {"AccessDenied"}
    assert f"iam:Tag{noun}" in not_tagging[1]
