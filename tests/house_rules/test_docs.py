"""The docs are true: pages are generated from this code, links lead somewhere, and what they tell to type exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from holdfast.aws import own, secretsmanager
from holdfast.aws.ecr import OPERATIONS
from holdfast.aws.service_models import load
from holdfast.cli.replication import REMEDIES
from holdfast.model.errors import Refusal
from holdfast.model.quotas import QUOTAS
from holdfast.oci.routes import ROUTES
from holdfast.settings import CHOICES

ROOT = Path(__file__).parents[2]
MADE_ELSEWHERE = {ROOT / "benchmarks/RESULTS.md"}  # by `make bench`
OUR_FOLDERS = ("docs", "benchmarks", "src", "tests")
GENERATED = "Generated from the code by `make docs`"

FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(r"(?<![\w.=-])holdfast ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*){0,2})(?= |`|$)([^\n`]*)", re.MULTILINE)
FLAG = re.compile(r"(?<!\S)--[a-z][a-z-]*")
VARIABLE = re.compile(r"HOLDFAST_[A-Z_]*[A-Z]")
LIST_MARK = re.compile(r"^ *(?:[-*]|\d+\.) ")
SECOND_SENTENCE = re.compile(r"(?<=[\w`)*])[.?!]\*{0,2} +[A-Z]")


def _pages() -> list[Path]:
    found = [*ROOT.glob("*.md")]
    for folder in OUR_FOLDERS:
        found += (ROOT / folder).rglob("*.md")
    return sorted(found)


def _generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _prose(text: str) -> str:
    return FENCE.sub("", text)


def _code(text: str) -> str:
    """What a page shows as code, block by block and span by span."""
    spans = CODE.findall(_prose(text))
    return "\n".join([*(found[0] for found in FENCE.finditer(text)), *(span.strip("`") for span in spans)])


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


PAGES = _pages()
GENERATOR = _generator()
REFERENCE = GENERATOR.pages()
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


# ---- Generated pages


@pytest.mark.parametrize("name", REFERENCE)
def test_a_reference_page_is_what_the_code_says(name):
    kept = ROOT / "docs/reference" / name

    assert kept.exists(), "run `make docs`"
    assert kept.read_text() == REFERENCE[name], "run `make docs`"
    assert GENERATED in kept.read_text().partition("\n")[0]


def test_every_reference_page_is_generated():
    assert {path.name for path in (ROOT / "docs/reference").iterdir()} == set(REFERENCE)


def test_generating_twice_gives_the_same():
    assert GENERATOR.pages() == REFERENCE


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_every_setting_is_documented(choice):
    assert f"`{choice.variable}`" in REFERENCE["settings.md"]
    assert not choice.flag or f"`--{choice.name.replace('_', '-')}" in REFERENCE["settings.md"]
    assert choice.help


def test_every_operation_of_the_installed_description_is_answered():
    assert set(OPERATIONS) == set(load("ecr").operation_names)


@pytest.mark.parametrize("name", load("ecr").operation_names)
def test_every_operation_of_the_service_is_listed_with_its_tests(name):
    head = f"| `{name}` | `ecr:{name}` |"
    [row] = [line for line in REFERENCE["operations.md"].splitlines() if line.startswith(head)]

    assert "test_" in row


@pytest.mark.parametrize("name", load("holdfast").operation_names)
def test_every_operation_of_our_own_is_answered_and_listed(name):
    assert own.OPERATIONS[name].function.__doc__
    assert f"| `{name}` |" in REFERENCE["operations.md"]


@pytest.mark.parametrize("name", sorted(secretsmanager.OPERATIONS))
def test_every_operation_on_secrets_is_the_services_and_listed(name):
    assert secretsmanager.OPERATIONS[name].function.__doc__
    assert name in load("secretsmanager").operation_names
    assert f"| `{name}` | `secretsmanager:{name}` |" in REFERENCE["operations.md"]


@pytest.mark.parametrize("name", QUOTAS)
def test_every_quota_is_documented(name):
    assert f"| `{name}` |" in REFERENCE["settings.md"]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_says_what_it_does_and_is_the_services(name):
    assert OPERATIONS[name].function.__doc__
    assert name in load("ecr").operation_names


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_endpoint_is_documented(route):
    assert route.handler.__doc__
    assert f"| `{route.method}` | `{route.path}` |" in REFERENCE["endpoints.md"]


@pytest.mark.parametrize("kind", sorted(GENERATOR.descendants(Refusal), key=lambda kind: kind.__name__))
def test_every_refusal_is_documented(kind):
    assert kind.__doc__
    assert f"| `{kind.__name__}` |" in REFERENCE["errors.md"]


@pytest.mark.parametrize("parser", GENERATOR.commands(), ids=lambda parser: parser.prog)
def test_every_command_is_documented(parser):
    assert parser.description
    assert f"## `{parser.prog}`\n" in REFERENCE["command-line.md"]


# ---- Pages that people write


@each_page
def test_links_lead_somewhere(page):
    for target in LINK.findall(_prose(page.read_text())):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        led_to = (page.parent / path).resolve() if path else page
        assert led_to.exists() or led_to in MADE_ELSEWHERE, target
        if anchor:
            assert anchor in map(_anchor, HEADING.findall(_prose(led_to.read_text()))), target


TESTS = {
    name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
}


@each_page
def test_commands_that_a_page_names_exist(page):
    known = {parser.prog.removeprefix("holdfast "): parser for parser in GENERATOR.commands()}
    groups = {" ".join(name.split()[:count]) for name in known for count in range(1, len(name.split()))}
    for words, rest in COMMAND.findall(_code(page.read_text())):
        said = words.split()
        begins = [" ".join(said[:count]) for count in range(len(said), 0, -1)]
        name = next((one for one in begins if one in known), words)
        if name not in known and words in groups:
            continue
        assert name in known, f"holdfast {words}"
        options = {option for action in known[name]._actions for option in action.option_strings}
        assert set(FLAG.findall(rest)) <= options, f"holdfast {words}{rest}"


@each_page
def test_variables_that_a_page_names_exist(page):
    known = {choice.variable for choice in CHOICES}

    assert set(VARIABLE.findall(page.read_text())) <= known


@each_page
def test_tests_that_a_page_names_exist(page):
    assert set(re.findall(r"`(test_\w+)`", page.read_text())) <= TESTS


@each_page
def test_a_line_of_prose_has_one_sentence(page):
    for line in _prose(page.read_text()).splitlines():
        if not line.startswith(("|", "<!--")):
            assert not SECOND_SENTENCE.search(CODE.sub("`code`", LIST_MARK.sub("", line))), line


def test_every_decision_weighs_its_costs():
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))

    for number, page in enumerate(pages, 1):
        assert page.name.startswith(f"{number:04}-"), page.name
        sections = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
        assert sections == ["Context", "Options", "Decision", "Consequences"], page.name


def test_what_to_do_about_copies_that_failed_is_documented():
    page = (ROOT / "docs/how-to/replication.md").read_text()

    assert {code for code in REMEDIES if f"`{code}`" not in page} == set()
