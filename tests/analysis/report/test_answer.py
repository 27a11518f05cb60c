"""The headline."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import analysis
from analysis.report.answer import LINES, answer, gain, lines
from analysis.tables import nothing
from tests.analysis import made
from tests.analysis.made import Shape


def told(place: Path) -> list[str]:
    return lines(answer(analysis.read(place)))


def test_what_is_healthy_what_is_not_and_what_fixes_it(grid: Path) -> None:
    found = answer(analysis.read(grid))
    (study,) = found.studies
    assert (found.runs, found.healthy, found.skipped) == (24, 20, 0)
    assert study.keys == ("init.gain", "norm.name")
    assert study.others == ("backward",)
    healthy, vanishing = study.groups
    assert healthy.settings == ("norm.name=batchnorm", "norm.name=none init.gain=1, 5/3")
    assert vanishing.settings == ("norm.name=none init.gain=0.5",)
    assert (vanishing.runs, vanishing.fixes) == (4, ("init.gain=tanh",))
    assert vanishing.tried == (4, 4)


def test_the_best_setting_is_the_mean_over_seeds(grid: Path) -> None:
    """An engine is no seed: two of each would make the interval too narrow."""
    best = answer(analysis.read(grid)).studies[0].best
    assert best is not None
    assert best.setting == "init.gain=1 norm.name=batchnorm"
    assert best.loss == analysis.mean([2.1, 2.2])


def test_losses_of_several_word_lists_are_no_contest(tmp_path: Path) -> None:
    for at, digest in enumerate(("0" * 64, "1" * 64)):
        losses = made.DONE | {"validation": 2.0 + at}
        made.run(tmp_path / "study" / str(at), losses=losses, data_sha256=digest)
    assert answer(analysis.read(tmp_path)).studies[0].best is None


def test_it_is_printed_in_few_lines(grid: Path) -> None:
    assert told(grid) == [
        "20 of 24 runs are healthy",
        "healthy: norm.name=batchnorm; norm.name=none init.gain=1, 5/3 (20 runs)",
        "vanishing: norm.name=none init.gain=0.5 (4 runs), from step 0 in 03.linear, "
        "05.linear; fix: init.gain=tanh (tried: 4 of 4 such runs healthy)",
        "lowest validation loss: 2.15 [1.515, 2.785] nats, init.gain=1 norm.name=batchnorm",
        "by hand against autograd: right, the largest gap is 1.0e-07 in 24 runs "
        "(wrong above 1e-05)",
    ]


def test_ten_lines_are_enough_for_any_number_of_studies(tmp_path: Path) -> None:
    for at in range(LINES + 2):
        made.run(tmp_path / f"study{at:02d}" / "run", Shape(looks=3), seed=at)
    found = told(tmp_path)
    assert len(found) == LINES
    assert found[-2] == "and 5 lines more, in the report"


@pytest.mark.parametrize(
    ("how", "state"),
    [
        ({}, "healthy"),
        ({"growth": 0.01}, "not healthy: vanishing"),
        ({"diverged": True}, "not healthy: diverged"),
        ({"finished": False}, "healthy (unfinished)"),
    ],
)
def test_of_a_single_run(tmp_path: Path, how: dict[str, Any], state: str) -> None:
    made.run(tmp_path / "study" / "run", Shape(hidden=3), **how)
    assert told(tmp_path)[0] == f"the run is {state}"


def test_of_no_run() -> None:
    nobody = answer(nothing())
    assert lines(nobody) == ["no run lies here yet"]
    assert lines(replace(nobody, skipped=2))[0] == "no run could be read"


def test_a_wrong_gradient_is_called_wrong(grid: Path) -> None:
    records = analysis.read(grid)
    wrong = replace(records, steps=records.steps.assign(gap=0.5))
    assert "by hand against autograd: WRONG, the largest gap is 5.0e-01" in lines(answer(wrong))[-1]


@pytest.mark.parametrize("seeds", [1, 3])
def test_keys_that_never_differ_alone_are_not_told_apart(tmp_path: Path, seeds: int) -> None:
    """Some runs have another gain and another rate: nobody knows which of them it was."""
    other = {"init": {"gain": "1"}, "optimizer": {"lr": 1e6}}
    for seed in range(seeds):
        made.run(tmp_path / "study" / f"a{seed}", seed=seed, config=other)
        here = tmp_path / "study" / f"b{seed}"
        made.run(here, seed=seed, growth=0.01, config={"init": {"gain": "5/3"}})
    (study,) = answer(analysis.read(tmp_path)).studies
    assert (study.keys, study.tied, study.others) == (("init.gain",), ("optimizer.lr",), ())


def test_a_setting_whose_runs_differ_is_told_with_how_many(tmp_path: Path) -> None:
    runs = [("1", 1, 1.0), ("1", 2, 1.0), ("5", 1, 1.0), ("5", 2, 0.01), ("5", 3, 0.01)]
    for of, seed, growth in runs:
        folder = tmp_path / "study" / f"{of}{seed}"
        made.run(folder, seed=seed, growth=growth, config={"init": {"gain": of}})
    healthy, vanishing = answer(analysis.read(tmp_path)).studies[0].groups
    assert healthy.settings == ("init.gain=1", "init.gain=5 (1 of 3 runs)")
    assert vanishing.settings == ("init.gain=5 (2 of 3 runs)",)


def test_what_is_unfinished_is_judged_so_far(tmp_path: Path) -> None:
    made.run(tmp_path / "study" / "begun", finished=False)
    made.run(tmp_path / "study" / "done", seed=2)
    assert told(tmp_path)[0] == "2 of 2 runs are healthy, 1 unfinished (judged so far)"


@pytest.mark.parametrize(
    ("fix", "number"),
    [
        ("init.gain=tanh", "5/3"),
        ("init.gain=relu", "1.414"),
        ("init.gain=identity", "1"),
        ("init.gain=2", ""),
        ("optimizer.lr=tanh", ""),
    ],
)
def test_a_gain_by_name_is_told_by_its_number(fix: str, number: str) -> None:
    assert gain(fix) == number
