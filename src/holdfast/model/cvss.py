"""Scores of CVSS vectors by FIRST's specifications: of the base, and for version 4.0 of all that is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil

from holdfast.model import cvss4

VECTOR_CHARACTERS = 300
_VECTOR = re.compile(
    r"(?:CVSS:(?P<version>3\.0|3\.1|4\.0)/)?(?P<metrics>[A-Za-z]{1,3}:[A-Za-z]{1,5}(?:/[A-Za-z]{1,3}:[A-Za-z]{1,5})*)"
)
_IMPACT_2 = {"N": 0.0, "P": 0.275, "C": 0.660}
_IMPACT_3 = {"N": 0.0, "L": 0.22, "H": 0.56}
_METRICS_2 = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": _IMPACT_2, "I": _IMPACT_2, "A": _IMPACT_2,
}  # fmt: skip
_METRICS_3 = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "S": {"U": 0.0, "C": 1.0},
    "C": _IMPACT_3, "I": _IMPACT_3, "A": _IMPACT_3,
}  # fmt: skip
_PRIVILEGES_CHANGED = {"N": 0.85, "L": 0.68, "H": 0.5}


@dataclass(frozen=True, slots=True)
class Cvss:
    """A score and the vector that says why."""

    version: str  # 2.0, 3.0, 3.1 or 4.0
    vector: str
    score: float | None


def parse(vector: str, score: float | None = None) -> Cvss | None:
    """A vector with its base score; None if it is no vector. A score that is given counts where none can be told."""
    text = vector.strip().strip("()")
    found = _VECTOR.fullmatch(text) if len(text) <= VECTOR_CHARACTERS else None
    if found is None:
        return None
    metrics = dict(part.split(":") for part in found["metrics"].split("/"))
    version = found["version"] or "2.0"
    try:
        told: float | None = {"2.0": _score_2, "3.0": _score_3, "3.1": _score_3, "4.0": cvss4.score}[version](metrics)
    except (KeyError, ValueError):
        if version != "4.0":
            return None
        told = score if score is not None and 0 <= score <= 10 else None
    return Cvss(version, text, told)


def _score_2(metrics: dict[str, str]) -> float:
    m = {name: values[metrics[name]] for name, values in _METRICS_2.items()}
    impact = 10.41 * (1 - (1 - m["C"]) * (1 - m["I"]) * (1 - m["A"]))
    exploitability = 20 * m["AV"] * m["AC"] * m["Au"]
    return round((0.6 * impact + 0.4 * exploitability - 1.5) * (1.176 if impact else 0) + 1e-9, 1)


def _score_3(metrics: dict[str, str]) -> float:
    m = {name: values[metrics[name]] for name, values in _METRICS_3.items()}
    base = 1 - (1 - m["C"]) * (1 - m["I"]) * (1 - m["A"])
    is_changed = metrics["S"] == "C"
    impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15 if is_changed else 6.42 * base
    privileges = _PRIVILEGES_CHANGED[metrics["PR"]] if is_changed else m["PR"]
    exploitability = 8.22 * m["AV"] * m["AC"] * privileges * m["UI"]
    if impact <= 0:
        return 0.0
    return _round_up(min((1.08 if is_changed else 1.0) * (impact + exploitability), 10))


def _round_up(value: float) -> float:
    """Up to one decimal, as appendix A of version 3.1 does it."""
    whole = round(value * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else ceil(whole / 10_000) / 10
