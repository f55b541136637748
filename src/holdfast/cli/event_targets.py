"""Who is told what happens."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, printable, refusals_as_text

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.model.event_targets import Kind, Scope, Wishes
    from holdfast.registry.event_senders import Secrets
    from holdfast.registry.event_targets import Standing
    from holdfast.settings import Settings


def add(events: Commands) -> None:
    """Add the commands of targets to those of events."""
    group = events.add_parser("target", help="who is told what happens", description="Who is told what happens.")
    actions = group.add_subparsers(dest="deed", metavar="ACTION", required=True)
    for name, run, help_ in (
        ("add", _add, "let a webhook, an event bus, a topic or a queue be told, or change the target of that name"),
        ("list", _list, "list targets, and how far each of them is"),
        ("remove", _remove, "tell a target nothing any more, and forget its dead letters"),
        ("test", _test, "tell a target that it is being tried, and wait for its answer"),
    ):
        action = add_command(actions, name, run, help_)
        if name == "list":
            action.add_argument("--json", action="store_true", help="print JSON")
        else:
            action.add_argument("name", metavar="NAME", help="name of the target")
            add_scope(action)
        if name == "add":
            _describe_add(action)
        add_settings(action)


def _describe_add(action: argparse.ArgumentParser) -> None:
    action.add_argument("address", metavar="ADDRESS", help="URL of a webhook or of a queue, or ARN of a bus or a topic")
    for flag, placeholder, help_ in (
        ("kind", "KIND", "webhook, eventbridge, sns or sqs [what the address looks like]"),
        ("envelope", "NAME", "eventbridge, cloudevents or cloudevents-binary [eventbridge]"),
        ("pattern", "JSON", "only events that match this event pattern; @FILE reads it"),
        ("template", "FILE", "what is sent instead of an envelope, with <names> for what --path names"),
        ("headers", "FILE", "further headers of a webhook, one 'Name: value' a line; they are kept sealed"),
        ("secret", "FILE", "secret that a webhook is signed with, whsec_… [one is made and shown once]"),
        ("endpoint", "URL", "where the AWS API is, if it is not Amazon's"),
        ("queue-region", "NAME", "region of a queue whose URL does not tell it"),
        ("source", "NAME", "source that a bus is told; Amazon's own take none that begins with aws."),
        ("max-age", "SECONDS", "age of an event after which it becomes a dead letter [86400]"),
        ("max-retries", "N", "retries after which it does [185]"),
        ("at-once", "N", "posts to a webhook at a time; 1 keeps all events in order [8]"),
    ):
        action.add_argument(f"--{flag}", metavar=placeholder, help=help_)
    action.add_argument("--path", metavar="NAME=PATH", action="append", default=[], help="what a name in the template "
                        "stands for, such as tag=$.detail.image-tag; repeatable")  # fmt: skip
    action.add_argument("--pulls", action="store_true", help="tell of pulls as well")
    action.add_argument("--machine-credentials", action="store_true", help="call AWS with what the server's process "
                        "has, and not with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of this command")  # fmt: skip


def add_scope(action: argparse.ArgumentParser) -> None:
    """Let a command speak of targets of more than the default registry."""
    action.add_argument("--all-regions", action="store_true", help="the target of all regions of --account")
    action.add_argument("--all-accounts", action="store_true", help="the target of all accounts, in all regions")


def scope(settings: Settings, options: argparse.Namespace) -> Scope:
    """Whose events are meant."""
    from holdfast.model.event_targets import EVERY, Scope

    if options.all_accounts:
        return Scope(EVERY, EVERY)
    return Scope(settings.account, EVERY if options.all_regions else settings.region)


def _add(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.event_targets import Kind
    from holdfast.settings import BadSetting

    try:
        wishes, secrets = _wishes(options), _secrets(options)
    except OSError as fault:
        raise BadSetting(f"{fault.filename}: {fault.strerror}") from None
    except ValueError as fault:
        raise BadSetting(str(fault)) from None

    def put() -> None:
        target, made = registry.event_targets.put(backends(settings), scope(settings, options), wishes, secrets)
        print(f"{wishes.name} is told what happens from now on, about {_told_of(target.scope)}.")
        if made is not None:
            print(f"It is signed with this secret, which is not shown again: {made}")
        print(f"Next: holdfast events target test {wishes.name}")

    status = refusals_as_text(put)
    if status and secrets is None and wishes.kind is not Kind.WEBHOOK:
        sys.stderr.write("holdfast: its access key is that of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                         "which are not set; or say --machine-credentials\n")  # fmt: skip
    return status


def _wishes(options: argparse.Namespace) -> Wishes:
    from holdfast.model.event_targets import Envelope, Wishes

    plain = Wishes("", _kind(options), "")
    paths = dict(pair.split("=", 1) for pair in options.path if "=" in pair)
    if len(paths) != len(options.path):
        raise ValueError("--path: it must be NAME=PATH, each name once")
    envelope = (options.envelope or "eventbridge").upper().replace("-", "_")
    if envelope not in Envelope.__members__:
        raise ValueError("--envelope: it must be eventbridge, cloudevents or cloudevents-binary")
    return Wishes(
        options.name, plain.kind, options.address,
        envelope=Envelope[envelope],
        pattern=Path(options.pattern[1:]).read_text() if (options.pattern or "").startswith("@") else options.pattern,
        wants_pulls=options.pulls,
        paths=paths or None,
        template=Path(options.template).read_text() if options.template else None,
        endpoint=options.endpoint,
        region=options.queue_region,
        source=options.source,
        maximum_age_seconds=_number("--max-age", options.max_age, plain.maximum_age_seconds),
        maximum_retries=_number("--max-retries", options.max_retries, plain.maximum_retries),
        is_of_the_machine=options.machine_credentials,
        at_once=_number("--at-once", options.at_once, plain.at_once),
    )  # fmt: skip


def _kind(options: argparse.Namespace) -> Kind:
    from holdfast.model.event_targets import Kind

    if options.kind is not None:
        if options.kind.upper() not in Kind.__members__:
            raise ValueError("--kind: it must be webhook, eventbridge, sns or sqs")
        return Kind[options.kind.upper()]
    if options.address.startswith("arn:"):
        return Kind.SNS if options.address.split(":")[2:3] == ["sns"] else Kind.EVENTBRIDGE
    return Kind.SQS if options.address.startswith("https://sqs.") else Kind.WEBHOOK


def _secrets(options: argparse.Namespace) -> Secrets | None:
    from holdfast.model.event_targets import Kind
    from holdfast.registry.event_senders import Secrets

    if _kind(options) is Kind.WEBHOOK:
        if options.headers is None and options.secret is None:
            return None
        lines = Path(options.headers).read_text().splitlines() if options.headers else []
        pairs = [line.partition(":") for line in lines if line.strip()]
        headers = {name.strip(): value.strip() for name, _, value in pairs}
        return Secrets(Path(options.secret).read_text().strip() if options.secret else "", headers)
    key = os.environ.get("AWS_ACCESS_KEY_ID", "")
    if options.machine_credentials or not key:
        return Secrets() if options.machine_credentials else None
    return Secrets(
        key_id=key,
        secret=os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
        token=os.environ.get("AWS_SESSION_TOKEN", ""),
    )


def _number(flag: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal():
        raise ValueError(f"{flag}: it must be a whole number")
    return int(text)


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    found = registry.event_targets.all_there_are(backends(settings))
    if options.json:
        print(json.dumps([_document(one) for one in found], default=str))
        return 0
    for one in found:
        target = one.target
        print(f"{target.wishes.name}  {target.wishes.kind.lower()}  {printable(target.wishes.address)}")
        state = f"has trouble since {target.failing_since:%Y-%m-%d %H:%M}" if target.failing_since else "is well"
        counts = f"{target.delivered:,} taken, {one.dead_letters:,} dead letters"
        print(f"    about {_told_of(target.scope)}; {state}; {counts}")
        if wishes := _wished(target.wishes):
            print(f"    {wishes}")
        if one.waiting_since:
            print(f"    waits for what happened since {one.waiting_since:%Y-%m-%d %H:%M:%S}")
        if target.fault:
            print(f"    last fault: {printable(target.fault)}")
    if not found:
        print("Nobody is told. `holdfast events target add NAME ADDRESS` lets somebody be.")
    return 0


def _wished(wishes: Wishes) -> str:
    """What is not as it is without flags."""
    told = (
        f"--pattern {wishes.pattern}" if wishes.pattern else "",
        f"--envelope {wishes.envelope.lower().replace('_', '-')}" if wishes.envelope != "EVENTBRIDGE" else "",
        "--template" if wishes.template else "",
        "--pulls" if wishes.wants_pulls else "",
    )
    return printable(" ".join(filter(None, told)))


def _document(one: Standing) -> dict[str, object]:
    target = one.target
    return {
        "account": target.scope.account_id, "region": target.scope.region, "name": target.wishes.name,
        "kind": target.wishes.kind, "address": target.wishes.address, "failing_since": target.failing_since,
        "pattern": target.wishes.pattern, "envelope": target.wishes.envelope, "pulls": target.wishes.wants_pulls,
        "fault": target.fault, "waiting_since": one.waiting_since, "delivered": target.delivered,
        "failed_attempts": target.failed, "dead_letters": one.dead_letters,
    }  # fmt: skip


def _told_of(whose: Scope) -> str:
    from holdfast.model.event_targets import EVERY

    account = "all accounts" if whose.account_id == EVERY else f"account {whose.account_id}"
    return f"{account} in {'all regions' if whose.region == EVERY else whose.region}"


def _remove(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def remove() -> None:
        registry.event_targets.delete(backends(settings), scope(settings, options), options.name)
        print(f"{options.name} is told nothing any more.")

    return refusals_as_text(remove)


def _test(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    faults = []

    def test() -> None:
        fault = registry.event_targets.test(backends(settings), scope(settings, options), options.name)
        if fault is not None:
            faults.append(fault)
            sys.stderr.write(f"holdfast: {options.name} did not take it: {printable(fault.reason)}\n")
            if "--event-allow" in fault.reason:
                sys.stderr.write("holdfast: this command calls out by its own settings: give it the server's\n")
        else:
            print(f"{options.name} took it.")

    return refusals_as_text(test) or int(bool(faults))
