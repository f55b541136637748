# ruff: noqa: INP001 - a script beside the pages it writes, not a package
"""Write the reference pages from the code they describe: `make docs`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

import holdfast.boot  # noqa: F401 - knows every part, so every refusal exists once it is imported
from holdfast import aws, cli
from holdfast.aws import iam, own, query_protocol, secretsmanager, sts
from holdfast.aws.door import WORDS
from holdfast.aws.ecr import OPERATIONS
from holdfast.aws.service_models import load
from holdfast.aws.signature import SignatureFault
from holdfast.http import Request
from holdfast.model import errors
from holdfast.model.quotas import ECR_RATES, QUOTAS
from holdfast.oci.errors import words
from holdfast.oci.routes import ROUTES
from holdfast.registry import Limits
from holdfast.settings import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.model.errors import Refusal

NOWHERE = "—"
HEADINGS = ("Refusal", "ECR", "IAM, STS", "OCI", "Meaning")
ONLY_OF_QUERY = ("holdfast.aws.query_protocol", "holdfast.model.errors.iam", "holdfast.model.errors.sts")
ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/reference"
NOTICE = "<!-- Generated from the code by `make docs`; edit the code instead. -->"
FAMILIES = (
    errors.Invalid,
    errors.NotFound,
    errors.AlreadyExists,
    errors.Denied,
    errors.LimitExceeded,
    errors.Unavailable,
)


def main() -> None:
    """Write every page whose text has changed."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    made: dict[str, Callable[[], list[str]]] = {
        "settings.md": settings,
        "operations.md": operations,
        "access-operations.md": access_operations,
        "endpoints.md": endpoints,
        "errors.md": refusals,
        "command-line.md": command_line,
    }
    return {name: "\n".join([NOTICE, "", *page()]).rstrip() + "\n" for name, page in made.items()}


# ---- Settings


def settings() -> list[str]:
    """What an operator may choose."""
    rows = []
    for choice in CHOICES:
        flag = f"--{choice.name.replace('_', '-')}"
        if choice.placeholder and not choice.switch:
            flag += f" {choice.placeholder}"
        default = f"`{choice.default}`" if choice.default else "none"
        rows.append(
            (f"`{flag}`" if choice.flag else "no flag", f"`{choice.variable}`", default, _sentence(choice.help))
        )
    return [
        "# Settings",
        "",
        "Every setting is a flag of each command, or an environment variable.",
        "A flag wins over the variable, and the variable over the default.",
        "Where the default is none, the description says in brackets what is done then.",
        "A variable that begins with `HOLDFAST_` and is not in this table stops the start, and so does a bad value.",
        "A setting without a flag is a secret or belongs to one: every user of a machine can read its command lines.",
        "",
        *_table(("Flag", "Variable", "Default", "Meaning"), rows),
        "",
        "## Quotas",
        "",
        "`--quotas images=200000,tags=5000` sets some of these; the others stay as Amazon ECR has them.",
        "",
        *_table(("Name", "Default", "What it limits"), _quotas()),
        "",
        "## Rates",
        "",
        "`--throttle ecr` lets these calls a second through, of each account in each region; by default all are.",
        "`--throttle PutImage=10,*=100` names others, and `*` is every operation that is not named.",
        "A bucket fills for two seconds, so short bursts may be twice as fast.",
        "All workers of a node share the buckets.",
        "",
        "`AssumeRoleWithWebIdentity` takes no signature, so it has rates of its own, `--web-identity-rate`.",
        "An address counts with every call, a network of IPv6 (/64) as one; a provider with proven tokens only.",
        "Behind a proxy all clients have its address unless `--trusted-proxies` names its network.",
        "",
        *_table(("Operation", "Calls a second"), [(f"`{name}`", f"{rate:g}") for name, rate in ECR_RATES.items()]),
    ]


def _quotas() -> list[tuple[str, str, str]]:
    plain = Limits()
    return [
        (f"`{name}`", f"{getattr(plain, field) // unit:,}", _sentence(what))
        for name, (field, unit, what) in QUOTAS.items()
    ]


# ---- Doors


def operations() -> list[str]:
    """Every operation of the ECR API: what it does, what it lacks, and where it is tested."""
    service = load("ecr")
    rows = []
    for name in sorted(service.operation_names):
        operation = OPERATIONS[name]
        what = (operation.function.__doc__ or "").partition("\n")[0]
        tests = ", ".join(f"`{path}`" for path in _tests_of(name)) or NOWHERE
        rows.append((f"`{name}`", f"`ecr:{name}`", what, operation.lacks or "whole", tests))
    whole = sum(not OPERATIONS[name].lacks for name in service.operation_names)
    return [
        "# ECR operations",
        "",
        f"All {len(rows)} operations of the ECR API ({service.api_version}) are answered, {whole} of them whole.",
        'Where the column State does not say "whole", it names what is missing.',
        "Requests are parsed and checked by Amazon's own description of the service, and answers are written by it.",
        "The description's exceptions are provoked by `tests/aws/test_every_exception.py`.",
        "Every operation is called with nonsense by `tests/aws/test_fuzz.py`.",
        "",
        *_table(("Operation", "IAM action", "What it does", "State", "Tests"), rows),
        "",
        "## Operations of our own",
        "",
        f"These have the prefix `{load('holdfast').target_prefix}` in `X-Amz-Target`, and are signed for `ecr` too.",
        "[Undelete](../how-to/undelete.md) shows how boto3 comes to know them.",
        "",
        *_table(("Operation", "IAM action", "What it does"), _own_operations()),
        "",
        "## Secrets Manager",
        "",
        "[Secrets](../how-to/secrets.md) that pull-through cache rules name are kept here.",
        "These operations of AWS Secrets Manager are answered, at the same address; the others are refused by name.",
        "",
        *_table(("Operation", "IAM action", "What it does", "State"), _secret_operations()),
    ]


def _secret_operations() -> list[tuple[str, ...]]:
    return [
        (f"`{name}`", f"`secretsmanager:{name}`", _first_line(found.function.__doc__), found.lacks or "whole")
        for name, found in sorted(secretsmanager.OPERATIONS.items())
    ]


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]


def _own_operations() -> list[tuple[str, ...]]:
    return [
        (f"`{name}`", f"`ecr:{found.action}`", (found.function.__doc__ or "").partition("\n")[0])
        for name, found in sorted(own.OPERATIONS.items())
    ]


def access_operations() -> list[str]:
    """The operations of IAM and STS that are answered."""
    lines = [
        "# IAM and STS operations",
        "",
        "Both are spoken on the same address as the ECR API, in the Query protocol.",
        "An operation that is not listed is refused with `InvalidAction`.",
    ]
    for title, answered in (("IAM", iam.OPERATIONS), ("STS", sts.OPERATIONS)):
        known = load(title.lower())
        rows = [
            (
                f"`{name}`",
                (operation.function.__doc__ or "").partition("\n")[0],
                operation.lacks or "whole",
            )
            for name, operation in sorted(answered.items())
        ]
        total = len(known.operation_names)
        lines += [
            "",
            f"## {title}",
            "",
            f"{len(rows)} of the {total} operations of version {known.api_version} are answered.",
            "",
            *_table(("Operation", "What it does", "State"), rows),
        ]
    return lines


def _tests_of(name: str) -> list[str]:
    """The test files that call an operation, as boto3 or as the wire names it."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    mention = re.compile(rf"\b{snake}\b|\"{name}\"")
    found = [path for path in sorted((ROOT / "tests/aws").glob("test_ecr_*.py")) if mention.search(path.read_text())]
    return [str(path.relative_to(ROOT / "tests/aws")) for path in found]


def endpoints() -> list[str]:
    """What is answered under `/v2/`, and beside it."""
    rows = [
        (
            f"`{route.method}`",
            f"`{route.path}`",
            f"`{route.needs}`" if route.needs else "none",
            (route.handler.__doc__ or "").partition("\n")[0],
        )
        for route in ROUTES
    ]
    machines = [
        ("`POST`", "`/`", "a signature", "The ECR API; `X-Amz-Target` names the operation."),
        ("`POST`", "`/`", "a signature", "The IAM and STS APIs; `Action` in a form names the operation."),
        ("`GET`", "`/?Action=`", "a signature", "The IAM and STS APIs, presigned or not."),
        ("`GET`, `HEAD`", "`/layers/{token}`", "none", "A layer, by an address that an authorized caller was given."),
        ("`GET`", "`/events`", "`ecr:StreamEvents`", "What happens in a registry, as server-sent events."),
        ("`GET`, `HEAD`", "`/healthz`", "none", "Whether the process lives."),
        ("`GET`, `HEAD`", "`/readyz`", "none", "Whether requests are served: the database is asked."),
        ("`GET`, `HEAD`", "`/metrics`", "none", "Numbers in Prometheus' text format, over all workers."),
    ]
    return [
        "# Endpoints",
        "",
        "## The registry protocol",
        "",
        "The paths are those of the OCI distribution specification 1.1.",
        "`{name}` may contain slashes; `{reference}` is a tag, a digest or an upload.",
        "Every endpoint needs a login, and the IAM action on the repository, or on the registry where none is named.",
        "",
        *_table(("Method", "Path", "IAM action", "What it does"), rows),
        "",
        "## Beside it",
        "",
        *_table(("Method", "Path", "Needs", "What it does"), machines),
    ]


# ---- Refusals


def refusals() -> list[str]:
    """Every refusal, in the words of both doors."""
    lines = [
        "# Errors",
        "",
        "A refusal has one name in the code, and a status and a code at each door.",
        "The first row of each table is the family, whose words hold where a refusal has none of its own.",
        "The ECR API has the code in `x-amzn-ErrorType` and in the member `__type`.",
        "The IAM and STS APIs have it in the element `Code`, or in the member of that name for who accepts JSON.",
        "At the OCI door it is in `errors[0].code`; where the profile `ecr-strict` differs, its words are in brackets.",
        "Refusals of accounts and their keys are seen on the command line only.",
        "Every refusal carries the request id; the log names a failed request by it.",
        "A fault that nobody expected is `500 ServerException` to ECR's callers and `500 UNKNOWN` at the OCI door.",
        "It is `500 ServiceFailure` to IAM's callers and `500 InternalFailure` to those of STS.",
    ]
    for family in FAMILIES:
        kinds = [family, *sorted(descendants(family), key=lambda kind: (kind.__name__, kind.__module__))]
        lines += ["", f"## {family.__name__}", "", *_table(HEADINGS, map(_row, kinds))]
    return lines


def descendants(kind: type[Refusal]) -> set[type[Refusal]]:
    """Every class below one, wherever it is defined."""
    found: set[type[Refusal]] = set()
    for child in kind.__subclasses__():
        if child.__module__.startswith("holdfast."):
            found |= {child, *descendants(child)}
    return found


def _row(kind: type[Refusal]) -> tuple[str, ...]:
    meaning = (kind.__doc__ or "").partition("\n")[0]
    return f"`{kind.__name__}`", _ecr_words(kind), _query_words(kind), _oci_words(kind), meaning


def _ecr_words(kind: type[Refusal]) -> str:
    """Ask the door itself: what it answers is what is documented."""
    refusal = _raised(kind)
    if refusal is None or (kind.__module__.startswith(ONLY_OF_QUERY) and kind not in WORDS):
        return NOWHERE
    response = aws.Door.__new__(aws.Door).refuse(_nobody(), refusal)
    return f"{response.status} `{dict(response.headers)['x-amzn-ErrorType']}`"


def _query_words(kind: type[Refusal]) -> str:
    """What the services among IAM and STS answer that know it; nothing of what only ECR knows."""
    refusal = _raised(kind)
    services = [load("iam"), load("sts")]
    if refusal is None:
        return NOWHERE
    is_common = kind.__module__.startswith(("holdfast.aws.query_protocol", "holdfast.aws.signature"))
    if not is_common and not any(ancestor in query_protocol.WORDS_QUERY for ancestor in kind.__mro__):
        known = [service for service in services if refusal.code in service.faults]
        services = known or (services if kind.__module__.startswith(ONLY_OF_QUERY) else [])
    found = dict.fromkeys("{} `{}`".format(*query_protocol.words(service, refusal)) for service in services)
    return " or ".join(found) or NOWHERE


def _raised(kind: type[Refusal]) -> Refusal | None:
    """A refusal of a kind, or None where only what is below it is ever raised."""
    refusal = kind.__new__(kind)
    errors.Refusal.__init__(refusal, "")
    if isinstance(refusal, SignatureFault):
        refusal.query_message = ""
    return refusal if hasattr(refusal, "code") else None


def _oci_words(kind: type[Refusal]) -> str:
    if kind.__module__.startswith("holdfast.aws."):
        return NOWHERE
    status, code = words(kind, strict=False)
    strict = words(kind, strict=True)
    return f"{status} `{code}`" + (f" ({strict[0]} `{strict[1]}`)" if strict != (status, code) else "")


def _nobody() -> Request:
    return Request("POST", "/", "", [], peer="", is_secure=False)


# ---- The command line


def command_line() -> list[str]:
    """Every command with what it takes besides the settings."""
    lines = [
        "# Command line",
        "",
        "`holdfast COMMAND --help` tells the same.",
        "Every command takes the [settings](settings.md) as well: `account` needs the same `--data` as `serve`.",
        "The exit status is 0 when it is done, 1 when it is refused, and 2 when a setting or an argument is wrong.",
    ]
    for command in commands():
        lines += ["", f"## `{command.prog}`", "", command.description or ""]
        own = [action for action in command._actions if _is_own(action)]  # noqa: SLF001 - argparse has no other word
        lines += ["", "```", " ".join([command.prog, *map(_usage, own)]), "```"]
        options = [(f"`{_spelled(action)}`", _sentence(action.help)) for action in own if action.help]
        if options:
            lines += ["", *_table(("Option", "Meaning"), options)]
    return lines


def commands() -> list[argparse.ArgumentParser]:
    """The parsers of all commands that do something, in the order of `--help`."""
    return _leaves(cli._parser())  # noqa: SLF001 - the parser is the command line


def _leaves(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 - likewise
        if isinstance(action.choices, dict):
            return [leaf for child in action.choices.values() for leaf in _leaves(child)]
    return [parser]


def _is_own(action: argparse.Action) -> bool:
    return action.dest != "help" and action.dest not in {choice.name for choice in CHOICES}


def _usage(action: argparse.Action) -> str:
    """An argument as a synopsis has it: in brackets if it may be left out, with dots if it may come again."""
    is_optional = action.nargs in {"?", "*"} if not action.option_strings else not action.required
    text = f"[{_spelled(action)}]" if is_optional else _spelled(action)
    is_repeatable = action.nargs in {"+", "*"} or isinstance(action, argparse._AppendAction)  # noqa: SLF001 - likewise
    return f"{text} …" if is_repeatable else text


def _spelled(action: argparse.Action) -> str:
    value = action.metavar or ("|".join(action.choices) if action.choices else action.dest.upper())
    if action.option_strings and action.nargs == 0:
        return action.option_strings[0]
    return " ".join([*action.option_strings[:1], str(value)])


# ---- Markdown


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


if __name__ == "__main__":
    main()
