"""Packages whose managers leave one small file for each, or one list for all: Python, npm, Ruby, PHP and .NET."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from holdfast.inventory.limits import Malformed
from holdfast.model.inventory import Evidence
from holdfast.model.packages import Package

T = TypeVar("T")
_PYTHON = re.compile(r"^(Name|Version):[ \t]*(.*?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_GEM = re.compile(
    r"""^[ \t]*\w+\.(name|version|platform) ?= ?(?:Gem::Version\.new\()?["']([^"'\n]+)["']""", re.MULTILINE
)


class _Named(msgspec.Struct):
    name: Any = None
    version: Any = None


class _Installed(msgspec.Struct):
    packages: list[_Named]


class _Library(msgspec.Struct):
    type: str = ""


class _Dependencies(msgspec.Struct):
    libraries: dict[str, _Library] = {}


def python(data: bytes) -> Evidence:
    """A distribution, from its METADATA or PKG-INFO (PyPA, "Core metadata specifications")."""
    head = re.split(r"\r?\n\r?\n", data.decode(errors="backslashreplace"), maxsplit=1)[0].replace("\r\n", "\n")
    fields = {key.lower(): value for key, value in reversed(_PYTHON.findall(head))}
    return _one("pypi", fields.get("name"), fields.get("version"))


def npm(data: bytes) -> Evidence:
    """A module, from its package.json."""
    found = _json(data, _Named)
    return _one("npm", found.name, found.version)


def gem(data: bytes) -> Evidence:
    """A gem, from the specification that RubyGems writes when it installs one."""
    fields = dict(reversed(_GEM.findall(data.decode(errors="backslashreplace"))))
    return _one("gem", fields.get("name"), fields.get("version"))


def composer(data: bytes) -> Evidence:
    """PHP's packages, from composer's installed.json in either of its forms."""
    is_list = data.lstrip()[:1] == b"["
    listed = _json(data, list[_Named]) if is_list else _json(data, _Installed).packages
    return _all("composer", ((one.name, one.version) for one in listed))


def nuget(data: bytes) -> Evidence:
    """The packages of a .NET program, from its deps.json; its own projects are none."""
    found = _json(data, _Dependencies)
    names = (key.partition("/") for key, library in found.libraries.items() if library.type.lower() == "package")
    return _all("nuget", ((name, version) for name, _, version in names))


def _json(data: bytes, form: type[T]) -> T:
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise Malformed(f"it is not the document that it should be: {fault}") from None


def _one(type_: str, name: object, version: object) -> Evidence:
    """A package, unless its file is one that names none, as package.json of a folder of modules."""
    return _all(type_, [(name, version)])


def _all(type_: str, named: Any) -> Evidence:
    found = (
        Package(type_, name, version)
        for name, version in named
        if isinstance(name, str) and isinstance(version, str) and name and version
    )
    return Evidence(tuple(dict.fromkeys(found)))
