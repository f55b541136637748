"""How each kind of target is told: a post for each event, some at once, or a call for ten."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from holdfast.model.event_messages import rendered
from holdfast.model.event_targets import UNTRIED, Fault, Kind, chains
from holdfast.outbound import Unreachable
from holdfast.outbound.aws_events import Api, Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.model.event_targets import Message, Target, Wishes
    from holdfast.outbound.aws_events import Said
    from holdfast.outbound.posting import Heard, Line
    from holdfast.registry.backends import Backends

CHAIN_SECONDS = 10.0  # after which no further post is begun: a step of a delivery must be shorter than its lease
BATCH = 10  # entries of a call to AWS
BATCH_BYTES = 256 * 1024  # of all of them, which is also the most that one may have
OVERHEAD_BYTES = 1024  # of an entry: attributes, ids, and what EventBridge counts beside the detail
TROUBLE = {408, 425, 429}  # as is every 5xx
TOLD_CHARACTERS = 300  # of what a target answers


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a target is told with; sealed in the database, and never shown again."""

    signing: str = ""  # `whsec_…`
    headers: dict[str, str] = field(default_factory=dict)
    key_id: str = ""
    secret: str = ""
    token: str = ""
    previous: str = ""  # which signs as well, until a time in seconds since 1970
    previous_until: float = 0.0


class Sender(Protocol):
    """Tells one target."""

    batch: int  # messages that it takes at once

    def send(self, messages: Sequence[Message]) -> list[Fault | None]:
        """Tell some messages, and what is wrong with each."""

    def close(self) -> None:
        """Keep no connection."""


def open_sender(on: Backends, target: Target, secrets: Secrets) -> Sender:
    """What tells a target; it asks nothing of it yet."""
    if target.wishes.kind is Kind.WEBHOOK:
        return _Webhook(on, target.wishes, secrets)
    return _Aws(on, target.wishes, secrets)


class _Webhook:
    """Posts events, each signed as Standard Webhooks says (standardwebhooks.com, version 1.0.0)."""

    def __init__(self, on: Backends, wishes: Wishes, secrets: Secrets) -> None:
        self.batch = wishes.at_once
        self._on = on
        self._wishes = wishes
        self._secrets = secrets
        self._lines: list[Line] = []

    def send(self, messages: Sequence[Message]) -> list[Fault | None]:
        """Post messages at once, but those about one image or tag one after the other, until one is not taken."""
        faults: list[Fault | None] = [UNTRIED] * len(messages)
        broken: list[Exception] = []
        until = self._on.monotonic() + CHAIN_SECONDS

        def post(line: Line, places: Sequence[int]) -> None:
            try:
                for place in places:
                    if place != places[0] and self._on.monotonic() > until:
                        return
                    faults[place] = self._post(line, messages[place])
                    if faults[place] is not None:
                        return
            except Exception as fault:  # noqa: BLE001 - it is raised where somebody logs it
                broken.append(fault)

        first, *others = chains(messages)
        self._lines += [self._on.poster.line() for _ in range(1 + len(others) - len(self._lines))]
        threads = [
            threading.Thread(target=post, args=one, name="webhook", daemon=True)  # a process that ends waits for none
            for one in zip(self._lines[1:], others, strict=False)
        ]
        for thread in threads:
            thread.start()
        post(self._lines[0], first)
        for thread in threads:
            thread.join()
        if broken:
            raise broken[0]
        return faults

    def _post(self, line: Line, message: Message) -> Fault | None:
        body, media_type, headers = rendered(self._wishes, message.envelope)
        now = self._on.clock().timestamp()
        seconds, secrets = str(int(now)), [self._secrets.signing]
        if now < self._secrets.previous_until:
            secrets.append(self._secrets.previous)
        sent = {
            "Content-Type": media_type,
            **headers,
            **self._secrets.headers,
            "webhook-id": message.id,
            "webhook-timestamp": seconds,
            "webhook-signature": " ".join(signature(secret, message.id, seconds, body) for secret in secrets),
        }
        try:
            heard = line.post(self._wishes.address, sent, body)
        except Unreachable as fault:
            return Fault(str(fault))
        return _fault_of(heard)

    def close(self) -> None:
        """Keep no connection."""
        for line in self._lines:
            line.close()


def signature(secret: str, id_: str, seconds: str, body: bytes) -> str:
    """What proves that a message is ours: HMAC-SHA256 of its id, its time and its body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, f"{id_}.{seconds}.".encode() + body, "sha256")).decode()


def _fault_of(heard: Heard) -> Fault | None:
    if 200 <= heard.status < 300:
        return None
    text = _plain(heard.body[:TOLD_CHARACTERS].decode(errors="replace"))
    reason = f"HTTP {heard.status}" + (f": {text}" if text.strip() else "")
    if 300 <= heard.status < 400:
        reason = f"HTTP {heard.status}: redirects are not followed"
    after = heard.headers.get("retry-after", "")
    is_trouble = heard.status >= 500 or heard.status in TROUBLE
    return Fault(reason, is_refused=not is_trouble, retry_after=float(after[:9]) if after.isdecimal() else 0.0)


def _plain(text: str) -> str:
    """What somebody said, as a log may have it."""
    return "".join(one if one.isprintable() else " " for one in text[:TOLD_CHARACTERS])


class _Aws:
    """Calls EventBridge, SNS or SQS with as many events as one call takes."""

    batch = BATCH

    def __init__(self, on: Backends, wishes: Wishes, secrets: Secrets) -> None:
        self._wishes = wishes
        self._aws = on.aws_events
        self._line = on.poster.line()
        credentials = Credentials(secrets.key_id, secrets.secret, secrets.token)
        service, region, endpoint = _api_of(wishes)
        self._api = Api(service, region, endpoint, credentials)

    def send(self, messages: Sequence[Message]) -> list[Fault | None]:
        """Call with the messages that fit into one call; those that do not fit are left for the next one."""
        entries: list[dict[str, Any]] = []
        sizes = 0
        call, word = self._words()
        for message in messages:
            entry, size = word(len(entries), message)
            if size > BATCH_BYTES:
                if entries:
                    break
                return [Fault(f"It has more than {BATCH_BYTES} bytes", is_refused=True)]
            if sizes + size > BATCH_BYTES:
                break
            sizes += size
            entries.append(entry)
        try:
            said = call(entries)
        except Unreachable as fault:
            return [Fault(_plain(str(fault)))] * len(entries)
        return [
            Fault(_plain(f"{one.code}: {one.message}"), is_refused=one.is_refused) if one.code else None for one in said
        ]

    def close(self) -> None:
        """Keep no connection."""
        self._line.close()

    def _words(self) -> tuple[
        Callable[[Sequence[dict[str, Any]]], list[Said]], Callable[[int, Message], tuple[dict[str, Any], int]]
    ]:  # fmt: skip
        """What calls, and what makes an entry of a message and tells its size."""
        address = self._wishes.address
        if self._wishes.kind is Kind.EVENTBRIDGE:
            return lambda entries: self._aws.put_events(self._api, entries, self._line), self._for_bus
        if self._wishes.kind is Kind.SNS:
            return lambda entries: self._aws.publish(self._api, address, entries, self._line), self._for_topic
        return lambda entries: self._aws.send(self._api, address, entries, self._line), self._for_queue

    def _for_bus(self, _number: int, message: Message) -> tuple[dict[str, Any], int]:
        envelope = message.envelope
        detail = json.dumps(envelope["detail"], separators=(",", ":"))
        entry = {
            "Time": message.occurred_at,
            "Source": self._wishes.source or envelope["source"],
            "DetailType": envelope["detail-type"],
            "Resources": envelope["resources"],
            "Detail": detail,
            "EventBusName": self._wishes.address,
        }
        return entry, len(detail.encode()) + sum(map(len, envelope["resources"])) + OVERHEAD_BYTES

    def _for_topic(self, number: int, message: Message) -> tuple[dict[str, Any], int]:
        text = rendered(self._wishes, message.envelope).body.decode()
        entry = {"Id": str(number), "Message": text, "MessageAttributes": _attributes(message), **self._fifo(message)}
        return entry, len(text.encode()) + OVERHEAD_BYTES

    def _for_queue(self, number: int, message: Message) -> tuple[dict[str, Any], int]:
        text = rendered(self._wishes, message.envelope).body.decode()
        entry = {
            "Id": str(number), "MessageBody": text, "MessageAttributes": _attributes(message), **self._fifo(message),
        }  # fmt: skip
        return entry, len(text.encode()) + OVERHEAD_BYTES

    def _fifo(self, message: Message) -> dict[str, str]:
        """What queues and topics that keep an order ask for: events of a repository stay in theirs."""
        if not self._wishes.address.endswith(".fifo"):
            return {}
        group = message.envelope["detail"].get("repository-name") or message.envelope["account"]
        return {"MessageGroupId": str(group)[:128], "MessageDeduplicationId": message.id}


def _attributes(message: Message) -> dict[str, dict[str, str]]:
    """What subscriptions filter by."""
    envelope = message.envelope
    told = {"id": envelope["id"], "source": envelope["source"], "detail-type": envelope["detail-type"]}
    return {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}


def _api_of(wishes: Wishes) -> tuple[str, str, str | None]:
    """Service, region and endpoint of a target that is an AWS API."""
    if wishes.kind is not Kind.SQS:
        service = "events" if wishes.kind is Kind.EVENTBRIDGE else "sns"
        return service, wishes.address.split(":")[3], wishes.endpoint
    host = urlsplit(wishes.address)
    labels = (host.hostname or "").split(".")
    region = wishes.region or (labels[1] if len(labels) > 2 and labels[0] == "sqs" else "us-east-1")
    return "sqs", region, wishes.endpoint or f"{host.scheme}://{host.netloc}"
