"""The chains of the audit log: how they are written, and that nothing done to them goes unseen."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from holdfast import registry, store
from holdfast.model.audit import Note, Pull
from holdfast.model.callers import Caller
from holdfast.registry.audit import Audit, Wanted
from holdfast.registry.audit import notes as queue
from tests import builders
from tests.registry.ground import AT, HOME, described, push, put, work_off

if TYPE_CHECKING:
    from holdfast.registry.backends import Backends

ROOT = Caller(HOME.account_id, "AKIAIOSFODNN7EXAMPLE")


@pytest.fixture
def audited(on, tmp_path):
    """A registry with an audit log."""
    return with_log(on, tmp_path)


def with_log(on, tmp_path, **settings) -> Backends:
    """The same registry as another process would have it, which begins a moment later."""
    on.clock.pass_(seconds=1)
    return replace(on, audit=Audit(tmp_path / "audit", **settings))


def note(on, event="CreateRepository", *, parameters=None, who=ROOT, request_id="a-request"):
    """Note a call."""
    on.audit.note(
        on,
        Note(on.clock(), who, "ecr", event, HOME.region, HOME.account_id, request_id, "127.0.0.1", "aws-cli", None,
             False, AT, parameters or {}),
    )  # fmt: skip


def pull(on, reference="v1"):
    """Note a pull."""
    pulled = Pull(on.clock(), "", ROOT, AT, "BatchGetImage", "GET /…", reference, "127.0.0.1", None, None)
    if on.audit.wants_pull():
        on.audit.note(on, pulled, may_drop=True)


def write(on, *events):
    """Note some calls and write them down at once."""
    for event in events or ("CreateRepository",):
        note(on, event)
    registry.audit.record(on)


def files(on):
    """The files of the log, in order."""
    return sorted(on.audit.folder.glob("*.jsonl"))


def lines(on):
    """Every line that tells of a call."""
    whole = b"".join(path.read_bytes() for path in files(on)).splitlines()
    return [json.loads(line) for line in whole if not line.startswith(b'{"audit":')]


def faults(on, since=None):
    """What the check finds at fault."""
    return [(one.file, one.fault) for one in registry.audit.verify(on, since) if one.fault is not None]


def remarks(on):
    """What the check remarks."""
    return [one.remark for one in registry.audit.verify(on) if one.remark is not None]


def altered(path, change):
    """Change the lines of a file."""
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


# ---- What is written


def test_each_line_names_its_place_and_the_line_before(audited):
    write(audited, "CreateRepository", "PutImage")

    whole = files(audited)[0].read_bytes().splitlines()

    links = [json.loads(line)["chain"] for line in whole]
    assert [link["sequence"] for link in links] == [1, 2, 3]
    assert [link["previous"] for link in links] == ["0" * 64, *(hashlib.sha256(one).hexdigest() for one in whole[:-1])]


def test_the_last_line_of_what_is_written_at_once_is_sealed(audited):
    write(audited, "CreateRepository", "PutImage")

    assert ["seal" in line["chain"] for line in lines(audited)] == [False, True]


def test_only_who_runs_the_registry_may_read_the_log(audited):
    write(audited)

    assert audited.audit.folder.stat().st_mode & 0o777 == 0o700
    assert files(audited)[0].stat().st_mode & 0o777 == 0o600


def test_nothing_is_made_before_the_first_call(audited):
    registry.audit.record(audited)
    registry.audit.close(audited)

    assert not audited.audit.folder.exists()


def test_without_a_folder_nothing_is_kept(on):
    note(on)
    registry.audit.record(on)

    assert not on.audit.is_on
    assert list(registry.audit.verify(on)) == []


def test_a_log_that_is_whole_has_no_fault(audited):
    for event in ("CreateRepository", "PutImage", "BatchGetImage"):
        write(audited, event)
    registry.audit.close(audited)

    assert faults(audited) == []
    assert remarks(audited) == []


def test_a_log_that_is_being_written_has_no_fault(audited):
    write(audited)

    assert faults(audited) == []
    assert remarks(audited) == ["it is being written"]


def test_a_call_from_another_account_is_told_to_both(audited):
    stranger = Caller("111122223333", "AKIAI44QH8DHBEXAMPLE", "user", "AIDAEXAMPLE", "arn:aws:iam::111122223333:user/x")

    note(audited, who=stranger)
    registry.audit.record(audited)

    own, other = lines(audited)
    assert own["sharedEventID"] == other["sharedEventID"]
    assert own["eventID"] != other["eventID"]
    assert (own["recipientAccountId"], other["recipientAccountId"]) == ("111122223333", HOME.account_id)
    assert own["userIdentity"]["arn"] == stranger.arn
    assert other["userIdentity"] == {"type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": "111122223333"}


def test_half_a_character_does_not_stop_the_log(audited):
    note(audited, parameters={"repositoryName": "\ud800"})
    note(audited, "PutImage")
    registry.audit.record(audited)

    assert [(line["eventName"], line["requestParameters"]) for line in lines(audited)] == [
        ("CreateRepository", None), ("PutImage", {})]  # fmt: skip


def test_every_event_and_request_has_an_id_of_its_own(audited):
    for _ in range(50):
        pull(audited)
    registry.audit.record(audited)

    ids = [line[name] for line in lines(audited) for name in ("eventID", "requestID")]
    assert len(set(ids)) == 100


# ---- Shares of pulls


@pytest.mark.parametrize(("share", "count"), [(1.0, 100), (0.5, 50), (0.25, 25), (0.1, 10), (0.0, 0)])
def test_a_share_of_pulls_is_recorded(on, tmp_path, share, count):
    audited = with_log(on, tmp_path, pull_share=share)

    for _ in range(100):
        pull(audited)
    note(audited)
    registry.audit.record(audited)

    told = [line for line in lines(audited) if line["eventName"] == "BatchGetImage"]
    assert abs(len(told) - count) <= 1
    assert all(line["additionalEventData"].get("pullSample", 1.0) == share for line in told)


# ---- When there is more than can be written


def test_a_full_queue_writes_before_it_takes_more(audited):
    for _ in range(queue.MOST_NOTES + 100):
        note(audited)
    registry.audit.record(audited)

    assert len(lines(audited)) == queue.MOST_NOTES + 100
    assert faults(audited) == []


def test_pulls_that_find_no_room_are_counted(audited, monkeypatch):
    monkeypatch.setattr(Audit, "_help", lambda *_: None)

    for _ in range(queue.MOST_NOTES + 7):
        pull(audited)
    registry.audit.record(audited)

    assert len(lines(audited)) == queue.MOST_NOTES
    assert b'"pulls":7' in files(audited)[0].read_bytes()
    assert faults(audited) == []


def test_many_threads_write_one_chain(audited):
    threads = [threading.Thread(target=lambda: [note(audited) for _ in range(3000)]) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    registry.audit.record(audited)

    assert len(lines(audited)) == 12_000
    assert faults(audited) == []


def test_what_cannot_be_written_is_kept(audited, monkeypatch):
    write(audited)
    real = os.write

    def half(fd, data):
        if len(data) > 100:
            return real(fd, data[:100])
        raise OSError(28, "No space left on device")

    note(audited, "PutImage")
    monkeypatch.setattr("holdfast.store.audit_files.os.write", lambda fd, data: half(fd, data[:150]))
    with pytest.raises(OSError, match="No space"):
        registry.audit.record(audited)
    monkeypatch.setattr("holdfast.store.audit_files.os.write", real)
    registry.audit.record(audited)

    assert [line["eventName"] for line in lines(audited)] == ["CreateRepository", "PutImage"]
    assert faults(audited) == []


def test_of_strangers_only_so_many_are_recorded_in_a_second(audited):
    first = [audited.audit.wants_stranger() for _ in range(100)]
    registry.audit.record(audited)
    second = [audited.audit.wants_stranger() for _ in range(3)]

    assert first == [True] * queue.STRANGERS + [False] * (100 - queue.STRANGERS)
    assert second == [True] * 3
    assert b'"strangers":80' in files(audited)[0].read_bytes()


# ---- Files follow each other


def test_a_file_that_is_large_enough_is_followed_by_the_next(on, tmp_path):
    audited = with_log(on, tmp_path, file_bytes=2000)

    for _ in range(6):
        write(audited)
    registry.audit.close(audited)

    assert len(files(audited)) == 3
    assert len(lines(audited)) == 6
    assert faults(audited) == []


def test_each_day_has_a_file_of_its_own(audited, clock):
    write(audited)
    clock.pass_(days=1)
    write(audited)

    first, second = files(audited)
    assert first.name.endswith(".000001.jsonl")
    assert second.name == first.name.replace(".000001.", ".000002.")
    assert json.loads(first.read_bytes().splitlines()[-1])["audit"]["event"] == "closed"


def test_old_files_are_removed_and_not_missed(on, tmp_path, clock):
    audited = with_log(on, tmp_path, keep=timedelta(days=3))
    for _ in range(6):
        write(audited)
        clock.pass_(days=1)

    assert [path.name[-12:-6] for path in files(audited)] == ["000002", "000003", "000004", "000005", "000006"]
    assert faults(audited) == []


def test_the_last_file_of_a_process_that_ended_is_removed_too(on, tmp_path, clock):
    gone = with_log(on, tmp_path, keep=timedelta(days=3))
    write(gone)
    registry.audit.close(gone)
    [old] = files(gone)
    clock.pass_(days=4)

    audited = with_log(on, tmp_path, keep=timedelta(days=3))
    write(audited)

    assert old not in files(audited)
    assert faults(audited) == []


def test_the_file_of_a_living_process_stays_however_old(on, tmp_path, clock):
    living = with_log(on, tmp_path, keep=timedelta(days=3))
    write(living)
    [old] = files(living)
    clock.pass_(days=4)

    write(with_log(on, tmp_path, keep=timedelta(days=3)))

    assert old in files(living)


# ---- Nothing goes unseen


@pytest.fixture
def closed(on, tmp_path):
    """A log of a process that ended, in three files."""
    audited = with_log(on, tmp_path, file_bytes=2500)
    for number in range(9):
        write(audited, f"Event{number}")
    registry.audit.close(audited)
    assert len(files(audited)) == 3
    assert faults(audited) == []
    return audited


def test_an_altered_line_is_noticed(closed):
    altered(files(closed)[1], lambda found: [line.replace(b"127.0.0.1", b"127.0.0.2") for line in found])

    [(file, fault), *_] = faults(closed)

    assert file == files(closed)[1].name
    assert "altered" in fault or "seal" in fault


def test_a_removed_line_is_noticed(closed):
    altered(files(closed)[1], lambda found: found[:2] + found[3:])

    [(file, fault)] = faults(closed)

    assert file == files(closed)[1].name
    assert fault == "line 3 has the sequence 9 where 8 was due: lines were removed, inserted or reordered"


def test_an_inserted_line_is_noticed(closed):
    altered(files(closed)[0], lambda found: [*found[:2], found[1], *found[2:]])

    assert "inserted" in faults(closed)[0][1]


def test_reordered_lines_are_noticed(closed):
    altered(files(closed)[0], lambda found: [found[0], found[2], found[1], *found[3:]])

    assert "reordered" in faults(closed)[0][1]


def test_a_line_of_somebody_elses_is_noticed(closed):
    altered(files(closed)[0], lambda found: [*found[:2], b"hello\n", *found[2:]])

    assert faults(closed)[0][1] == "line 3 is no line of the log"


def test_the_tail_of_a_finished_file_is_missed(closed):
    altered(files(closed)[0], lambda found: found[:-1])

    assert faults(closed)[0][0] == files(closed)[1].name


def test_a_file_that_is_missing_between_others_is_missed(closed):
    gone = files(closed)[1]
    gone.unlink()

    assert (gone.name, f"is missing: {files(closed)[1].name} comes after it") in faults(closed)


def test_a_file_that_is_missing_at_the_beginning_is_missed(closed):
    gone = files(closed)[0]
    gone.unlink()

    assert faults(closed) == [(gone.name, f"is missing: {files(closed)[0].name} comes after it")]


@pytest.fixture(params=["the database", "another process"])
def witnessed(request, closed, on, tmp_path):
    """A log of a process that ended, of whose end one other knows."""
    if request.param == "another process":
        write(with_log(on, tmp_path))
        with on.database.transaction() as tx:
            store.audit_heads.forget(tx, [path.name for path in files(closed)])
    return closed


def test_a_file_that_is_missing_at_the_end_is_missed(witnessed):
    closed = witnessed
    gone = files(closed)[2]
    gone.unlink()

    assert [file for file, _ in faults(closed)] == [gone.name]


def test_a_whole_chain_that_is_missing_is_missed(witnessed):
    closed, chain = witnessed, files(witnessed)[:3]
    for path in chain:
        path.unlink()

    assert [file for file, _ in faults(closed)] == [chain[2].name]


def test_the_end_of_a_chain_is_missed(witnessed):
    closed = witnessed
    altered(files(closed)[2], lambda found: found[:-2])

    [(file, fault)] = faults(closed)

    assert file == files(closed)[2].name
    assert "its end is gone" in fault


def test_the_end_of_a_process_that_was_killed_is_missed_up_to_its_last_second(audited):
    write(audited)
    kept = len(files(audited)[0].read_bytes().splitlines())
    note(audited)
    audited.audit.write(audited)  # and it is killed before the second is over
    audited.audit._chain._file.close()

    altered(files(audited)[0], lambda found: found[:kept])
    in_the_last_second = faults(audited)
    altered(files(audited)[0], lambda found: found[: kept - 1])

    assert in_the_last_second == []
    assert "its end is gone" in faults(audited)[0][1]


def test_the_database_knows_of_no_line_that_a_power_cut_may_take(audited, monkeypatch):
    def heads():
        with audited.database.snapshot() as tx:
            return store.audit_heads.of_folder(tx, (audited.audit.folder / "folder.id").read_text())

    def broken(_):
        raise OSError("the disk is gone")

    write(audited)
    before = heads()
    with monkeypatch.context() as without:
        without.setattr("holdfast.store.audit_files.os.fdatasync", broken)
        with pytest.raises(OSError, match="the disk is gone"):
            write(audited)
        assert heads() == before
    write(audited)
    assert heads()[0].sequence == before[0].sequence + 2


def test_a_folder_that_lost_its_id_or_has_another_one_is_noticed(closed):
    for change in ("f" * 32, None):
        path = closed.audit.folder / "folder.id"
        path.unlink() if change is None else path.write_text(change)

        assert all("folder.id is gone or another one" in fault for _, fault in faults(closed))
        assert len(faults(closed)) == 3


def test_the_chains_of_another_node_are_not_missed_here(closed, on, tmp_path):
    here = with_log(on, tmp_path / "another node")
    write(here)

    assert faults(here) == []
    assert [registry.audit.chains_elsewhere(node) for node in (here, closed)] == [1, 1]


def test_a_renamed_file_is_noticed(closed):
    path = files(closed)[2]
    path.rename(path.with_name(path.name.replace("-", "x", 1)))

    assert any("renamed" in fault or "comes after" in fault for _, fault in faults(closed))


def test_lines_that_hang_together_are_not_believed_without_a_seal(closed):
    path = files(closed)[2]

    def forge(found):
        last = json.loads(found[-1])
        link = {"sequence": last["chain"]["sequence"] + 1, "previous": hashlib.sha256(found[-1].rstrip()).hexdigest()}
        return [*found, json.dumps({"eventName": "Forged", "chain": link}, separators=(",", ":")).encode() + b"\n"]

    altered(path, forge)

    [(file, fault)] = faults(closed)

    assert file == path.name
    assert fault == "it ends with 1 lines without a seal: they were added, or lines after them are gone"


def test_a_seal_of_somebody_else_is_not_believed(closed):
    path = files(closed)[2]
    altered(path, lambda found: [*found[:-1], found[-1][:-68] + b"0" * 64 + found[-1][-4:]])

    assert "seal" in faults(closed)[0][1]


def test_a_torn_last_line_is_told_and_no_fault(audited):
    write(audited)
    for event in ("CreateRepository", "PutImage"):
        note(audited, event)
    audited.audit.write(audited)
    path = files(audited)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])

    audited.audit._chain._file.close()
    assert faults(audited) == []
    assert remarks(audited) == ["its process was killed: the last line is torn, after 1 lines without a seal"]


def test_a_process_that_was_killed_is_told_and_no_fault(audited):
    write(audited)
    audited.audit._chain._file.close()

    assert faults(audited) == []
    assert remarks(audited) == ["its process was killed: there is no closing line"]


def test_what_was_written_before_may_be_left_out(audited, clock):
    for _ in range(3):
        write(audited)
        clock.pass_(days=1)
    altered(files(audited)[0], lambda found: found[1:])

    assert faults(audited, since=clock() - timedelta(days=1)) == []
    assert faults(audited, since=clock() - timedelta(days=9)) != []


# ---- What the registry does by itself


def expire_all_but(number):
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number}
    rule = {"rulePriority": 1, "description": "few", "selection": selection, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]})


def test_what_a_lifecycle_policy_does_is_recorded(audited, clock):
    images = []
    for number in range(25):
        images.append(push(audited, AT, str(number), f"v{number}"))
        clock.pass_(seconds=1)

    registry.lifecycle.put(audited, AT, expire_all_but(2))
    work_off(audited)
    registry.audit.record(audited)

    told = lines(audited)
    assert [one["eventName"] for one in told] == ["PolicyExecutionEvent"] * 3
    first = told[0]
    assert first["eventType"] == "AwsServiceEvent"
    assert first["userIdentity"] == {"accountId": HOME.account_id, "invokedBy": "AWS Internal"}
    assert (first["sourceIPAddress"], first["userAgent"]) == ("AWS Internal", "AWS Internal")
    assert "requestID" not in first
    assert first["resources"] == [{"ARN": AT.arn, "accountId": HOME.account_id, "type": "AWS::ECR::Repository"}]
    details = first["serviceEventDetails"]
    assert details["repositoryName"] == AT.name
    assert details["lifecycleEventPolicy"]["lifecycleEventRules"] == [{
        "rulePriority": 1,
        "description": "few",
        "lifecycleEventSelection": {"tagStatus": "Any", "tagPrefixList": [], "tagPatternList": [],
                                    "countType": "Image count more than", "countNumber": 2},
        "action": "expire",
    }]  # fmt: skip
    shown = [action for one in told for action in one["serviceEventDetails"]["lifecycleEventImageActions"]]
    assert {one["lifecycleEventImage"]["digest"] for one in shown} == {image.digest for image in images[:-2]}
    assert {one["lifecycleEventImage"]["tagStatus"] for one in shown} == {"Tagged"}
    assert faults(audited) == []


def test_what_a_lifecycle_policy_cannot_do_is_recorded(audited):
    child = push(audited, AT, "child")
    put(audited, AT, builders.an_index(child), "index")

    registry.lifecycle.put(audited, AT, expire_all_but(1))
    work_off(audited)
    registry.audit.record(audited)

    [record] = lines(audited)
    [failure] = record["serviceEventDetails"]["lifecycleEventFailureDetails"]
    assert failure["lifecycleEventImage"]["digest"] == child.digest
    assert failure["failureCode"] == "ImageReferencedByManifestList"


def test_a_policy_that_does_nothing_is_not_recorded(audited):
    push(audited, AT, "a", "v1")

    registry.lifecycle.put(audited, AT, expire_all_but(2))
    work_off(audited)
    registry.audit.record(audited)

    assert not audited.audit.folder.exists()


def test_what_a_preview_finds_is_recorded(audited):
    push(audited, AT, "a", "v1")
    push(audited, AT, "b", "v2")

    registry.lifecycle.start_preview(audited, AT, expire_all_but(1))
    work_off(audited)
    registry.audit.record(audited)

    [record] = lines(audited)
    assert record["eventName"] == "DryRunEvent"
    assert len(record["serviceEventDetails"]["lifecycleEventImageActions"]) == 1
    assert len(described(audited)) == 2


# ---- Finding


def test_records_are_found_by_request_principal_event_and_time(audited, clock):
    note(audited, "CreateRepository", request_id="one")
    clock.pass_(hours=1)
    note(audited, "PutImage", request_id="two")
    registry.audit.record(audited)

    def found(**wanted):
        return [json.loads(line)["eventName"] for line in registry.audit.find(audited, Wanted(**wanted), 100)]

    assert found() == ["CreateRepository", "PutImage"]
    assert found(request_id="one") == ["CreateRepository"]
    assert found(event="PutImage") == ["PutImage"]
    assert found(principal=ROOT.access_key_id) == found(principal=ROOT.arn) == ["CreateRepository", "PutImage"]
    assert found(principal="somebody") == []
    assert found(since=clock() - timedelta(minutes=1)) == ["PutImage"]
    assert registry.audit.find(audited, Wanted(), 1)[0].startswith(b'{"eventVersion"')
