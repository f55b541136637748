"""Where a registry's objects lie, as one URL says it.

    s3://bucket/prefix?region=…&endpoint=…&profile=…     Amazon S3, and what speaks its API
    gs://bucket/prefix                                   Google Cloud Storage
    az://container/prefix?account=…                      Azure Blob Storage

Credentials are never part of it: each cloud's own variables, files and instance roles are asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII)
PREFIX = re.compile(r"[A-Za-z0-9!_.*'()=-]+(/[A-Za-z0-9!_.*'()=-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket or container, what every key in it begins with, and how it is reached."""

    scheme: str
    bucket: str
    prefix: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")


def parse(url: str) -> Place:
    """Read a place from its URL. Raises `ValueError` with half a sentence that says what is wrong."""
    parts = urlsplit(url)
    options = OPTIONS.get(parts.scheme)
    if options is None:
        raise ValueError("it must begin with file:///, s3://, gs:// or az://")
    if "@" in parts.netloc:
        raise ValueError("credentials do not belong into it: give them by the environment or a profile")
    if not BUCKET.fullmatch(parts.netloc):
        raise ValueError(f"it must name a bucket, such as {parts.scheme}://my-bucket/images")
    prefix = parts.path.strip("/")
    if prefix and (not PREFIX.fullmatch(prefix) or ".." in prefix or len(prefix) > 512):
        raise ValueError("its path may have letters, digits and ! _ . * ' ( ) = - between slashes, at most 512 of them")
    if parts.fragment:
        raise ValueError("it has a '#', which means nothing here")
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("what follows its '?' must be NAME=VALUE, with '&' between several") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in options or name in given:
            raise ValueError(f"'{name}' is not one of its options or comes twice; there are {', '.join(options)}")
        if not options[name](value):
            raise ValueError(f"the value of '{name}' is not understood")
        given[name] = value
    return Place(parts.scheme, parts.netloc, prefix, given)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
        )
    except ValueError:
        return False


def _one_of(*words: str) -> Callable[[str], bool]:
    return lambda text: text in words


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text, re.ASCII) is not None


_ALL: dict[str, Callable[[str], bool]] = {
    "endpoint": _is_address,
    "timeout": _matches(r"[1-9][0-9]{0,2}"),  # seconds
}
OPTIONS: dict[str, dict[str, Callable[[str], bool]]] = {
    "s3": {
        "region": _matches(r"[a-z0-9-]{1,63}"),
        "profile": _matches(r"[^\s&]{1,128}"),
        "addressing": _one_of("path", "virtual"),
        "checksum": _one_of("sha256", "none"),
        "sse": _one_of("none", "AES256", "aws:kms", "aws:kms:dsse"),
        "sse_key": _matches(r"[A-Za-z0-9:/_-]{1,2048}"),
        **_ALL,
    },
    "gs": _ALL,
    "az": {"account": _matches(r"[a-z0-9]{3,24}"), **_ALL},
}
