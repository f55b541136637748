"""How `holdfast image advise` tells what an image wastes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from holdfast.cli.ground import printable

if TYPE_CHECKING:
    from holdfast.registry.efficiency import Judged

MB = 1000 * 1000
SHOWN_PATHS = 3
TITLES = {
    "SECRET_DELETED": "secrets that a later layer deletes",
    "SECRET": "secrets",
    "DELETED_LATER": "deleted by a later layer",
    "REPLACED": "replaced by a later layer",
    "SAME_AGAIN": "the same contents again in a later layer",
    "CACHE": "caches",
    "DUPLICATE": "copies of other files",
    "BUILD_TOOLS": "packages to build with",
    "REPOSITORY": "repositories of git",
    "TEMPORARY": "temporary files",
    "DOCUMENTATION": "documentation and translations",
    "LARGE_LAYER": "a large layer",
    "EMPTY_LAYER": "an empty layer",
    "MANY_LAYERS": "many layers",
}


def document(digest: str, judged: Judged) -> dict[str, Any]:
    """All of it."""
    base = judged.base
    return {
        "digest": digest,
        "score": judged.report.score,
        "shared_layer_bytes": judged.shared_bytes,
        "own_layer_bytes": judged.own_bytes,
        "base": base and {"repository": base.repository_name, "digest": base.image.digest, "tags": base.image.tags},
        "layers": [
            {"digest": layer.descriptor.digest, "size_bytes": layer.descriptor.size, "images": layer.images,
             **asdict(share)}
            for layer, share in zip(judged.layers, judged.report.layers, strict=True)
        ],
        "advice": [{**asdict(one), "text": one.text} for one in judged.report.advice],
    }  # fmt: skip


def text(digest: str, judged: Judged) -> str:
    """The layers as a table, then what to do, what costs most first."""
    report = judged.report
    stored, wasted = _size(report.stored_bytes), _size(report.wasted_bytes)
    shared, own = _size(judged.shared_bytes), _size(judged.own_bytes)
    lines = [
        digest,
        f"{report.score:.0%} of the {stored} in its layers can be seen; {wasted} are there for nothing.",
        f"Other images share {shared} of its layers as they are kept, {own} are its own.",
    ]
    if judged.base is not None:
        names = [f"{judged.base.repository_name}:{tag}" for tag in judged.base.image.tags[:3]]
        known_as = ", ".join(names) or f"{judged.base.repository_name}@{judged.base.image.digest}, which has no tag now"
        first = "layer is that" if judged.base.layers == 1 else f"{judged.base.layers} layers are those"
        lines.append(f"Its first {first} of {known_as}.")
    lines += ["", "Layer      Kept     Files    Unpacked      Wasted  Made by"]
    for number, (layer, share) in enumerate(zip(judged.layers, report.layers, strict=True), 1):
        lines.append(
            f"{number:>5}  {_size(layer.descriptor.size):>8}  {share.files:>8,}  {_size(share.stored_bytes):>10}  "
            f"{_size(share.wasted_bytes):>10}  {printable(share.instruction)[:60] or 'unknown'}"
        )
    for one in report.advice:
        where = "" if one.layer is None else f" in layer {one.layer + 1}"
        hidden = "" if one.hidden_by is None else f", hidden by layer {one.hidden_by + 1}"
        amount = f"{_size(one.size_bytes)}, " if one.size_bytes else ""
        lines += ["", f"{'! ' if one.is_severe else ''}{TITLES[one.kind]}{where}{hidden}: {amount}{one.count:,} in all"]
        lines += [f"    /{printable(path)}" for path in one.paths[:SHOWN_PATHS]]
        lines.append(f"  {one.text}")
    if not report.advice:
        lines += ["", "There is nothing to advise."]
    return "\n".join(lines)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / MB:,.1f} MB" if size_bytes >= MB / 10 else f"{size_bytes / 1000:,.1f} kB"
