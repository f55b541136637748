"""What a lifecycle policy takes and leaves: ECR's own examples, the clocks, the reasons, and laws of every plan."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast.model.lifecycle import Candidate, Policy, Rule, Selection, Verdict, plan

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
COUNT_TYPES = {
    "keep": "imageCountMoreThan",
    "pushed": "sinceImagePushed",
    "pulled": "sinceImagePulled",
    "archived": "sinceImageTransitioned",
}


def ago(days):
    return None if days is None else NOW - timedelta(days=days)


def an_image(  # all times are ages in days
    digest="a",
    tags=(),
    pushed=0,
    *,
    activated=None,
    archived=None,
    pulled=None,
    status=None,
    listed=False,
    referrer=False,
):
    status = status or ("ACTIVE" if archived is None else "ARCHIVED")
    times = map(ago, (pushed, activated, archived, pulled))
    return Candidate(0, digest, tuple(tags), status, *times, listed, referrer)


def a_rule(text):
    """`priority tags count number [transition]`, where tags are any, untagged, patterns, or prefix:prefixes."""
    priority, tags, count, number, *action = text.split()
    status = tags if tags in {"any", "untagged"} else "tagged"
    entries = tuple(tags.removeprefix("prefix:").split(",")) if status == "tagged" else ()
    patterns, prefixes = ((), entries) if tags.startswith("prefix:") else (entries, ())
    storage_class = "archive" if count == "archived" else "standard"
    selection = Selection(status, patterns, prefixes, storage_class, COUNT_TYPES[count], int(number))
    return Rule(int(priority), None, selection, action[0] if action else "expire")


def a_policy(text):
    return Policy(tuple(map(a_rule, text.split("; "))))


def images_of(text):
    """`name[tags]age`, with `@` before the age of an archived image and `!` behind that of an index's member."""
    found = re.findall(r"(\w)\[(.*?)\](@?)(\d+)(!?)", text)
    return [
        an_image(
            name, filter(None, tags.split(",")), int(age), archived=int(age) if archived else None, listed=bool(listed)
        )
        for name, tags, archived, age, listed in found
    ]


def told(verdicts):
    """Whom which rule takes: `A1` expires, `A1>` goes to the archive, `A1!` would go but may not."""
    signs = {("expire", None): "", ("transition", None): ">", (None, "ImageReferencedByManifestList"): "!"}
    acted = [verdict for verdict in verdicts if verdict.action or verdict.failure]
    return " ".join(f"{v.image.digest}{v.rule.priority}{signs[v.action, v.failure]}" for v in acted)


# ---- Cases

BETA_AND_PROD = "A[beta-1,prod-1]10 B[beta-2,prod-2]9 C[beta-3]8"
DEV_AND_PROD = "A[dev-1]40 B[dev-2,prod-1]40 C[prod-2]40"
WORDS = "A[prod]9 B[prod-1]8 C[myprod]7"
ALPHA = "A[alpha-1,beta-1,gamma-1]10 B[alpha-2,beta-2]9 C[alpha-3,beta-3,gamma-2]8"
SIX = "A[alpha-1]12 B[beta-1]11 C[alpha-2,beta-2]10 D[alpha-3]4 E[beta-3]3 F[alpha-4,beta-4]2"
FIVE = "A[alpha-1,beta-1]4 B[]3 C[alpha-2]2 D[9e107d9]1 E[]0"
THREE_RULES = "1 alpha* keep 1; 2 untagged pushed 1; 3 any keep 1"
EXAMPLES = {  # the evaluations that ECR's user guide shows, and what follows from its rules
    "untagged images by age": ("A[]30 B[]15 C[]14 D[]1 E[v1]30", "1 untagged pushed 14", "A1 B1"),
    "tagged images by age": ("A[prod-1]30 B[prod]15 C[prod-2]14 D[dev]30", "1 prod* pushed 14", "A1 B1"),
    "tagged images to the archive": ("A[prod-1]31 B[prod]30 C[]31", "1 prod* pushed 30 transition", "A1>"),
    "the newest untagged image is kept": ("A[]9 B[]3 C[]5 D[v1]9", "1 untagged keep 1", "A1 C1"),
    "a rule shields what it keeps": (BETA_AND_PROD, "1 prod* keep 1; 2 beta* keep 1", "A1"),
    "a count includes what it takes": (BETA_AND_PROD, "1 beta* keep 1; 2 prod* keep 1", "A1 B1"),
    "by age, all entries must match": (SIX, "1 alpha*,beta* pushed 5", "C1"),
    "by count, all entries must match": (ALPHA, "1 alpha*,beta* keep 1", "A1 B1"),
    "any is tagged and untagged": ("A[alpha-1]4 B[beta-1]3 C[]2 D[alpha-2]1", "1 any keep 1", "A1 B1 C1"),
    "three rules": (FIVE, THREE_RULES, "A1 B2 D3"),
    "not pulled for long": ("A[]91 B[]90 C[v1]91", "1 any pulled 90 transition", "A1> C1>"),
    "archived for long": ("A[]@366 B[v1]@365 C[v2]400", "1 any archived 365", "A1"),
    "each storage class by itself": (
        "A[]31 B[]@366 C[]30 D[]@31",
        "1 any pushed 30 transition; 2 any archived 365",
        "A1> B2",
    ),
    "a tag protected by a rule above": (
        "A[v1,latest]100 B[v2]90 C[v3]1",
        "1 latest pushed 9999; 2 any pushed 30",
        "B2",
    ),
    "fewer than are kept": ("A[x]3 B[x1]2 C[]1", "1 prefix:x keep 3", ""),
    "places held by what another rule keeps": ("A[x]3 B[y]2 C[z]1", "5 * keep 2; 9 any keep 1", "A5"),
    "a tag of each rule": (DEV_AND_PROD, "1 prod* keep 10; 2 dev* pushed 30", "A2"),
    "tags of both entries": (DEV_AND_PROD, "1 dev*,prod* pushed 30", "B1"),
    "exactly as old is not older": ("A[]20 B[]14 C[]15", "1 untagged pushed 14", "A1 C1"),
    "a member stays while its index is there": ("L[latest]1 a[]20! b[]20", "1 untagged pushed 14", "a1! b1"),
    "one rule each": (
        "A[rel-1]50 B[rel-2]40 C[rel-3]30 D[]20 E[tmp]10",
        "10 prefix:rel- keep 2; 20 untagged pushed 7; 30 any pushed 5",
        "A10 D20 E30",
    ),
    "into the archive and out of it": (
        "A[a]@400 B[b]400 C[c]10",
        "1 any pushed 30 transition; 2 any archived 365",
        "A2 B1>",
    ),
    "a pattern is of the whole tag": (WORDS, "1 prod pushed 1", "A1"),
    "a prefix is of its beginning": (WORDS, "1 prefix:prod pushed 1", "A1 B1"),
    "wildcards inside": ("A[v1.0-rc1]9 B[v1.0]8 C[v2.1-rc3]7", "1 v*-rc* pushed 1", "A1 C1"),
    "a member holds its place": ("A[]9 B[]8! C[]7", "1 untagged keep 2", "A1"),
    "a prefix has no wildcards": ("A[a-b]9 B[ab]8", "1 prefix:a*b pushed 1", ""),
    "one tag may match all entries": ("A[alpha-beta]9", "1 alpha*,*beta pushed 1", "A1"),
}


@pytest.mark.parametrize(("images", "rules", "acted"), EXAMPLES.values(), ids=EXAMPLES)
def test_examples(images, rules, acted):
    assert told(plan(a_policy(rules), images_of(images), NOW)) == acted


def test_verdicts_come_in_the_order_of_the_images():
    images = images_of("C[]1 A[]9 B[v1]5 D[]3")

    verdicts = plan(a_policy("1 untagged keep 1"), images, NOW)

    assert [verdict.image for verdict in verdicts] == images
    assert [verdict.place for verdict in verdicts] == [1, 3, None, 2]


def test_equally_old_images_stand_in_the_order_of_their_digests():
    assert told(plan(a_policy("1 any keep 2"), images_of("D[]5 B[]5 A[]5 C[]5"), NOW)) == "D1 C1"


def test_a_policy_without_rules_and_a_repository_without_images():
    assert plan(Policy(()), images_of("A[]9"), NOW) == [Verdict(an_image("A", pushed=9))]
    assert plan(a_policy("1 any keep 1"), [], NOW) == []


def test_a_tagged_rule_without_entries_speaks_of_tagged_images():
    rule = replace(a_rule("1 v* pushed 1"), selection=Selection("tagged", (), (), "standard", "sinceImagePushed", 1))

    assert told(plan(Policy((rule,)), images_of("A[]9 B[v1]9"), NOW)) == "B1"


def test_the_largest_number_of_days_is_longer_than_time_itself():
    assert told(plan(a_policy(f"1 any pushed {2**31 - 1}"), images_of("A[]700000"), NOW)) == ""


def test_referrers_and_what_is_being_restored_hold_no_place():
    others = [an_image("r", referrer=True), an_image("s", status="ACTIVATING", activated=0)]

    assert told(plan(a_policy("1 any keep 2"), [*others, *images_of("A[]9 B[]8")], NOW)) == ""


def test_members_go_in_the_run_after_their_index():
    policy, index = a_policy("1 any pushed 14"), an_image("L", ["v1"], 20)
    member = an_image("m", pushed=20, listed=True)

    assert told(plan(policy, [index, member], NOW)) == "L1 m1!"
    assert told(plan(policy, [replace(member, is_listed=False)], NOW)) == "m1"


# ---- Clocks

CLOCKS = {
    "pushed": ("pushed", {"pushed": 31}, 31),
    "restored": ("pushed", {"pushed": 200, "activated": 5}, 5),
    "a pull does not make it younger": ("pushed", {"pushed": 31, "pulled": 1}, 31),
    "counted from the push": ("keep", {"pushed": 31, "pulled": 1}, 31),
    "counted from the restore": ("keep", {"pushed": 200, "activated": 5}, 5),
    "last pulled": ("pulled", {"pushed": 200, "pulled": 100}, 100),
    "never pulled": ("pulled", {"pushed": 200}, 200),
    "pulled after the restore": ("pulled", {"pushed": 200, "activated": 50, "pulled": 10}, 10),
    "pulled before the restore": ("pulled", {"pushed": 200, "activated": 50, "pulled": 60}, 50),
    "restored and never pulled": ("pulled", {"pushed": 200, "activated": 50}, 50),
    "archived": ("archived", {"pushed": 500, "activated": 450, "pulled": 460, "archived": 400}, 400),
}


@pytest.mark.parametrize(("count", "times", "age"), CLOCKS.values(), ids=CLOCKS)
def test_clocks(count, times, age):
    image, instant = an_image("m", **times), timedelta(microseconds=1)
    if count == "keep":
        older, newer = an_image("z", pushed=age), an_image("a", pushed=age)
        assert [verdict.place for verdict in plan(a_policy("1 any keep 1"), [older, image, newer], NOW)] == [3, 2, 1]
    else:
        policy = a_policy(f"1 any {count} {age}")
        assert told(plan(policy, [image], NOW)) == ""
        assert told(plan(policy, [image], NOW + instant)) == "m1"


# ---- Reasons

REASONS = {
    "expired by age": ({"pushed": 15}, "2 any pushed 14", "rule 2 expires it: pushed {15}, more than 14 days ago"),
    "a day": ({"pushed": 2}, "1 any pushed 1", "rule 1 expires it: pushed {2}, more than 1 day ago"),
    "archived by age": (
        {"pushed": 99, "pulled": 95},
        "1 any pulled 90 transition",
        "rule 1 archives it: last pulled {95}, more than 90 days ago",
    ),
    "kept by age": (
        {"pushed": 99, "pulled": 5},
        "1 any pulled 90",
        "kept: rule 1 selects it, last pulled {5}, not yet more than 90 days ago",
    ),
    "never pulled": (
        {"pushed": 95},
        "1 any pulled 90 transition",
        "rule 1 archives it: not pulled since it was pushed {95}, more than 90 days ago",
    ),
    "restored": (
        {"pushed": 95, "activated": 9},
        "1 any pulled 90",
        "kept: rule 1 selects it, not pulled since it was restored {9}, not yet more than 90 days ago",
    ),
    "restored, by push": (
        {"pushed": 95, "activated": 9},
        "1 any pushed 8",
        "rule 1 expires it: restored {9}, more than 8 days ago",
    ),
    "archived": (
        {"pushed": 99, "archived": 91},
        "1 any archived 90",
        "rule 1 expires it: archived {91}, more than 90 days ago",
    ),
    "expired by count": (
        {"pushed": 5},
        "1 any keep 1",
        "rule 1 expires it: number 2 from the newest of those it selects, and it keeps 1",
    ),
    "kept by count": (
        {"pushed": 5},
        "1 any keep 20",
        "kept: rule 1 selects it and keeps the newest 20, of which it is number 2",
    ),
    "not selected": ({"pushed": 5}, "1 tag keep 1", "kept: no rule selects it"),
    "in an index": ({"listed": True, "pushed": 5}, "1 any keep 1", "kept: an index lists it (rule 1 would expire it)"),
    "in an index, to the archive": (
        {"listed": True, "pushed": 5},
        "1 any pushed 1 transition",
        "kept: an index lists it (rule 1 would archive it)",
    ),
    "a referrer": ({"referrer": True}, "1 any pushed 1", "kept: it goes with its subject"),
    "being restored": ({"status": "ACTIVATING"}, "1 any pushed 1", "kept: it is being restored"),
}


@pytest.mark.parametrize(("image", "rules", "reason"), REASONS.values(), ids=REASONS)
def test_reasons(image, rules, reason):
    verdict, _ = plan(a_policy(rules), [an_image("m", **image), an_image("n")], NOW)

    times = {age: f"{ago(int(age)):%Y-%m-%dT%H:%M:%SZ}" for age in re.findall(r"{(\d+)}", reason)}
    assert verdict.reason == re.sub(r"{(\d+)}", lambda found: times[found[1]], reason)


def test_a_reason_tells_its_time_in_utc():
    pushed_at = datetime(2026, 1, 2, 5, 4, 5, 678, timezone(timedelta(hours=2)))
    (verdict,) = plan(a_policy("2 any pushed 14"), [replace(an_image(), pushed_at=pushed_at)], NOW)

    assert verdict.reason == "rule 2 expires it: pushed 2026-01-02T03:04:05Z, more than 14 days ago"


# ---- Patterns


def as_expression(pattern):
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def is_selected(pattern, tag):
    (verdict,) = plan(a_policy(f"1 {pattern} keep 1"), [an_image("m", [tag])], NOW)
    return verdict.rule is not None


@given(st.text("ab*", min_size=1, max_size=6), st.text("ab", min_size=1, max_size=6))
@example("a*a", "a")
@example("ab*ba", "aba")
@settings(deadline=None, max_examples=500)
def test_a_pattern_matches_what_its_regular_expression_matches(pattern, tag):
    assert is_selected(pattern, tag) == bool(as_expression(pattern).fullmatch(tag))


@pytest.mark.parametrize(("pattern", "matches"), [("*a*a*a*a", True), ("*a*a*a*b", False), ("a*ba*a*", False)])
def test_wildcards_over_a_long_tag(pattern, matches):
    assert is_selected(pattern, "a" * 300) is matches


# ---- Laws of every plan

DAYS = st.integers(0, 9)
SOME_DAYS = DAYS | st.none()


@st.composite
def candidates(draw):
    images = []
    for number, digest in enumerate(draw(st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=9))):
        status = draw(st.sampled_from(["ACTIVE", "ACTIVE", "ACTIVE", "ARCHIVED", "ARCHIVED", "ACTIVATING"]))
        tags = tuple(draw(st.lists(st.sampled_from(["a", "ab", "b", "ba", "abba"]), unique=True, max_size=3)))
        archived_at = ago(draw(DAYS if status == "ARCHIVED" else SOME_DAYS))
        times = (ago(draw(DAYS)), ago(draw(SOME_DAYS)), archived_at, ago(draw(SOME_DAYS)))
        flags = draw(st.sampled_from([(False, False), (False, False), (True, False), (False, True)]))
        images.append(Candidate(number, digest, tags, status, *times, *flags))
    return images


@st.composite
def policies(draw):
    tags = st.sampled_from(["any", "untagged", "a*", "*b", "*", "a*,*a", "ab", "*b*", "prefix:a", "prefix:b,ab"])
    counts = st.sampled_from(["keep", "keep", "pushed", "pulled", "archived"])
    actions = st.sampled_from(["expire", "transition"])
    priorities = draw(st.lists(st.integers(1, 99), unique=True, max_size=5))
    texts = [f"{number} {draw(tags)} {draw(counts)} {draw(st.integers(1, 6))} {{}}" for number in sorted(priorities)]
    # Nothing that is in the archive is archived again.
    return Policy(tuple(a_rule(text.format("expire" if "archived" in text else draw(actions))) for text in texts))


def selects(rule, image):
    """Whether a rule speaks of an image, read once more from the user guide."""
    selection, tags = rule.selection, image.tags
    if image.is_referrer or image.status != {"standard": "ACTIVE", "archive": "ARCHIVED"}[selection.storage_class]:
        return False
    if selection.tag_status != "tagged":
        return selection.tag_status == "any" or not tags
    tests = [as_expression(pattern).fullmatch for pattern in selection.tag_patterns]
    tests += [as_expression(f"{prefix}*").fullmatch for prefix in selection.tag_prefixes]
    return all(any(test(tag) for tag in tags) for test in tests)


def clock(rule, image):
    if rule.selection.count_type == "sinceImageTransitioned":
        return image.archived_at
    renewed_at = image.activated_at or image.pushed_at
    if rule.selection.count_type == "sinceImagePulled" and image.pulled_at:
        return max(image.pulled_at, image.activated_at or image.pulled_at)
    return renewed_at


def by_the_book(policy, images):
    """Priorities of the rules that take each image, found as the user guide tells it: rule by rule, with sets."""
    seen, taken = set(), {}
    for rule in policy.rules:
        selected = [image for image in images if selects(rule, image)]
        number = rule.selection.count_number
        if rule.selection.count_type == "imageCountMoreThan":
            marked = sorted(selected, key=lambda image: (NOW - clock(rule, image), image.digest))[number:]
        else:
            marked = [image for image in selected if NOW - clock(rule, image) > timedelta(days=number)]
        taken |= {image.id: rule.priority for image in marked if image.id not in seen}
        seen |= {image.id for image in selected}
    return taken


def chosen(verdicts):
    return {v.image.id: v.rule.priority for v in verdicts if v.action or v.failure}


@given(policies(), candidates())
@settings(deadline=None, max_examples=400)
def test_a_plan_is_what_the_user_guide_tells(policy, images):
    assert chosen(plan(policy, images, NOW)) == by_the_book(policy, images)


@given(policies(), candidates())
@settings(deadline=None)
def test_an_image_has_one_verdict_and_answers_to_the_first_rule_that_selects_it(policy, images):
    verdicts = plan(policy, images, NOW)

    assert [verdict.image for verdict in verdicts] == images
    for image, verdict in zip(images, verdicts, strict=True):
        assert verdict.rule == next((rule for rule in policy.rules if selects(rule, image)), None)
        assert verdict.action in ({verdict.rule.action, None} if verdict.rule else {None})
        assert verdict.reason.startswith("kept: " if verdict.action is None else f"rule {verdict.rule.priority} ")


@given(policies(), candidates())
@settings(deadline=None)
def test_nothing_protected_is_taken(policy, images):
    for verdict in plan(policy, images, NOW):
        image = verdict.image
        if image.is_listed:
            assert verdict.action is None
        if image.is_referrer or image.status == "ACTIVATING":
            assert (verdict.rule, verdict.action, verdict.failure) == (None, None, None)
        if verdict.failure:
            assert image.is_listed
            assert verdict.action is None


@given(policies(), candidates())
@settings(deadline=None)
def test_a_plan_carried_out_leaves_nothing_to_do(policy, images):
    first = plan(policy, images, NOW)
    kept = [verdict.image for verdict in first if verdict.action is None]
    archived = [
        replace(verdict.image, status="ARCHIVED", archived_at=NOW)
        for verdict in first
        if verdict.action == "transition"
    ]

    second = plan(policy, [*archived, *kept], NOW)

    # Members of an index that is still there may be named again, but none that was not named before.
    assert not any(verdict.action for verdict in second)
    assert chosen(second).items() <= chosen(first).items()


@given(policies(), candidates(), st.data())
@settings(deadline=None)
def test_an_image_that_goes_never_pulls_another_with_it(policy, images, data):
    before = plan(policy, images, NOW)
    going = data.draw(st.sets(st.sampled_from(images))) if images else set()

    after = plan(policy, [image for image in images if image not in going], NOW)

    assert chosen(after).items() <= chosen(before).items()
