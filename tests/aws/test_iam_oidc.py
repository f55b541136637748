"""Providers of identities, as AWS's own client sees them."""

import json

import pytest

from tests.callers import refusal

GITHUB = "https://token.actions.githubusercontent.com"
PRINT = "6938fd4d98bab03faadb97b34396831e3780aea1"
TAGS = [{"Key": "team", "Value": "red"}, {"Key": "Größe", "Value": ""}]
TWICE = [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]
TOO_MANY_TAGS = [{"Key": f"key {number}", "Value": ""} for number in range(50)]
URL = ("ValidationError", "Invalid Open ID Connect Provider URL")


def a_provider(account, url=GITHUB, **members):
    return account.iam.create_open_id_connect_provider(Url=url, **members)["OpenIDConnectProviderArn"]


def found(account, arn):
    answer = account.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    del answer["ResponseMetadata"]
    return answer


def listed(account):
    return [one["Arn"] for one in account.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]


def test_a_provider_is_made_found_and_listed(account):
    made = account.iam.create_open_id_connect_provider(
        Url=GITHUB, ClientIDList=["sts.amazonaws.com", "b", "b"], ThumbprintList=[PRINT, PRINT], Tags=TAGS
    )

    arn = f"arn:aws:iam::{account.id}:oidc-provider/token.actions.githubusercontent.com"
    assert (made["OpenIDConnectProviderArn"], made["Tags"]) == (arn, TAGS)
    whole = found(account, arn)
    assert whole == {
        "Url": "token.actions.githubusercontent.com",
        "ClientIDList": ["sts.amazonaws.com", "b"],
        "ThumbprintList": [PRINT],
        "CreateDate": whole["CreateDate"],
        "Tags": TAGS,
    }
    assert listed(account) == [arn]


@pytest.mark.parametrize(
    "url",
    [
        "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
        "https://kubernetes.default.svc:6443",
        "https://example.com/",
        "https://example.com/a/b~c_d",
    ],
)
def test_a_provider_needs_nothing_but_a_url(account, url):
    arn = a_provider(account, url)

    assert arn.endswith(f":oidc-provider/{url.removeprefix('https://')}")
    whole = found(account, arn)
    assert (whole["ClientIDList"], whole["ThumbprintList"]) == ([], [])
    assert "Tags" not in whole


@pytest.mark.parametrize(
    ("members", "code", "text"),
    [
        ({"Url": "http://example.com"}, *URL),
        ({"Url": "example.com"}, *URL),
        ({"Url": "https://"}, *URL),
        ({"Url": "https://example.com/?a=b"}, *URL),
        ({"Url": "https://example.com/#a"}, *URL),
        ({"Url": "https://user@example.com"}, *URL),
        ({"Url": "https://exa mple.com"}, *URL),
        ({"Url": "https://" + "x" * 248}, "ValidationError", None),
        ({"ThumbprintList": [f"{number:040x}" for number in range(6)]}, "InvalidInput",
         "Thumbprint list must contain fewer than 5 entries."),
        ({"ThumbprintList": ["g" * 40]}, "InvalidInput", "A thumbprint must be 40 hexadecimal digits."),
        ({"ThumbprintList": ["a" * 41]}, "ValidationError", None),
        ({"ClientIDList": [f"client {number}" for number in range(101)]}, "LimitExceeded",
         "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100"),
        ({"ClientIDList": ["x" * 256]}, "ValidationError", None),
        ({"Tags": TWICE}, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."),
        ({"IdentityCenterInstanceArn": "arn:aws:sso:::instance/ssoins-1"}, "InvalidInput", None),
        ({"ContextProvider": {"SubjectSourceKey": "sub"}}, "InvalidInput", None),
    ],
)  # fmt: skip
def test_a_provider_that_cannot_be_is_refused_and_not_made(account, members, code, text):
    answer = refusal(account.iam.create_open_id_connect_provider, **{"Url": GITHUB} | members)

    assert answer[0] == code
    assert text is None or answer[1] == text
    assert listed(account) == []


def test_an_account_has_one_provider_of_an_issuer(account):
    a_provider(account)

    answer = refusal(account.iam.create_open_id_connect_provider, Url=GITHUB)

    assert answer == ("EntityAlreadyExists", f"Provider with url {GITHUB} already exists.")


def test_an_account_has_a_hundred_providers_at_most(account):
    for number in range(100):
        a_provider(account, f"https://{number}.example.com")

    answer = refusal(account.iam.create_open_id_connect_provider, Url=GITHUB)

    assert answer == ("LimitExceeded", "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100")
    assert len(listed(account)) == 100


def test_clients_are_added_and_removed(account):
    iam = account.iam
    named = {"OpenIDConnectProviderArn": a_provider(account, ClientIDList=["a"])}

    for client in ("b", "b", "a"):
        iam.add_client_id_to_open_id_connect_provider(**named, ClientID=client)
    added = found(account, named["OpenIDConnectProviderArn"])["ClientIDList"]
    for client in ("a", "a", "absent"):
        iam.remove_client_id_from_open_id_connect_provider(**named, ClientID=client)

    assert added == ["a", "b"]
    assert found(account, named["OpenIDConnectProviderArn"])["ClientIDList"] == ["b"]


def test_a_provider_has_a_hundred_clients_at_most(account):
    clients = [f"client {number}" for number in range(100)]
    arn = a_provider(account, ClientIDList=clients)

    answer = refusal(
        account.iam.add_client_id_to_open_id_connect_provider, OpenIDConnectProviderArn=arn, ClientID="one more"
    )

    assert answer == ("LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100")
    assert found(account, arn)["ClientIDList"] == clients


def test_thumbprints_are_replaced(account):
    named = {"OpenIDConnectProviderArn": a_provider(account, ThumbprintList=[PRINT])}
    other = "A" * 40

    account.iam.update_open_id_connect_provider_thumbprint(**named, ThumbprintList=[other])
    refused = refusal(
        account.iam.update_open_id_connect_provider_thumbprint, **named, ThumbprintList=[other, "not hex " * 5]
    )

    assert refused == ("InvalidInput", "A thumbprint must be 40 hexadecimal digits.")
    assert found(account, named["OpenIDConnectProviderArn"])["ThumbprintList"] == [other]


def test_a_provider_is_deleted(account):
    arn = a_provider(account)

    account.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)

    assert listed(account) == []


@pytest.mark.parametrize(
    ("arn", "code", "text"),
    [
        ("arn:aws:iam::{id}:oidc-provider/not.there", "NoSuchEntity",
         "OpenIDConnect Provider not found for arn arn:aws:iam::{id}:oidc-provider/not.there"),
        ("arn:aws:iam::{id}:saml-provider/x", "InvalidInput", "ARN arn:aws:iam::{id}:saml-provider/x is not valid."),
        ("a-name-that-is-long-enough", "ValidationError", "Invalid ARN:  Could not be parsed!"),
        ("arn:aws:iam::999999999999:oidc-provider/x", "AccessDenied", None),
    ],
)  # fmt: skip
def test_a_provider_that_is_not_there_is_refused_by_every_operation(account, arn, code, text):
    iam, named = account.iam, {"OpenIDConnectProviderArn": arn.format(id=account.id)}

    told = [
        refusal(iam.get_open_id_connect_provider, **named),
        refusal(iam.delete_open_id_connect_provider, **named),
        refusal(iam.add_client_id_to_open_id_connect_provider, **named, ClientID="a"),
        refusal(iam.remove_client_id_from_open_id_connect_provider, **named, ClientID="a"),
        refusal(iam.update_open_id_connect_provider_thumbprint, **named, ThumbprintList=[PRINT]),
        refusal(iam.tag_open_id_connect_provider, **named, Tags=TAGS),
        refusal(iam.untag_open_id_connect_provider, **named, TagKeys=["a"]),
        refusal(iam.list_open_id_connect_provider_tags, **named),
    ]

    assert {answer[0] for answer in told} == {code}
    assert text is None or {answer[1] for answer in told} == {text.format(id=account.id)}


def test_providers_are_tagged(account):
    iam = account.iam
    named = {"OpenIDConnectProviderArn": a_provider(account, Tags=TOO_MANY_TAGS)}

    twice = refusal(iam.tag_open_id_connect_provider, **named, Tags=TWICE)
    full = refusal(iam.tag_open_id_connect_provider, **named, Tags=TAGS)
    iam.untag_open_id_connect_provider(**named, TagKeys=["key 1", "KEY 0", "absent"])
    iam.tag_open_id_connect_provider(**named, Tags=TAGS)
    first = iam.list_open_id_connect_provider_tags(**named, MaxItems=30)
    second = iam.list_open_id_connect_provider_tags(**named, MaxItems=30, Marker=first["Marker"])

    assert (twice[0], full[0]) == ("InvalidInput", "LimitExceeded")
    assert [*first["Tags"], *second["Tags"]] == [*TOO_MANY_TAGS[2:], *TAGS]
    assert (first["IsTruncated"], second["IsTruncated"]) == (True, False)


def test_a_role_does_not_trust_all_of_github(account):
    federated = {"Federated": a_provider(account)}
    statement = {"Effect": "Allow", "Principal": federated, "Action": "sts:AssumeRoleWithWebIdentity"}
    key = "token.actions.githubusercontent.com"
    open_to_all = json.dumps(
        {"Version": "2012-10-17", "Statement": {**statement, "Condition": {"StringEquals": {f"{key}:aud": "x"}}}}
    )
    of_acme = json.dumps(
        {"Version": "2012-10-17", "Statement": {**statement, "Condition": {"StringLike": {f"{key}:sub": "repo:a/*"}}}}
    )

    code, message = refusal(account.iam.create_role, RoleName="ci", AssumeRolePolicyDocument=open_to_all)
    account.iam.create_role(RoleName="ci", AssumeRolePolicyDocument=of_acme)

    assert code == "MalformedPolicyDocument"
    assert message.endswith(f"{key}:sub or {key}:job_workflow_ref which is not scoped to all.")
    update = account.iam.update_assume_role_policy
    assert refusal(update, RoleName="ci", PolicyDocument=open_to_all) == (code, message)
    assert account.iam.get_role(RoleName="ci")["Role"]["AssumeRolePolicyDocument"] == json.loads(of_acme)
