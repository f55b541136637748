"""Where images are copied to, and how far a backfill came."""

import pytest

from holdfast.model import replication, signing
from holdfast.model.errors import InvalidParameter, Validation
from holdfast.model.names import Registry
from holdfast.model.replication import (
    BackfillStatus,
    Choice,
    Configuration,
    Copied,
    Filter,
    FilterType,
    Progress,
    Rule,
    TagFilter,
    choices_of,
    destinations_of,
)

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


MATCH, EXCLUDE = FilterType.REPOSITORY_MATCH, FilterType.REPOSITORY_EXCLUDE


@pytest.mark.parametrize(
    ("prefixes", "filters", "selected"),
    [
        (None, [(EXCLUDE, "prod/scratch")], ["prod/app", "prod/scratch2", "team/app"]),
        (("prod/",), [(EXCLUDE, "*/scratch*")], ["prod/app"]),
        (None, [(MATCH, "prod/app"), (MATCH, "team/*")], ["prod/app", "team/app"]),
        (("prod/s",), [(MATCH, "team/app"), (EXCLUDE, "prod/scratch2")], ["prod/scratch", "team/app"]),
        (None, [(MATCH, "prod/*"), (EXCLUDE, "prod/*")], []),
    ],
)
def test_filters_of_whole_names_say_which_repositories_are_copied(prefixes, filters, selected):
    rule = Rule((WEST,), prefixes, filters=tuple(Filter(*one) for one in filters))

    names = ["prod/app", "prod/scratch", "prod/scratch2", "team/app"]

    assert [name for name in names if rule.selects(name)] == selected


SIGNATURE = "sha256-" + "0" * 64 + ".sig"


@pytest.mark.parametrize(
    ("filters", "taken", "follows"),
    [
        ([((), ())], ["v1", "v1-rc", "dev"], True),
        ([(("v*",), ())], ["v1", "v1-rc"], True),
        ([(("v*",), ("*-rc",))], ["v1"], True),
        ([((), ("*-rc", "*.sig"))], ["v1", "dev"], False),
        ([(("v1",), ("*",)), (("dev",), ())], ["dev"], True),
        ([(("sha256-*",), ())], [SIGNATURE], True),
        ([(("sha256-*",), ("*.sig",)), ((), ("*.sig", "dev"))], ["v1", "v1-rc"], False),
    ],
)
def test_a_tag_is_taken_if_a_rule_matches_it_and_does_not_exclude_it(filters, taken, follows):
    choice = Choice(tuple(TagFilter(*one) for one in filters))

    assert [tag for tag in ("v1", "v1-rc", "dev", SIGNATURE) if choice.takes(tag)] == taken
    assert choice.follows(SIGNATURE) is follows
    assert not choice.follows("v1")


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        (MATCH, "Prod/*"),
        (EXCLUDE, "a"),
        (EXCLUDE, "a b"),
        (FilterType.TAG_MATCH, "a/b"),
        (FilterType.TAG_MATCH, "x" * 129),
    ],
)
def test_a_filter_is_made_of_what_names_are_made_of(kind, pattern):
    with pytest.raises(InvalidParameter):
        Filter(kind, pattern)


def test_what_was_kept_before_there_were_filters_is_read_as_it_was():
    place = '{"account_id":"111122223333","region":"eu-west-1"}'
    kept = f'{{"rules":[{{"destinations":[{place}],"prefixes":["ab"],"deletes":true}}]}}'

    configuration = replication.read(kept)

    assert configuration == Configuration((Rule((WEST,), ("ab",), True),))
    assert choices_of(configuration, "abc", deletions=True)[WEST].is_everything


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
    filtered = Rule((WEST,), None, None, (Filter(FilterType.TAG_EXCLUDE, "dev-*"),))
    configuration = Configuration((Rule((WEST,)), Rule((EAST,), ("ab",), False), Rule((), None, True), filtered))

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
