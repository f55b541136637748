"""Which repositories a scanning configuration scans, and when."""

import time

import pytest

from holdfast.model import globs, scanning
from holdfast.model.errors import InvalidParameter
from holdfast.model.images import Image
from holdfast.model.scanning import Configuration, Effective, Frequency, Rule, ScanType

NAMES = ("prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo")
ON_PUSH, CONTINUOUS, MANUAL = Frequency.SCAN_ON_PUSH, Frequency.CONTINUOUS_SCAN, Frequency.MANUAL


# ---- Filters


@pytest.mark.parametrize(
    ("pattern", "verdicts"),
    [
        ("prod", (True, True, True, True, True)),
        ("*prod", (True, True, False, False, False)),
        ("prod*", (True, False, True, False, True)),
        ("*prod*", (True, True, True, True, True)),
        ("prod*repo", (False, False, True, False, True)),
    ],
)
def test_a_filter_matches_as_the_user_guide_says(pattern, verdicts):
    rule = Rule(ON_PUSH, (pattern,))

    found = tuple(bool(rule.matching(name)) for name in NAMES)

    assert found == verdicts


@pytest.mark.parametrize(
    ("pattern", "text", "verdict"),
    [
        ("*", "", True),
        ("*", "anything/at/all", True),
        ("**", "a", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("a*b*c", "a-c-b-c", True),
        ("a*b*c", "a-c", False),
        ("*a*a*", "a", False),
        ("*/prod", "team/prod", True),
        ("*/prod", "team/prod/x", False),
        ("team/*", "team", False),
        ("", "", True),
        ("", "a", False),
        ("a.c", "abc", False),
    ],
)
def test_a_star_stands_for_any_text(pattern, text, verdict):
    assert globs.matches(pattern, text) is verdict


def test_a_hostile_filter_is_matched_at_once():
    pattern, name = "a*" * 127, "a" * 126 + "b"
    began = time.perf_counter()

    for _ in range(100):
        globs.matches(pattern, name)
        globs.matches(pattern + "b", "a" * 256)

    assert time.perf_counter() - began < 1


# ---- What follows for a repository


@pytest.mark.parametrize(("own", "frequency"), [(True, ON_PUSH), (False, MANUAL)])
def test_without_rules_a_repository_decides_for_itself(own, frequency):
    assert scanning.effective(Configuration(), "some", own) == Effective(frequency)


def test_with_rules_a_repository_decides_nothing():
    configuration = Configuration(rules=(Rule(ON_PUSH, ("other",)),))

    assert scanning.effective(configuration, "some", True) == Effective(MANUAL)
    assert scanning.effective(configuration, "another", False) == Effective(ON_PUSH, ("other",))


def test_enhanced_scanning_without_rules_is_off():
    assert scanning.effective(Configuration(ScanType.ENHANCED), "some", True) == Effective(MANUAL)


def test_every_filter_that_matches_is_told():
    configuration = Configuration(rules=(Rule(ON_PUSH, ("so*", "other", "me")),))

    assert scanning.effective(configuration, "some", False).filters == ("so*", "me")


def test_continuous_scans_win_over_scans_on_push():
    rules = (Rule(ON_PUSH, ("*",)), Rule(CONTINUOUS, ("some",)))
    configuration = Configuration(ScanType.ENHANCED, rules)

    assert scanning.effective(configuration, "some", False) == Effective(CONTINUOUS, ("some",))
    assert scanning.effective(configuration, "other", False) == Effective(ON_PUSH, ("*",))


def test_scans_on_push_win_over_manual_ones():
    configuration = Configuration(rules=(Rule(MANUAL, ("*",)), Rule(ON_PUSH, ("some",))))

    assert scanning.effective(configuration, "some", False) == Effective(ON_PUSH, ("some",))
    assert scanning.effective(configuration, "other", True) == Effective(MANUAL, ("*",))


# ---- What cannot be


@pytest.mark.parametrize(
    ("scan_type", "frequencies"),
    [
        (ScanType.BASIC, (CONTINUOUS,)),
        (ScanType.BASIC, (ON_PUSH, CONTINUOUS)),
        (ScanType.ENHANCED, (MANUAL,)),
        (ScanType.BASIC, (ON_PUSH, ON_PUSH)),
        (ScanType.ENHANCED, (CONTINUOUS, CONTINUOUS)),
    ],
)
def test_rules_that_cannot_be_together_are_refused(scan_type, frequencies):
    with pytest.raises(InvalidParameter):
        Configuration(scan_type, tuple(Rule(frequency, ("*",)) for frequency in frequencies))


def test_a_configuration_is_kept_as_it_was_given():
    configuration = Configuration(ScanType.ENHANCED, (Rule(CONTINUOUS, ("a*", "b")), Rule(ON_PUSH, ())))

    assert scanning.read(configuration.text) == configuration
    assert scanning.read(None) == Configuration(ScanType.BASIC, ())


# ---- What can be scanned


@pytest.mark.parametrize(
    ("config", "verdict"),
    [
        ("application/vnd.oci.image.config.v1+json", True),
        ("application/vnd.docker.container.image.v1+json", True),
        ("application/vnd.oci.empty.v1+json", False),
        ("application/vnd.cncf.helm.config.v1+json", False),
        (None, False),
    ],
)
def test_only_images_are_scanned(config, verdict):
    image = Image(1, "sha256:a", "some", None, config, None, 1, 1, {}, None)

    assert scanning.is_scannable(image) is verdict
