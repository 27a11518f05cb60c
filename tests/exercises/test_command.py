"""``python -m ninja exercise`` as a learner meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ninja.cli import main
from ninja.exercises import separate
from ninja.exercises.catalogue import EXERCISES
from ninja.exercises.check import exercise_of, find
from ninja.exercises.execute import Ran, execute
from ninja.exercises.exercise import Exercise
from ninja.exercises.progress import NAME, read


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work there, and without a process for each check (test_separate has those)."""
    monkeypatch.chdir(tmp_path)

    def here(exercise: Exercise, file: Path, seconds: float) -> Ran:  # noqa: ARG001
        given = tuple(exercise.reference().given)
        return execute(exercise, file.read_text(encoding="utf-8-sig"), str(file), given)

    monkeypatch.setattr(separate, "run_separately", here)
    return tmp_path


def fill(path: Path, number: int, **instead: str) -> None:
    """The worked solution, with other code in some blanks."""
    path.write_text(EXERCISES[number].solved(instead), encoding="utf-8")


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["exercise", "check", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_from_start_to_done(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exercise", "start", "2"]) == 0
    path = folder / "exercise_2.py"
    assert path.read_text() == EXERCISES[2].start()
    code, found = checked(capsys, "2")
    assert (code, found["right"], found["first_wrong"], found["hint"]) == (1, 0, "dlogits", None)
    assert found["rows"][0]["state"] == "to do"

    fill(path, 2, dlogits="dlogits = F.softmax(logits, 1)")
    code, found = checked(capsys, "2")
    assert (code, found["rows"][0]["state"]) == (1, "wrong")
    said: list[str] = []
    for _ in range(6):
        assert main(["exercise", "check", "2", "--hint"]) == 1
        said.append(capsys.readouterr().out.partition("\n\n")[2])
    assert len(set(said)) == 5  # what its numbers show, three hints, the worked solution
    assert "should sum to zero" in " ".join(said[0].split())
    assert "Worked solution, dlogits:" in said[4] == said[5]
    assert "    dlogits[range(n), Yb] -= 1\n" in said[4]

    fill(path, 2)
    code, found = checked(capsys, "2")
    assert (code, found["done"], found["first_wrong"]) == (0, True, None)
    assert main(["exercise", "check", "exercise_2.py"]) == 0
    assert "Right: probabilities minus one-hot" in capsys.readouterr().out

    assert main(["exercise", "list", "--json"]) == 0
    rows = {row["exercise"]: row for row in json.loads(capsys.readouterr().out)}
    assert [row["state"] for row in rows.values()] == ["", "done", "", "", ""]
    assert (rows[2]["right"], rows[2]["hints"], rows[2]["solutions"]) == (1, 5, ["dlogits"])
    assert main(["exercise", "list"]) == 0
    assert "1 of 1" in capsys.readouterr().out


def test_it_never_overwrites(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "exercise_1.py"
    path.write_text("mine")
    assert main(["exercise", "start", "1"]) == 2
    assert "exists, and is left as it is" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["exercise", "start", "1", "--force"]) == 0
    assert path.read_text() == EXERCISES[1].start()


def test_force_begins_anew(folder: Path) -> None:
    main(["exercise", "start", "3"])
    main(["exercise", "check", "3", "--hint"])
    assert read(folder)["exercise_3.py"].told
    main(["exercise", "start", "3", "--force"])
    assert not read(folder)["exercise_3.py"].told


def test_elsewhere(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "deep").mkdir()
    assert main(["exercise", "start", "2", "deep"]) == 0
    assert main(["exercise", "start", "2", "deep/second.py"]) == 0
    assert "exercise check deep/second.py" in capsys.readouterr().out
    assert set(read(folder / "deep")) == {"exercise_2.py", "second.py"}
    assert main(["exercise", "list", "deep"]) == 0
    assert "second.py" in capsys.readouterr().out
    main(["exercise", "start", "3", "mine.py"])
    assert find("3") == Path("mine.py")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["start", "6"], "'6' is no exercise, give 1 to 5"),
        (["start", "1", "none/x.py"], "there is no folder 'none'"),
        (["start", "1", "x.txt"], "ends in .py"),
        (["check", "1"], "exercise start 1 writes it"),
        (["check", "9"], "'9' is no exercise"),
        (["check", "none.py"], "no such file"),
        (["check", "foreign.py"], "is no exercise; its first line"),
        (["check", "2", "--seconds", "0"], "is no time"),
        (["check", "2", "--seconds", "x"], "is no time"),
    ],
)
def test_bad_input(
    arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "foreign.py").write_text("x = 1")
    assert main(["exercise", *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.startswith("ninja: ")
    assert told.count("\n") == 1


def test_two_files_of_one_exercise_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.py", "b.py"):
        main(["exercise", "start", "4", name])
    assert main(["exercise", "check", "4"]) == 2
    assert "several files, give one: a.py, b.py" in capsys.readouterr().err


def test_a_file_that_stops(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder / "exercise_1.py", 1, dh="dh = dlogits @ W2")
    assert main(["exercise", "check", "1", "--hint"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("ninja: exercise_1.py, line ")
    assert "a shape mistake in ‘dh = dlogits @ W2’" in told.err
    assert "8 of 26 rows right" in told.out
    assert "stopped at: dh" in told.out
    assert "W2 must be transposed" in " ".join(told.out.split())
    code, found = checked(capsys, "1")
    assert (code, found["done"], found["first_wrong"]) == (2, False, "dh")
    assert "a shape mistake" in found["fault"]


def test_a_file_that_python_cannot_read_keeps_the_progress(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "exercise_2.py"
    fill(path, 2)
    main(["exercise", "check", "2"])
    path.write_text(path.read_text() + "\nx = = 1\n")
    capsys.readouterr()
    assert main(["exercise", "check", "2", "--hint"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Python cannot read it: invalid syntax in ‘x = = 1’" in told.err
    assert read(folder)["exercise_2.py"].right == 1


def test_a_shape_mistake_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder / "exercise_1.py", 1, dbnbias="dbnbias = dhpreact.sum(0)")
    assert main(["exercise", "check", "1"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "first wrong, a shape mistake: dbnbias has shape (64,), and must have (1, 64)" in out
    assert "wrong shape" in out


def test_what_it_prints_is_shown_but_not_in_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "exercise_2.py"
    path.write_text(EXERCISES[2].solved() + "print('\\x1b[31mhello')\n")
    assert main(["exercise", "check", "2"]) == 0
    assert "printed by exercise_2.py:\n   [31mhello" in capsys.readouterr().out
    code, found = checked(capsys, "2")
    assert (code, found["printed"]) == (0, "\x1b[31mhello\n")


def test_a_progress_file_that_is_damaged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder / "exercise_2.py", 2)
    (folder / NAME).write_text("{")
    for arguments in (["check", "2"], ["list"], ["start", "1"]):
        assert main(["exercise", *arguments]) == 2
        assert "damaged; remove it" in capsys.readouterr().err
    assert not (folder / "exercise_1.py").exists()


@pytest.mark.parametrize("number", EXERCISES)
def test_a_file_says_which_exercise_it_is(number: int) -> None:
    exercise = EXERCISES[number]
    assert exercise_of(Path("renamed.py"), exercise.start()) is exercise


@pytest.mark.slow
def test_as_processes(folder: Path) -> None:
    """From any folder, with nothing of the harness's own on the screen."""

    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=environment,
        )

    def ninja(*arguments: str) -> subprocess.CompletedProcess[str]:
        return python("-m", "ninja", "exercise", *arguments)

    assert ninja("start", "4").returncode == 0
    alone = python("exercise_4.py")
    assert (alone.returncode, alone.stderr) == (0, "")
    begun = ninja("check", "4")
    assert (begun.returncode, begun.stderr) == (1, "")
    fill(folder / "exercise_4.py", 4)
    done = ninja("check", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert "21 of 21 rows right" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    (folder / "exercise_4.py").write_text(EXERCISES[4].solved() + "while True: pass\n")
    endless = ninja("check", "4", "--seconds", "5")
    assert endless.returncode == 2
    assert "still running after 5 s" in endless.stderr
    assert endless.stderr.count("\n") == 1
