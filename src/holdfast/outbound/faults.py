"""What goes wrong on the way to somebody else's server, in words for people."""

from __future__ import annotations

import re

MOST_CHARACTERS = 200
_PLACE = re.compile(r"HTTPS?Connection(Pool)?\(host='[^']*', port=\d+\): ")  # which is told beside it
_SYSTEM = re.compile(r"\[Errno -?\d+\] ([^()]+)")
_TLS = re.compile(r"\[SSL: \w+\] (.+?)( \(_ssl\.c:\d+\))?$")


def worded(fault: Exception) -> str:
    """What a fault says: the system's or TLS's own words where it has some, else its name and text."""
    text = _PLACE.sub("", str(fault))
    if "WRONG_VERSION_NUMBER" in text:
        return "it does not speak TLS; perhaps it speaks plain HTTP"
    if found := _TLS.search(text) or _SYSTEM.search(text):
        return found[1].strip()[:MOST_CHARACTERS]
    return f"{type(fault).__name__}: {text[:MOST_CHARACTERS]}"
