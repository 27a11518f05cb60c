"""`python -m analysis compare A B`: what it prints of records on disk, and its exit code."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.cli import main as analysis_main
from analysis.compare import command
from ninja.errors import RecordError
from ninja.result import LOSSES
from tests.analysis import made

SMALL = made.Shape(hidden=2, looks=5)
SICK = 1e3
"""Of a gradient that grows so much a layer, the verdict is exploding."""


def main(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    options = parser.parse_args(["compare", *map(str, arguments)])
    return options.run(options)


def study(place: Path, seeds: Sequence[int] = (1, 2, 3), more: float = 0.0, **run: Any) -> Path:
    """A study in an output of its own; its losses are `more` than 2.3 nats and a little."""
    for seed in seeds:
        losses = dict.fromkeys(LOSSES, 2.3 + more + seed**2 / 1e3)
        made.run(place / "study" / f"{seed}", SMALL, seed=seed, **{"losses": losses, **run})
    return place


def test_the_same_records_of_two_versions_of_the_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = study(tmp_path / "one", versions={"torch": "2.12"})
    other = study(tmp_path / "two", versions={"torch": "2.13"}, git_revision="1" * 40)
    assert main(one, other) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == [f"A: {one}, 3 runs have ended", f"B: {other}, 3 runs have ended"]
    assert told[2] == (f"the code: git_revision {'0' * 40} → {'1' * 40}; version.torch 2.12 → 2.13")
    assert told[3] == "the configuration: the same values"
    assert told[4] == "compared: 3 pairs of one seed, in 1 setting; the same bits in 3 of 3 pairs"
    assert told[-1] == "B is identical (all losses of all pairs have the same bits)"


def test_a_loss_that_rose_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = study(tmp_path / "one")
    rise = {seed: 0.1 + seed / 1e3 for seed in (1, 2, 3)}
    for seed, more in rise.items():
        study(tmp_path / "two", [seed], more, config={"norm": {"name": "batchnorm"}})
    assert main(one, tmp_path / "two") == 1
    told = capsys.readouterr().out
    assert "the configuration: norm.name none → batchnorm" in told
    # Student's t of three pairs: 0.102 ± 4.303 · 0.001 / √3
    assert "validation  2.3047  2.4067  +0.1020 [+0.0995, +0.1045]  3 pairs  worse" in told
    assert "B is worse (train loss is 0.102 nats higher" in told
    assert main(one, tmp_path / "two", "--tolerance", "0.15") == 0
    assert main(tmp_path / "two", one) == 0


def test_a_run_that_became_sick_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = study(tmp_path / "one"), study(tmp_path / "two", [1, 2])
    study(other, [3], growth=SICK)
    assert main(one / "study" / "3", other / "study" / "3") == 1
    told = capsys.readouterr().out
    assert "became sick" in told
    assert "exploding" in told
    assert "one seed says nothing about another" in told
    assert "B is worse (1 became sick)" in told
    assert main(one, other) == 1
    assert (
        "healthy in all  3 of 3 (44 % to 100 %)  2 of 3 (21 % to 94 %)" in capsys.readouterr().out
    )


def test_one_run_against_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = study(tmp_path / "one", [1]), study(tmp_path / "two", [1], more=0.5)
    run, another = one / "study" / "1", other / "study" / "1"
    assert main(run, another) == 0
    told = capsys.readouterr().out
    assert "+0.5000       1 pair  cannot be told" in told
    assert not (run.parent / ".analysis").exists()


def test_a_run_that_diverged_has_no_loss_and_is_sick(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = study(tmp_path / "one"), study(tmp_path / "two", [1, 2])
    study(other, [3], diverged=True)
    assert main(one, other) == 1
    told = capsys.readouterr().out
    assert "validation  2.3025  2.3025  +0.0000 [+0.0000, +0.0000]  2 pairs  identical" in told
    assert "0 of A and 1 of B diverged: losses are of the others" in told


def test_runs_that_have_not_ended_are_counted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = study(tmp_path / "one"), study(tmp_path / "two", [1, 2])
    study(other, [3], finished=False)
    assert main(one, other) == 0
    told = capsys.readouterr().out
    assert f"B: {other}, 2 runs have ended, 1 not finished" in told
    assert "compared with nothing: 1 run of A; seed=3 is only in A" in told
    with pytest.raises(RecordError, match=r"no run that has ended lies here \(1 not finished"):
        main(one, other / "study" / "3")


def test_what_is_damaged_is_named_after_the_others_were_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = study(tmp_path / "one"), study(tmp_path / "two")
    (other / "study" / "2" / "result.json").write_text("{")
    with pytest.raises(RecordError, match=r"study/2/result\.json': damaged"):
        main(one, other)
    assert "compared: 2 pairs" in capsys.readouterr().out
    for seed in (1, 3):
        (other / "study" / f"{seed}" / "result.json").write_text("{")
    with pytest.raises(RecordError, match=r"no run that has ended lies here .*damaged"):
        main(one, other)


@pytest.mark.parametrize("given", ["-1", "nan", "inf", "some"])
def test_a_tolerance_is_a_number_from_0(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main("a", "b", f"--tolerance={given}")
    assert ended.value.code == 2
    assert f"{given!r} is not a number of nats from 0" in capsys.readouterr().err


def test_it_is_a_command_of_analysis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = study(tmp_path / "one")
    assert analysis_main(["compare", str(one), str(one)]) == 0
    assert analysis_main(["compare", str(one), str(tmp_path / "none")]) == 2
    told = capsys.readouterr().err
    assert told == (
        f"ninja: '{tmp_path}/none': no such folder: give a run's, outputs/study/run_id\n"
    )


def test_json_has_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = study(tmp_path / "one", [1]), study(tmp_path / "two", [1], more=0.5, growth=SICK)
    assert main(one, other, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["reasons"]) == ("worse", ["1 became sick"])
    (loss,) = [of for of in told["losses"] if of["quantity"] == "test"]
    assert loss["difference"] == {"value": pytest.approx(0.5), "low": None, "high": None, "n": 1}
    assert told["settings"][0]["after"] == {"1": ["study/1"]}
    assert told["health"]["turns"][0]["way"] == "became sick"
    assert {of["quantity"] for of in told["numbers"]} == {"profile", "gap", "step_time"}


def test_gradients_are_those_of_the_verdicts_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = study(tmp_path / "one", [1])
    evidence = [{"name": "delta profile", "when": "end", "value": -0.5}]
    evidence += [{"name": "gap", "when": "run", "value": 3e-7}]
    whole = {"where": "", "step": 0, "healthy": [None, None], "state": "inside"}
    whole |= {"finding": "", "why": ""}
    other = study(tmp_path / "two", [1], evidence=[{**of, **whole} for of in evidence], seconds=3.0)
    assert main(one, other, "--json") == 0
    numbers = {of["quantity"]: of for of in json.loads(capsys.readouterr().out)["numbers"]}
    assert numbers["profile"]["after"]["value"] == -0.5
    assert numbers["gap"]["difference"]["value"] == pytest.approx(2e-7)
    main(one, other)
    told = capsys.readouterr().out
    assert "largest gap" in told
    assert "× 2" in told


def test_names_and_values_are_shown_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = study(tmp_path / "one", [1], verdict="[red]a\x1b[31mb\n")
    assert main(one, one) == 0
    told = capsys.readouterr().out
    assert r"[red]a\x1b[31mb\n" in told
    assert "\x1b" not in told
