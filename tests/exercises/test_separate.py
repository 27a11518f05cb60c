"""Whatever a file does, the check goes on, with the line in which it was."""

import time
from pathlib import Path

import pytest

from ninja.errors import ConfigError
from ninja.exercises.catalogue import EXERCISES
from ninja.exercises.judge import judge
from ninja.exercises.separate import run_separately, source_of
from ninja.exercises.stopped import Fault
from tests.faults import fault_of


def written(folder: Path, text: str) -> Path:
    path = folder / "übung 2.py"
    path.write_text(text, encoding="utf-8")
    return path


def fault_in(folder: Path, text: str, seconds: float = 20) -> Fault:
    fault = run_separately(EXERCISES[2], written(folder, text), seconds).fault
    assert fault is not None
    assert fault.said.isprintable()
    return fault


def test_the_bits_are_those_of_the_same_process(tmp_path: Path) -> None:
    """And a module beside the file is found, but is not taken for another."""
    (tmp_path / "torch.py").write_text("raise ImportError('not this one')")
    (tmp_path / "mine.py").write_text("def same(x):\n    return x")
    solved = EXERCISES[2].solved() + "from mine import same\ndlogits = same(dlogits)\nprint('hi')\n"
    ran = run_separately(EXERCISES[2], written(tmp_path, solved), 60)
    assert ran.fault is None
    assert ran.printed == "hi\n"
    assert judge(EXERCISES[2], ran, EXERCISES[2].reference()).done


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "line", "words"),
    [
        ("\nwhile True: pass", 2, "still running after 2 s"),
        ("\nimport time\ntime.sleep(1000)", 3, "still running after 2 s"),
        ("while True: print('x' * 1000)", 1, "still running after 2 s"),
        ("import os\nos._exit(5)", 0, "ended the process itself, with exit code 5"),
        ("import os\nos._exit(0)", 0, "ended the process itself, with exit code 0"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", 0, "was killed"),
        ("import ctypes\n\nctypes.string_at(0)", 3, "ended the interpreter (SIGSEGV)"),
        ("def f(): f()\nf()", 1, "RecursionError"),
        ("raise KeyboardInterrupt", 1, "ended the interpreter (SIGINT)"),
    ],
)
def test_it_cannot_end_the_check(code: str, line: int, words: str, tmp_path: Path) -> None:
    fault = fault_in(tmp_path, code, seconds=2)
    assert words in fault.said
    assert not line or fault.line == line


@pytest.mark.slow
def test_what_it_has_started_ends_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    began = time.monotonic()
    fault_in(
        tmp_path,
        "import subprocess, threading, time\n"
        f"subprocess.Popen(['sh', '-c', 'sleep 15; touch {mark}'])\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "1 / 0\n",
    )
    assert time.monotonic() - began < 15 + 60
    time.sleep(max(0.0, 16 - (time.monotonic() - began)))
    assert not mark.exists()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# \xe9t\xe9")
    for path, words in (
        (tmp_path / "none.py", "no such file"),
        (tmp_path, "not a file"),
        (tmp_path / "latin.py", "not UTF-8 at byte 2"),
    ):
        message = fault_of(lambda path=path: source_of(path), ConfigError)
        assert str(path) in message
        assert words in message
