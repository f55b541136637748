"""Decisions that follow from AWS's own documentation, policy by policy."""

import json
from pathlib import Path

import pytest

from holdfast.model import iam
from tests.model.iam.builders import principal_of

CASES = json.loads(Path(__file__).with_name("cases.json").read_text())


def compiled(case, name):
    given = case.get(name)
    return None if given is None else iam.compile_policy(iam.read(json.dumps(given)), name)


def policies_of(case):
    identity = [iam.compile_policy(iam.read(json.dumps(given)), "identity") for given in case["identity_policies"]]
    guardrails = [(iam.compile_policy(iam.read(json.dumps(given)), "level"),) for given in case.get("guardrails", [])]
    session = compiled(case, "session_policy")
    return iam.Policies(
        identity=tuple(identity),
        boundary=compiled(case, "boundary"),
        session=session and (session,),
        resource=compiled(case, "resource_policy"),
        registry=compiled(case, "registry_policy"),
        guardrails=tuple(guardrails) if guardrails else None,
    )


def request_of(case):
    context = {
        key.lower(): tuple(value) if isinstance(value, list) else value for key, value in case["context"].items()
    }
    who = principal_of(case["principal"], case["account"])
    return iam.Request(who, case["action"], case["resource"], case["resource_account"], context)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_documented_case_is_decided_as_documented(case):
    decision = iam.evaluate(request_of(case), policies_of(case))

    assert decision.outcome == case["expect"]
