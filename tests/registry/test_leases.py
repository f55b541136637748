"""What a lease holds while time passes: lifecycle, archive, referrers and purge leave it alone. The clock is ours."""

from __future__ import annotations

from datetime import timedelta

import pytest

from holdfast import registry
from holdfast.model.errors import DeletedImageNotFound, ImageInUse
from holdfast.model.images import ImageId
from holdfast.registry.leases import Wish
from tests import builders
from tests.registry.ground import AT, described, push, put, work_off
from tests.registry.test_lifecycle import ARCHIVE, EXPIRE, KEEP_TWO, UNUSED, outcome, policy, previewed

KEEP_ONE = {**KEEP_TWO, "countNumber": 1}


def lease(on, document, holder="prod", **lifetime):
    wishes = [Wish(ImageId(document.digest), "default/web")]
    lifetime = timedelta(**lifetime or {"days": 1})
    return registry.leases.put(on, AT, holder, "ECS", "arn:aws:iam::000000000000:root", lifetime, wishes)


def delete(on, document):
    return registry.images.delete(on, AT, [ImageId(document.digest)])


def test_a_lifecycle_policy_leaves_what_runs_alone_and_says_so(on, clock):
    running, idle, newest = (
        push(on, AT, seed, seed) for seed in ("running", "idle", "newest") if clock.pass_(days=1) is None
    )
    lease(on, running)

    assert previewed(on, policy((KEEP_ONE, EXPIRE))) == {(idle.digest, "EXPIRE", 1)}
    [why] = [
        one.reason
        for one in registry.lifecycle.explain(on, AT, policy((KEEP_ONE, EXPIRE)))
        if one.image.digest == running.digest
    ]
    [failure], _ = registry.lifecycle.preview_failures(on, AT, 0, 100)
    assert registry.lifecycle.find_preview_of(on, AT, [ImageId(running.digest)])[1] == []
    registry.lifecycle.put(on, AT, policy((KEEP_ONE, EXPIRE)))
    work_off(on)

    assert (failure.digest, failure.failure, failure.reason) == (running.digest, "ImageInUse", why)
    assert why.startswith("kept: it is in use by ECS prod (default/web) until 2030-01-05T")
    assert why.endswith("(rule 1 would expire it)")
    assert set(described(on)) == {running.digest, newest.digest}
    assert outcome(on)["failures"] == {running.digest: "ImageInUse"}
    clock.pass_(days=1, hours=1)
    work_off(on)
    assert set(described(on)) == {newest.digest}


def test_a_lease_that_is_taken_while_a_policy_is_carried_out_counts(on, clock, monkeypatch):
    image = push(on, AT, "image", "v1")
    clock.pass_(days=91)
    registry.lifecycle.put(on, AT, policy((UNUSED, ARCHIVE)))
    judge = registry.lifecycle._judge

    def judge_and_be_late(*arguments):
        verdicts = judge(*arguments)
        lease(on, image)
        return verdicts

    monkeypatch.setattr(registry.lifecycle, "_judge", judge_and_be_late)
    work_off(on)

    assert described(on)[image.digest].status == "ACTIVE"
    assert outcome(on)["changed"] == 1


def test_an_index_that_runs_holds_its_members_and_their_signatures(on, clock):
    members = [push(on, AT, seed) for seed in ("one", "two")]
    index = builders.an_index(*members)
    put(on, AT, index)
    signatures = [
        push(on, AT, f"signature {n}", subject=one.descriptor, artifactType="application/x-signature")
        for n, one in enumerate((members[0], index))
    ]
    nested = push(on, AT, "nested", subject=signatures[0].descriptor, artifactType="application/x-note")
    lease(on, index)
    clock.pass_(hours=23)

    for document in (index, *members, *signatures, nested):
        assert [failure.code for failure in delete(on, document)[1]] in (
            ["ImageInUse"],
            ["ImageReferencedByManifestList"],
        )
    clock.pass_(hours=2)
    assert delete(on, nested)[1] == delete(on, signatures[0])[1] == delete(on, index)[1] == []


def test_a_referrer_that_runs_itself_outlives_its_subject_for_as_long(on, clock):
    subject = push(on, AT, "subject", "v1")
    referrer = push(on, AT, "wasm", subject=subject.descriptor, artifactType="application/x-module")
    lease(on, referrer, days=2)
    clock.pass_(hours=2)
    assert delete(on, subject)[1] == []

    for _ in range(20):
        clock.pass_(hours=2)
        work_off(on)
    assert set(described(on)) == {referrer.digest}
    for _ in range(10):
        clock.pass_(hours=2)
        work_off(on)
    assert described(on) == {}


def test_what_runs_though_it_is_deleted_is_not_purged_and_can_be_restored(on, clock):
    member = push(on, AT, "member")
    index = builders.an_index(member)
    put(on, AT, index, "v1")
    idle = push(on, AT, "idle", "v2")
    for document in (index, member, idle):
        assert delete(on, document)[1] == []

    [taken], _ = lease(on, index, days=30)
    with pytest.raises(ImageInUse, match="prod"):
        registry.undelete.purge_image(on, AT, index.digest)
    for _ in range(3):
        clock.pass_(days=8)
        work_off(on)

    assert taken.status == "DELETED"
    with pytest.raises(DeletedImageNotFound):
        registry.undelete.restore_image(on, AT, idle.digest)
    assert len(registry.undelete.restore_image(on, AT, index.digest)) == 2
    assert described(on)[index.digest].tags == ("v1",)


def test_leases_that_are_over_are_forgotten(on, clock):
    image = push(on, AT, "image", "v1")
    lease(on, image, minutes=1)

    clock.pass_(hours=2)
    work_off(on)

    with on.database.snapshot() as tx:
        assert tx._driver.execute("SELECT count(*) FROM image_leases").fetchone() == (0,)
