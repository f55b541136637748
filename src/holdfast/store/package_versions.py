"""Every version of every package that is in any image, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, exists, select

from holdfast.model import versions
from holdfast.model.ecosystems import clipped, spelled
from holdfast.model.packages import MODULE_CHARACTERS
from holdfast.store import advisories
from holdfast.store.statements import Statement, batches, upsert
from holdfast.store.tables import advisory_matches, package_set_members, package_versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.store.database import Transaction

_names: Any = bindparam("names", expanding=True)
_FIND = Statement(
    select(package_versions.c.id, package_versions.c.name, package_versions.c.version).where(
        package_versions.c.ecosystem == bindparam("ecosystem"), package_versions.c.name.in_(_names)
    )
)
_INSERT = Statement(
    upsert(package_versions).on_conflict_do_nothing(index_elements=["ecosystem", "name", "version"]),
    ["ecosystem", "name", "version", "sort_key", "module"],
)

_which: Any = bindparam("which", expanding=True)
_UNUSED = Statement(
    select(package_versions.c.id).where(
        package_versions.c.id.in_(_which),
        ~exists().where(package_set_members.c.package_version_id == package_versions.c.id),
    )
)
_FORGET_MATCHES = Statement(delete(advisory_matches).where(advisory_matches.c.package_version_id.in_(_which)))
_FORGET = Statement(delete(package_versions).where(package_versions.c.id.in_(_which)))

Key = tuple[str, str, str]  # ecosystem as OSV has it, such as `Debian:12`; name; version


def ensure(tx: Transaction, packages: Sequence[Key], modules: Sequence[str | None] = ()) -> list[int]:
    """The row numbers of package versions, in their order; those that nobody has seen are added and matched.

    The name and version of a deb or apk are those of its source package. A version is of the module that it was first
    seen in: each build is of one.
    """
    wanted = [_key(*package) for package in packages]
    known = _find(tx, wanted)
    missing = sorted(set(wanted) - known.keys())
    if missing:
        of = dict(zip(wanted, modules, strict=False))
        tx.run_each(_INSERT, [_row(key, of.get(key, "")) for key in missing])
        added = _find(tx, missing)
        advisories.match_packages(tx, sorted(added.values()))
        known |= added
    return [known[key] for key in wanted]


def forget(tx: Transaction, which: Sequence[int]) -> None:
    """Forget those of some package versions that are in no set, and what is wrong with them."""
    for some in batches(which):
        if unused := tx.column(_UNUSED, which=some):
            tx.run(_FORGET_MATCHES, which=unused)
            tx.run(_FORGET, which=unused)


def _key(ecosystem: str, name: str, version: str) -> Key:
    return *spelled(ecosystem, name), clipped(version, versions.VERSION_CHARACTERS)


def _row(key: Key, module: str | None) -> dict[str, Any]:
    ecosystem, name, version = key
    return {
        "ecosystem": ecosystem,
        "name": name,
        "version": version,
        "sort_key": versions.sort_key(ecosystem, version),
        "module": module and clipped(module, MODULE_CHARACTERS),
    }


def _find(tx: Transaction, keys: Iterable[Key]) -> dict[Key, int]:
    wanted = set(keys)
    found: dict[Key, int] = {}
    for ecosystem in {key[0] for key in wanted}:
        names = sorted({key[1] for key in wanted if key[0] == ecosystem})
        for some in batches(names):
            rows = tx.all(_FIND, ecosystem=ecosystem, names=some)
            found |= {(ecosystem, row["name"], row["version"]): row["id"] for row in rows}
    return {key: number for key, number in found.items() if key in wanted}
