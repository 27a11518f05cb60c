"""Runs on disk, and `python -m ninja diagnose` over them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ninja import cli, result
from ninja.config import (
    DataConfig,
    InitConfig,
    ModelConfig,
    NormConfig,
    OptimizerConfig,
    ProbeConfig,
    RunConfig,
)
from ninja.errors import RecordError
from ninja.fit import fit
from ninja.folders import diagnosed, runs_in

Capture = pytest.CaptureFixture[str]
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two runs, one of which cannot learn, and another study of one."""
    place = tmp_path_factory.mktemp("outputs")
    words = place / "words.txt"
    words.write_text("\n".join(f"{a}{b}{c}" for a in "abc" for b in "xyzu" for c in "no" * 5))
    for name, init, optimizer in (
        ("study/healthy", InitConfig(output_scale=0.1), OptimizerConfig()),
        ("study/vanishing", InitConfig(gain=0.3, output_scale=0.1), OptimizerConfig()),
        ("other/stalled", InitConfig(output_scale=0.1), OptimizerConfig(lr=1e-6)),
    ):
        config = RunConfig(
            steps=40,
            data=DataConfig(path=str(words)),
            model=ModelConfig(n_hidden=32, n_layers=5),
            norm=NormConfig(name="none"),
            init=init,
            optimizer=optimizer,
            probe=ProbeConfig(every=5, close_every=5, gap_every=10),
        )
        fit(config, place / name)
    return place


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("study/healthy", ["healthy"]),
        ("study", ["healthy", "vanishing"]),
        (".", ["stalled", "healthy", "vanishing"]),
    ],
)
def test_runs_lie_in_themselves_in_studies_and_in_outputs(
    outputs: Path, place: str, names: list[str]
) -> None:
    assert [folder.name for folder in runs_in(outputs / place)] == names


@pytest.mark.parametrize(
    ("place", "said"), [("no", "no such folder"), ("empty", "no run lies here")]
)
def test_where_there_is_no_run(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordError, match=said):
        runs_in(tmp_path / place)


@pytest.mark.parametrize("name", ["study/healthy", "study/vanishing", "other/stalled"])
def test_a_record_says_again_what_the_result_said(outputs: Path, name: str) -> None:
    found, done = diagnosed(outputs / name), result.read(outputs / name)
    assert done is not None
    assert found.verdict == done.verdict == Path(name).name
    assert [one.kind for one in found.findings] == [one["kind"] for one in done.findings]
    assert found.is_sick == (done.verdict != "healthy")


def test_a_run_that_is_not_finished_is_judged_by_what_there_is(
    outputs: Path, tmp_path: Path
) -> None:
    lines = (outputs / "study/vanishing/metrics.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_bytes(b"".join(lines[:5]) + b'{"step": 10, "lo')
    done = json.loads((outputs / "study/vanishing/result.json").read_text())
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra/config.yaml").write_text(json.dumps(done["config"]))
    found = diagnosed(tmp_path)
    assert found.verdict == "vanishing"
    assert found.history.last == 1
    assert found.about.classes == 10  # a b c x y z u n o, and the end


def test_without_a_record_there_is_nothing_to_say(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(RecordError, match=r"config\.yaml"):
        diagnosed(tmp_path)


# --- the command ----------------------------------------------------------------------------------


def test_one_run_in_words(outputs: Path, capsys: Capture) -> None:
    assert cli.main(["diagnose", str(outputs / "study/healthy")]) == 0
    assert capsys.readouterr().out == f"{outputs}/study/healthy: healthy\n"
    assert cli.main(["diagnose", str(outputs / "study/vanishing")]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{outputs}/study/vanishing: vanishing"
    assert out[1].startswith("  vanishing  ")
    assert out[3] == "    fix: init.gain=tanh"


def test_a_study_as_a_table(outputs: Path, capsys: Capture) -> None:
    assert cli.main(["diagnose", str(outputs / "study")]) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "1 of 2 runs are healthy"
    assert "init.gain=tanh" in out


def test_json_holds_findings_and_numbers(outputs: Path, capsys: Capture) -> None:
    assert cli.main(["diagnose", str(outputs), "--json"]) == 1
    found = {Path(one["run"]).name: one for one in json.loads(capsys.readouterr().out)}
    assert found["stalled"]["verdict"] == "stalled"
    (first, *_) = found["vanishing"]["findings"]
    assert (first["kind"], first["severity"], first["step"]) == ("vanishing", "sick", 0)
    assert found["healthy"]["findings"] == []
    assert {item["state"] for item in found["healthy"]["evidence"]} <= {"inside", "does not apply"}


def test_explain_shows_the_layers_of_both_ends(outputs: Path, capsys: Capture) -> None:
    cli.main(["diagnose", str(outputs / "study/vanishing"), "--explain"])
    out = capsys.readouterr().out
    assert "step 0: loss" in out
    assert "step 35: loss" in out
    assert out.count("02.linear … 03.tanh") == 2


def test_a_damaged_record_is_named_and_the_others_are_shown(
    outputs: Path, tmp_path: Path, capsys: Capture
) -> None:
    for name in ("healthy", "vanishing"):
        (tmp_path / name).mkdir()
        for path in (outputs / "study" / name).glob("*.json*"):
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "vanishing/metrics.jsonl").write_text("no json\n{}\n")
    assert cli.main(["diagnose", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert "healthy" in said.out
    assert said.err.count("\n") == 1
    assert "vanishing/metrics.jsonl', line 1: damaged" in said.err
