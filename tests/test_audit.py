"""The audit log through the front doors: every call is there, by whom, with what came of it, and no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from http.client import HTTPException

import pytest
from botocore.exceptions import ClientError

from holdfast.aws.service_models import load
from holdfast.model.audit_parameters import LARGE, SECRETS, summary
from tests import builders
from tests.accounts import Account
from tests.callers import Aws, Query, Registry, Wire, login_token, refusal
from tests.issuer import Authority, Issuer
from tests.trail import found, records, request_id, until

PUSH = ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload"]
# Members that Amazon marks as sensitive although knowing them opens nothing.
NO_SECRETS = {"Issuer", "Subject", "SubjectType", "TrustedIdentityPropagationContext"}


def of(product, answer):
    """The record of a boto3 answer."""
    [record] = found(product, requestID=request_id(answer))
    return record


def refused(call, **members):
    """The whole answer to a call that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    return caught.value.response


def about(product, name, count):
    """The records about one repository."""

    def look():
        return [one for one in records(product) if (one["requestParameters"] or {}).get("repositoryName") == name]

    return until(look, count)


def docker(account, credentials=None):
    """Raw HTTP with the login of somebody of an account."""
    ecr = account.client("ecr", **(credentials or account.root))
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return account.product.http(f"Basic {token}"), token


# ---- Calls of the API


def test_a_call_is_recorded_as_cloudtrail_would(account, name):
    answer = account.client("ecr", "eu-west-1").create_repository(
        repositoryName=name, tags=[{"Key": "team", "Value": "blue"}]
    )

    record = of(account.product, answer)
    arn = f"arn:aws:ecr:eu-west-1:{account.id}:repository/{name}"
    assert record["eventVersion"] == "1.11"
    assert record["userIdentity"] == {
        "type": "Root",
        "principalId": account.id,
        "arn": f"arn:aws:iam::{account.id}:root",
        "accountId": account.id,
        "accessKeyId": account.root["key_id"],
    }
    assert record["eventSource"] == "ecr.amazonaws.com"
    assert record["eventName"] == "CreateRepository"
    assert record["awsRegion"] == "eu-west-1"
    assert record["sourceIPAddress"] == "127.0.0.1"
    assert "Boto3" in record["userAgent"]
    assert record["requestParameters"] == {"repositoryName": name, "tags": [{"key": "team", "value": "blue"}]}
    assert record["responseElements"]["repository"]["repositoryArn"] == arn
    assert record["readOnly"] is False
    assert record["resources"] == [{"ARN": arn, "accountId": account.id, "type": "AWS::ECR::Repository"}]
    assert (record["eventType"], record["managementEvent"], record["eventCategory"]) == (
        "AwsApiCall", True, "Management")  # fmt: skip
    assert record["recipientAccountId"] == account.id
    assert not {"errorCode", "errorMessage", "sharedEventID", "tlsDetails"} & set(record)


def test_a_read_tells_nothing_of_its_answer(account, name):
    account.client("ecr").create_repository(repositoryName=name)

    record = of(account.product, account.client("ecr").describe_repositories(repositoryNames=[name]))

    assert record["readOnly"] is True
    assert record["responseElements"] is None


def test_a_call_that_fails_is_recorded_with_its_error(account, name):
    answer = refused(account.client("ecr").delete_repository, repositoryName=name)

    record = of(account.product, answer)
    assert record["errorCode"] == "RepositoryNotFoundException"
    assert record["errorMessage"] == answer["Error"]["Message"]
    assert record["responseElements"] is None


def test_a_call_with_wrong_parameters_is_recorded(account):
    with pytest.raises(ClientError) as caught:
        account.client("ecr").create_repository(repositoryName="NO CAPITALS")

    record = of(account.product, caught.value.response)
    assert record["errorCode"] == "InvalidParameterException"
    assert record["requestParameters"] is None


def test_a_user_who_may_not_is_recorded(account, name):
    alice = account.a_user("alice", [{"Effect": "Allow", "Action": "ecr:DescribeRepositories", "Resource": "*"}])

    answer = refused(account.client("ecr", **alice).create_repository, repositoryName=name)

    record = of(account.product, answer)
    assert record["errorCode"] == "AccessDenied"
    assert record["errorMessage"].endswith("because no identity-based policy allows the ecr:CreateRepository action")
    assert record["userIdentity"]["type"] == "IAMUser"
    assert record["userIdentity"]["userName"] == "alice"
    assert record["userIdentity"]["principalId"].startswith("AIDA")
    assert record["requestParameters"]["repositoryName"] == name


def test_calls_of_iam_are_recorded_where_iam_is(account):
    answer = account.client("iam", "eu-west-1").create_user(UserName="bob", Path="/team/")

    record = of(account.product, answer)
    assert (record["eventSource"], record["awsRegion"]) == ("iam.amazonaws.com", "us-east-1")
    assert record["requestParameters"] == {"userName": "bob", "path": "/team/"}
    assert record["responseElements"]["user"]["arn"] == f"arn:aws:iam::{account.id}:user/team/bob"


def test_large_parameters_are_told_by_their_length(account, name):
    ecr = account.client("ecr")
    ecr.create_repository(repositoryName=name)
    upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]

    part = ecr.upload_layer_part(
        repositoryName=name, uploadId=upload, partFirstByte=0, partLastByte=9, layerPartBlob=b"0123456789"
    )
    image = refused(ecr.put_image, repositoryName=name, imageManifest="{" + "x" * 5000)

    assert of(account.product, part)["requestParameters"]["layerPartBlob"] == "(10 bytes)"
    assert of(account.product, image)["requestParameters"]["imageManifest"] == "(5001 characters)"


def test_a_session_tells_whose_it_is(account, name):
    trust = {"Effect": "Allow", "Principal": {"AWS": account.id}, "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"]}
    role = account.iam.create_role(RoleName="deploy", Path="/ci/", AssumeRolePolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": trust}))["Role"]  # fmt: skip
    account.iam.attach_role_policy(RoleName="deploy", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    alice = account.a_user("alice")
    assumed = account.client("sts", **alice).assume_role(
        RoleArn=role["Arn"], RoleSessionName="run-1", SourceIdentity="alice"
    )
    told = assumed["Credentials"]
    session = {"key_id": told["AccessKeyId"], "secret": told["SecretAccessKey"], "session_token": told["SessionToken"]}

    record = of(account.product, account.client("ecr", **session).create_repository(repositoryName=name))
    before = of(account.product, assumed)

    identity = record["userIdentity"]
    assert identity["type"] == "AssumedRole"
    assert identity["principalId"] == f"{role['RoleId']}:run-1"
    assert identity["arn"] == f"arn:aws:sts::{account.id}:assumed-role/deploy/run-1"
    assert identity["accessKeyId"] == session["key_id"]
    context = identity["sessionContext"]
    assert context["sessionIssuer"] == {
        "type": "Role", "principalId": role["RoleId"], "arn": role["Arn"], "accountId": account.id,
        "userName": "deploy"}  # fmt: skip
    assert context["attributes"]["mfaAuthenticated"] == "false"
    assert context["sourceIdentity"] == "alice"
    assert before["eventName"] == "AssumeRole"
    assert before["resources"] == [{"ARN": role["Arn"], "accountId": account.id, "type": "AWS::IAM::Role"}]
    assert before["responseElements"]["credentials"]["accessKeyId"] == session["key_id"]
    assert before["responseElements"]["credentials"]["sessionToken"] == "HIDDEN_DUE_TO_SECURITY_REASONS"


def test_a_federated_user_tells_who_vouched_for_him(account):
    alice = account.a_user("alice")
    told = account.client("sts", **alice).get_federation_token(
        Name="guest", PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}]
    )["Credentials"]
    guest = {"key_id": told["AccessKeyId"], "secret": told["SecretAccessKey"], "session_token": told["SessionToken"]}

    identity = of(account.product, account.client("ecr", **guest).describe_registry())["userIdentity"]

    assert identity["type"] == "FederatedUser"
    assert identity["principalId"] == f"{account.id}:guest"
    assert identity["sessionContext"]["sessionIssuer"]["type"] == "IAMUser"
    assert identity["sessionContext"]["sessionIssuer"]["userName"] == "alice"


def test_a_job_with_a_token_tells_where_the_token_came_from(start, tmp_path, name):
    authority = Authority(tmp_path)
    issuer = Issuer(authority)
    product = start("--oidc-allow", "127.0.0.0/8", "--oidc-ca-file", str(authority.file))
    iam = product.aws_client("iam")
    provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["sts.amazonaws.com"])[
        "OpenIDConnectProviderArn"
    ]
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer.host}:aud": "sts.amazonaws.com", f"{issuer.host}:sub": "somebody"}},
    }
    role = iam.create_role(RoleName="ci", AssumeRolePolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": trust}))["Role"]["Arn"]  # fmt: skip
    iam.attach_role_policy(RoleName="ci", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    token = issuer.token(issuer.claims())

    assumed = product.aws_client("sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="run", WebIdentityToken=token
    )
    told = assumed["Credentials"]
    session = {"key_id": told["AccessKeyId"], "secret": told["SecretAccessKey"], "session_token": told["SessionToken"]}
    created = product.ecr(**session).create_repository(repositoryName=name)
    before, after = of(product, assumed), of(product, created)

    issuer.close()
    assert before["userIdentity"] == {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:sts.amazonaws.com:somebody",
        "userName": "somebody",
        "identityProvider": provider,
    }
    assert before["requestParameters"]["webIdentityToken"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert after["userIdentity"]["sessionContext"]["webIdFederationData"] == {
        "federatedProvider": provider,
        "attributes": {f"{issuer.host}:aud": "sts.amazonaws.com", f"{issuer.host}:sub": "somebody"},
    }
    assert all(token not in path.read_text() for path in (product.data / "audit").iterdir())


def test_what_is_asked_by_tls_says_so(start):
    import boto3

    product = start("--tls", "auto")
    key_id, secret = product.credentials()
    ecr = boto3.client("ecr", endpoint_url=product.url, region_name="us-east-1", aws_access_key_id=key_id,
                       aws_secret_access_key=secret, verify=str(product.data / "tls/ca.crt"))  # fmt: skip

    answer = ecr.describe_registry()

    ecr.close()
    assert of(product, answer)["tlsDetails"] == {"clientProvidedHostHeader": product.address}


# ---- Signatures that are none


def test_a_wrong_signature_is_recorded_with_the_key_that_was_named(account, product):
    answer = Aws(product.address, account.root["key_id"], "a wrong secret")("DescribeRegistry")

    [record] = found(product, requestID=answer.headers["x-amzn-requestid"])
    assert record["userIdentity"] == {"type": "Unknown", "accessKeyId": account.root["key_id"]}
    assert record["errorCode"] == "InvalidSignatureException"
    assert record["eventName"] == "DescribeRegistry"
    assert record["recipientAccountId"] == account.id


def test_an_unknown_key_of_a_query_service_is_recorded(product):
    answer = Query(product.address, "AKIAIOSFODNN7EXAMPLE", "no secret")("ListUsers")

    [record] = found(product, requestID=answer.headers["x-amzn-requestid"])
    assert record["userIdentity"] == {"type": "Unknown", "accessKeyId": "AKIAIOSFODNN7EXAMPLE"}
    assert (record["eventSource"], record["errorCode"]) == ("iam.amazonaws.com", "InvalidClientTokenId")


def test_whoever_names_no_key_is_not_recorded(product, account):
    before = Query(product.address, service="sts")("GetCallerIdentity")

    after = account.client("sts").get_caller_identity()

    of(product, after)
    assert not [one for one in records(product) if one.get("requestID") == before.headers["x-amzn-requestid"]]


def test_a_login_that_is_over_is_recorded(product, name):
    late = product.http(login_token(product, timedelta(seconds=-1)))("GET", f"/v2/{name}/manifests/v1")

    [record] = found(product, requestID=late.headers["x-request-id"])
    assert record["userIdentity"] == {"type": "Unknown"}
    assert record["errorCode"] == "TokenExpiredException"
    assert record["requestParameters"] == {"repositoryName": name}


def test_a_token_that_is_not_believed_is_recorded(product, account):
    role = f"arn:aws:iam::{account.id}:role/none"

    answer = refused(account.client("sts").assume_role_with_web_identity, RoleArn=role, RoleSessionName="run",
                     WebIdentityToken="eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl")  # fmt: skip

    record = of(product, answer)
    assert record["userIdentity"] == {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    assert record["recipientAccountId"] == account.id
    assert record["errorCode"] == answer["Error"]["Code"]


# ---- Requests of the registry protocol


def test_a_push_appears_as_the_calls_that_it_stands_for(account, name):
    account.client("ecr").create_repository(repositoryName=name)
    repository = Registry(docker(account)[0], name)

    image = repository.push_image("v1")

    told = [one for one in about(account.product, name, 8) if one["eventName"] != "CreateRepository"]
    assert [one["eventName"] for one in told] == [*PUSH, *PUSH, "PutImage"]
    put = told[-1]
    assert put["requestParameters"] == {"registryId": account.id, "repositoryName": name, "imageTag": "v1"}
    title = "PUT /v2/{name}/manifests/{reference}"
    assert put["additionalEventData"] == {"registryRequest": title, "bodyBytes": len(image.body), "status": 201}
    assert put["resources"][0]["ARN"].endswith(f":repository/{name}")
    assert put["readOnly"] is False
    done = told[2]
    assert done["requestParameters"]["layerDigests"][0].startswith("sha256:")
    assert done["requestParameters"]["uploadId"] == told[1]["requestParameters"]["uploadId"]


def test_a_pull_appears_as_the_calls_that_it_stands_for(account, name):
    account.client("ecr").create_repository(repositoryName=name)
    http, _ = docker(account)
    repository = Registry(http, name)
    image = repository.push_image("v1")
    layer = json.loads(image.body)["layers"][0]["digest"]

    repository("HEAD", "/manifests/v1", user_agent="containerd/2.1")
    repository("GET", f"/manifests/{image.digest}")
    repository("HEAD", f"/blobs/{layer}")
    repository("GET", f"/blobs/{layer}")

    told = {
        one["additionalEventData"]["registryRequest"]: one
        for one in about(account.product, name, 12)
        if one["readOnly"]
    }
    assert {request: one["eventName"] for request, one in told.items()} == {
        "HEAD /v2/{name}/manifests/{reference}": "BatchGetImage",
        "GET /v2/{name}/manifests/{reference}": "BatchGetImage",
        "HEAD /v2/{name}/blobs/{reference}": "BatchCheckLayerAvailability",
        "GET /v2/{name}/blobs/{reference}": "GetDownloadUrlForLayer",
    }
    head = told["HEAD /v2/{name}/manifests/{reference}"]
    assert head["userAgent"] == "containerd/2.1"
    assert head["requestParameters"]["imageIds"] == [{"imageTag": "v1"}]
    get = told["GET /v2/{name}/manifests/{reference}"]
    assert get["requestParameters"]["imageIds"] == [{"imageDigest": image.digest}]
    assert told["GET /v2/{name}/blobs/{reference}"]["requestParameters"]["layerDigest"] == layer
    assert all(one["userIdentity"]["type"] == "Root" for one in told.values())


def test_a_download_from_an_address_is_recorded_as_his_who_was_given_it(account, name):
    account.client("ecr").create_repository(repositoryName=name)
    image = Registry(docker(account)[0], name).push_image("v1")
    layer = image.json()["layers"][0]["digest"]
    alice = account.a_user("alice", [{"Effect": "Allow", "Action": "ecr:GetDownloadUrlForLayer", "Resource": "*"}])
    address = account.client("ecr", **alice).get_download_url_for_layer(repositoryName=name, layerDigest=layer)
    path = "/" + address["downloadUrl"].partition("://")[2].partition("/")[2]
    anybody = account.product.http("")

    taken = anybody("GET", path)
    account.iam.update_access_key(UserName="alice", AccessKeyId=alice["key_id"], Status="Inactive")
    refused_ = anybody("GET", path)

    request = {"additionalEventData": {"registryRequest": "GET /layers/{token}"}, "eventName": "GetDownloadUrlForLayer"}
    [record] = found(account.product, recipientAccountId=account.id, **request)
    assert record["userIdentity"]["userName"] == "alice"
    assert record["requestParameters"] == {"registryId": account.id, "repositoryName": name, "layerDigest": layer}
    [record] = found(account.product, requestID=refused_.json()["errors"][0]["detail"]["requestId"], **request)
    assert (taken.status, refused_.status) == (200, 403)
    assert (record["userIdentity"]["type"], record["errorCode"]) == ("Unknown", "UnauthenticatedException")


def test_what_is_asked_about_a_repository_is_recorded(account, name):
    account.client("ecr").create_repository(repositoryName=name)
    repository = Registry(docker(account)[0], name)
    location = repository.begin_upload()

    repository.http("GET", location)
    repository.http("DELETE", location)
    repository("GET", "/tags/list")
    repository("GET", f"/referrers/{builders.digest(b'')}")
    repository("DELETE", "/manifests/none")

    told = [
        (one["eventName"], one["readOnly"], one.get("errorCode"))
        for one in about(account.product, name, 7)
        if "additionalEventData" in one
    ]
    assert sorted(told, key=str) == [
        ("BatchDeleteImage", False, "ImageNotFoundException"),
        ("BatchGetImage", True, None),
        ("InitiateLayerUpload", False, None),
        ("InitiateLayerUpload", False, None),
        ("ListImages", True, None),
        ("UploadLayerPart", True, None),
    ]


def test_a_refused_pull_is_recorded(account, name):
    account.client("ecr").create_repository(repositoryName=name)
    may_login = [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}]
    http, _ = docker(account, account.a_user("alice", may_login))

    answer = http("GET", f"/v2/{name}/manifests/v1")

    [record] = found(account.product, requestID=answer.json()["errors"][0]["detail"]["requestId"])
    assert record["errorCode"] == "AccessDenied"
    assert record["errorMessage"] == answer.message
    assert record["userIdentity"]["userName"] == "alice"


def test_a_manifest_that_is_not_kept_is_recorded(account, name):
    account.client("ecr").create_repository(repositoryName=name)
    repository = Registry(docker(account)[0], name)

    answer = repository("PUT", "/manifests/v1", b"{}", content_type="application/json")

    assert answer.status == 400
    [record] = [one for one in about(account.product, name, 2) if one["eventName"] == "PutImage"]
    assert record["errorCode"] == "ManifestInvalidException"
    assert record["additionalEventData"]["bodyBytes"] == 2


def test_an_invalid_name_is_recorded(account):
    http, _ = docker(account)

    answer = http("GET", "/v2/UPPER/tags/list")

    [record] = found(account.product, requestID=answer.json()["errors"][0]["detail"]["requestId"])
    assert record["errorCode"] == "NameInvalidException"
    assert record["recipientAccountId"] == account.id


def test_a_mount_is_recorded_with_where_the_blob_came_from(account, name):
    ecr = account.client("ecr")
    ecr.create_repository(repositoryName=name)
    ecr.create_repository(repositoryName=f"{name}-b")
    http, _ = docker(account)
    digest = Registry(http, name).push_blob(b"shared")

    Registry(http, f"{name}-b")("POST", f"/blobs/uploads/?mount={digest}&from={name}")

    records = about(account.product, f"{name}-b", 2)  # of two processes, perhaps
    [record] = [one for one in records if "mount" in one["requestParameters"]]
    assert record["requestParameters"] == {
        "registryId": account.id, "repositoryName": f"{name}-b", "mount": digest, "from": name}  # fmt: skip
    assert record["additionalEventData"]["status"] == 201


def test_an_upload_that_breaks_off_is_recorded(account, name):
    account.client("ecr").create_repository(repositoryName=name)
    http, _ = docker(account)
    location = Registry(http, name).begin_upload()

    with Wire(account.product.address) as wire:
        wire.send(
            f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: {http.authorization}\r\n".encode(),
            b"Content-Length: 1000\r\n\r\nhalf",
        )

    [record] = found(account.product, eventName="UploadLayerPart", recipientAccountId=account.id)
    assert record["errorCode"] == "ClientDisconnected"


def test_a_pull_without_a_login_is_recorded(start, name):
    product = start("--public-repositories", "on")
    product.registry(name).push_image("v1")
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    product.ecr().set_repository_policy(
        repositoryName=name, policyText=json.dumps({"Version": "2012-10-17", "Statement": everybody})
    )

    answer = product.http("")("GET", f"/v2/{name}/manifests/v1")

    assert answer.status == 200
    [record] = found(product, eventName="BatchGetImage")
    assert record["userIdentity"]["accountId"] == "ANONYMOUS_PRINCIPAL"
    assert record["recipientAccountId"] == "000000000000"
    assert "sharedEventID" not in record


# ---- Across accounts


def test_a_call_for_another_account_is_told_to_both(account, product, request, name):
    other = Account(product, f"{(int(account.id) + 1) % 10**12:012}")
    alice = other.a_user("alice")
    account.client("ecr").create_repository(repositoryName=name)
    policy = {"Effect": "Allow", "Principal": {"AWS": other.id}, "Action": "ecr:ListImages"}
    account.client("ecr").set_repository_policy(
        repositoryName=name, policyText=json.dumps({"Version": "2012-10-17", "Statement": policy})
    )

    answer = other.client("ecr", **alice).list_images(registryId=account.id, repositoryName=name)

    seen = {one["recipientAccountId"]: one for one in found(product, 2, requestID=request_id(answer))}
    own, owner = seen[other.id], seen[account.id]
    assert own["sharedEventID"] == owner["sharedEventID"]
    assert own["userIdentity"]["userName"] == "alice"
    assert owner["userIdentity"] == {
        "type": "AWSAccount", "principalId": own["userIdentity"]["principalId"], "accountId": other.id}  # fmt: skip
    assert own["resources"] == owner["resources"]


# ---- No secrets


def test_no_secret_is_ever_written(account, product, name):
    ecr, iam = account.client("ecr"), account.iam
    secrets = [account.root["secret"]]
    http, token = docker(account)
    secrets += [token, http.authorization]
    alice = account.a_user("alice")
    iam.create_login_profile(UserName="alice", Password="Correct-Horse-7-Battery")
    refused(iam.create_login_profile, UserName="alice", Password="Correct-Horse-8-Battery")
    mine = account.client("iam", **alice)
    mine.change_password(OldPassword="Correct-Horse-7-Battery", NewPassword="Correct-Horse-9-Battery")
    secrets += [alice["secret"], *(f"Correct-Horse-{number}-Battery" for number in (7, 8, 9))]
    session = account.client("sts", **alice).get_session_token()["Credentials"]
    secrets += [session["SecretAccessKey"], session["SessionToken"]]
    refusal(account.client("sts").assume_role_with_web_identity, RoleArn=f"arn:aws:iam::{account.id}:role/none",
            RoleSessionName="run", WebIdentityToken="eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl")  # fmt: skip
    secrets.append("eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl")
    ecr.create_repository(repositoryName=name)
    Registry(http, name).push_blob(b"a layer that nobody logs")
    layer = json.loads(Registry(http, name).push_image("v1").body)["layers"][0]["digest"]
    url = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=layer)["downloadUrl"]
    secrets += [url.rpartition("/")[2], "a layer that nobody logs"]
    wrong = Aws(product.address, account.root["key_id"], "wrong")
    request = wrong.signed("AmazonEC2ContainerRegistry_V20150921.DescribeRegistry", b"{}")
    wrong.send(request)
    secrets.append(request.headers["Authorization"].rpartition("Signature=")[2])

    last = ecr.describe_registry()

    of(product, last)
    texts = [path.read_bytes() for path in (product.data / "audit").iterdir()]
    assert all(secret.encode() not in text for secret in secrets for text in texts)
    assert all(b"Correct-Horse" not in text for text in texts)


def test_every_member_that_amazon_calls_sensitive_is_hidden():
    def walk(shape, seen):
        if shape is None or shape.name in seen:
            return
        if shape.type_name == "structure":
            for member, inner in shape.members.items():
                if inner.metadata.get("sensitive"):
                    yield member
                yield from walk(inner, seen | {shape.name})
        elif shape.type_name == "list":
            yield from walk(shape.member, seen | {shape.name})

    sensitive = {
        member
        for service in map(load, ("ecr", "iam", "secretsmanager", "sts"))
        for name in service.operation_names
        for shape in (service.find(name).input_shape, service.find(name).output_shape)
        for member in walk(shape, frozenset())
    }
    assert {member.lower() for member in sensitive - NO_SECRETS} <= SECRETS


def test_a_summary_is_small_whatever_it_is_of():
    large = {f"member{number}": ["x" * 1000] * 1000 for number in range(1000)}
    nested: dict = {}
    for _ in range(1000):
        nested = {"deeper": [nested]}

    told = json.dumps(summary(large | {"nested": nested}))

    assert len(told) < 20_000
    assert not SECRETS & LARGE


# ---- Settings


def test_switched_off_nothing_is_written(start, name):
    product = start("--audit", "off")
    product.registry(name).push_image("v1")
    product.stop()

    assert not (product.data / "audit").exists()


def test_a_share_of_pulls_is_recorded_and_every_refused_one(start, name):
    product = start("--audit-pull-sample", "0.1", "--workers", "1")
    repository = product.registry(name)
    repository.push_image("v1")

    for _ in range(50):
        assert repository("GET", "/manifests/v1").status == 200
    for _ in range(3):
        assert repository("GET", "/manifests/v2").status == 404
    product.stop()

    refused_ones = [one for one in pulls(product) if "errorCode" in one]
    others = [one for one in pulls(product) if "errorCode" not in one]
    assert len(refused_ones) == 3
    assert 4 <= len(others) <= 6
    assert {one["additionalEventData"].get("pullSample") for one in others} == {0.1}


# ---- Several processes, and those that die


def test_several_workers_write_a_chain_each(start, name):
    product = start("--workers", "3")
    product.ecr().create_repository(repositoryName=name)

    for _ in range(60):
        assert product.http()("GET", f"/v2/{name}/tags/list").status == 200
    product.stop()

    told = [one for one in records(product) if one["eventName"] == "ListImages"]
    checked = product.cli("audit", "verify")
    assert len(told) == 60
    assert len(list((product.data / "audit").iterdir())) > 1
    assert checked.returncode == 0, checked
    assert "is as it was written" in checked.stdout


@pytest.mark.timeout(300)
def test_a_log_verifies_after_kill_minus_nine(start, name):
    product = start("--workers", "2")
    repository = product.registry(name)
    repository.push_image("v1")

    def pull():
        target = Registry(product.http(), name)
        with suppress(OSError, HTTPException):
            while True:
                assert target("GET", "/manifests/v1").status == 200

    for _ in range(3):
        threads = [threading.Thread(target=pull) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_for_pulls(product, more_than=len(pulls(product)))
        product.kill()
        for thread in threads:
            thread.join()
        checked = product.cli("audit", "verify")
        assert checked.returncode == 0, checked
        assert "its process was killed" in checked.stdout
        product.start()


def pulls(product):
    """The records of pulls so far."""
    return [one for one in records(product) if one["eventName"] == "BatchGetImage"]


def wait_for_pulls(product, more_than):
    """Return when more pulls are written down, while others are still on the way."""
    deadline = time.monotonic() + 60
    while len(pulls(product)) <= more_than:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_that_only_works_has_a_log_too(start, name):
    product = start("--background", "off", "--workers", "1")
    repository = product.registry(name)
    for tag in ("v1", "v2"):
        repository.push_image(tag)
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    product.ecr().put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [rule]}))

    worker = subprocess.Popen(
        [sys.executable, "-m", "holdfast", "worker", "--data", str(product.data)],
        stderr=subprocess.DEVNULL,
        env=os.environ | product.environment,
    )
    [record] = found(product, eventName="PolicyExecutionEvent")
    worker.terminate()
    ended = worker.wait(60)
    product.stop()

    assert ended == 0
    assert record["serviceEventDetails"]["repositoryName"] == name
    checked = product.cli("audit", "verify")
    assert checked.returncode == 0
    assert "killed" not in checked.stdout


# ---- The commands


@pytest.fixture
def rested(start, name):
    """A product that came to rest after a push."""
    product = start("--workers", "1")
    product.registry(name).push_image("v1")
    product.stop()
    return product


def test_a_log_that_is_whole_verifies(rested):
    checked = rested.cli("audit", "verify")

    assert checked.returncode == 0
    assert checked.stderr == ""
    assert checked.stdout.splitlines()[0].startswith("ok      ")
    assert "is as it was written" in checked.stdout


def test_a_line_that_was_altered_is_told(rested):
    [path] = (rested.data / "audit").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"imageTag":"v1"', b'"imageTag":"v2"', 1))

    checked = rested.cli("audit", "verify")

    assert checked.returncode == 1
    assert checked.stdout.startswith(f"BROKEN  {path.name}  line ")
    assert "the audit log is not what was written; at fault: 1 of 1 file" in checked.stderr


def test_records_are_listed(rested, name):
    def listed(*flags):
        return [json.loads(line) for line in rested.cli("audit", "list", *flags).stdout.splitlines()]

    [put] = listed("--event", "PutImage")
    key_id, _ = rested.credentials()

    assert put["requestParameters"]["repositoryName"] == name
    assert listed("--request", put["requestID"]) == [put]
    assert put in listed("--principal", key_id)
    assert len(listed("--limit", "2")) == 2
    assert listed("--since", "2999-01-01") == []
    assert put in listed("--since", "2020-01-01T00:00:00Z")


def test_a_time_that_is_none_is_refused(rested):
    for action in ("verify", "list"):
        refused = rested.cli("audit", action, "--since", "yesterday")

        assert refused.returncode == 2
        assert refused.stderr.startswith("holdfast: --since yesterday: ")
