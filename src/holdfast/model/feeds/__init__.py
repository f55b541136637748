"""How the files of feeds are read: bytes go in, advisories or facts come out."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.model.advisories import Advisory, Facts, Problems
    from holdfast.model.feed_sources import Source


def read(
    source: Source, file: IO[bytes], problems: Problems, *, malware: bool = False
) -> Iterator[Advisory] | Iterator[Facts]:
    """What a file of a source says. Raises `BadFeed`; records that cannot be read become problems."""
    from holdfast.model.feeds import alpine, amazon, debian, facts, osv, redhat  # a server needs none of them

    kind, _, rest = source.name.partition("/")
    readers: dict[str, Callable[[IO[bytes], Problems], Iterator[Advisory] | Iterator[Facts]]] = {
        "alpine": alpine.read,
        "amazon": lambda file, problems: amazon.read(file, f"Amazon Linux:{rest.partition('/')[0]}", problems),
        "debian": debian.read,
        "epss": facts.read_epss,
        "kev": facts.read_kev,
        "nvd": facts.read_nvd,
        "osv": lambda file, problems: osv.read(file, rest, problems, malware=malware),
        "redhat": redhat.read,
    }
    return readers[kind](file, problems)
