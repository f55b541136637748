"""The registry survives what the simulation does to it; and the simulation would notice if it did not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from holdfast import simulation
from holdfast.cli import main
from tests.simulation import planted

SEEDS = range(1, 49)
MORE_SEEDS = range(49, 351)
SEARCHED = range(1, 301)
STEPS = 60
TEXT = "from holdfast import simulation; print(*(simulation.run(seed, 60).history.text() for seed in (1, 2, 3)))"


def broken(outcome):
    """What was wrong and how it came, if anything was."""
    lines = outcome.history.lines(outcome.violation.about if outcome.violation else None)
    return outcome.violation and "\n".join([f"seed {outcome.seed}: {outcome.violation}", *lines])


@pytest.mark.parametrize("part", range(4))
def test_no_seed_breaks_a_rule(part):
    for seed in SEEDS[part::4]:
        assert broken(simulation.run(seed, STEPS)) is None


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_no_more_seeds_break_a_rule(part):
    for seed in MORE_SEEDS[part::10]:
        assert broken(simulation.run(seed, STEPS)) is None


@pytest.mark.parametrize("fault", planted.FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault):
    assert is_found(fault)


@pytest.mark.long
@pytest.mark.parametrize("fault", planted.RARE_FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_that_seldom_matters_is_found(fault):
    assert is_found(fault)


def is_found(fault):
    with fault():
        return any(simulation.run(seed, STEPS).violation for seed in SEARCHED)


def test_a_seed_always_tells_the_same_history():
    texts = [
        subprocess.run(
            [sys.executable, "-c", TEXT],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) > 300


def test_an_operator_is_told_that_all_is_well(capsys):
    assert main(["selftest", "--seeds", "2", "--steps", "20"]) == 0

    assert "2 runs" in capsys.readouterr().out


def test_an_operator_is_told_what_went_wrong_and_how_to_see_it_again(capsys):
    with planted.a_manifest_whose_parts_nobody_looks_for():
        assert main(["selftest", "--seed", "1"]) == 1
        told = capsys.readouterr().out
        command = told.splitlines()[-1].partition("holdfast ")[2].split()

        assert main(command) == 1
        assert capsys.readouterr().out == told

    assert "breaks a rule" in told
    assert len(told.splitlines()) < 200


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--steps", "-1"], ["--seed", "x"]])
def test_a_number_that_is_none_is_refused(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(["selftest", *arguments])

    assert ended.value.code == 2


def test_a_server_does_not_load_the_simulation():
    loaded = "import sys, holdfast.boot, holdfast.cli; print('holdfast.simulation' in sys.modules)"

    answer = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)

    assert answer.stdout == "False\n"
