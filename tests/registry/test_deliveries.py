"""Events on their way to targets."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast import registry, store
from holdfast.blobs.keys import version_of
from holdfast.model.errors import DeadLetterNotFound, ImageNotFound, InvalidParameter
from holdfast.model.event_targets import Envelope, Kind, Message, Scope, Wishes, chains
from holdfast.model.events import Event
from holdfast.model.images import ImageId
from holdfast.model.work import Lane
from holdfast.outbound import Poster, Unreachable
from holdfast.outbound.aws_events import Said
from holdfast.outbound.posting import Heard
from holdfast.registry.event_senders import Secrets
from holdfast.registry.work import LeaseLost
from holdfast.worker import Crew, Runner
from tests import databases
from tests.hooks import KEYS, LOOPBACK, Receiver, calling_out, moto
from tests.registry.ground import AT, HOME, open_ground, push, work_off

HERE = Scope(HOME.account_id, HOME.region)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def on(tmp_path, clock):
    backends = replace(open_ground(tmp_path, clock), **calling_out())
    yield backends
    databases.forget(backends.database)


@pytest.fixture
def receiver():
    found = Receiver()
    yield found
    found.close()


def a_target(on, address, name="ci", *, scope=HERE, secrets=None, **wishes):
    wanted = Wishes(name, Kind.WEBHOOK, address, **wishes)
    return registry.event_targets.put(on, scope, wanted, secrets or Secrets(SECRET))[0]


def deliver(on):
    """Tell what is to be told now."""
    registry.events.place(on)
    Runner(on, lane=Lane.DELIVERY).tick()


def standing(on, name="ci"):
    return registry.event_targets.get(on, HERE, name)


def dead(on, name="ci"):
    return registry.event_targets.dead_letters(on, HERE, name, 0, 100)[0]


def tags(posts):
    return [post.event["detail"].get("image-tag") for post in posts]


def test_a_webhook_gets_what_happens_from_then_on_in_order_and_signed(on, receiver):
    push(on, AT, "before", "old")
    a_target(on, receiver.url, secrets=Secrets(SECRET, {"X-Token": "t0ken"}))
    pushed = push(on, AT, "an image", "v1", "v2")

    deliver(on)
    deliver(on)

    assert tags(receiver.posts) == ["v1", "v2"]
    first = receiver.posts[0]
    assert first.is_signed_with(SECRET)
    assert first.headers["x-token"] == "t0ken"
    assert first.headers["webhook-id"] == first.event["id"]
    assert first.event["detail"]["image-digest"] == pushed.digest
    assert {key: first.event[key] for key in ("source", "detail-type", "account", "region")} == {
        "source": "aws.ecr", "detail-type": "ECR Image Action", "account": HOME.account_id, "region": HOME.region,
    }  # fmt: skip


def test_a_target_gets_what_its_pattern_and_scope_say(on, receiver):
    pattern = '{"detail": {"image-tag": [{"prefix": "v"}], "action-type": ["PUSH"]}}'
    a_target(on, receiver.url, pattern=pattern)
    a_target(on, receiver.url, "elsewhere", scope=Scope(HOME.account_id, "eu-west-1"))
    push(on, AT, "an image", "v1", "dev")
    deliver(on)

    a_target(on, receiver.url, "everybody", scope=Scope("*", "*"))
    push(on, AT, "another", "dev2")
    deliver(on)

    assert tags(receiver.posts) == ["v1", "dev2"]


@pytest.mark.parametrize("envelope", [Envelope.CLOUDEVENTS, Envelope.CLOUDEVENTS_BINARY])
def test_a_webhook_gets_cloudevents(on, receiver, envelope):
    a_target(on, receiver.url, envelope=envelope)
    push(on, AT, "an image", "v1")

    deliver(on)

    [post] = receiver.posts
    if envelope is Envelope.CLOUDEVENTS:
        assert post.headers["content-type"] == "application/cloudevents+json"
        attributes, data = post.event, post.event.pop("data")
    else:
        assert post.headers["content-type"] == "application/json"
        attributes = {name[3:]: value for name, value in post.headers.items() if name.startswith("ce-")}
        data = post.event
    assert attributes["specversion"] == "1.0"
    assert attributes["type"] == "aws.ecr.image-action"
    assert attributes["source"] == f"arn:aws:ecr:{HOME.region}:{HOME.account_id}:registry"
    assert attributes["subject"] == f"{AT.name}:v1"
    assert attributes["id"] == post.headers["webhook-id"]
    assert data["action-type"] == "PUSH"


def test_a_template_makes_the_body(on, receiver):
    template = (
        '{"event_type":"pushed","client_payload":{"digest":<digest>,"what":"<name>:<tag>","all":<aws.events.event>}}'
    )
    paths = {"digest": "$.detail.image-digest", "name": "$.detail.repository-name", "tag": "$.detail.image-tag"}
    a_target(on, receiver.url, template=template, paths=paths)
    pushed = push(on, AT, "an image", "v1")

    deliver(on)

    [post] = receiver.posts
    payload = post.event["client_payload"]
    assert payload["digest"] == pushed.digest
    assert payload["what"] == f"{AT.name}:v1"
    assert payload["all"]["detail"]["image-tag"] == "v1"
    assert post.headers["content-type"] == "application/json"


def test_a_target_that_has_trouble_is_tried_again_and_gets_everything_in_order(on, receiver, clock):
    a_target(on, receiver.url)
    receiver.answers = [(503, {}), (429, {"Retry-After": "60"})]
    push(on, AT, "an image", "v1", "v2")

    deliver(on)
    deliver(on)  # it rests
    assert tags(receiver.posts) == ["v1"]
    assert standing(on).target.fault == "HTTP 503"
    clock.pass_(seconds=2)
    deliver(on)
    clock.pass_(seconds=59)
    deliver(on)
    assert tags(receiver.posts) == ["v1", "v1"]
    clock.pass_(seconds=2)
    deliver(on)

    assert tags(receiver.posts) == ["v1", "v1", "v1", "v2"]
    assert standing(on).target.failing_since is None
    assert dead(on) == []


def test_what_a_target_refuses_three_times_is_a_dead_letter_and_can_be_replayed(on, receiver, clock):
    a_target(on, receiver.url)
    receiver.answers = [(400, {})] * 3
    push(on, AT, "an image", "bad", "good")

    for _ in range(4):
        deliver(on)
        clock.pass_(minutes=1)
    [letter] = dead(on)
    count = registry.event_targets.replay_dead(on, HERE, "ci", letter.id)
    deliver(on)

    assert (letter.reason, letter.attempts, count) == ("HTTP 400", 3, 1)
    assert tags(receiver.posts) == ["bad", "bad", "bad", "good", "bad"]
    assert dead(on) == []


def test_dead_letters_are_forgotten_one_by_one_or_all_at_once(on, receiver, clock, monkeypatch):
    a_target(on, receiver.url)
    receiver.status = 400
    push(on, AT, "an image", "v1", "v2", "v3", "v4")
    for _ in range(12):
        deliver(on)
        clock.pass_(minutes=5)
    first, *others = dead(on)
    monkeypatch.setattr(registry.event_targets, "FORGOTTEN", 2)

    one = registry.event_targets.forget_dead(on, HERE, "ci", first.id)
    with pytest.raises(DeadLetterNotFound):
        registry.event_targets.forget_dead(on, HERE, "ci", first.id)
    left = dead(on)
    rest = registry.event_targets.forget_dead(on, HERE, "ci")

    assert (one, left, rest, dead(on)) == (1, others, 3, [])


def test_a_refusal_after_trouble_is_the_first_of_three(on, receiver, clock):
    a_target(on, receiver.url)
    receiver.answers = [(503, {})] * 4 + [(404, {})]
    push(on, AT, "an image", "v1")

    for _ in range(6):
        deliver(on)
        clock.pass_(minutes=5)

    assert tags(receiver.posts) == ["v1"] * 6
    assert (dead(on), standing(on).target.delivered) == ([], 1)


def test_a_target_that_is_gone_gets_dead_letters_when_events_are_too_old(on, receiver, clock):
    a_target(on, "http://127.0.0.1:9/", maximum_age_seconds=3600)
    push(on, AT, "an image", "v1", "v2", "v3")
    deliver(on)
    assert dead(on) == []

    clock.pass_(hours=2)
    push(on, AT, "another", "v4")
    deliver(on)

    letters = dead(on)
    assert [letter.envelope["detail"]["image-tag"] for letter in letters] == ["v1", "v2", "v3"]
    assert "127.0.0.1" in letters[0].reason
    assert standing(on).waiting_since == clock()  # v4 is still to be told


def test_a_target_that_lost_all_there_was_gets_what_happens_later(on, receiver, clock):
    a_target(on, receiver.url, maximum_age_seconds=3600)
    receiver.status = 503
    push(on, AT, "an image", "v1")
    deliver(on)
    clock.pass_(hours=2)
    deliver(on)
    assert len(dead(on)) == 1
    clock.pass_(hours=1)
    deliver(on)  # there is nothing to tell

    receiver.status = 204
    push(on, AT, "another", "v2")
    deliver(on)

    assert tags(receiver.posts) == ["v1", "v1", "v2"]


def test_one_that_is_dead_holds_up_nobody(on, receiver):
    a_target(on, "http://127.0.0.1:9/", "gone")
    a_target(on, receiver.url)
    push(on, AT, "an image", "v1")
    registry.events.place(on)
    crew = Crew(on, Lane.DELIVERY)

    crew.tick()

    for _ in range(16):  # every thread comes to rest
        assert crew._free.acquire(timeout=60)
    assert tags(receiver.posts) == ["v1"]
    assert standing(on, "gone").target.failures == 1


def test_many_slow_targets_of_one_account_hold_up_no_other_one(on, receiver):
    slow, gate = Receiver(), threading.Event()
    slow.status_for = lambda _: 204 if gate.wait(60) else 500
    for number in range(16):
        a_target(on, slow.url, f"slow-{number}", scope=Scope("*", "*"))
    a_target(on, receiver.url)
    push(on, AT, "an image", "v1")
    registry.events.place(on)
    crew = Crew(on, Lane.DELIVERY)

    crew.tick()
    receiver.wait_for(1)
    gate.set()

    for _ in range(16):
        assert crew._free.acquire(timeout=60)
    assert (tags(receiver.posts), len(slow.posts)) == (["v1"], 16)
    slow.close()


def test_who_dies_after_posts_leaves_duplicates_of_what_was_told_at_once(on, receiver, monkeypatch):
    a_target(on, receiver.url)
    push(on, AT, "an image", *(f"v{number}" for number in range(10)))
    registry.events.place(on)
    real = registry.work.Job.keep
    steps = []

    def dying(job, tx, progress=None):
        steps.append(1)
        if len(steps) == 2:
            raise LeaseLost
        real(job, tx, progress)

    with monkeypatch.context() as patch:
        patch.setattr(registry.work.Job, "keep", dying)
        Runner(on, lane=Lane.DELIVERY).tick()
    every = [f"v{number}" for number in range(10)]
    assert tags(receiver.posts) == every
    on.clock.pass_(minutes=2)  # its lease ends
    Runner(on, lane=Lane.DELIVERY).tick()

    assert tags(receiver.posts) == [*every, "v8", "v9"]


def test_events_are_kept_for_a_target_that_is_late_up_to_a_bound(on, receiver, clock):
    a_target(on, receiver.url)
    push(on, AT, "an image", "v1")
    registry.events.place(on)

    clock.pass_(days=8)
    work_off(on)  # which forgets what is old, and delivers nothing
    assert [told.event.detail["image-tag"] for told in registry.events.page(on)] == ["v1"]
    clock.pass_(days=7)
    work_off(on)
    work_off(on)

    assert registry.events.page(on) == []
    [letter] = dead(on)
    assert letter.reason == "It was not told within 14 days"


def test_everything_since_a_time_can_be_told_again(on, receiver, clock):
    a_target(on, receiver.url)
    push(on, AT, "an image", "v1")
    clock.pass_(hours=1)
    push(on, AT, "another", "v2")
    deliver(on)

    registry.event_targets.replay_since(on, HERE, "ci", clock() - timedelta(minutes=1))
    deliver(on)

    assert sorted(tags(receiver.posts)) == ["v1", "v2", "v2"]


@pytest.mark.skipif(not databases.on_postgresql(), reason="SQLite has one writer at a time")
def test_events_that_commit_late_are_told(on, receiver):
    """Those of a transaction that began earlier: its rows have lower numbers."""
    a_target(on, receiver.url)
    late = Event("ECR Image Action", {"image-tag": "late", "action-type": "PUSH"})
    early = Event("ECR Image Action", {"image-tag": "early", "action-type": "PUSH"})

    with on.database.transaction(within=["one"]) as slow:
        registry.events.tell(on, slow, HOME, late)
        with on.database.transaction(within=["another"]) as quick:
            registry.events.tell(on, quick, HOME, early)
        [first] = registry.events.page(on)
    [second] = registry.events.page(on, first.number)
    deliver(on)

    assert (first.event, second.event) == (early, late)
    assert sorted(tags(receiver.posts)) == ["early", "late"]


def test_events_of_other_images_are_told_at_once(on, receiver):
    a_target(on, receiver.url)
    for seed in "abcd":
        push(on, AT, seed, seed)
    receiver.together = threading.Barrier(4)

    deliver(on)

    assert sorted(tags(receiver.posts)) == ["a", "b", "c", "d"]
    assert standing(on).target.delivered == 4


def test_events_of_one_tag_are_told_in_order_and_wait_for_each_other(on, receiver, clock):
    a_target(on, receiver.url)
    first, second = push(on, AT, "first", "v1"), push(on, AT, "second", "v1")
    other = push(on, AT, "other", "v2")
    bad = {first.digest}
    receiver.status_for = lambda post: 503 if post.event["detail"]["image-digest"] in bad else 204

    deliver(on)
    assert sorted(digests(receiver.posts)) == sorted([first.digest, other.digest])
    bad.clear()
    clock.pass_(seconds=2)
    deliver(on)

    assert digests(receiver.posts[2:]) == [first.digest, second.digest]
    assert (standing(on).target.delivered, standing(on).waiting_since) == (3, None)


def test_who_has_trouble_is_asked_for_one_event_at_a_time(on, receiver, clock):
    a_target(on, receiver.url)
    for seed in "abcd":
        push(on, AT, seed, seed)
    receiver.status = 503
    deliver(on)
    assert len(receiver.posts) == 4

    clock.pass_(minutes=1)
    deliver(on)
    assert tags(receiver.posts[4:]) == ["a"]
    receiver.status = 204
    clock.pass_(minutes=5)
    deliver(on)

    assert sorted(tags(receiver.posts[5:])) == ["a", "b", "c", "d"]


def test_all_events_stay_in_order_if_one_is_told_at_a_time(on, receiver):
    a_target(on, receiver.url, at_once=1)
    for seed in "abcd":
        push(on, AT, seed, seed)

    deliver(on)

    assert tags(receiver.posts) == ["a", "b", "c", "d"]
    with pytest.raises(InvalidParameter, match="from 1 to 8"):
        a_target(on, receiver.url, at_once=9)


def digests(posts):
    return [post.event["detail"]["image-digest"] for post in posts]


@pytest.mark.parametrize(
    ("subjects", "chained"),
    [
        ([("a", "d1", None), ("a", "d2", None), ("b", "d1", None)], [[0], [1], [2]]),
        ([("a", "d1", "v1"), ("a", "d2", "v2"), ("a", "d2", "v1")], [[0, 1, 2]]),
        ([("a", "d1", "v1"), ("b", "d2", "v1"), ("a", "d3", "v1")], [[1], [0, 2]]),
        ([("a", None, None), ("a", None, None), ("b", None, None)], [[0, 1], [2]]),
    ],
)
def test_what_is_about_one_image_or_tag_follows_each_other(subjects, chained):
    messages = [
        Message(0, {"account": "1", "region": "r", "detail-type": "kind", "detail": {
            "repository-name": name, "image-digest": digest, "image-tag": tag}}, None)
        for name, digest, tag in subjects
    ]  # fmt: skip

    assert chains(messages) == chained


def test_a_target_that_wants_to_be_left_alone_for_ever_is_not(on, receiver, clock):
    a_target(on, receiver.url)
    receiver.answers = [(503, {"Retry-After": "9" * 400})]
    push(on, AT, "an image", "v1")

    deliver(on)

    assert standing(on).target.resting_until == clock() + timedelta(hours=1)


def test_what_was_told_before_a_process_comes_to_rest_is_noted(on, receiver):
    a_target(on, receiver.url)
    for seed in ("a", "b"):
        push(on, AT, "an image", seed)
    registry.events.place(on)
    runner = Runner(on, lane=Lane.DELIVERY)
    runner.is_stopping = lambda: bool(receiver.posts)

    runner.tick()
    Runner(on, lane=Lane.DELIVERY).tick()

    assert len(receiver.posts) == 2


def test_nobody_holds_a_line_whose_time_ended_while_it_was_dialled(receiver):
    poster = Poster(LOOPBACK, allowing="--event-allow")
    deadlines, dial, begin = [], poster.connect, poster.watch.deadline

    def begun(seconds):
        deadlines.append(begin(seconds))
        return deadlines[-1]

    def connect(target):
        deadlines[0].cut()
        return dial(target)

    poster.watch.deadline, poster.connect = begun, connect
    with pytest.raises(Unreachable, match="did not answer within"):
        poster.line().post(receiver.url, {}, b"")

    assert receiver.posts == []


def test_a_private_address_is_not_called_unless_it_is_allowed(on, receiver):
    guarded = replace(on, poster=type(on.poster)(allowing="--event-allow"))
    a_target(guarded, receiver.url)
    a_target(guarded, "https://169.254.169.254/latest", "metadata")

    plain = registry.event_targets.test(guarded, HERE, "ci")
    secure = registry.event_targets.test(guarded, HERE, "metadata")

    assert "is not spoken to in plain HTTP" in plain.reason
    assert "has no address that may be reached" in secure.reason
    assert "--event-allow" in secure.reason
    assert receiver.posts == []


def test_a_target_that_is_put_right_is_tried_at_once(on, receiver):
    a_target(on, "http://127.0.0.1:9/")
    push(on, AT, "an image", "v1")
    deliver(on)

    a_target(on, receiver.url)
    deliver(on)

    assert tags(receiver.posts) == ["v1"]


def test_secrets_are_kept_sealed_and_never_follow_an_address(on, receiver):
    target = a_target(on, receiver.url, secrets=Secrets(SECRET, {"Authorization": "Bearer t0ken"}))

    assert b"t0ken" not in target.sealed
    changed = Wishes("ci", Kind.WEBHOOK, receiver.url, pattern='{"source": ["nobody"]}')
    registry.event_targets.put(on, HERE, changed, None)
    assert registry.event_targets.secrets_of(on, standing(on).target).signing == SECRET
    with pytest.raises(InvalidParameter, match="needs its secrets again"):
        registry.event_targets.put(on, HERE, replace(changed, address="https://elsewhere.example/"), None)


def test_a_new_secret_signs_beside_the_old_one_for_a_day(on, receiver, clock):
    new = "whsec_" + SECRET[-1:5:-1]
    a_target(on, receiver.url, secrets=Secrets(SECRET, {"X-Token": "t0ken"}))
    a_target(on, receiver.url, secrets=Secrets(headers={"X-Token": "another"}))  # which keeps the secret
    a_target(on, receiver.url, secrets=Secrets(new))
    push(on, AT, "an image", "v1")
    deliver(on)
    clock.pass_(hours=25)
    push(on, AT, "another", "v2")
    deliver(on)

    [first, second] = receiver.posts
    assert [first.is_signed_with(secret) for secret in (SECRET, new)] == [True, True]
    assert [second.is_signed_with(secret) for secret in (SECRET, new)] == [False, True]
    assert second.headers["x-token"] == "another"


def test_secrets_survive_a_rotation_of_keys(on, receiver, clock):
    a_target(on, receiver.url)
    on.keys.file.rotate(clock())
    with on.database.transaction() as tx:
        store.work.add(tx, registry.rewraps.RewrapKeys(), clock())
    work_off(on)

    target = standing(on).target
    assert version_of(target.sealed) == on.keys.own().newest == 2
    assert registry.event_targets.secrets_of(on, target).signing == SECRET


def test_pulls_are_told_to_whom_they_are_wanted_by_and_counted(on, receiver):
    pushed = push(on, AT, "an image", "v1")
    a_target(on, receiver.url, "all")
    registry.images.find_stored(on, AT, "v1", by_tag=True, puller="arn:aws:iam::000000000000:user/ann")
    registry.pulls.tell(on)
    deliver(on)
    assert receiver.posts == []

    a_target(on, receiver.url, wants_pulls=True)
    registry.events.place(on)
    for _ in range(3):
        registry.images.find_stored(on, AT, "v1", by_tag=True, puller="arn:aws:iam::000000000000:user/ann")
    registry.pulls.tell(on)
    deliver(on)

    [post] = receiver.posts
    assert post.event["detail"] == {
        "result": "SUCCESS", "repository-name": AT.name, "image-digest": pushed.digest, "action-type": "PULL",
        "image-tag": "v1", "principal-arn": "arn:aws:iam::000000000000:user/ann", "pull-count": 3,
    }  # fmt: skip


def test_who_asks_for_an_archived_image_is_told_of(on, receiver):
    pushed = push(on, AT, "an image", "v1")
    a_target(on, receiver.url, wants_pulls=True)
    registry.archive.set_storage_class(on, AT, ImageId(pushed.digest), "ARCHIVE")
    deliver(on)
    receiver.posts.clear()

    with pytest.raises(ImageNotFound):
        registry.images.find_stored(on, AT, "v1", by_tag=True, puller="arn:aws:iam::000000000000:user/ann")
    registry.images.get(on, AT, [ImageId(tag="v1")], puller="arn:aws:iam::000000000000:user/ann")
    registry.pulls.tell(on)
    deliver(on)

    [post] = receiver.posts
    detail = post.event["detail"]
    assert (detail["result"], detail["failure-code"], detail["pull-count"]) == ("FAILURE", "ImageArchived", 2)


@pytest.fixture(scope="module")
def cloud():
    with moto() as (url, client):
        yield url, client


def an_aws_target(on, url, kind, address, name="ci", **wishes):
    keys = Secrets(key_id=KEYS["aws_access_key_id"], secret=KEYS["aws_secret_access_key"])
    wanted = Wishes(name, kind, address, endpoint=url, **wishes)
    registry.event_targets.put(on, HERE, wanted, keys)


def received(sqs, queue):
    """What is in a queue of moto's."""
    found = []
    while got := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
        "Messages"
    ):
        found += got
    return found


def a_queue(sqs, name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def test_a_queue_gets_events_ten_at_a_time(on, cloud):
    _, client = cloud
    queue, _ = a_queue(client("sqs"), "events")
    an_aws_target(on, None, Kind.SQS, queue)
    push(on, AT, "an image", *(f"v{number}" for number in range(12)))
    before = len(calls(on))

    deliver(on)

    found = received(client("sqs"), queue)
    assert [json.loads(one["Body"])["detail"]["image-tag"] for one in found] == [f"v{n}" for n in range(12)]
    assert found[0]["MessageAttributes"]["detail-type"]["StringValue"] == "ECR Image Action"
    assert len(calls(on)) - before == 2


def calls(on):
    """The AWS calls that were posted; none are counted before the first time this is asked."""
    poster = on.poster
    if not hasattr(poster, "told"):
        poster.told, plain = [], poster.line

        def line():
            found = plain()
            post = found.post
            found.post = lambda *what: poster.told.append(1) or post(*what)
            return found

        poster.line = line
    return poster.told


def test_a_topic_gets_events_and_hands_them_on(on, cloud):
    url, client = cloud
    queue, arn = a_queue(client("sqs"), "of-topic")
    topic = client("sns").create_topic(Name="events")["TopicArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    an_aws_target(on, url, Kind.SNS, topic, envelope=Envelope.CLOUDEVENTS)
    push(on, AT, "an image", "v1")

    deliver(on)

    [found] = received(client("sqs"), queue)
    assert json.loads(found["Body"])["data"]["image-tag"] == "v1"


def test_a_bus_gets_events_and_its_rules_match_them(on, cloud):
    url, client = cloud
    queue, arn = a_queue(client("sqs"), "of-bus")
    bus = client("events").create_event_bus(Name="images")["EventBusArn"]
    rule = {"source": ["holdfast.ecr"], "detail": {"image-tag": ["v1"]}}
    client("events").put_rule(Name="v1", EventBusName="images", EventPattern=json.dumps(rule))
    client("events").put_targets(Rule="v1", EventBusName="images", Targets=[{"Id": "1", "Arn": arn}])
    an_aws_target(on, url, Kind.EVENTBRIDGE, bus, source="holdfast.ecr")
    push(on, AT, "an image", "v1", "v2")

    deliver(on)

    [found] = received(client("sqs"), queue)
    event = json.loads(found["Body"])
    assert (event["detail-type"], event["detail"]["image-tag"]) == ("ECR Image Action", "v1")


def test_a_queue_that_is_not_there_is_trouble_and_no_event_is_lost(on, cloud, clock):
    url, client = cloud
    an_aws_target(on, None, Kind.SQS, f"{url}/123456789012/later")
    push(on, AT, "an image", "v1")
    deliver(on)
    assert "NonExistentQueue" in standing(on).target.fault

    queue, _ = a_queue(client("sqs"), "later")
    clock.pass_(seconds=5)
    deliver(on)

    assert len(received(client("sqs"), queue)) == 1
    assert standing(on).target.failing_since is None


@pytest.mark.parametrize(
    "body",
    [b"{}", b"<html>", b'{"Failed": [{"Id": "x"}]}', b'{"Successful": [{"Id": "7"}]}', b'{"Entries": [{}, {}]}',
     b'{"Failed": [{"Id": "0", "Message": "\\u001b[31m"}]}'],
)  # fmt: skip
@pytest.mark.parametrize("kind", [Kind.SQS, Kind.EVENTBRIDGE, Kind.SNS])
def test_what_an_endpoint_does_not_speak_of_was_not_taken(on, receiver, kind, body):
    receiver.status, receiver.body = 200, body
    address = {
        Kind.SQS: receiver.url,
        Kind.EVENTBRIDGE: "arn:aws:events:us-east-1:123456789012:event-bus/b",
        Kind.SNS: "arn:aws:sns:us-east-1:123456789012:t",
    }[kind]
    an_aws_target(on, receiver.url, kind, address)
    push(on, AT, "an image", "v1")

    deliver(on)

    target = standing(on).target
    assert (target.delivered, target.failures, dead(on)) == (0, 1, [])
    assert target.fault.isprintable()


class Partly:
    """An SQS that takes some entries of each call only."""

    def __init__(self, refusing, *, is_sender_fault):
        self.refusing = refusing
        self.is_sender_fault = is_sender_fault
        self.took = []

    def send(self, _api, _queue, entries, _line):
        said = []
        for entry in entries:
            tag = json.loads(entry["MessageBody"])["detail"]["image-tag"]
            is_bad = tag in self.refusing
            said.append(Said("Bad", "no", self.is_sender_fault) if is_bad else Said())
            if not is_bad:
                self.took.append(tag)
        return said


@pytest.mark.parametrize("is_sender_fault", [False, True])
def test_what_a_queue_took_of_a_batch_is_not_sent_again(on, clock, is_sender_fault):
    sqs = Partly({"v3"}, is_sender_fault=is_sender_fault)
    on = replace(on, aws_events=sqs)
    an_aws_target(on, None, Kind.SQS, "https://sqs.example/1/q")
    push(on, AT, "an image", *(f"v{number}" for number in range(15)))
    deliver(on)
    assert sqs.took == [f"v{number}" for number in range(10) if number != 3]

    if not is_sender_fault:
        sqs.refusing = set()
    for _ in range(4):
        clock.pass_(minutes=1)
        deliver(on)

    assert sorted(sqs.took) == sorted(f"v{n}" for n in range(15) if not is_sender_fault or n != 3)
    assert len(dead(on)) == int(is_sender_fault)


def test_one_event_that_is_too_large_becomes_a_dead_letter_and_a_batch_keeps_the_limit(on, clock):
    sqs = Partly(set(), is_sender_fault=False)
    sizes = []
    plain = sqs.send
    sqs.send = lambda api, queue, entries, line: (
        sizes.append(sum(len(one["MessageBody"]) for one in entries)) or plain(api, queue, entries, line)
    )
    on = replace(on, aws_events=sqs)
    an_aws_target(on, None, Kind.SQS, "https://sqs.example/1/q")
    with on.database.transaction() as tx:
        for number, size in enumerate((100_000, 100_000, 100_000, 300_000, 10)):
            event = Event("ECR Image Action", {"image-tag": str(number), "more": "x" * size})
            registry.events.tell(on, tx, HOME, event)

    for _ in range(4):
        deliver(on)
        clock.pass_(minutes=1)

    assert sqs.took == ["0", "1", "2", "4"]
    assert max(sizes) <= 256 * 1024
    assert [letter.reason for letter in dead(on)] == ["It has more than 262144 bytes"]


WRONG = [
    {"address": "ftp://x/"}, {"address": "https://user@x/"}, {"pattern": "{"}, {"maximum_age_seconds": 1},
    {"template": "<what>"}, {"kind": Kind.SNS}, {"kind": Kind.SQS, "address": "https://sqs/q"},
    {"envelope": Envelope.CLOUDEVENTS_BINARY, "kind": Kind.SNS, "address": "arn:aws:sns:us-east-1:000000000000:t"},
    {"name": "a b"}, {"endpoint": "http://x"},
]  # fmt: skip


def test_what_cannot_be_right_is_refused(on):
    for wrong in WRONG:
        with pytest.raises(InvalidParameter):
            registry.event_targets.put(on, HERE, replace(Wishes("ci", Kind.WEBHOOK, "https://x/"), **wrong), None)


def test_what_machines_watch(on, receiver, clock):
    a_target(on, "http://127.0.0.1:9/", maximum_retries=0)
    push(on, AT, "an image", "v1")
    registry.events.place(on)
    clock.pass_(seconds=30)

    before = registry.events.figures(on)
    deliver(on)
    after = registry.events.figures(on)

    assert before["event_delivery_lag_seconds"] == 30
    assert (after["event_delivery_lag_seconds"], after["event_dead_letters"]) == (0, 1)
    assert (after["event_targets_failing"], after["event_delivery_failures"]) == (1, 1)
    assert json.dumps(after)


class Moody:
    """Lines to a receiver that takes some posts, refuses a few for ever, and has trouble at times."""

    def __init__(self, chance):
        self._chance = chance
        self._refused = {number for number in range(60) if chance.random() < 0.1}
        self._trouble = chance.choice([0.1, 0.6])
        self.took = []

    def line(self):
        return self

    def post(self, _url, _headers, body):
        number = json.loads(body)["detail"]["number"]
        if number in self._refused:
            return Heard(400, {}, b"")
        if self._chance.random() < self._trouble:
            return Heard(self._chance.choice([503, 429, 404]), {"retry-after": self._chance.choice(["", "600"])}, b"")
        self.took.append(number)
        return Heard(204, {}, b"")

    def close(self):
        pass


@pytest.mark.parametrize("seed", [2, 34, 59])
def test_whatever_a_target_answers_each_event_is_taken_once_or_dead_and_those_of_an_image_in_order(on, clock, seed):
    chance = random.Random(seed)
    moody = Moody(chance)
    on = replace(on, poster=moody)
    a_target(on, "https://ci.example/", pattern='{"detail":{"wanted":[true]}}', maximum_age_seconds=600)
    wanted = {}

    for step in range(300):
        if step % 5 == 0:
            with on.database.transaction() as tx:
                image, tag, is_wanted = f"sha256:{chance.randint(0, 8)}", f"v{chance.randint(0, 3)}", step % 3 > 0
                detail = {"image-digest": image, "image-tag": tag, "number": step // 5, "wanted": is_wanted}
                registry.events.tell(on, tx, HOME, Event("ECR Image Action", detail))
            wanted |= {step // 5: {image, tag}} if is_wanted else {}
        if chance.random() < 0.7:
            deliver(on)
        clock.pass_(seconds=chance.choice([0, 1, 30, 400]))
    for _ in range(100):
        clock.pass_(minutes=10)
        deliver(on)

    lost = [letter.envelope["detail"]["number"] for letter in dead(on)]
    assert sorted([*moody.took, *lost]) == sorted(wanted)
    late = [(a, b) for at, a in enumerate(moody.took) for b in moody.took[at:] if b < a and wanted[a] & wanted[b]]
    assert late == []
