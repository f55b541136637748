"""Whatever is asked is answered as described, or refused in documented words and without effect."""

from __future__ import annotations

import logging

import pytest
from botocore.parsers import create_parser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast import registry
from holdfast.aws import json_protocol
from tests import databases
from tests.aws.almost import changes, requests
from tests.aws.desk import ECR, codes
from tests.aws.furnished import ELSEWHERE, RIGHT, Furnished, nobody_waits_for_the_disk
from tests.aws.provocations import UNPROVOKED
from tests.aws.test_every_exception import ENDS_ITS_UPLOAD, OF_UPLOADS
from tests.aws.values import written
from tests.registry.ground import HOME, work_off

NAMES = sorted(RIGHT)
LISTS = {"ecrRepositoryPrefixes", "imageIds", "prefixes", "repositoryNames"}  # which allow no token beside them
CLAIMS = {"cache_fetches"}  # a push asks an upstream for its layers, and the thread that does ends its claim by itself
NO_DOCUMENTS = [b"", b"[]", b"null", b"\xff{}", b'{"a":"\\ud800"}', b'{"a":1e999}', b'{"a":' * 100_000, b"[" * 100_000]
COMMON = {"SerializationException", "AccessDeniedException", "InvalidParameterException", "ValidationException"}
# What AWS does though it does not say so, and what it says nothing about.
UNDOCUMENTED = {
    ("DescribeRepositoryCreationTemplates", "TemplateNotFoundException"),  # Terraform relies on it
    ("InitiateLayerUpload", "LimitExceededException"),  # a repository that its push would make is one too many
}
PARSER = create_parser("json")
# What is kept twice and differs, or names what is not there: none of these may find anything, whatever was done.
DISAGREEMENTS = """
SELECT id FROM registries r WHERE repository_count <> (SELECT count(*) FROM repositories
  WHERE registry_id = r.id AND deleted_at IS NULL);
SELECT id FROM repositories r WHERE image_count <> (SELECT count(*) FROM manifests WHERE repository_id = r.id);
SELECT id FROM manifests m WHERE is_tagged <> EXISTS (SELECT 1 FROM tags WHERE manifest_id = m.id);
SELECT name FROM tags JOIN manifests m ON m.id = manifest_id WHERE is_active <> (status = 'ACTIVE');
SELECT digest FROM manifest_references r WHERE is_manifest AND NOT EXISTS
  (SELECT 1 FROM manifests m WHERE m.repository_id = r.repository_id AND m.digest = r.digest);
SELECT digest FROM manifest_references r WHERE NOT is_manifest AND NOT EXISTS
  (SELECT 1 FROM repository_blobs b WHERE b.repository_id = r.repository_id AND b.digest = r.digest);
SELECT key FROM objects o WHERE expires_at IS NULL AND NOT EXISTS (SELECT 1 FROM blobs WHERE object_key = o.key)
"""
QUICK = settings(
    derandomize=True, database=None, deadline=None, max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip


class Ground:
    """A copy of the furnished registry, which is made whole when something was changed in it."""

    def __init__(self, furnished, folder):
        self._furnished = furnished
        self.desk = furnished.copy(folder)
        self._watch = databases.look(self.desk.on.database)
        self._whole = self.desk.dump()

    def renew(self):
        self._watch.close()
        self._furnished.restore(self.desk)
        self._watch = databases.look(self.desk.on.database)
        self._version, self._kept = self._data_version(), self._whole | self.desk.files()

    def close(self):
        self._watch.close()
        databases.forget(self.desk.on.database)

    def look(self):
        """See how it is now."""
        self._version, self._kept = self._data_version(), self.desk.dump()

    def changed(self):
        """What was changed since it was looked at."""
        if self._data_version() == self._version:
            return set()
        now = self.desk.dump()
        return {table for table in now if now[table] != self._kept[table]} - CLAIMS

    def ask(self, name, members, region=HOME.region):
        """Ask, and check all that can be said of any answer; whether it changed anything."""
        answer = self.desk.ask(name, written(members).encode(), region)
        changed = self.changed()
        if answer.status == 200:
            check_answer(name, answer.body)
            assert not (changed and is_a_question(name)), changed
        else:
            check_refusal(name, answer)
            ends_upload = f"{name}.{answer.code}".removesuffix("Exception") in ENDS_ITS_UPLOAD
            assert changed <= (OF_UPLOADS if ends_upload else set()), answer
        assert not changed or self.disagreements() == []
        return bool(changed)

    def disagreements(self):
        """Which queries find something, and what."""
        found = [(query, self._watch.execute(query).fetchall()) for query in DISAGREEMENTS.split(";")]
        return [(query, rows) for query, rows in found if rows] + databases.dangling(self._watch)

    def _data_version(self):
        return databases.tick(self._watch)


def is_a_question(name):
    return name.startswith(("Batch", "Describe", "Get", "List", "Validate")) and name != "BatchDeleteImage"


def check_answer(name, body):
    """What botocore reads of it has what is required, and words that are known; lengths are meant for requests."""
    shape = ECR.find(name).output_shape
    read = PARSER.parse({"status_code": 200, "headers": {}, "body": body}, shape)
    del read["ResponseMetadata"]
    broken = json_protocol.broken_constraints(shape, read)
    assert [(field, why) for field, why in broken if "length" not in why] == []


def check_refusal(name, answer):
    """It is no fault, says its code and why, and the code is one that the operation may answer."""
    assert answer.status == 400, answer
    assert (name, answer.code) not in UNPROVOKED, answer
    assert answer.code in codes(name) | COMMON or (name, answer.code) in UNDOCUMENTED, answer
    assert answer.document["message"].strip()


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    with nobody_waits_for_the_disk():
        made = Furnished(tmp_path_factory.mktemp("furnished"))
        yield made
        made.close()


@pytest.fixture(scope="module")
def ground(furnished, tmp_path_factory):
    made = Ground(furnished, tmp_path_factory.mktemp("fuzzed"))
    yield made
    made.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_request_with_one_odd_thing_is_answered_or_refused_without_effect(ground, name):
    ground.renew()

    for members in changes(name):
        if ground.ask(name, members):
            ground.renew()


@pytest.mark.parametrize("name", NAMES)
def test_a_request_with_many_odd_things_is_answered_or_refused_without_effect(ground, name):
    @QUICK
    @given(members=requests(name))
    def ask(members):
        if ground.ask(name, members):
            ground.renew()

    ground.renew()
    ask()


@pytest.mark.parametrize("name", NAMES)
def test_a_right_request_to_a_region_in_which_nothing_is_changes_nothing_unless_it_is_done(ground, name):
    ground.renew()

    ground.ask(name, RIGHT[name], ELSEWHERE)


@pytest.mark.parametrize("name", [name for name in NAMES if "nextToken" in ECR.find(name).input_shape.members])
def test_a_token_that_nobody_was_given_is_refused(ground, name):
    ground.renew()
    request = {key: value for key, value in RIGHT[name].items() if key not in LISTS} | {"nextToken": "!"}

    answer = ground.desk.ask(name, request)

    assert (answer.status, answer.code) == (400, "InvalidParameterException")
    assert "'nextToken'" in answer.document["message"]


@pytest.mark.parametrize("name", NAMES)
def test_bytes_that_are_no_document_are_refused(ground, name):
    right = written(RIGHT[name]).encode()
    ground.renew()

    for body in (*NO_DOCUMENTS, right[:-1], right + b"}", right.replace(b"{", b"[", 1), b"\0" + right):
        answer = ground.desk.ask(name, body)
        assert (answer.status, answer.code) == (400, "SerializationException"), body[:100]
    assert ground.changed() == set()


def test_any_calls_one_after_the_other_leave_work_that_can_be_done(ground, caplog):
    any_call = st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), requests(name)))

    @QUICK
    @given(calls=st.lists(any_call, max_size=12))
    def ask_each(calls):
        ground.renew()
        on = ground.desk.on
        for name, members in calls:
            if ground.ask(name, members):
                ground.look()
        caplog.clear()

        work_off(on)
        on.clock.pass_(days=1)
        work_off(on)

        assert ground.disagreements() == []
        assert [item for item in registry.work.page(on) if item.error is not None] == []
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    ask_each()
