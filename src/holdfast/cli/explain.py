"""Why a request was refused, and what to add if it should not be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, printable, refusals_as_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from typing import Any

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings
    from holdfast.store.refusals import Refused

KINDS = {
    "identity": "identity-based policy",
    "resource": "resource-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "guardrail": "service control policy",
    "endpoint": "endpoint policy",
}


def add(commands: Commands) -> None:
    """Add the command."""
    help_ = "tell why a request was refused, by its request id"
    command = add_command(commands, "explain", _explain, help_)
    command.add_argument("request_id", metavar="REQUEST-ID", help="as the refusal tells it, or the audit log")
    command.add_argument("--json", action="store_true", help="print it for machines")
    add_settings(command)


def _explain(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def explain() -> None:
        refused = registry.refusals.get(backends(settings), options.request_id)
        if options.json:
            print(json.dumps(_document(refused), indent=2))
        else:
            for line in _lines(refused):
                print(printable(line))

    return refusals_as_text(explain)


def _document(refused: Refused) -> dict[str, Any]:
    from holdfast.model import iam_advice

    explanation = refused.explanation
    return {
        "requestId": refused.request_id,
        "time": f"{refused.occurred_at:%Y-%m-%dT%H:%M:%SZ}",
        "account": refused.account_id,
        **explanation,
        "advice": [{"where": one.where, "statement": one.statement} for one in iam_advice.advice(explanation)],
    }


def _lines(refused: Refused) -> Iterator[str]:
    from holdfast.model import iam_advice

    told = refused.explanation
    yield f"Request {refused.request_id} was refused at {refused.occurred_at:%Y-%m-%d %H:%M:%S} UTC."
    yield ""
    yield f"  who       {told['principal']}"
    yield f"  action    {told['action']}"
    yield f"  resource  {told['resource']}"
    yield ""
    yield (f"User: {told['principal']} is not authorized to perform: {told['action']} on resource: {told['resource']} "
           f"{told['reason']}")  # fmt: skip
    if told["statements"]:
        yield ""
        yield "What decided:"
        yield from (f"  {_statement(one)}" for one in told["statements"])
    if told["missing"]:
        yield ""
        yield f"What is missing is an Allow in: {', '.join(KINDS.get(kind, kind) for kind in told['missing'])}."
    for one in iam_advice.advice(told):
        yield ""
        yield f"{one.where}:"
        if one.statement is not None:
            yield from (f"  {line}" for line in json.dumps(one.statement, indent=2).splitlines())
    yield ""
    yield "What conditions of policies could see:"
    width = max(map(len, told["context"]), default=0)
    yield from (f"  {key:<{width}}  {_value(value)}" for key, value in told["context"].items())


def _statement(one: Mapping[str, str]) -> str:
    name = f"statement {one['statement']}" + (" (counted from 0)" if one["statement"].isdecimal() else "")
    return f"{one['effect']} by {name} of {one['source']} ({KINDS.get(one['type'], one['type'])})"


def _value(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
