"""What a lifecycle policy does to a repository: exactly what its preview said. The clock is the test's."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from holdfast import registry, store
from holdfast.model.errors import LifecyclePolicyNotFound, LifecyclePolicyPreviewInProgress
from holdfast.model.images import ImageId
from holdfast.model.work import FollowSubject
from holdfast.registry.work import LEASE, LeaseLost
from holdfast.worker import Runner
from tests import builders
from tests.registry.ground import AT, create, described, push, put, told, work_off

UNTAGGED = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}
KEEP_TWO = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 2}
UNUSED = {"tagStatus": "any", "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 90}
LONG_ARCHIVED = {"tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned",
                 "countUnit": "days", "countNumber": 365}  # fmt: skip
EXPIRE = {"type": "expire"}
ARCHIVE = {"type": "transition", "targetStorageClass": "archive"}


def policy(*rules):
    """The text of a policy of selections and actions, in the order of their priority."""
    return json.dumps(
        {
            "rules": [
                {"rulePriority": number, "selection": selection, "action": action}
                for number, (selection, action) in enumerate(rules, 1)
            ]
        }
    )


def a_referrer(on, subject):
    return push(on, AT, "signature", subject=subject.descriptor, artifactType="application/x-signature")


def outcome(on):
    return registry.lifecycle.get(on, AT).outcome


def previewed(on, text):
    registry.lifecycle.start_preview(on, AT, text)
    work_off(on)
    preview, results, _ = registry.lifecycle.find_preview(on, AT, 0, 1000)
    assert preview.status == "COMPLETE"
    return {(result.digest, result.action, result.rule_priority) for result in results}


def test_untagged_images_expire_when_their_time_has_come(on, clock):
    old, kept = push(on, AT, "old"), push(on, AT, "tagged", "v1")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    work_off(on)
    before = set(described(on))

    clock.pass_(days=14, seconds=1)
    young = push(on, AT, "young")
    work_off(on)

    assert before == {old.digest, kept.digest}
    assert set(described(on)) == {kept.digest, young.digest}
    assert told(on)[-1] | {"image-digest": old.digest, "action-type": "DELETE"} == told(on)[-1]


def test_putting_a_policy_deletes_nothing_by_itself(on):
    for seed in "abc":
        push(on, AT, seed, seed)

    registry.lifecycle.put(on, AT, policy((KEEP_TWO, EXPIRE)))

    assert len(described(on)) == 3
    assert registry.lifecycle.get(on, AT).evaluated_at is None


def test_a_policy_is_evaluated_soon_and_then_again_and_again(on, clock):
    registry.lifecycle.put(on, AT, policy((KEEP_TWO, EXPIRE)))
    times = []

    for _ in range(5):
        work_off(on)
        times.append(registry.lifecycle.get(on, AT).evaluated_at)
        clock.pass_(minutes=40)

    assert len(set(times)) == 3
    assert times[0] is not None


def test_images_are_archived_when_nobody_pulls_them(on, clock):
    used, unused = push(on, AT, "used", "v1"), push(on, AT, "unused", "v2")
    registry.lifecycle.put(on, AT, policy((UNUSED, ARCHIVE)))
    clock.pass_(days=60)
    registry.images.find_stored(on, AT, "v1", by_tag=True, puller="arn:aws:iam::000000000000:user/alice")
    registry.pulls.record(on)

    clock.pass_(days=31)
    work_off(on)

    assert {digest: image.status for digest, image in described(on).items()} == {
        used.digest: "ACTIVE",
        unused.digest: "ARCHIVED",
    }
    assert outcome(on)["transitioned"] == 1


def test_archived_images_expire_after_their_year(on, clock):
    image = push(on, AT, "a", "v1")
    registry.archive.set_storage_class(on, AT, ImageId(image.digest), "ARCHIVE")
    registry.lifecycle.put(on, AT, policy((KEEP_TWO, EXPIRE), (LONG_ARCHIVED, EXPIRE)))

    clock.pass_(days=365)
    work_off(on)
    before = len(described(on))
    clock.pass_(days=1)
    work_off(on)

    assert before == 1
    assert described(on) == {}


def test_a_list_goes_first_and_its_members_in_the_next_run(on, clock):
    member = push(on, AT, "member")
    index = builders.an_index(member)
    put(on, AT, index)
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    clock.pass_(days=15)

    work_off(on)
    after_one, told_by_first = set(described(on)), outcome(on)
    clock.pass_(hours=1)
    work_off(on)

    assert after_one == {member.digest}
    assert told_by_first["failures"] == {member.digest: "ImageReferencedByManifestList"}
    assert described(on) == {}


def test_a_referrer_is_not_chosen_but_follows_its_subject(on, clock):
    subject = push(on, AT, "a")
    referrer = a_referrer(on, subject)
    newer = push(on, AT, "b", "v1")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    clock.pass_(days=15)

    work_off(on)
    first = set(described(on))
    clock.pass_(hours=2)
    work_off(on)

    assert first == {referrer.digest, newer.digest}
    assert set(described(on)) == {newer.digest}


def test_what_a_preview_says_is_what_is_done(on, clock):
    for number in range(10):
        push(on, AT, f"tagged {number}", f"v{number}")
        push(on, AT, f"untagged {number}")
        clock.pass_(days=4)
    text = policy((UNTAGGED, EXPIRE), (KEEP_TWO, ARCHIVE))
    said = previewed(on, text)
    before = set(described(on, status="ACTIVE"))

    registry.lifecycle.put(on, AT, text)
    work_off(on)

    now = described(on)
    done = {(digest, "EXPIRE", 1) for digest in before - set(now)}
    done |= {(digest, "TRANSITION", 2) for digest, image in now.items() if image.status == "ARCHIVED"}
    assert done == said
    assert said


def test_a_preview_changes_nothing(on, clock):
    for seed in "abc":
        push(on, AT, seed, seed)
        clock.pass_(days=1)
    before = described(on)
    events = len(told(on))

    assert len(previewed(on, policy((KEEP_TWO, EXPIRE)))) == 1

    assert described(on) == before
    assert len(told(on)) == events


def test_a_second_preview_waits_for_the_first(on):
    text = policy((KEEP_TWO, EXPIRE))
    registry.lifecycle.start_preview(on, AT, text)

    with pytest.raises(LifecyclePolicyPreviewInProgress):
        registry.lifecycle.start_preview(on, AT, text)
    work_off(on)

    assert registry.lifecycle.start_preview(on, AT, text)


def test_a_preview_that_fails_says_so(on, monkeypatch):
    registry.lifecycle.start_preview(on, AT, policy((KEEP_TWO, EXPIRE)))
    monkeypatch.setattr(registry.lifecycle, "plan", lambda *_: 1 / 0)

    work_off(on)

    assert registry.lifecycle.find_preview(on, AT, 0, 10)[0].status == "FAILED"


def test_what_a_preview_found_is_forgotten_after_a_day(on, clock):
    for seed in "abc":
        push(on, AT, seed, seed)
    previewed(on, policy((KEEP_TWO, EXPIRE)))

    clock.pass_(hours=25)
    work_off(on)

    preview, results, _ = registry.lifecycle.find_preview(on, AT, 0, 10)
    assert (preview.status, results) == ("EXPIRED", [])


def test_a_preview_that_was_killed_begins_again_and_finds_everything_once(on, clock, monkeypatch):
    monkeypatch.setattr(registry.lifecycle, "RESULTS_AT_ONCE", 2)
    for number in range(9):
        push(on, AT, f"{number}", f"v{number}")
    registry.lifecycle.start_preview(on, AT, policy((KEEP_TWO, EXPIRE)))
    add, calls = store.lifecycle.add_results, []

    def die_in_the_middle(tx, results):
        calls.append(1)
        if len(calls) == 3:
            raise LeaseLost  # as good as dead: it comes back with nothing
        add(tx, results)

    monkeypatch.setattr(store.lifecycle, "add_results", die_in_the_middle)
    work_off(on)
    clock.pass_(seconds=LEASE.total_seconds())
    work_off(on)

    preview, results, _ = registry.lifecycle.find_preview(on, AT, 0, 100)
    assert preview.status == "COMPLETE"
    assert len(results) == len({result.digest for result in results}) == preview.expiring == 7


# ---- What happens between the plan and the deed


def between(on, monkeypatch, deed):
    """Let something happen after the plan and before it is carried out."""
    plan = registry.lifecycle.plan

    def and_then(*arguments):
        verdicts = plan(*arguments)
        monkeypatch.setattr(registry.lifecycle, "plan", plan)
        deed()
        return verdicts

    monkeypatch.setattr(registry.lifecycle, "plan", and_then)


@pytest.mark.parametrize(
    "deed",
    [
        lambda on, image: put(on, AT, image, "v1"),
        lambda on, image: put(on, AT, builders.an_index(image), "list"),
        lambda on, image: registry.archive.set_storage_class(on, AT, ImageId(image.digest), "ARCHIVE"),
    ],
    ids=["tagged", "listed", "archived"],
)
def test_an_image_that_changed_since_the_plan_is_left_alone(on, clock, monkeypatch, deed):
    image = push(on, AT, "a")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    clock.pass_(days=15)
    between(on, monkeypatch, lambda: deed(on, image))

    work_off(on)

    assert image.digest in described(on)
    assert outcome(on)["changed"] == 1


def test_an_image_that_was_pulled_since_the_plan_is_not_archived(on, clock, monkeypatch):
    image = push(on, AT, "a", "v1")
    registry.lifecycle.put(on, AT, policy((UNUSED, ARCHIVE)))
    clock.pass_(days=91)

    def pull():
        registry.images.find_stored(on, AT, "v1", by_tag=True, puller="arn:aws:iam::000000000000:user/alice")
        registry.pulls.record(on)

    between(on, monkeypatch, pull)
    work_off(on)

    assert described(on)[image.digest].status == "ACTIVE"


def test_a_policy_that_was_taken_away_since_the_plan_is_not_followed(on, clock, monkeypatch):
    image = push(on, AT, "a")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    clock.pass_(days=15)
    between(on, monkeypatch, lambda: registry.lifecycle.delete(on, AT))

    work_off(on)

    assert image.digest in described(on)
    assert [item for item in registry.work.page(on) if item.kind == "EvaluateLifecycle"] == []
    with pytest.raises(LifecyclePolicyNotFound):
        registry.lifecycle.get(on, AT)


def test_a_policy_that_was_replaced_since_the_plan_is_not_followed_but_the_new_one_is(on, clock, monkeypatch):
    first, second = push(on, AT, "a"), push(on, AT, "b", "v1")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    clock.pass_(days=15)
    tagged = {**UNTAGGED, "tagStatus": "tagged", "tagPrefixList": ["v"]}
    between(on, monkeypatch, lambda: registry.lifecycle.put(on, AT, policy((tagged, EXPIRE))))

    work_off(on)

    assert set(described(on)) == {first.digest}
    assert second.digest not in described(on)


def test_a_policy_that_was_taken_away_and_put_anew_since_the_plan_is_another_one(on, clock, monkeypatch):
    image = push(on, AT, "a")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    clock.pass_(days=15)

    def replace_by_another():
        registry.lifecycle.delete(on, AT)
        registry.lifecycle.put(on, AT, policy(({**UNTAGGED, "countNumber": 9999}, EXPIRE)))

    between(on, monkeypatch, replace_by_another)
    work_off(on)

    assert image.digest in described(on)


def test_a_count_is_made_anew_when_an_image_that_it_rests_on_went_since_the_plan(on, clock, monkeypatch):
    images = []
    for seed in "abcd":
        images.append(push(on, AT, seed, seed))
        clock.pass_(hours=1)
    registry.lifecycle.put(on, AT, policy((KEEP_TWO, EXPIRE)))
    between(on, monkeypatch, lambda: registry.images.delete(on, AT, [ImageId(images[3].digest)]))

    work_off(on)
    first = set(described(on))
    clock.pass_(hours=1)
    work_off(on)

    assert first == {image.digest for image in images[:3]}
    assert set(described(on)) == {image.digest for image in images[1:3]}


def test_a_referrer_whose_subject_came_since_the_plan_is_left_alone(on, clock, monkeypatch):
    subject = push(on, AT, "subject")
    referrer = a_referrer(on, subject)
    registry.images.delete(on, AT, [ImageId(subject.digest)])
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    with on.database.transaction() as tx:
        store.work.cancel_work(tx, FollowSubject(1, subject.digest))
    clock.pass_(days=15)
    between(on, monkeypatch, lambda: put(on, AT, subject, "v1"))

    work_off(on)

    assert referrer.digest in described(on)


def test_a_policy_is_followed_again_after_any_number_of_failures(on, clock, monkeypatch):
    image = push(on, AT, "a")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    with monkeypatch.context() as broken:
        broken.setattr(registry.lifecycle, "plan", lambda *_: 1 / 0)
        for _ in range(20):
            work_off(on)
            clock.pass_(days=1)

    work_off(on)

    assert image.digest not in described(on)


def test_cancelling_a_run_does_not_end_the_policy(on, clock):
    image = push(on, AT, "a")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    clock.pass_(days=15)
    [item] = [item for item in registry.work.page(on) if item.kind == "EvaluateLifecycle"]
    registry.work.cancel(on, item.id)
    work_off(on)
    after_cancel = set(described(on))

    clock.pass_(hours=2)
    work_off(on)

    assert after_cancel == {image.digest}
    assert described(on) == {}


def test_a_preview_whose_work_was_given_up_can_be_started_again(on, clock, monkeypatch):
    text = policy((KEEP_TWO, EXPIRE))
    registry.lifecycle.start_preview(on, AT, text)
    with monkeypatch.context() as broken:
        broken.setattr(store.lifecycle, "find_preview", lambda *_: 1 / 0)
        broken.setattr(store.lifecycle, "end_preview", lambda *_: 1 / 0)
        for _ in range(12):
            work_off(on)
            clock.pass_(hours=2)

    registry.lifecycle.start_preview(on, AT, text)
    work_off(on)

    assert registry.lifecycle.find_preview(on, AT, 0, 10)[0].status == "COMPLETE"


def test_an_evaluation_does_no_more_than_its_share(on, clock):
    on = replace(on, limits=replace(on.limits, lifecycle_deeds=3))
    for number in range(8):
        push(on, AT, f"{number}")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    clock.pass_(days=15)
    left = []

    for _ in range(3):
        work_off(on)
        left.append(len(described(on)))
        clock.pass_(hours=1)

    assert left == [5, 2, 0]


def test_a_repository_that_is_gone_takes_its_work_with_it(on, clock):
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    registry.lifecycle.start_preview(on, AT, None)
    registry.repositories.delete(on, AT, force=True)

    work_off(on)
    create(on, AT)
    work_off(on)

    assert [item.kind for item in registry.work.page(on) if "Lifecycle" in item.kind] == []


def test_a_killed_run_goes_on_and_tells_each_deletion_once(on, clock, monkeypatch):
    monkeypatch.setattr(registry.lifecycle, "AT_ONCE", 3)
    for number in range(10):
        push(on, AT, f"{number}")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    clock.pass_(days=15)
    remove, calls = store.images.remove, []

    def die_in_the_middle(tx, repository, image):
        calls.append(1)
        if len(calls) == 5:
            raise LeaseLost
        remove(tx, repository, image)

    monkeypatch.setattr(store.images, "remove", die_in_the_middle)
    work_off(on)
    left = len(described(on))
    clock.pass_(seconds=LEASE.total_seconds())
    work_off(on)

    deleted = [event["image-digest"] for event in told(on) if event["action-type"] == "DELETE"]
    assert left == 7
    assert described(on) == {}
    assert len(deleted) == len(set(deleted)) == 10


def test_pushes_go_on_while_a_policy_is_followed(on, clock, monkeypatch):
    for number in range(120):
        push(on, AT, f"{number}")
    registry.lifecycle.put(on, AT, policy((UNTAGGED, EXPIRE)))
    clock.pass_(days=15)
    run = threading.Thread(target=Runner(on).tick)

    run.start()
    pushed = [push(on, AT, f"meanwhile {number}", f"m{number}").digest for number in range(30)]
    run.join()

    assert set(described(on)) == set(pushed)


# ---- Explained


def test_every_image_is_explained(on, clock):
    newest = [push(on, AT, seed, seed) for seed in "abc"]
    listed = push(on, AT, "listed")
    put(on, AT, builders.an_index(listed), "list")
    clock.pass_(days=1)

    verdicts = registry.lifecycle.explain(on, AT, policy((UNTAGGED, EXPIRE), (KEEP_TWO, EXPIRE)))

    assert len(verdicts) == len(described(on)) == 5
    assert all(verdict.reason for verdict in verdicts)
    assert {verdict.image.digest for verdict in verdicts} >= {image.digest for image in newest}
