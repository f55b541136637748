"""Condition operators: what each compares, what it does with an absent key, and what its modifiers change."""

import pytest

from holdfast.model.iam import conditions

KEY = "aws:thing"
EXTRA = {"aws:username": "alice", "aws:many": ("a", "b"), "aws:flag": "TRUE", "aws:arn": "arn:aws:iam::1:user/alice"}


def meets(operator, wanted, given=None, *, denies=False, variables=True):
    """Whether a request with a value of the key, or several, or none, meets a condition."""
    texts = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    test, _ = conditions.compiled(operator, KEY.upper(), texts, denies=denies, variables=variables)
    return test(EXTRA if given is None else EXTRA | {KEY: given})


V4 = "203.0.113.0/24"
V6 = "2001:db8:1234::/48"
NOON = "2026-06-01T12:00:00Z"
NOON_EPOCH = "1780315200"
ROLE = "arn:aws:iam::111122223333:role/ci-push"

POSITIVE = [
    ("StringEquals", "a", "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", ["a", "b"], "c", False),
    ("StringEquals", "a*", "ab", False),
    ("StringEquals", "a*", "a*", True),
    ("StringEquals", "", "", True),
    ("StringEquals", [], "a", False),
    ("StringEqualsIgnoreCase", "Payments", "pAYMENTS", True),
    ("StringEqualsIgnoreCase", "Payments", "payment", False),
    ("StringLike", "pay*", "payments", True),
    ("StringLike", "pay*", "Payments", False),
    ("StringLike", "pay?", "pays", True),
    ("StringLike", "pay?", "pay", False),
    ("StringLike", ["x", "*"], "", True),
    ("NumericEquals", "10", "10.0", True),
    ("NumericEquals", "1e1", "10", True),
    ("NumericEquals", "10", "11", False),
    ("NumericLessThan", "1000", "900", True),
    ("NumericLessThan", "1000", "9000", False),
    ("NumericLessThan", "10", "10", False),
    ("NumericLessThanEquals", "10", "10", True),
    ("NumericLessThanEquals", "10", "10.000000000000000000001", False),
    ("NumericGreaterThan", "-5", "-4", True),
    ("NumericGreaterThan", "10", "10", False),
    ("NumericGreaterThanEquals", "10", "10", True),
    ("NumericGreaterThanEquals", ["100", "5"], "10", True),
    ("NumericEquals", "ten", "ten", False),
    ("NumericEquals", "10", "ten", False),
    ("NumericEquals", ["ten", "10"], "10", True),
    ("NumericEquals", "NaN", "NaN", False),
    ("NumericLessThan", "Infinity", "1", False),
    ("NumericLessThan", "1e9999", "1", True),
    ("DateEquals", NOON, NOON, True),
    ("DateEquals", NOON, NOON_EPOCH, True),
    ("DateEquals", NOON_EPOCH, NOON, True),
    ("DateEquals", NOON, "2026-06-01T14:00:00+02:00", True),
    ("DateEquals", NOON, "2026-06-01T06:30:00.000-05:30", True),
    ("DateEquals", NOON, "2026-06-01t12:00z", True),
    ("DateEquals", NOON, "2026-06-01T12:00:00", True),
    ("DateEquals", NOON, "2026-06-01T12:00:00.001Z", False),
    ("DateEquals", "2026-06-01", "2026-06-01T00:00:00Z", True),
    ("DateEquals", "2026-06", "2026-06-01T00:00:00Z", True),
    ("DateLessThan", "2026-12-31T23:59:59Z", NOON, True),
    ("DateLessThan", NOON, "2026-12-31", False),
    ("DateLessThan", NOON, NOON, False),
    ("DateLessThanEquals", NOON, NOON, True),
    ("DateLessThanEquals", NOON, "1780315200.5", False),
    ("DateGreaterThan", "1970-01-01", "1", True),
    ("DateGreaterThan", NOON, NOON, False),
    ("DateGreaterThanEquals", NOON, NOON_EPOCH, True),
    ("DateGreaterThan", "1969-12-31T23:59:59Z", "0", True),
    ("DateGreaterThan", "yesterday", NOON, False),
    ("DateGreaterThan", "2026-02-29", NOON, False),
    ("DateGreaterThan", "2024-02-29", NOON, True),
    ("DateLessThan", NOON, "soon", False),
    ("Bool", "true", "true", True),
    ("Bool", "True", "tRUE", True),
    ("Bool", "false", "false", True),
    ("Bool", "false", "true", False),
    ("Bool", "yes", "yes", False),
    ("Bool", "true", "1", False),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
    ("BinaryEquals", "QmluYXJ5", "qMLUYXj5", False),
    ("BinaryEquals", "QQ==", "QR==", True),
    ("BinaryEquals", "not base64", "not base64", False),
    ("IpAddress", V4, "203.0.113.77", True),
    ("IpAddress", V4, "203.0.114.1", False),
    ("IpAddress", "203.0.113.77/24", "203.0.113.1", True),
    ("IpAddress", "203.0.113.9", "203.0.113.9", True),
    ("IpAddress", "203.0.113.9", "203.0.113.8", False),
    ("IpAddress", "0.0.0.0/0", "198.51.100.1", True),
    ("IpAddress", "0.0.0.0/0", "2001:db8::1", False),
    ("IpAddress", "::/0", "198.51.100.1", False),
    ("IpAddress", "::/0", "2001:db8::1", True),
    ("IpAddress", V6, "2001:DB8:1234:0:0::9", True),
    ("IpAddress", V6, "2001:db8:1235::9", False),
    ("IpAddress", [V4, V6], "2001:db8:1234::9", True),
    ("IpAddress", V4, "::ffff:203.0.113.77", True),
    ("IpAddress", "::ffff:203.0.113.0/120", "203.0.113.77", True),
    ("IpAddress", "203.0.113.0/33", "203.0.113.1", False),
    ("IpAddress", "203.0.113.0/255.255.255.0", "203.0.113.1", False),
    ("IpAddress", V4, "203.0.113", False),
    ("IpAddress", "fe80::1%eth0", "fe80::1", False),
    ("ArnEquals", ROLE, ROLE, True),
    ("ArnEquals", "arn:aws:iam::111122223333:role/ci-*", ROLE, True),
    ("ArnLike", "arn:aws:iam::*:role/ci-push", ROLE, True),
    ("ArnLike", "arn:aws:iam:*:role/ci-push", ROLE, False),
    ("ArnLike", "arn:aws:iam::111122223333:role/CI-push", ROLE, False),
    ("ArnLike", "*", ROLE, False),
    ("ArnLike", ROLE, "ci-push", False),
]
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}
BASES = sorted({operator for operator, *_ in POSITIVE})
UNREADABLE = {"ten", "NaN", "203.0.113.0/33", "203.0.113.0/255.255.255.0", "203.0.113", "fe80::1%eth0"}


@pytest.mark.parametrize(("operator", "wanted", "given", "is_met"), POSITIVE)
def test_an_operator_compares_the_value_of_the_request_with_those_of_the_policy(operator, wanted, given, is_met):
    assert meets(operator, wanted, given) is is_met
    assert meets(operator, wanted, given, denies=True) is is_met
    assert meets(f"{operator}IfExists", wanted, given) is is_met
    assert meets(f"ForAnyValue:{operator}", wanted, given) is is_met
    assert meets(f"ForAllValues:{operator}", wanted, given) is is_met


@pytest.mark.parametrize("negated", NEGATED)
def test_a_negated_operator_is_met_if_none_is_equal(negated):
    rows = [row[1:] for row in POSITIVE if row[0] == NEGATED[negated]]
    for wanted, given, is_equal in rows:
        if not UNREADABLE.intersection([given, *([wanted] if isinstance(wanted, str) else wanted)]):
            assert meets(negated, wanted, given) is not is_equal
            assert meets(negated, wanted, given, denies=True) is not is_equal
    assert rows


@pytest.mark.parametrize("operator", BASES)
def test_a_positive_operator_is_not_met_by_an_absent_key(operator):
    assert not meets(operator, "true")
    assert not meets(operator, "true", ())
    assert meets(f"{operator}IfExists", "true")
    assert meets(f"ForAllValues:{operator}", "true")
    assert not meets(f"ForAnyValue:{operator}", "true")
    assert meets(f"ForAnyValue:{operator}IfExists", "true")


@pytest.mark.parametrize("operator", NEGATED)
def test_a_negated_operator_is_met_by_an_absent_key(operator):
    assert meets(operator, "1")
    assert meets(f"{operator}IfExists", "1")
    assert meets(f"ForAllValues:{operator}", "1")
    assert not meets(f"ForAnyValue:{operator}", "1")


def test_an_empty_text_is_a_value():
    assert meets("StringEquals", "", "")
    assert not meets("StringEquals", "")
    assert not meets("StringNotEquals", "", "")
    assert meets("Null", "false", "")


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "is_met"),
    [
        ("ForAllValues:StringEquals", ["team", "env"], ("team", "env"), True),
        ("ForAllValues:StringEquals", ["team", "env"], ("team", "cost"), False),
        ("ForAllValues:StringEquals", ["team", "env"], "team", True),
        ("ForAnyValue:StringEquals", ["team", "env"], ("cost", "env"), True),
        ("ForAnyValue:StringEquals", ["team", "env"], ("cost", "owner"), False),
        ("ForAllValues:StringNotEquals", ["team", "env"], ("cost", "owner"), True),
        ("ForAllValues:StringNotEquals", ["team", "env"], ("cost", "env"), False),
        ("ForAnyValue:StringNotEquals", ["team", "env"], ("cost", "env"), True),
        ("ForAnyValue:StringNotEquals", ["team", "env"], ("team", "env"), False),
        ("ForAnyValue:StringLike", "aws-*", ("team", "aws-internal"), True),
        ("ForAllValues:StringLike", "aws-*", ("team", "aws-internal"), False),
        ("forallvalues:stringequals", "team", ("team",), True),
        ("FORANYVALUE:STRINGEQUALSIFEXISTS", "team", ("cost",), False),
    ],
)
def test_a_set_operator_asks_each_value(operator, wanted, given, is_met):
    assert meets(operator, wanted, given) is is_met


def test_several_values_need_a_set_operator_to_be_allowed_by():
    assert not meets("StringEquals", "a", ("a", "b"))
    assert not meets("StringEquals", "a", ("a",))
    assert not meets("StringNotEquals", "c", ("a", "b"))


def test_several_values_are_no_way_out_of_a_deny():
    assert meets("StringEquals", "a", ("a", "b"), denies=True)
    assert not meets("StringEquals", "c", ("a", "b"), denies=True)
    assert meets("StringNotEquals", "c", ("a", "b"), denies=True)
    assert meets("StringNotEquals", "a", ("a", "b"), denies=True)


@pytest.mark.parametrize(
    ("wanted", "given", "is_met"),
    [
        ("true", None, True),
        ("true", (), True),
        ("true", "x", False),
        ("true", ("x",), False),
        ("false", None, False),
        ("FALSE", "x", True),
        ("false", ("x", "y"), True),
        (["true", "false"], None, True),
        ("maybe", None, False),
        ([], None, False),
    ],
)
def test_null_asks_whether_the_key_is_there(wanted, given, is_met):
    assert meets("Null", wanted, given) is is_met
    assert meets("ForAnyValue:Null", wanted, given) is is_met


@pytest.mark.parametrize(
    ("operator", "good", "bad", "value"),
    [
        ("NumericNotEquals", "1", "one", "2"),
        ("DateNotEquals", "2026-01-01", "someday", "2026-01-02"),
        ("NotIpAddress", V4, "everywhere", "192.0.2.1"),
    ],
)
def test_what_cannot_be_read_never_grants(operator, good, bad, value):
    assert not meets(operator, bad, value)
    assert not meets(operator, [good, bad], value)
    assert not meets(operator, good, bad)
    assert meets(operator, bad, value, denies=True)
    assert meets(operator, good, bad, denies=True)
    assert meets(operator, [good, bad], value, denies=True)
    assert meets(operator, good, value)


def test_an_operator_that_nobody_knows_keeps_an_allow_from_applying_and_makes_a_deny_apply():
    assert not meets("StringSounds", "a", "a")
    assert meets("StringSounds", "a", "a", denies=True)


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "is_met"),
    [
        ("StringEquals", "${aws:username}", "alice", True),
        ("StringEquals", "${AWS:USERNAME}-x", "alice-x", True),
        ("StringEquals", "${aws:username}", "Alice", False),
        ("StringEquals", "${aws:absent}", "", False),
        ("StringEquals", ["${aws:absent}", "b"], "b", True),
        ("StringEquals", "${aws:absent, 'b'}", "b", True),
        ("StringEquals", "${*}", "*", True),
        ("StringEquals", "${aws:many}", "a", False),
        ("StringNotEquals", "${aws:username}", "alice", False),
        ("StringNotEquals", "${aws:absent}", "alice", True),
        ("StringNotEquals", ["${aws:absent}", "alice"], "alice", False),
        ("StringEqualsIgnoreCase", "${aws:username}", "ALICE", True),
        ("StringNotEqualsIgnoreCase", "${aws:username}", "ALICE", False),
        ("StringLike", "${aws:username}*", "alice2", True),
        ("StringLike", "a${*}", "abc", False),
        ("StringLike", "a${*}", "a*", True),
        ("StringLike", "${aws:absent}*", "x", False),
        ("StringNotLike", "${aws:absent}*", "x", True),
        ("ArnLike", "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:user/alice", True),
        ("ArnEquals", "${aws:arn}", "arn:aws:iam::1:user/alice", True),
        ("ArnNotEquals", "${aws:absent}", "arn:aws:iam::1:user/alice", True),
        ("Bool", "${aws:flag}", "true", True),
        ("Bool", "${aws:absent}", "true", False),
        ("NumericEquals", "${aws:one, '1'}", "1", False),
        ("BinaryEquals", "${aws:one, 'QQ=='}", "QQ==", False),
    ],
)
def test_values_may_have_variables_where_aws_lets_them(operator, wanted, given, is_met):
    assert meets(operator, wanted, given) is is_met


def test_the_values_of_an_older_policy_have_no_variables():
    assert not meets("StringEquals", "${aws:username}", "alice", variables=False)
    assert meets("StringEquals", "${aws:username}", "${aws:username}", variables=False)
    assert meets("StringLike", "a${*}", "a${bc}", variables=False)


def test_a_test_tells_which_keys_it_reads():
    wanted = ("${aws:UserName}", "${aws:PrincipalTag/Team, 'x'}")

    _, read = conditions.compiled("StringLike", "AWS:RequestTag/Team", wanted, denies=False, variables=True)

    assert read == {"aws:requesttag/team", "aws:username", "aws:principaltag/team"}


@pytest.mark.parametrize(
    "name",
    ["", "Strings", "NullIfExists", "ForAnyValue:NullIfExists", "ForSomeValue:Bool", "ForAnyValue::Bool", "IfExists",
     "ForAnyValue:", "BoolNot", "StringEqualsIfExistsIfExists", "BinaryNotEquals"],
)  # fmt: skip
def test_what_is_no_operator_is_not_found(name):
    assert conditions.find(name) is None


@pytest.mark.parametrize(
    ("operator", "value", "is_taken"),
    [
        ("StringEquals", "anything", True),
        ("ArnLike", "anything", True),
        ("NumericLessThan", "3600", True),
        ("NumericLessThan", "${a:b}", False),
        ("DateLessThan", "2026-12-31T23:59:59Z", True),
        ("DateLessThan", "2016-12-13t2:00:00.593194+23", True),
        ("DateLessThan", "01T", True),
        ("DateLessThan", "-292275054", True),
        ("DateLessThan", "9223372036854775807", True),
        ("DateLessThan", "9223372036854775808", False),
        ("DateLessThan", "234-13", False),
        ("DateLessThan", "2016-12-13t2:00:00.593194+1", False),
        ("DateLessThan", "2016-12-13t2:00:00.1999999999+10:59", False),
        ("DateLessThan", "2026-06-01T24:00Z", False),
        ("DateLessThan", "2026-06-01T12:60Z", False),
        ("DateLessThan", "", False),
        ("Bool", "TRUE", True),
        ("Bool", "1", False),
        ("Bool", "${a:b}", True),
        ("Null", "${a:b}", False),
        ("Null", "true", True),
        ("BinaryEquals", "QQ==", True),
        ("BinaryEquals", "Q", False),
        ("BinaryEquals", "é", False),
        ("NotIpAddress", "10.0.0.0/8", True),
        ("NotIpAddress", "10.0.0.0/", False),
        ("NotIpAddress", "10.0.0.0/²", False),
        ("NotIpAddress", "${a:b}", False),
    ],
)
def test_what_a_value_of_a_policy_must_be(operator, value, is_taken):
    assert conditions.find(operator).takes(value, variables=True) is is_taken
