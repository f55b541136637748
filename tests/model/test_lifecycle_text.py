"""Lifecycle policy texts: what is read from them, how each fault is told, and how they are given back."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.model.errors import InvalidParameter
from holdfast.model.lifecycle import Policy, Rule, Selection
from holdfast.model.lifecycle_text import compact, parse

ABSENT = object()
UNMAPPABLE = "Could not map policyString into LifecyclePolicy."
NO_SELECTION = "instance failed to match exactly one schema (matched 0 out of 4)"
NO_ACTION = "instance failed to match exactly one schema (matched 0 out of 2)"
ANY_IS_LAST = "Rule for tagStatus=ANY must have the lowest priority per storage class"
ONE_LIST = "Only one rule can select images by the same tag list per storage class."
ONE_UNTAGGED = "Only one rule can select Untagged images per storage class."
TOO_SMALL = "numeric instance is lower than the required minimum (minimum: {}, found: {})"
TOO_LARGE = "numeric instance is greater than the required maximum (maximum: 2147483647, found: {})"
NOT_IN_ENUM = "instance value ({}) not found in enum :(possible values: {})"

ARCHIVE = {"type": "transition", "targetStorageClass": "archive"}
ARCHIVED = {"storageClass": "archive", "countType": "sinceImageTransitioned", "countUnit": "days", "countNumber": 365}
PULLED = {"countType": "sinceImagePulled", "countUnit": "days"}
PUSHED = {"countType": "sinceImagePushed", "countUnit": "days"}


def present(members):
    return {name: value for name, value in members.items() if value is not ABSENT}


def a_rule(priority=1, action=None, **selection):
    """A rule that keeps nine images, unless told otherwise."""
    defaults = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 9}
    members = {
        "rulePriority": priority,
        "selection": present(defaults | selection),
        "action": action or {"type": "expire"},
    }
    return present(members)


def tagged(priority=1, action=None, **selection):
    return a_rule(priority, action, tagStatus="tagged", **selection)


def untagged(priority=1, **selection):
    return a_rule(priority, tagStatus="untagged", **selection)


def a_text(*rules):
    return json.dumps({"rules": rules})


def wrong_type(kind, allowed):
    return f'instance type ({kind}) does not match any allowed primitive type (allowed: ["{allowed}"])'


def missing(name):
    return f'object has missing required properties (["{name}"])'


def unknown(*names):
    listed = json.dumps(names, separators=(",", ":"))
    return f"object instance has properties which are not allowed by the schema: ({listed})"


# ---- What is read


def test_a_policy_is_read_by_priority():
    text = a_text(
        a_rule(30, storageClass="standard") | {"description": "the rest"},
        a_rule(40, **ARCHIVED),
        tagged(1, tagPatternList=["v*.*", "*"], **PUSHED),
        tagged(2, ARCHIVE, tagPrefixList=["v"], **PULLED),
    )

    assert parse(text) == Policy(
        (
            Rule(1, None, Selection("tagged", ("v*.*", "*"), (), "standard", "sinceImagePushed", 9), "expire"),
            Rule(2, None, Selection("tagged", (), ("v",), "standard", "sinceImagePulled", 9), "transition"),
            Rule(30, "the rest", Selection("any", (), (), "standard", "imageCountMoreThan", 9), "expire"),
            Rule(40, None, Selection("any", (), (), "archive", "sinceImageTransitioned", 365), "expire"),
        )
    )


ACCEPTED = {
    "the largest numbers": [a_rule(2**31 - 1, countNumber=2**31 - 1)],
    "archived for 90 days": [a_rule(**ARCHIVED | {"countNumber": 90})],
    "to the archive by count": [a_rule(action=ARCHIVE)],
    "to the archive by push": [a_rule(action=ARCHIVE, **PUSHED)],
    "an empty description": [a_rule() | {"description": ""}],
    "four wildcards": [tagged(tagPatternList=["*a*b*c*", "****"])],
    "the same entry twice": [tagged(tagPatternList=["a", "a"])],
    "lists that share an entry": [tagged(1, tagPrefixList=["a"]), tagged(2, tagPrefixList=["a", "b"])],
    "a prefix like a pattern": [tagged(1, tagPrefixList=["a"]), tagged(2, tagPatternList=["a"])],
    "a list in each storage class": [tagged(1, tagPrefixList=["a"]), tagged(2, tagPrefixList=["a"], **ARCHIVED)],
    "untagged in each storage class": [untagged(1), untagged(2, **ARCHIVED)],
    "any at the end of each storage class": [a_rule(1, **ARCHIVED), untagged(2), a_rule(3)],
    "any written before the others": [a_rule(2), untagged(1)],
    "fifty rules": [tagged(number, tagPrefixList=[str(number)]) for number in range(1, 51)],
}


@pytest.mark.parametrize("rules", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_accepted(rules):
    assert len(parse(a_text(*rules)).rules) == len(rules)


def test_the_last_of_equal_members_is_read():
    policy = parse(a_text(a_rule()).replace('"countNumber": 9', '"countNumber": 0, "countNumber": 7'))

    assert policy.rules[0].selection.count_number == 7


# ---- What is refused

UNREADABLE = {
    "nothing": "",
    "no JSON": "{rules: []}",
    "cut off": a_text(a_rule())[:-1],
    "more behind it": a_text(a_rule()) + "}",
    "a byte order mark": "\ufeff" + a_text(a_rule()),
    "half a surrogate": a_text(a_rule() | {"description": "\ud800"}),
    "half a surrogate, bare": a_text(a_rule()).replace("any", "\ud800"),
    "a list": "[]",
    "a text": '"rules"',
    "null": "null",
    "deep": '{"rules":' + "[" * 100_000,
    "deep and whole": '{"rules":' + "[" * 20_000 + "]" * 20_000 + "}",
    "a number of many digits": a_text(a_rule()).replace("9", "9" * 10_000),
    "a number beyond all": a_text(a_rule()).replace("9", "9e999"),
    "not a number": a_text(a_rule()).replace("9", "NaN"),
}


def detail_of(text, *limits):
    with pytest.raises(InvalidParameter) as refused:
        parse(text, *limits)
    message = refused.value.message
    before = (
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: "
        "'Lifecycle policy validation failure: "
    )
    assert message.startswith(before)
    assert message.endswith("'")
    return message[len(before) : -1]


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_policy_at_all(text):
    assert detail_of(text) == UNMAPPABLE
    with pytest.raises(InvalidParameter):
        compact(text)


TOPS = {
    "no member": ({}, missing("rules")),
    "another member": ({"rules": [a_rule()], "x": 1, "Rules": []}, unknown("Rules", "x")),
    "rules of a wrong type": ({"rules": {}}, wrong_type("object", "array")),
    "rules are null": ({"rules": None}, wrong_type("null", "array")),
    "no rules": ({"rules": []}, "array is too short: must have at least 1 elements but instance has 0 elements"),
    "a rule of a wrong type": ({"rules": ["x"]}, wrong_type("string", "object")),
}


@pytest.mark.parametrize(("document", "detail"), TOPS.values(), ids=TOPS)
def test_faults_of_the_whole(document, detail):
    assert detail_of(json.dumps(document)) == detail


FAULTS = {
    "no priority": (a_rule(ABSENT), missing("rulePriority")),
    "no selection": ({"rulePriority": 1, "action": {"type": "expire"}}, missing("selection")),
    "no action": ({"rulePriority": 1, "selection": a_rule()["selection"]}, missing("action")),
    "no action type": (a_rule(action={"targetStorageClass": "archive"}), missing("type")),
    "no tagStatus": (a_rule(tagStatus=ABSENT), missing("tagStatus")),
    "no countType": (a_rule(countType=ABSENT), missing("countType")),
    "no countNumber": (a_rule(countNumber=ABSENT), missing("countNumber")),
    "nothing in it": ({}, 'object has missing required properties (["action","rulePriority","selection"])'),
    "unknown in a rule": (a_rule() | {"priority": 1}, unknown("priority")),
    "unknown in a selection": (a_rule(tags=[]), unknown("tags")),
    "unknown in an action": (a_rule(action={"type": "expire", "x": None}), unknown("x")),
    "unknown at length": (a_rule() | {"x" * 999: 1}, unknown("x" * 999).replace("x" * 801 + '"]', "")),
    "priority as text": (a_rule("1"), wrong_type("string", "integer")),
    "priority as a fraction": (a_rule(1.0), wrong_type("number", "integer")),
    "priority as a truth": (a_rule(True), wrong_type("boolean", "integer")),
    "priority of 0": (a_rule(0), TOO_SMALL.format(1, 0)),
    "priority too large": (a_rule(2**31), TOO_LARGE.format(2**31)),
    "description of null": (a_rule() | {"description": None}, wrong_type("null", "string")),
    "selection of null": (a_rule() | {"selection": None}, wrong_type("null", "object")),
    "action as text": (a_rule(action="expire"), wrong_type("string", "object")),
    "countNumber as text": (a_rule(countNumber="9"), wrong_type("string", "integer")),
    "countNumber as a truth": (a_rule(countNumber=True), wrong_type("boolean", "integer")),
    "countNumber as a fraction": (a_rule(countNumber=9.0), wrong_type("number", "integer")),
    "countNumber of null": (a_rule(countNumber=None), wrong_type("null", "integer")),
    "countNumber of 0": (a_rule(countNumber=0), TOO_SMALL.format(1, 0)),
    "countNumber below 0": (a_rule(countNumber=-(2**70)), TOO_SMALL.format(1, -(2**70))),
    "countNumber too large": (a_rule(countNumber=2**31), TOO_LARGE.format(2**31)),
    "countNumber far too large": (a_rule(countNumber=10**999), TOO_LARGE.format(str(10**199))),
    "another tagStatus": (a_rule(tagStatus="ANY"), NOT_IN_ENUM.format('"ANY"', '["any","tagged","untagged"]')),
    "another countUnit": (a_rule(**PUSHED | {"countUnit": "hours"}), NOT_IN_ENUM.format('"hours"', '["days"]')),
    "another storageClass": (a_rule(storageClass=""), NOT_IN_ENUM.format('""', '["archive","standard"]')),
    "another action": (a_rule(action={"type": "keep"}), NOT_IN_ENUM.format('"keep"', '["expire","transition"]')),
    "another target": (
        a_rule(action=ARCHIVE | {"targetStorageClass": "standard"}),
        NOT_IN_ENUM.format('"standard"', '["archive"]'),
    ),
    "another countType": (
        a_rule(countType="since"),
        NOT_IN_ENUM.format(
            '"since"', '["imageCountMoreThan","sinceImagePulled","sinceImagePushed","sinceImageTransitioned"]'
        ),
    ),
    "tagged without list": (tagged(), "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED."),
    "untagged with a list": (
        untagged(tagPrefixList=["a"]),
        "Must not specify tagPrefixList or tagPatternList when tagStatus=UNTAGGED.",
    ),
    "any with a list": (
        a_rule(tagPatternList=["a"]),
        "Must not specify tagPrefixList or tagPatternList when tagStatus=ANY.",
    ),
    "both lists": (
        tagged(tagPrefixList=["a"], tagPatternList=["a"]),
        "Must specify only one of tagPrefixList and tagPatternList.",
    ),
    "a list of null": (tagged(tagPatternList=None), wrong_type("null", "array")),
    "a list of numbers": (tagged(tagPatternList=[1]), wrong_type("integer", "string")),
    "an empty list": (
        tagged(tagPrefixList=[]),
        "array is too short: must have at least 1 elements but instance has 0 elements",
    ),
    "an empty entry": (tagged(tagPrefixList=["a", ""]), 'string "" is too short (length: 0, required minimum: 1)'),
    "five wildcards": (
        tagged(tagPatternList=["*a*b*c*d*"]),
        'A tag pattern can contain a maximum of 4 wildcards (*): "*a*b*c*d*"',
    ),
    "days without unit": (a_rule(countType="sinceImagePushed"), NO_SELECTION),
    "days with a unit of null": (a_rule(**PUSHED | {"countUnit": None}), NO_SELECTION),
    "a number with unit": (a_rule(countUnit="days"), NO_SELECTION),
    "storageClass of null": (a_rule(storageClass=None), NO_SELECTION),
    "archive by count": (a_rule(storageClass="archive"), NO_SELECTION),
    "archive by push": (a_rule(storageClass="archive", **PUSHED), NO_SELECTION),
    "archived without storageClass": (a_rule(**ARCHIVED | {"storageClass": ABSENT}), NO_SELECTION),
    "archived in standard": (a_rule(**ARCHIVED | {"storageClass": "standard"}), NO_SELECTION),
    "pulled, to expire": (a_rule(**PULLED), NO_SELECTION),
    "archived, to the archive": (a_rule(action=ARCHIVE, **ARCHIVED), NO_SELECTION),
    "archived for less than 90 days": (a_rule(**ARCHIVED | {"countNumber": 60}), TOO_SMALL.format(90, 60)),
    "a transition to nowhere": (a_rule(action={"type": "transition"}), NO_ACTION),
    "a transition to null": (a_rule(action=ARCHIVE | {"targetStorageClass": None}), NO_ACTION),
    "expiry to the archive": (a_rule(action=ARCHIVE | {"type": "expire"}), NO_ACTION),
    "expiry to null": (a_rule(action={"type": "expire", "targetStorageClass": None}), NO_ACTION),
}


@pytest.mark.parametrize(("rule", "detail"), FAULTS.values(), ids=FAULTS)
def test_faults_of_a_rule(rule, detail):
    assert detail_of(a_text(tagged(99, tagPrefixList=["x"]), rule)) == detail


CLASHES = {
    "a priority twice": (
        [untagged(3), a_rule(3)],
        "Rules must have unique rulePriority values: 3 is used more than once.",
    ),
    "untagged twice": ([untagged(1), untagged(2, **PUSHED)], ONE_UNTAGGED),
    "untagged twice in the archive": ([untagged(1, **ARCHIVED), untagged(2, **ARCHIVED)], ONE_UNTAGGED),
    "any twice": ([a_rule(1), a_rule(2)], ANY_IS_LAST),
    "any before untagged": ([untagged(2), a_rule(1)], ANY_IS_LAST),
    "any before tagged": ([a_rule(1), tagged(2, tagPrefixList=["a"])], ANY_IS_LAST),
    "any not last in the archive": ([a_rule(1, **ARCHIVED), untagged(2, **ARCHIVED)], ANY_IS_LAST),
    "the same prefixes": ([tagged(1, tagPrefixList=["a", "b"]), tagged(2, tagPrefixList=["b", "a"])], ONE_LIST),
    "the same patterns": ([tagged(1, tagPatternList=["a*"]), tagged(2, tagPatternList=["a*", "a*"])], ONE_LIST),
}


@pytest.mark.parametrize(("rules", "detail"), CLASHES.values(), ids=CLASHES)
def test_faults_between_rules(rules, detail):
    assert detail_of(a_text(*rules)) == detail


def test_there_may_be_no_more_rules_than_allowed():
    rules = [tagged(number, tagPrefixList=[str(number)]) for number in range(1, 52)]

    assert detail_of(a_text(*rules)) == "array is too long: must have at most 50 elements but instance has 51 elements"
    assert (
        detail_of(a_text(*rules[:3]), 2)
        == "array is too long: must have at most 2 elements but instance has 3 elements"
    )
    assert len(parse(a_text(*rules), 51).rules) == 51


# ---- What is given back


def test_a_text_is_given_back_without_white_space_and_in_its_order():
    text = '{ "rules" : [ { "selection": {"tagStatus":"any", "countNumber": 9}, "description":"a  b \\u00e9\\n" } ] }\n'

    assert compact(text) == '{"rules":[{"selection":{"tagStatus":"any","countNumber":9},"description":"a  b é\\n"}]}'


@given(st.permutations([untagged(1), tagged(2, tagPatternList=["*"]), a_rule(3) | {"description": ' \n\t"\\'}]))
def test_a_compact_text_says_the_same(rules):
    text = json.dumps({"rules": rules}, indent=4)

    assert list(json.loads(compact(text))["rules"]) == rules
    assert parse(compact(text)) == parse(text)
    assert compact(compact(text)) == compact(text)


# ---- Anything at all

WORDS = [
    "any",
    "tagged",
    "untagged",
    "archive",
    "standard",
    "days",
    "expire",
    "transition",
    "imageCountMoreThan",
    "*",
    "",
]
NAMES = ["rules", "rulePriority", "description", "selection", "action", "tagStatus", "tagPatternList", "tagPrefixList"]
NAMES += ["storageClass", "countType", "countUnit", "countNumber", "type", "targetStorageClass", "other"]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
)


@st.composite
def almost_policies(draw):
    """Rules of which a member or two are something else, or are not there."""
    rules = draw(st.lists(st.sampled_from([rule for rules in ACCEPTED.values() for rule in rules[:2]]), max_size=3))
    rules = json.loads(json.dumps(rules))
    for _ in range(draw(st.integers(0, 2)) if rules else 0):
        rule = draw(st.sampled_from(rules))
        parts = [part for part in (rule, rule.get("selection"), rule.get("action")) if isinstance(part, dict)]
        part, name = draw(st.sampled_from(parts)), draw(st.sampled_from(NAMES))
        if draw(st.booleans()):
            part.pop(name, None)
        else:
            part[name] = draw(VALUES)
    return {"rules": rules}


@given(st.text() | (VALUES | almost_policies()).map(json.dumps))
@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_read_or_refused(text):
    try:
        policy = parse(text)
    except InvalidParameter:
        return
    assert parse(compact(text)) == policy
    assert [rule.priority for rule in policy.rules] == sorted({rule.priority for rule in policy.rules})
