"""Rules of replication: what is copied where."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, refusals_as_text
from holdfast.cli.replication_peers import name_of, named_registry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from holdfast.cli.ground import Commands
    from holdfast.model.replication import Configuration, Rule
    from holdfast.settings import Settings

FILTERS = {
    "repository": ("REPOSITORY_MATCH", "only repositories of this name; * stands for any text"),
    "exclude": ("REPOSITORY_EXCLUDE", "not these repositories, whatever else selects them"),
    "tag": ("TAG_MATCH", "only images with such a tag, and such tags"),
    "exclude-tag": ("TAG_EXCLUDE", "not these tags, nor images that have no others"),
}


def add(commands: Commands) -> None:
    """Add the commands of rules."""
    group = commands.add_parser("rule", help="what is copied where", description="What is copied where.")
    actions = group.add_subparsers(dest="deed", metavar="ACTION", required=True)
    list_ = add_command(actions, "list", _list, "list the rules of the registry")
    put = add_command(actions, "add", _add, "add a rule; what is pushed from now on is copied by it")
    remove = add_command(actions, "remove", _remove, "remove a rule; what was copied stays")
    put.add_argument("to", nargs="+", metavar="REGION[/ACCOUNT]", help="where images are copied to")
    put.add_argument("--prefix", action="append", help="only repositories whose names begin so; may be repeated")
    for name, (_, help_) in FILTERS.items():
        put.add_argument(f"--{name}", action="append", default=[], metavar="PATTERN", help=help_)
    put.add_argument("--deletes", action="store_true", help="delete there what is deleted here")
    remove.add_argument("number", type=int, metavar="NUMBER", help="of the rule, as `list` shows it")
    for action in (list_, put, remove):
        add_settings(action)


def _list(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry

    on = backends(settings)
    rules = registry.replication.configuration(on, on.home).rules
    for number, rule in enumerate(rules, 1):
        print(f"{number}  {_told(rule)}")
    if not rules:
        print("There are no rules; `holdfast replication rule add` makes one.")
    return 0


def _add(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.replication import Filter, FilterType, Rule, check_prefix
    from holdfast.settings import BadSetting

    on = backends(settings)

    def keep() -> None:
        filters = tuple(
            Filter(FilterType(kind), pattern)
            for name, (kind, _) in FILTERS.items()
            for pattern in getattr(options, name.replace("-", "_"))
        )
        prefixes = tuple(check_prefix(prefix) for prefix in options.prefix) if options.prefix else None
        destinations = tuple(named_registry(on.home, to) for to in options.to)
        rule = Rule(destinations, prefixes, options.deletes or None, filters)

        def with_it(before: Configuration) -> Configuration:
            if rule in before.rules:
                raise BadSetting(f"There is such a rule already: {before.rules.index(rule) + 1}  {_told(rule)}")
            return replace(before, rules=(*before.rules, rule))

        now = registry.replication.change(on, on.home, with_it)
        print(f"{len(now.rules)}  {_told(rule)}")
        here = {account_id for account_id, _ in registry.accounts.list_accounts(on)}
        for one in destinations:
            if one.account_id not in here and registry.peers.find(on, on.home, one) is None:
                print(f"There is no account {one.account_id} here: holdfast account create {one.account_id}, or if it "
                      f"is elsewhere, holdfast replication peer put {name_of(one)}")  # fmt: skip
        print("What was pushed before is copied by `holdfast replication verify --everything`.")

    return refusals_as_text(keep)


def _remove(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.settings import BadSetting

    on, number = backends(settings), options.number
    gone: list[Rule] = []

    def without(before: Configuration) -> Configuration:
        if not 1 <= number <= len(before.rules):
            raise BadSetting(f"{number}: there is no such rule; `holdfast replication rule list` shows them")
        gone[:] = [before.rules[number - 1]]
        return replace(before, rules=(*before.rules[: number - 1], *before.rules[number:]))

    def keep() -> None:
        registry.replication.change(on, on.home, without)
        print(f"Removed: {_told(gone[0])}. What was copied stays.")

    return refusals_as_text(keep)


def _told(rule: Rule) -> str:
    return " ".join(_words(rule))


def _words(rule: Rule) -> Iterator[str]:
    yield ", ".join(name_of(to) for to in rule.destinations)
    for prefix in rule.prefixes or ():
        yield f"--prefix {prefix}"
    for name, (kind, _) in FILTERS.items():
        for one in rule.filters:
            if one.type == kind:
                yield f"--{name} '{one.pattern}'"
    if rule.deletes:
        yield "--deletes"
