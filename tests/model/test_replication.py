"""Where images are copied to, and how far a backfill came."""

import pytest

from holdfast.model import replication, signing
from holdfast.model.errors import InvalidParameter, Validation
from holdfast.model.names import Registry
from holdfast.model.replication import BackfillStatus, Configuration, Copied, Progress, Rule, destinations_of

HOME, WEST, EAST = (Registry("111122223333", region) for region in ("eu-home-1", "eu-west-1", "eu-east-1"))
PROFILE = "arn:aws:signer:eu-home-1:111122223333:/signing-profiles/{}"


# ---- Rules


@pytest.mark.parametrize(
    ("prefixes", "name", "verdict"),
    [
        (None, "anything", True),
        (("prod",), "prod", True),
        (("prod",), "production/app", True),
        (("prod",), "team/prod", False),
        (("team/", "prod"), "team/app", True),
        (("team/",), "team", False),
    ],
)
def test_a_filter_is_the_beginning_of_a_name(prefixes, name, verdict):
    assert Rule((WEST,), prefixes).selects(name) is verdict


def test_a_repository_is_copied_once_to_each_destination_of_its_rules():
    rules = (Rule((WEST,), ("a",)), Rule((EAST, WEST), ("ab",)), Rule((HOME,), ("b",)))
    configuration = Configuration(rules)

    assert destinations_of(configuration, "abc") == (WEST, EAST)
    assert destinations_of(configuration, "ac") == (WEST,)
    assert destinations_of(configuration, "c") == ()


@pytest.mark.parametrize("members", [((WEST, WEST), None), ((WEST,), ("ab", "cd", "ab"))])
def test_what_a_rule_says_twice_is_refused(members):
    with pytest.raises(Validation):
        Rule(*members)


def test_a_registry_is_not_copied_to_itself():
    with pytest.raises(InvalidParameter):
        Configuration((Rule((WEST, HOME)),)).check(HOME, most_rules=25, most_destinations=25)


@pytest.mark.parametrize(("rules", "destinations"), [(1, 25), (25, 1)])
def test_rules_and_distinct_destinations_are_limited(rules, destinations):
    configuration = Configuration((Rule((WEST,)), Rule((WEST, EAST))))
    configuration.check(HOME, most_rules=2, most_destinations=2)

    with pytest.raises(Validation):
        configuration.check(HOME, most_rules=rules, most_destinations=destinations)


def test_what_was_not_said_stays_unsaid():
    configuration = Configuration((Rule((WEST,)), Rule((EAST,), ("ab",), False), Rule((), None, True)))

    assert replication.read(configuration.text) == configuration
    assert replication.read(None) == Configuration()


# ---- Backfills


def test_progress_counts_what_was_copied_and_each_failure_code_once():
    bad, worse = Copied("Bad"), Copied("Worse")

    progress = Progress(10).after([Copied(), bad, bad]).after([worse, bad])

    assert progress == Progress(10, 1, 4, ("Bad", "Worse"))
    assert progress.done == 5


def test_what_is_pushed_meanwhile_counts():
    assert Progress(1).after([Copied(), Copied()]).total == 2


def test_failure_codes_are_bounded():
    progress = Progress(0).after([Copied(f"Code{number}") for number in range(1000)])

    assert len(progress.failure_codes) == replication.FAILURE_CODES
    assert progress.failed == 1000


@pytest.mark.parametrize(
    ("completed", "failed", "outcome"),
    [(0, 0, "COMPLETE"), (3, 0, "COMPLETE"), (2, 1, "COMPLETE"), (1, 1, "FAILED"), (0, 1, "FAILED"), (3, 4, "FAILED")],
)
def test_a_backfill_fails_when_half_of_its_images_do(completed, failed, outcome):
    assert Progress(completed + failed, completed, failed).outcome is BackfillStatus(outcome)


# ---- Signing


@pytest.mark.parametrize(
    ("patterns", "name", "verdict"),
    [
        (None, "anything", True),
        (("prod",), "prod", True),
        (("prod",), "prod-1", False),
        (("a", "prod*"), "prod-1", True),
        (("*/production",), "team/production", True),
        (("*prod*",), "a/prods", True),
        (("myapp/*",), "myapp", False),
    ],
)
def test_a_signing_filter_describes_the_whole_name(patterns, name, verdict):
    assert signing.Rule(PROFILE.format("a"), patterns).selects(name) is verdict


def test_an_image_is_signed_with_the_profile_of_every_rule():
    rules = (signing.Rule(PROFILE.format("a")), signing.Rule(PROFILE.format("b"), ("b*",)))
    configuration = signing.Configuration(rules)

    assert signing.profiles_of(configuration, "abc") == (PROFILE.format("a"),)
    assert signing.profiles_of(configuration, "bcd") == (PROFILE.format("a"), PROFILE.format("b"))
    assert signing.read(configuration.text) == configuration


def test_a_profile_has_one_rule():
    with pytest.raises(Validation):
        signing.Configuration((signing.Rule(PROFILE.format("a")), signing.Rule(PROFILE.format("a"), ("b",))))


@pytest.mark.parametrize(("home", "most"), [(HOME, 0), (WEST, 10)])
def test_profiles_are_few_and_of_the_same_region(home, most):
    configuration = signing.Configuration((signing.Rule(PROFILE.format("a")),))
    configuration.check(HOME, most_rules=10)

    with pytest.raises(Validation):
        configuration.check(home, most_rules=most)
