"""Principals of policies, by id and by ARN; and places in JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.iam_principals import Entity, NoSuchPrincipal, read_arn, resolve, show
from holdfast.model.json_places import line_and_column, places, replaced

ROLE, USER = "arn:aws:iam::000000000000:role/some/path/role", "arn:aws:iam::000000000000:user/user"
IDS = {ROLE: "AROA" + "R" * 17, USER: "AIDA" + "U" * 17}
ARNS = {id_: arn for arn, id_ in IDS.items()}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def at(value, path):
    for step in path:
        value = value[step]
    return value


# ---- Places


@given(JSON, st.sampled_from([None, 2, "\t"]), st.booleans())
def test_every_value_is_found_where_it_stands(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    found = {place.path: text[place.start : place.end] for place in places(text)}

    assert () in found
    for path, spelled in found.items():
        assert json.loads(spelled) == at(value, path)


@given(JSON)
def test_a_text_without_changes_is_the_same(value):
    text = json.dumps(value)

    assert replaced(text, {}) == text


def test_what_is_replaced_leaves_the_rest_as_it_was():
    text = '{ "a" : ["x" ,"y"],\n"b":\t"z" }'
    changes = {place: 'q"' for place in places(text) if place.path in {("a", 1), ("b",)}}

    assert replaced(text, changes) == '{ "a" : ["x" ,"q\\""],\n"b":\t"q\\"" }'


@pytest.mark.parametrize(("place", "expected"), [(0, (1, 1)), (1, (1, 2)), (2, (1, 3)), (3, (2, 1)), (5, (3, 1))])
def test_lines_and_columns_are_counted_from_one(place, expected):
    assert line_and_column("ab\nc\nd", place) == expected


# ---- Principals


def policy(principal, element="Principal"):
    return {"Statement": [{"Effect": "Allow", element: principal, "Action": "sts:AssumeRole"}]}


@pytest.mark.parametrize(
    ("principal", "kept"),
    [
        ({"AWS": ROLE}, {"AWS": IDS[ROLE]}),
        ({"AWS": [USER, "*", ROLE]}, {"AWS": [IDS[USER], "*", IDS[ROLE]]}),
        ({"AWS": IDS[ROLE]}, {"AWS": IDS[ROLE]}),
        ({"AWS": "000000000000"}, {"AWS": "000000000000"}),
        ({"AWS": "arn:aws:iam::000000000000:root"}, {"AWS": "arn:aws:iam::000000000000:root"}),
        ({"AWS": "arn:aws:sts::000000000000:assumed-role/role/session"},
         {"AWS": "arn:aws:sts::000000000000:assumed-role/role/session"}),
        ({"Service": ROLE, "AWS": USER}, {"Service": ROLE, "AWS": IDS[USER]}),
        ("*", "*"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("element", ["Principal", "NotPrincipal"])
@pytest.mark.parametrize("indent", [None, 4])
def test_principals_are_kept_by_their_ids_and_shown_by_their_arns(principal, kept, element, indent):
    text = json.dumps(policy(principal, element), indent=indent)

    resolved = resolve(text, {**IDS, **{id_: id_ for id_ in ARNS}}.get)

    assert resolved == json.dumps(policy(kept, element), indent=indent)
    assert json.loads(show(resolved, ARNS.get)) == json.loads(
        json.dumps(policy(principal, element)).replace(IDS[ROLE], ROLE)
    )


def test_a_single_statement_is_resolved_too():
    text = '{"Statement":{"Principal":{"AWS":"%s"}}}'

    assert resolve(text % ROLE, IDS.get) == text % IDS[ROLE]


def test_an_arn_elsewhere_in_a_policy_is_no_principal():
    text = json.dumps({"Statement": [{"Resource": ROLE, "Condition": {"ArnEquals": {"AWS": USER}}, "Principal": "*"}]})

    assert resolve(text, IDS.get) == show(text, ARNS.get) == text


def test_an_id_elsewhere_in_a_policy_is_shown_as_it_is():
    text = json.dumps({"Statement": [{"Sid": IDS[ROLE], "Principal": {"AWS": IDS[ROLE]}}]})

    assert show(text, ARNS.get) == json.dumps({"Statement": [{"Sid": IDS[ROLE], "Principal": {"AWS": ROLE}}]})


def test_whoever_is_not_there_cannot_be_named_and_whoever_is_gone_keeps_the_id():
    text = json.dumps(policy({"AWS": [ROLE, USER]}))

    with pytest.raises(NoSuchPrincipal) as caught:
        resolve(text, {ROLE: IDS[ROLE]}.get)

    assert caught.value.principal == USER
    gone = json.dumps(policy({"AWS": IDS[USER]}))
    assert show(gone, {}.get) == gone


def test_escapes_do_not_hide_a_principal():
    text = '{"Statement":[{"Princip\\u0061l":{"AWS":"' + ROLE.replace("/", "\\/") + '"}}]}'

    assert resolve(text, IDS.get) == '{"Statement":[{"Princip\\u0061l":{"AWS":"' + IDS[ROLE] + '"}}]}'


@pytest.mark.parametrize(
    ("arn", "kind", "path", "name"),
    [
        (ROLE, "role", "/some/path/", "role"),
        (USER, "user", "/", "user"),
        (USER.replace("user/", "group/"), "group", "/", "user"),
    ],
)  # fmt: skip
def test_an_arn_names_an_entity(arn, kind, path, name):
    named = read_arn(arn)

    assert (named.account_id, named.kind, named.path, named.name) == ("000000000000", kind, path, name)
    entity = Entity(kind, "AIDA", "000000000000", name, path)
    assert named.is_of(entity)
    assert not named.is_of(Entity(kind, "AIDA", "000000000000", name.upper(), path))
    assert entity.arn == arn


@pytest.mark.parametrize(
    "text",
    ["", "*", "arn:aws:iam::000000000000:root", "arn:aws:iam::aws:user/x", "arn:aws:sts::000000000000:user/x",
     "arn:aws:iam::000000000000:role/", "arn:aws:iam::000000000000:policy/x", "arn:aws:iam::00000000000:user/x"],
)  # fmt: skip
def test_other_texts_name_none(text):
    assert read_arn(text) is None
