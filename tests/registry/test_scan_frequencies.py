"""Which repositories are scanned otherwise is told, once, whatever happens. The clock is the test's."""

from __future__ import annotations

import pytest

from holdfast import registry
from holdfast.model.names import RepositoryRef
from holdfast.model.scanning import Configuration, Frequency, Rule, ScanType
from holdfast.registry import scan_frequencies
from holdfast.registry.work import LEASE
from tests.registry.ground import HOME, create, told, work_off

NAMES = [f"r/{number}" for number in range(7)]


@pytest.fixture(autouse=True)
def repositories(on, monkeypatch):
    monkeypatch.setattr(scan_frequencies, "AT_ONCE", 3)
    for name in NAMES:
        create(on, RepositoryRef(HOME, name))


def configure(on, frequency, pattern="r/*", scan_type="ENHANCED"):
    rules = (Rule(Frequency(frequency), (pattern,)),) if frequency else ()
    registry.scanning.configure(on, HOME, Configuration(ScanType(scan_type), rules))


def changes(on):
    """Name, frequency before and frequency now of everything told, in the order of the telling."""
    return [
        (item["repository-name"], item["previous-scan-frequency"], item["scan-frequency"])
        for event in told(on, "ECR Scan Resource Change")
        for item in event["repositories"]
    ]


def waiting(on):
    return [item for item in registry.work.page(on) if item.kind == "TellScanFrequencies"]


def test_repositories_that_are_scanned_otherwise_are_told_a_page_at_a_time(on):
    configure(on, "SCAN_ON_PUSH")

    work_off(on)

    events = [one.event for one in registry.events.page(on) if one.event.detail_type == "ECR Scan Resource Change"]
    assert [len(event.detail["repositories"]) for event in events] == [3, 3, 1]
    assert changes(on) == [(name, "MANUAL", "SCAN_ON_PUSH") for name in NAMES]
    arns = [RepositoryRef(HOME, name).arn for name in NAMES[:3]]
    assert events[0].resources == tuple(arns)
    assert {key: value for key, value in events[0].detail.items() if key != "repositories"} == {
        "action-type": "SCAN_FREQUENCY_CHANGE",
        "resource-type": "REPOSITORY",
        "scan-type": "ENHANCED",
    }
    assert [item["repository-arn"] for item in events[0].detail["repositories"]] == arns
    assert waiting(on) == []


def test_only_what_changed_is_told(on):
    configure(on, "SCAN_ON_PUSH", pattern="r/5")

    work_off(on)

    assert changes(on) == [("r/5", "MANUAL", "SCAN_ON_PUSH")]
    assert len(told(on, "ECR Scan Resource Change")) == 1


@pytest.mark.parametrize(
    ("frequency", "scan_type"), [("SCAN_ON_PUSH", "BASIC"), (None, "ENHANCED")], ids=["basic", "nothing changed"]
)
def test_nothing_is_told_where_there_is_nothing_to_tell(on, frequency, scan_type):
    configure(on, frequency, scan_type=scan_type)

    work_off(on)

    assert changes(on) == []
    assert waiting(on) == []


def test_setting_the_same_again_is_no_change(on):
    configure(on, "SCAN_ON_PUSH")
    work_off(on)

    configure(on, "SCAN_ON_PUSH")

    assert waiting(on) == []


def test_each_change_is_told_from_the_one_before(on):
    configure(on, "SCAN_ON_PUSH", pattern="r/1")
    work_off(on)
    configure(on, "CONTINUOUS_SCAN", pattern="r/1")
    work_off(on)
    configure(on, None)
    work_off(on)

    assert changes(on) == [
        ("r/1", "MANUAL", "SCAN_ON_PUSH"),
        ("r/1", "SCAN_ON_PUSH", "CONTINUOUS_SCAN"),
        ("r/1", "CONTINUOUS_SCAN", "MANUAL"),
    ]


def test_changes_before_the_first_was_told_are_told_as_one(on):
    configure(on, "SCAN_ON_PUSH", pattern="r/1")
    configure(on, "CONTINUOUS_SCAN", pattern="r/1")

    work_off(on)

    assert changes(on) == [("r/1", "MANUAL", "CONTINUOUS_SCAN")]


def test_a_change_that_was_taken_back_is_not_told(on):
    configure(on, "SCAN_ON_PUSH")
    configure(on, None, scan_type="BASIC")

    work_off(on)
    configure(on, None)
    work_off(on)

    assert changes(on) == []
    assert waiting(on) == []


def interrupt_after(monkeypatch, pages, deed):
    """Let something happen when so many pages were told."""
    tell, calls = scan_frequencies._tell_page, []

    def tell_page(*arguments):
        if len(calls) == pages:
            calls.append(None)
            deed()
        calls.append(None)
        return tell(*arguments)

    monkeypatch.setattr(scan_frequencies, "_tell_page", tell_page)


def test_a_killed_worker_repeats_nothing(on, clock, monkeypatch):
    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    configure(on, "SCAN_ON_PUSH")
    interrupt_after(monkeypatch, 2, kill)
    with pytest.raises(Killed):
        work_off(on)
    before = len(changes(on))

    clock.pass_(seconds=LEASE.total_seconds())
    work_off(on)

    assert before == 6
    assert changes(on) == [(name, "MANUAL", "SCAN_ON_PUSH") for name in NAMES]


def test_a_change_in_the_middle_is_told_after_the_first(on, monkeypatch):
    configure(on, "SCAN_ON_PUSH")
    interrupt_after(monkeypatch, 1, lambda: configure(on, "CONTINUOUS_SCAN"))

    work_off(on)

    first = [(name, "MANUAL", "SCAN_ON_PUSH") for name in NAMES]
    assert changes(on) == first + [(name, "SCAN_ON_PUSH", "CONTINUOUS_SCAN") for name in NAMES]
    assert waiting(on) == []


def test_a_configuration_of_any_size_can_be_told(on):
    filters = tuple(f"{number:03}{'x' * 252}" for number in range(100))
    big = Configuration(ScanType.ENHANCED, (Rule(Frequency.SCAN_ON_PUSH, filters),))
    registry.scanning.configure(on, HOME, big)
    work_off(on)

    configure(on, "SCAN_ON_PUSH", pattern="r/1")
    work_off(on)

    assert changes(on) == [("r/1", "MANUAL", "SCAN_ON_PUSH")]
