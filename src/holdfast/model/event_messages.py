"""An event as it is sent: EventBridge's envelope, CloudEvents 1.0, or a template of the target's own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from holdfast.model.errors import InvalidParameter
from holdfast.model.event_targets import Envelope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.event_targets import Wishes

JSON = "application/json"
CLOUDEVENTS_JSON = "application/cloudevents+json"
MOST_TEMPLATE_CHARACTERS = 8192
MOST_PATHS = 100
PATH = re.compile(r"\$(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
PLACE = re.compile(r"<([A-Za-z0-9._-]+)>", re.ASCII)
WHOLE = "aws.events.event"  # EventBridge's name for the whole event
KEPT = "".join(map(chr, range(0x21, 0x7F))).replace('"', "").replace("%", "")  # what a header may have as it is


class Rendered(NamedTuple):
    """An event as it is sent."""

    body: bytes
    media_type: str
    headers: dict[str, str]


def rendered(wishes: Wishes, envelope: dict[str, Any]) -> Rendered:
    """An event as a target wants it."""
    if wishes.template is not None:
        text = filled(wishes.template, wishes.paths or {}, envelope)
        return Rendered(text.encode(), JSON if _is_json(text) else "text/plain; charset=utf-8", {})
    if wishes.envelope is Envelope.EVENTBRIDGE:
        return Rendered(_json(envelope), JSON, {})
    attributes = cloudevent(envelope)
    if wishes.envelope is Envelope.CLOUDEVENTS:
        document = {**attributes, "datacontenttype": JSON, "data": envelope["detail"]}
        return Rendered(_json(document), CLOUDEVENTS_JSON, {})
    headers = {f"ce-{name}": quote(value, safe=KEPT) for name, value in attributes.items()}
    return Rendered(_json(envelope["detail"]), JSON, headers)


def cloudevent(envelope: dict[str, Any]) -> dict[str, str]:
    """The attributes of an event by CloudEvents 1.0; account and region are extensions."""
    detail, kind = envelope["detail"], envelope["detail-type"].lower().replace(" ", "-").removeprefix("ecr-")
    name, tag = detail.get("repository-name"), detail.get("image-tag")
    resources = envelope["resources"]
    subject = resources[0] if resources else f"{name}:{tag}" if name and tag else name
    found = {
        "specversion": "1.0",
        "id": envelope["id"],
        "source": f"arn:aws:ecr:{envelope['region']}:{envelope['account']}:registry",
        "type": f"{envelope['source']}.{kind}",
        "subject": subject,
        "time": envelope["time"],
        "awsaccount": envelope["account"],
        "awsregion": envelope["region"],
    }
    return {name: value for name, value in found.items() if isinstance(value, str)}


def check_template(template: str, paths: Mapping[str, str]) -> None:
    """Refuse a template, or the places in the event that it speaks of, if they cannot be right."""
    if len(template) > MOST_TEMPLATE_CHARACTERS:
        raise InvalidParameter("inputTemplate", f"It has more than {MOST_TEMPLATE_CHARACTERS} characters")
    if len(paths) > MOST_PATHS:
        raise InvalidParameter("inputPathsMap", f"It has more than {MOST_PATHS} members")
    for name, path in paths.items():
        if not PLACE.fullmatch(f"<{name}>") or not PATH.fullmatch(path):
            raise InvalidParameter("inputPathsMap", f"'{name}' must be a place such as $.detail.image-digest")
    unknown = {name for name in PLACE.findall(template) if name != WHOLE} - set(paths)
    if unknown:
        raise InvalidParameter("inputTemplate", f"<{min(unknown)}> is not in the map of paths")


def filled(template: str, paths: Mapping[str, str], envelope: dict[str, Any]) -> str:
    """A template with what it names of an event: JSON, but inside of a string the plain text, escaped for there."""
    pieces, at, is_in_string = [], 0, False
    for found in PLACE.finditer(template):
        before = template[at : found.start()]
        pieces.append(before)
        is_in_string ^= before.replace('\\"', "").count('"') % 2 == 1
        value = envelope if found[1] == WHOLE else _at(envelope, paths.get(found[1], "$"))
        text = json.dumps(value, separators=(",", ":"))
        if is_in_string:
            text = text[1:-1] if isinstance(value, str) else json.dumps("" if value is None else text)[1:-1]
        pieces.append(text)
        at = found.end()
    return "".join(pieces) + template[at:]


def _at(envelope: dict[str, Any], path: str) -> Any:
    value: Any = envelope
    for name in path.split(".")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
