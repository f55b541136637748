"""Scores of vectors of CVSS 4.0 (first.org/cvss/v4-0/specification-document, section 8).

Experts judged 270 kinds of vectors, each named by the levels of six properties: EQ1 how it is reached, EQ2 how hard it
is, EQ3 and EQ6 what it does to the system and how much that matters, EQ4 what it does to others, EQ5 whether it is
exploited. A vector scores what its kind does, less the share of the way that it lies towards the next lower kinds.
"""

from __future__ import annotations

from itertools import product
from typing import Any

_LEVELS = {
    "AV": "NALP", "PR": "NLH", "UI": "NPA", "AC": "LH", "AT": "NP",
    "VC": "HLN", "VI": "HLN", "VA": "HLN", "SC": "HLN", "SI": "SHLN", "SA": "SHLN",
    "CR": "HML", "IR": "HML", "AR": "HML", "E": "APU",
}  # fmt: skip
_BASE = ("AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA")
_IMPACTS = _BASE[5:]
_DEFAULTS = {"E": "A", "CR": "H", "IR": "H", "AR": "H"}  # of what is not defined: the worst

# The properties, of each level the worst vectors, and how many steps it is from them to the best. From the first of
# them that is nowhere better than a vector its way is measured.
_IMPACT_LEVELS = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1))
_PROPERTIES: tuple[tuple[str, dict[Any, tuple[str, int]]], ...] = (
    ("AV PR UI", {0: ("NNN", 1), 1: ("ANN NLN NNP", 4), 2: ("PNN ALP", 5)}),
    ("AC AT", {0: ("LN", 1), 1: ("HN LP", 2)}),
    (
        "VC VI VA CR IR AR",
        {
            (0, 0): ("HHHHHH", 7),
            (0, 1): ("HHLMMH HHHMMM", 6),
            (1, 0): ("LHHHHH HLHHHH", 8),
            (1, 1): ("LHLHMH LHHHMM HLHMHM HLLMHH LLHHHM", 8),
            (2, 1): ("LLLHHH", 10),
        },
    ),
    ("SC SI SA", {0: ("HSS", 6), 1: ("HHH", 5), 2: ("LLL", 4)}),
)

Kind = tuple[int, int, tuple[int, int], int, int]  # EQ1, EQ2, EQ3 and EQ6, EQ4, EQ5
_JUDGED = """
100 98 95 100 93 91 93 89 81 99 95 92 96 87 81 90 80 68 98 95 90 93 89 81 88 78 69 95 92 84 92 81 65 80 70 48 92 82 72
79 69 50 69 55 27 99 95 92 95 90 84 92 82 72 97 92 85 91 83 71 81 71 53 95 92 85 92 80 70 84 71 50 93 85 73 82 72 59 70
52 30 86 75 52 71 52 29 63 29 17 98 94 91 94 86 77 87 74 63 95 87 81 89 74 64 75 63 49 94 88 76 86 74 59 72 57 52 89 77
67 76 58 50 57 52 25 83 70 54 65 58 26 53 21 13 95 88 76 90 75 61 77 68 52 90 76 70 77 62 53 66 59 30 89 76 62 74 57 47
61 57 24 78 67 58 59 57 23 52 29 16 71 59 30 58 26 15 23 13 6 93 86 75 86 74 56 70 52 40 87 72 58 74 61 34 54 40 22 85
74 62 72 55 46 53 34 19 75 55 51 57 41 19 36 19 8 64 51 20 47 21 11 24 9 4 88 73 60 73 59 41 54 45 20 75 53 50 55 40 20
43 22 11 75 58 40 61 48 20 46 17 8 55 45 21 51 18 9 18 7 2 53 24 14 24 12 5 10 3 1
"""  # in tenths, of each kind in order
_KINDS: dict[Kind, int] = dict(
    zip(product(range(3), range(2), _IMPACT_LEVELS, range(3), range(3)), map(int, _JUDGED.split()), strict=True)
)


def score(told: dict[str, str]) -> float:
    """The score of metrics by their names, of all that is told; KeyError or ValueError if one is missing or wrong."""
    if any(told[name] == "S" for name in _BASE):
        raise ValueError("only the environment tells of safety")
    m = {name: _effective(told, name) for name in _LEVELS}
    levels = {name: _LEVELS[name].index(value) for name, value in m.items()}
    if all(m[name] == "N" for name in _IMPACTS):
        return 0.0
    kind = _kind(m)
    value = _KINDS[kind]
    shares = []
    for lower, (names, found), at in zip(_lower(kind), _PROPERTIES, kind[:4], strict=True):
        if lower is not None:
            worst, most = found[at]
            shares.append((value - lower) * _way(levels, names.split(), worst.split()) / most)
    if (*kind[:4], kind[4] + 1) in _KINDS:
        shares.append(0.0)  # a level of EQ5 has one value alone
    left = value - (sum(shares) / len(shares) if shares else 0)
    return int(min(max(left, 0), 100) + 0.5 + 1e-5) / 10


def _effective(told: dict[str, str], name: str) -> str:
    """The value of a metric that counts: as the environment modifies it, else as it is told, else the worst."""
    for value in (told.get(f"M{name}", "X"), told.get(name, "X")):
        if value != "X":
            return value
    return _DEFAULTS[name]


def _kind(m: dict[str, str]) -> Kind:
    easy = [m["AV"] == "N", m["PR"] == "N", m["UI"] == "N"]
    first = 0 if all(easy) else 1 if any(easy) and m["AV"] != "P" else 2
    second = 0 if m["AC"] == "L" and m["AT"] == "N" else 1
    high = [m[name] == "H" for name in ("VC", "VI", "VA")]
    third = 0 if high[0] and high[1] else 1 if any(high) else 2
    matters = any(is_high and m[name] == "H" for is_high, name in zip(high, ("CR", "IR", "AR"), strict=True))
    others = [m["SC"], m["SI"], m["SA"]]
    fourth = 0 if "S" in others[1:] else 1 if "H" in others else 2
    return first, second, (third, 0 if matters else 1), fourth, "APU".index(m["E"])


def _lower(kind: Kind) -> tuple[int | None, int | None, int | None, int | None]:
    """What the next lower kinds score, by the property in which they are lower; None if there is none."""
    first, second, (third, sixth), fourth, fifth = kind
    both = {(0, 0): [(0, 1), (1, 0)], (1, 0): [(1, 1)]}.get((third, sixth), [(third + 1, 1)])
    impacts = [_KINDS[first, second, one, fourth, fifth] for one in both if one in _IMPACT_LEVELS]
    return (
        _KINDS.get((first + 1, second, (third, sixth), fourth, fifth)),
        _KINDS.get((first, second + 1, (third, sixth), fourth, fifth)),
        max(impacts, default=None),
        _KINDS.get((first, second, (third, sixth), fourth + 1, fifth)),
    )


def _way(levels: dict[str, int], names: list[str], worst: list[str]) -> int:
    """How many steps a vector lies from the worst of its level that is nowhere better than it."""
    for one in worst:
        steps = [levels[name] - _LEVELS[name].index(value) for name, value in zip(names, one, strict=True)]
        if min(steps) >= 0:
            break
    return sum(steps)
