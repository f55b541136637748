"""Events through the front doors: targets by boto3 and the command line, the stream, and the recipes of the docs."""

from __future__ import annotations

import base64
import http.client
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from jsonpath_ng.ext import parse as jsonpath

from holdfast.aws.service_models import OWN_MODELS
from holdfast.model.audit_parameters import HIDDEN, summary
from tests.callers import Http, refusal
from tests.conftest import Product
from tests.grants import allow
from tests.hooks import KEYS, Receiver, moto
from tests.issuer import Authority, Issuer

PAGE = (Path(__file__).parents[1] / "docs/how-to/events.md").read_text()
HERE = "127.0.0.0/8"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def telling(tmp_path_factory, authority):
    """A product that may call this machine."""
    running = Product(
        tmp_path_factory.mktemp("telling") / "data", "--workers", "1", "--event-allow", HERE,
        "--oidc-allow", f"{HERE},::1", "--oidc-ca-file", str(authority.file),
    )  # fmt: skip
    yield running
    assert running.stop() == 0
    text = running.log.read_text()
    assert "Traceback" not in text, text


@pytest.fixture
def receiver():
    found = Receiver()
    yield found
    found.close()


def own(product, **credentials):
    """boto3, which was told of our own operations."""
    core = botocore.session.get_session()
    core.get_component("data_loader").search_paths.append(str(OWN_MODELS))
    key_id, secret = credentials.get("key_id"), credentials.get("secret")
    if key_id is None:
        key_id, secret = product.credentials()
    session = boto3.Session(botocore_session=core, aws_access_key_id=key_id, aws_secret_access_key=secret)
    config = Config(retries={"max_attempts": 1})
    return session.client("holdfast", "us-east-1", endpoint_url=product.url, config=config)


def cli(product, *arguments, **environment):
    ended = product.cli(*arguments, **environment)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return ended.stdout


def blocks(kind, section):
    """The blocks of code of one kind in a section of the page."""
    text = PAGE.partition(f"## Recipe: {section}")[2].partition("\n## ")[0]
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == kind]


def command(section, *replaced):
    """The command of a recipe, with what is elsewhere in a test."""
    [text] = [one for one in blocks("", section) if one.startswith("holdfast ")]
    for before, after in replaced:
        assert before in text
        text = text.replace(before, after)
    return shlex.split(text)[1:]


def test_a_target_is_made_told_and_forgotten(telling, receiver, name):
    client = own(telling)
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef" * 2).decode()
    pattern = json.dumps({"detail": {"repository-name": [name]}})
    wish = {"name": "hook", "kind": "WEBHOOK", "address": receiver.url, "eventPattern": pattern}

    made = client.put_event_target(**wish, signingSecret=secret, headers={"X-Token": "a-t0ken"})
    tried = client.test_event_target(name="hook")
    repository = telling.registry(name)
    document = repository.push_image("v1")
    posts = receiver.wait_for(2)

    assert tried["isTaken"]
    assert "signingSecret" not in made
    assert [post.event["detail-type"] for post in posts] == ["Holdfast Event Target Test", "ECR Image Action"]
    assert all(post.is_signed_with(secret) for post in posts)
    assert posts[1].event["detail"]["image-digest"] == document.digest
    assert posts[1].headers["x-token"] == "a-t0ken"
    [listed] = [one for one in client.list_event_targets()["targets"] if one["name"] == "hook"]
    assert "t0ken" not in json.dumps(listed, default=str)
    assert summary({"signingSecret": "s", "headers": {"X": "t"}}) == dict.fromkeys(("signingSecret", "headers"), HIDDEN)
    assert client.list_event_dead_letters(name="hook")["deadLetters"] == []
    assert client.replay_events(name="hook")["deadLetterCount"] == 0
    client.delete_event_target(name="hook")
    assert refusal(client.test_event_target, name="hook")[0] == "EventTargetNotFoundException"
    client.close()


def test_who_makes_a_target_of_an_aws_api_brings_his_own_key(telling):
    client = own(telling)

    code, message = refusal(
        client.put_event_target, name="bus", kind="SNS", address="arn:aws:sns:us-east-1:123456789012:topic"
    )

    assert code == "InvalidParameterException"
    assert "An access key and its secret are needed" in message
    client.close()


def test_a_secret_that_is_made_is_told_once_on_the_command_line(telling, receiver):
    told = cli(telling, "events", "target", "add", "told", receiver.url)
    tried = cli(telling, "events", "target", "test", "told", "--event-allow", HERE)
    listed = cli(telling, "events", "target", "list")
    cli(telling, "events", "target", "remove", "told")
    gone = telling.cli("events", "target", "test", "told")

    secret = re.search(r"whsec_\S+", told)[0]
    assert receiver.posts[0].is_signed_with(secret)
    assert tried == "told took it.\n"
    assert "told  webhook" in listed
    assert "whsec_" not in listed
    assert (gone.returncode, "does not exist" in gone.stderr) == (1, True)


# ---- The stream


class Stream:
    """A client of the stream."""

    def __init__(self, product, query="", **headers):
        self._connection = http.client.HTTPConnection(product.address, timeout=60)
        token = product.ecr().get_authorization_token()["authorizationData"][0]["authorizationToken"]
        self._connection.request("GET", f"/events{query}", headers={"Authorization": f"Basic {token}", **headers})
        self.response = self._connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()
        self.response.close()

    def __iter__(self):
        """Number and event of each block that has one."""
        number, data = "", None
        for raw in self.response:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name == "id":
                number = value
            elif name == "data":
                data = json.loads(value)
            elif not name and data is not None:
                yield number, data
                data = None

    def begun(self):
        """It, when it has said where it begins."""
        assert self.response.readline() == b"retry: 2000\n"
        self.number = self.response.readline().decode().removeprefix("id: ").strip()
        return self


def test_the_stream_tells_what_happens_and_goes_on_after_the_last_that_was_told(telling, name):
    repository = telling.registry(name)
    with Stream(telling).begun() as stream:
        kind = stream.response.headers["content-type"]
        repository.push_image("v1")
        number, event = next(iter(stream))
    repository.push_image("v2")

    with Stream(telling, **{"Last-Event-ID": number}) as stream:
        _, later = next(iter(stream))

    assert kind == "text/event-stream"
    assert (event["detail"]["repository-name"], event["detail"]["image-tag"]) == (name, "v1")
    assert later["detail"]["image-tag"] == "v2"


def test_who_is_cut_off_at_the_very_beginning_has_missed_nothing(telling, name):
    telling.registry(name).push_image("v1")

    with Stream(telling, "?after=0").begun() as stream:
        first, _ = next(iter(stream))

    assert int(stream.number) < int(first)


def test_a_signed_request_is_answered_by_the_stream_as_well(telling):
    request = AWSRequest("GET", f"{telling.url}/events?after=0")
    SigV4Auth(Credentials(*telling.credentials()), "ecr", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(telling.address, timeout=60)
    connection.request("GET", "/events?after=0", headers=dict(request.headers))
    answer = connection.getresponse()

    first = answer.readline()
    connection.close()
    answer.close()

    assert (answer.status, first) == (200, b"retry: 2000\n")


def test_the_stream_tells_what_a_pattern_says(telling, name):
    repository = telling.registry(name)
    pattern = '{"detail":{"image-tag":["wanted"]}}'
    with Stream(telling, f"?pattern={pattern.replace(chr(34), '%22')}").begun() as stream:
        repository.push_image("unwanted")
        repository.push_image("wanted")
        _, event = next(iter(stream))

    assert event["detail"]["image-tag"] == "wanted"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [("?after=x", 400, "InvalidParameterException"), ("?pattern=%7B", 400, "InvalidParameterException"),
     ("?what=1", 400, "InvalidParameterException")],
)  # fmt: skip
def test_what_the_stream_does_not_understand_is_refused(telling, query, status, code):
    with Stream(telling, query) as stream:
        answer = json.loads(stream.response.read())

    assert (stream.response.status, answer["__type"]) == (status, code)


def test_the_stream_is_for_whom_may_follow_it(telling):
    iam = telling.aws_client("iam")
    iam.create_user(UserName="follower")
    key = iam.create_access_key(UserName="follower")["AccessKey"]
    may_log_in = {"Version": "2012-10-17", "Statement": [allow("ecr:GetAuthorizationToken")]}
    iam.put_user_policy(UserName="follower", PolicyName="own", PolicyDocument=json.dumps(may_log_in))
    ecr = telling.ecr(key_id=key["AccessKeyId"], secret=key["SecretAccessKey"])
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    http_ = Http(telling.address)

    nobody = http_("GET", "/events")
    denied = http_("GET", "/events", authorization=f"Basic {token}")
    may_log_in["Statement"].append(allow("ecr:StreamEvents"))
    iam.put_user_policy(UserName="follower", PolicyName="own", PolicyDocument=json.dumps(may_log_in))
    connection = http.client.HTTPConnection(telling.address, timeout=60)
    connection.request("GET", "/events", headers={"Authorization": f"Basic {token}"})
    stream = connection.getresponse()
    iam.delete_access_key(UserName="follower", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="follower", PolicyName="own")
    rest = stream.read()  # which ends: he may no more
    connection.close()

    assert nobody.status == 401
    assert nobody.headers["www-authenticate"].startswith("Basic ")
    assert denied.json()["__type"] == "AccessDeniedException"
    assert "ecr:StreamEvents" in denied.json()["message"]
    assert stream.status == 200
    assert b"data:" not in rest


def test_the_command_line_follows_and_says_where_it_is(telling, name):
    repository = telling.registry(name)
    following = subprocess.Popen(
        [sys.executable, "-m", "holdfast", "events", "--follow", "--url", telling.url, "--data", str(telling.data),
         "--after", "0", "--pattern", json.dumps({"detail": {"repository-name": [name]}})],
        stdout=subprocess.PIPE, text=True, env=telling.environment,
    )  # fmt: skip
    try:
        digest = repository.push_image("v1").digest
        told = json.loads(following.stdout.readline())
    finally:
        following.terminate()
        following.communicate()

    assert (told["detail"]["image-digest"], told["detail-type"]) == (digest, "ECR Image Action")
    assert f'"number": {told["number"]}, ' in cli(telling, "events", "list", "--after", str(told["number"] - 1))


# ---- The recipes


class GenericWebhookTrigger:
    """What Jenkins' plugin does with a post: it finds the job of the token, and hands it what JSONPaths find."""

    def __init__(self, jenkinsfile: str, token: str) -> None:
        self._token = token
        self._paths = dict(re.findall(r"\[key: '(\w+)', value: '([^']+)'\]", jenkinsfile))
        self._text = re.search(r"regexpFilterText: '\$(\w+)'", jenkinsfile)[1]
        self._expression = re.search(r"regexpFilterExpression: '([^']+)'", jenkinsfile)[1]

    def job(self, post):
        """The variables of the job that is started."""
        assert post.headers["token"] == self._token
        assert post.headers["content-type"].startswith("application/json")
        found = {}
        for key, path in self._paths.items():
            [match] = jsonpath(re.sub(r"\.([\w-]+)", r"['\1']", path)).find(post.event)
            found[key] = match.value
        return found if re.search(self._expression, found[self._text]) else None


def test_the_recipe_of_jenkins(telling, receiver, tmp_path):
    section = "a Jenkins job"
    [jenkinsfile] = blocks("groovy", section)
    [headers] = [one for one in blocks("", section) if one.startswith("token: ")]
    (tmp_path / "headers").write_text(headers)
    url = "https://jenkins.example.com/generic-webhook-trigger/invoke"
    cli(telling, *command(section, (url, receiver.url), ("jenkins-headers", str(tmp_path / "headers"))))

    digest = telling.registry("team/jenkins").push_image("v1").digest
    [post] = receiver.wait_for(1)
    cli(telling, "events", "target", "remove", "jenkins")

    plugin = GenericWebhookTrigger(jenkinsfile, headers.partition(": ")[2].strip())
    assert plugin.job(post) == {"repository": "team/jenkins", "digest": digest, "tag": "v1"}


def test_the_recipe_of_github(telling, receiver, tmp_path, authority):
    section = "a GitHub Actions job"
    [template], [workflow] = blocks("json", section), blocks("yaml", section)
    [headers] = [one for one in blocks("", section) if one.startswith("Authorization: ")]
    (tmp_path / "dispatch.json").write_text(template)
    (tmp_path / "headers").write_text(headers.replace("…", "x"))
    arguments = command(
        section,
        ("https://api.github.com/repos/acme/deploy/dispatches", receiver.url),
        ("github-headers", str(tmp_path / "headers")),
        ("dispatch.json", str(tmp_path / "dispatch.json")),
    )
    issuer = Issuer(authority)
    role = re.search(r"AWS_ROLE_ARN: (\S+)", workflow)[1]
    iam = telling.aws_client("iam")
    iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["sts.amazonaws.com"])
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::000000000000:oidc-provider/{issuer.host}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer.host}:sub": "repo:acme/deploy:ref:refs/heads/main"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=role.rpartition("/")[2], AssumeRolePolicyDocument=document)
    pull_only = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"
    iam.attach_role_policy(RoleName=role.rpartition("/")[2], PolicyArn=pull_only)

    cli(telling, *arguments)
    digest = telling.registry("team/github").push_image("v1").digest
    [post] = receiver.wait_for(1)
    cli(telling, "events", "target", "remove", "github")
    dispatched = post.event  # what GitHub checks, and hands to the workflow as github.event
    token = issuer.token(issuer.claims(sub="repo:acme/deploy:ref:refs/heads/main"))
    sts = boto3.client("sts", "us-east-1", endpoint_url=telling.url, config=Config(signature_version=UNSIGNED))
    keys = sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="run-1", WebIdentityToken=token)
    keys = keys["Credentials"]
    ecr = telling.ecr(key_id=keys["AccessKeyId"], secret=keys["SecretAccessKey"], session_token=keys["SessionToken"])
    login = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    payload = dispatched["client_payload"]
    pulled = Http(telling.address)(
        "GET", f"/v2/{payload['repository']}/manifests/{payload['digest']}", authorization=f"Basic {login}"
    )
    sts.close()
    issuer.close()

    assert post.headers["authorization"] == "Bearer github_pat_x"
    assert post.headers["accept"] == "application/vnd.github+json"
    assert set(dispatched) <= {"event_type", "client_payload"}
    assert f"types: [{dispatched['event_type']}]" in workflow
    assert len(payload) <= 10
    for name in re.findall(r"client_payload\.(\w+)", workflow):
        assert name in payload
    assert (payload["digest"], pulled.status, pulled.headers["docker-content-digest"]) == (digest, 200, digest)


def test_the_recipe_of_codepipeline(telling):
    section = "a pipeline"
    [rule], [consumer] = blocks("json", section), blocks("python", section)
    known = {"json": json}
    exec(consumer, known)
    repository = telling.registry("team/app")
    taken = []

    def pull(name, digest):
        answer = telling.http()("GET", f"/v2/{name}/manifests/{digest}")
        taken.append((name, answer.headers["docker-content-digest"]))

    with moto() as (url, client):
        sqs, bus = client("sqs"), client("events")
        queue = sqs.create_queue(QueueName="pipeline")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        bus.put_rule(Name="pipeline", EventPattern=rule)
        bus.put_targets(Rule="pipeline", Targets=[{"Id": "queue", "Arn": arn}])
        keys = {"AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": "secret"}
        cli(telling, *command(section, ("http://localhost:4566", url)), **keys)
        repository.push_image("other")
        digest = repository.push_image("latest").digest

        while not taken:
            known["release"](sqs, queue, pull)
        cli(telling, "events", "target", "remove", "pipeline")

    assert taken == [("team/app", digest)]
