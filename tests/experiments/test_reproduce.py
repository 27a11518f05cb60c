"""Specification of `python -m experiments`: caching, the table, exit codes."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments import cache, claims, reproduce
from experiments import cli as command
from experiments.claims import read
from ninja.errors import NinjaError
from tests.analysis import made

ROOT = Path(__file__).parents[2]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "experiments", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        line, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A measurement of the critical line that is kept, below the working directory."""
    monkeypatch.chdir(tmp_path)
    study = read("critical_line")
    exact = {name: [of.predicted, of.predicted] for name, of in study.claims.items()}
    cache.write("critical_line", exact, 1.0, quick=True)
    return next((tmp_path / cache.PLACE).iterdir())


def test_what_was_measured_is_not_measured_again(kept: Path) -> None:
    done = run("critical_line", "--quick", "--json", cwd=kept.parents[2])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(one["passed"] for one in found)
    assert {one["claim"] for one in found} == set(read("critical_line").claims)


def test_a_claim_that_fails_is_told(kept: Path) -> None:
    plain = json.loads(kept.read_text())
    plain["measured"]["level"] = [0.5]
    kept.write_text(json.dumps(plain))
    done = run("critical_line", "--quick", cwd=kept.parents[2])
    assert done.returncode == 1
    assert "FAIL" in done.stdout
    count = len(read("critical_line").claims)
    assert f"{count} claims, 1 failed" in done.stdout
    assert f"1 of {count} claims fail" in done.stderr


@pytest.mark.parametrize("content", ["", "[]", '{"measured": {"level": ["x"]}}', "\ufffe", "{"])
def test_a_damaged_measurement_is_made_again(kept: Path, content: str) -> None:
    kept.write_text(content)
    assert cache.read("critical_line", quick=True) is None


def test_what_is_not_finite_fails_and_is_json(kept: Path) -> None:
    plain = json.loads(kept.read_text())
    plain["measured"]["level"] = [math.nan, math.inf]
    kept.write_text(json.dumps(plain))
    done = run("critical_line", "--quick", "--failed", "--json", cwd=kept.parents[2])
    assert done.returncode == 1
    (one,) = json.loads(done.stdout)
    assert (one["claim"], one["values"], one["passed"]) == ("level", [None, None], False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--workers", "0"], "--workers: '0' is not a whole number from 1"),
        (["relu_he", "--write", "x.md"], "--write: takes the whole table"),
        (["--write", "nowhere/x.md"], "--write: 'nowhere/x.md': cannot be read (No such file"),
        (["--write", "/dev/full"], "--write: '/dev/full': cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_measured(
    given: list[str], said: str, tmp_path: Path
) -> None:
    done = run(*given, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_study_in_one_line(tmp_path: Path) -> None:
    done = run("criticalline", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("ninja: study: unknown name 'criticalline'")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("critical_line", "--data", "words.txt"), "--data: none of these studies learns words"),
        (("lecture_losses", "--data", "none.txt"), "'none.txt': no such file"),
    ],
)
def test_words_that_cannot_be_learned_in_one_line(
    tmp_path: Path, given: tuple[str, ...], said: str
) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    done = run(*given, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"ninja: {said}")
    assert done.stderr.count("\n") == 1


def test_words_are_part_of_the_key(tmp_path: Path) -> None:
    words, keys = tmp_path / "words.txt", {cache.key("a", quick=True)}
    for text in ("anna", "otto"):
        words.write_text(text)
        keys.add(cache.key("a", quick=True, words=words))
    assert len(keys) == 3


def test_runs_with_a_mistake_lie_elsewhere() -> None:
    assert len({cache.sources(), cache.sources("a mistake"), cache.sources("another")}) == 3


@pytest.mark.slow
@pytest.mark.long
def test_the_quick_form_passes(tmp_path: Path) -> None:
    """Every claim of every study, as a user asks for it."""
    done = run("--quick", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "claims pass" in done.stdout


def test_the_key_is_of_code_data_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {cache.key("a", quick=True), cache.key("a", quick=False), cache.key("b", quick=True)}
    assert len(keys) == 3
    monkeypatch.setattr(cache, "_sources", lambda: b"other code")
    assert cache.key("a", quick=True) not in keys
    monkeypatch.undo()
    monkeypatch.setattr(cache, "metadata", SimpleNamespace(version=lambda _: "0"))
    assert cache.key("a", quick=True) not in keys


def test_the_sources_are_those_of_the_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in cache.SOURCES:
        (tmp_path / name).mkdir()
    rule = tmp_path / "ninja" / "rule.py"
    rule.write_text("y = x")
    monkeypatch.setattr(cache, "ROOT", tmp_path)
    found = []
    for text in ("y = x", "y = x + 1"):
        rule.write_text(text)
        cache._sources.cache_clear()
        found.append(cache.sources())
    cache._sources.cache_clear()
    assert found[0] != found[1]


def test_the_table_is_written_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{reproduce.BEGIN}\nold\n{reproduce.END}\nafter\n")
    study = read("critical_line")
    exact = {name: [of.predicted] for name, of in study.claims.items()}
    judged = {study.name: claims.judge(study, exact, quick=False)}
    reproduce.write(page, judged)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count("| critical_line |") == len(study.claims)
    assert "torch" in text
    page.write_text("no marks")
    with pytest.raises(NinjaError, match="to write between"):
        reproduce.write(page, judged)


def test_the_command_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    assert "--quick" in capsys.readouterr().out


def test_a_sweep_that_was_trained_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By runs that were made and not trained: of most cells there is none."""
    made.run(tmp_path / "study" / "one")
    kept: list[str] = []
    monkeypatch.setattr(cache, "write", lambda name, *_, **__: kept.append(name))
    assert command.main(["gradient_health", "--runs", str(tmp_path / "study")]) == 2
    assert "not the whole sweep of gradient_health" in capsys.readouterr().err
    study = read("gradient_health")
    monkeypatch.setattr(reproduce, "_jobs", lambda _: 1)
    monkeypatch.setattr(
        "experiments.gradient_health.measure.numbers",
        lambda runs: {
            name: [of.predicted + (name == "gap") for _ in runs]
            for name, of in study.claims.items()
        },
    )
    given = ["gradient_health", "--runs", str(tmp_path / "study"), "--failed"]
    assert command.main(given) == 1
    said = capsys.readouterr().out
    assert "1 failed" in said
    assert "largest gap" in said
    assert "profile" not in said
    assert kept == ["gradient_health"]
    shutil.copytree(tmp_path / "study" / "one", tmp_path / "study" / "copy")
    assert command.main(given) == 2
    assert "1 of its 1 runs are done, in 2 folders" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["critical_line"], "critical_line is more than one sweep"),
        (["gradient_health"], "no such folder"),
    ],
)
def test_runs_that_cannot_be_judged(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*given, "--runs", "nowhere"]) == 2
    assert said in capsys.readouterr().err


def test_runs_are_of_one_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--runs", "outputs"]) == 2
    assert "name one study" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    """Whether the whole group gets it, as by a Ctrl-C, or the command alone."""
    for kill in (os.killpg, os.kill):
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments", "critical_line", "batchnorm_explosion"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(5)
        kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (130, "", "ninja: interrupted\n")
