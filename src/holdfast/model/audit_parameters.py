"""What a record tells of parameters and results: no secret, nothing large, and of everything only so much."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT_CHARACTERS = 300
WHOLE_CHARACTERS = 4000  # of all texts of one record
MOST_ITEMS = 20  # of a list or a structure
DEPTH = 8
CUT = "…"
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"  # CloudTrail's word

# Members that are secrets, wherever they stand, in lower case.
SECRETS = frozenset({
    "addprivatekey", "authorizationtoken", "base32stringseed", "encodedmessage", "headers", "newpassword",
    "oldpassword", "password", "privatekey", "privatekeylist", "qrcodepng", "randompassword", "rotationtoken",
    "samlassertion", "secretaccesskey", "secretbinary", "secretstring", "servicecredentialsecret",
    "servicepassword", "sessiontoken", "signingsecret", "tokencode", "tradeintoken", "webidentitytoken",
})  # fmt: skip
# Members of which only the length is of interest.
LARGE = frozenset({"imagemanifest", "layerpartblob"})


def cut(text: str, most: int = TEXT_CHARACTERS) -> str:
    """A text, or how it begins."""
    return text if len(text) <= most else text[:most] + CUT


def summary(members: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a request or an answer as a record tells them; what is not there is left out."""
    return _Teller().structure(members, 0)


class _Teller:
    """Tells values until there is no more room."""

    def __init__(self) -> None:
        self._room = WHOLE_CHARACTERS

    def structure(self, members: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """The first members, by the names that CloudTrail gives them."""
        told = [(name, value) for name, value in members.items() if value is not None]
        shown = {f"{name[:1].lower()}{name[1:]}": self._member(name, value, depth) for name, value in told[:MOST_ITEMS]}
        if len(told) > MOST_ITEMS:
            shown[CUT] = f"{len(told) - MOST_ITEMS} more"
        return shown

    def _member(self, name: str, value: Any, depth: int) -> Any:
        folded = name.lower()
        if folded in SECRETS:
            return HIDDEN
        if folded in LARGE and isinstance(value, str):
            return f"({len(value)} characters)"
        return self._value(value, depth + 1)

    def _value(self, value: Any, depth: int) -> Any:
        match value:
            case bool() | int() | float() | None:
                return value
            case bytes():
                return f"({len(value)} bytes)"
            case datetime():
                return f"{value:%Y-%m-%dT%H:%M:%SZ}"
            case dict() if depth < DEPTH:
                return self.structure(value, depth)
            case list() | tuple() if depth < DEPTH:
                shown = [self._value(item, depth + 1) for item in value[:MOST_ITEMS]]
                return [*shown, f"{CUT} {len(value) - MOST_ITEMS} more"] if len(value) > MOST_ITEMS else shown
            case str():
                return self._text(value)
        return CUT

    def _text(self, text: str) -> str:
        shown = cut(text, min(TEXT_CHARACTERS, self._room))
        self._room = max(self._room - len(shown), 0)
        return shown
