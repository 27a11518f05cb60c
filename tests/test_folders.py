"""Runs on disk, and `python -m ninja diagnose` over them."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ninja import cli, result, streams
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
from ninja.folders import diagnosed, runs_in, settings
from tests.faults import fault_of

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


@pytest.fixture
def copy(outputs: Path, tmp_path: Path) -> Path:
    """Of a run that is done."""
    shutil.copytree(outputs / "study/healthy", tmp_path / "study/copy")
    return tmp_path / "study/copy"


def unfinished(folder: Path, composed: str | None = None) -> None:
    """Take its result away; what Hydra has kept is the result's configuration, or this."""
    done = json.loads((folder / "result.json").read_text())
    (folder / "result.json").unlink()
    (folder / ".hydra").mkdir()
    kept = json.dumps(done["config"]) if composed is None else composed
    (folder / ".hydra/config.yaml").write_text(kept)


KEYS = ["model", "optimizer", "init.gain", "norm.affine", "backward", "seed"]


@pytest.mark.parametrize("key", KEYS)
def test_a_result_whose_configuration_lacks_a_key_is_damaged(copy: Path, key: str) -> None:
    plain = json.loads((copy / "result.json").read_text())
    group, _, name = key.rpartition(".")
    del (plain["config"][group] if group else plain["config"])[name]
    (copy / "result.json").write_text(json.dumps(plain))
    message = fault_of(lambda: diagnosed(copy), RecordError)
    assert "result.json': damaged or of another version" in message
    assert f"it has no {key!r}" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("optimizer.lr", value) for value in (None, "x", 10**400, -1)),
        *(("optimizer", value) for value in (None, [], {"name": "sgd"})),
        *(("init.gain", value) for value in ("1/0", "5/x", [1], -1)),
        ("optimizer.lr_schedule", [[1]]),
        ("norm.name", "none at all"),
        ("more", 1),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_result_of_no_configuration_is_damaged(copy: Path, key: str, value: object) -> None:
    plain = json.loads((copy / "result.json").read_text())
    group, _, name = key.rpartition(".")
    (plain["config"][group] if group else plain["config"])[name] = value
    (copy / "result.json").write_text(json.dumps(plain))
    assert "result.json': damaged" in fault_of(lambda: diagnosed(copy), RecordError)


def test_what_only_this_machine_lacks_is_no_damage(copy: Path) -> None:
    plain = json.loads((copy / "result.json").read_text())
    plain["config"]["device"] = "cuda"
    plain["config"]["model"] |= {"activation": "theirs", "n_hidden": 65536, "n_layers": 9999}
    plain["config"]["init"]["gain"] = "theirs"
    (copy / "result.json").write_text(json.dumps(plain))
    assert diagnosed(copy).verdict == "healthy"


@pytest.mark.parametrize(
    "composed", ["&a [*a]", "&a {model: *a}", "[" * 3000, "a: " + "[" * 3000 + "]" * 3000, "\0"]
)
def test_a_configuration_without_end_is_damaged(copy: Path, composed: str) -> None:
    unfinished(copy, composed)
    assert "config.yaml': damaged" in fault_of(lambda: diagnosed(copy), RecordError)


@pytest.mark.parametrize("name", ["metrics.jsonl", "result.json", ".hydra/config.yaml"])
def test_a_pipe_is_not_waited_for(copy: Path, name: str) -> None:
    if name == ".hydra/config.yaml":
        unfinished(copy)
    (copy / name).unlink()
    os.mkfifo(copy / name)
    message = fault_of(lambda: diagnosed(copy), RecordError)
    assert str(copy / name) in message
    assert "no regular file" in message


@pytest.mark.parametrize("lines", [0, 1, 5])
def test_a_record_that_ends_before_its_result_does_is_damaged(copy: Path, lines: int) -> None:
    path = copy / "metrics.jsonl"
    kept = path.read_bytes().splitlines(keepends=True)[:lines]
    path.write_bytes(b"".join(kept))
    message = fault_of(lambda: diagnosed(copy), RecordError)
    assert f"{str(path)!r}: it " in message
    assert "the result.json beside it knows of step 35: damaged" in message


def test_a_run_whose_words_have_moved_is_named(copy: Path) -> None:
    unfinished(copy, "data: {path: /moved/words.txt}")
    message = fault_of(lambda: diagnosed(copy), RecordError)
    assert f"{str(copy)!r}: its word list: '/moved/words.txt': no such file" in message


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Close a folder, to root as well."""
    refused: list[Path] = []
    stat = os.stat

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if any(folder in Path(path).parents for folder in refused if isinstance(path, str | Path)):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    return refused.append


def test_a_folder_that_is_closed_is_told_of(copy: Path, closed: Callable[[Path], None]) -> None:
    closed(copy)
    for place in (copy, copy.parent, copy.parents[1]):
        message = fault_of(lambda place=place: runs_in(place), RecordError)
        assert message == f"{str(copy)!r}: cannot be read (Permission denied)"


def test_a_name_that_is_too_long_is_told_of(tmp_path: Path) -> None:
    place = tmp_path / ("a" * 300)
    message = fault_of(lambda: runs_in(place), RecordError)
    assert message == f"{str(place)!r}: cannot be read (File name too long)"


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


@pytest.mark.parametrize("fault", ["moved", "closed", "null", "emptied", "config"])
def test_whatever_is_wrong_with_a_run_the_others_are_shown(
    outputs: Path, copy: Path, closed: Callable[[Path], None], capsys: Capture, fault: str
) -> None:
    shutil.copytree(outputs / "study/vanishing", copy.parent / "other")
    if fault == "moved":
        unfinished(copy, "data: {path: /moved/words.txt}")
    elif fault == "closed":
        closed(copy)
    elif fault == "config":
        unfinished(copy, "&a [*a]")
    else:
        (copy / "metrics.jsonl").write_text('{"step": null}\n' if fault == "null" else "")
    assert cli.main(["diagnose", str(copy.parent)]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert str(copy) in said.err
    assert "vanishing" in said.out


@pytest.mark.parametrize(
    "name", ["[", "[red]", "lr=[/x]", "[/]", ":boom:", "\\[b]", "a\nb", "\udcff"]
)
def test_names_of_folders_are_text(
    outputs: Path, tmp_path: Path, capsys: Capture, name: str
) -> None:
    shown = name.replace("\n", "\\n").replace("\udcff", "\\udcff")
    for folder in (name, "other"):
        shutil.copytree(outputs / "study/healthy", tmp_path / name / folder)
    assert cli.main(["diagnose", str(tmp_path / name / name), "--explain"]) == 0
    out = capsys.readouterr().out
    assert f"{shown}: healthy\n" in out
    assert f"{shown}, step 0: loss" in out
    assert cli.main(["diagnose", str(tmp_path / name)]) == 0
    title, _, *lines = capsys.readouterr().out.splitlines()
    assert title == f"in {tmp_path}/{shown}:"
    assert {line.split()[0] for line in lines[:2]} == {shown, "other"}


def test_runs_are_told_apart_by_their_settings(outputs: Path) -> None:
    found = [diagnosed(outputs / "study" / name) for name in ("healthy", "vanishing")]
    healthy, vanishing = settings(found)
    assert healthy != vanishing
    assert [part.partition("=")[0] for part in healthy.split()] == [
        part.partition("=")[0] for part in vanishing.split()
    ]
    assert "init.gain" in vanishing
    assert settings(found[:1] * 2) == ["", ""]  # nothing differs


def test_a_file_has_one_line_a_run(outputs: Path, tmp_path: Path, capsys: Capture) -> None:
    """However long: it says the folder that they share once."""
    deep = tmp_path / ("deep" * 20) / ("er" * 50)
    for name in ("healthy", "vanishing"):
        shutil.copytree(outputs / "study" / name, deep / f"{name} as named")
    cli.main(["diagnose", str(deep)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"in {deep}:"
    by_name = {line.split("  ")[0]: line.rstrip() for line in lines[2:4]}
    assert by_name.keys() == {"healthy as named", "vanishing as named"}
    assert by_name["vanishing as named"].endswith("vanishing  init.gain=tanh")
    assert lines[4:] == ["1 of 2 runs are healthy"]


def test_in_a_terminal_the_fix_goes_on_below_itself(
    outputs: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("healthy", "vanishing"):
        shutil.copytree(outputs / "study" / name, tmp_path / name)
    monkeypatch.setattr(streams, "width", lambda: None)
    monkeypatch.setenv("COLUMNS", "60")
    cli.main(["diagnose", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 60 for line in lines[1:])
    assert lines[1].split() == ["run", "settings", "layer", "step", "verdict", "fix"]
    assert lines[-1] == "1 of 2 runs are healthy"
