"""A learner's file in a process of its own, with a limit of time: it cannot end the check."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

import ninja
from ninja.errors import ConfigError
from ninja.exercises.execute import Ran
from ninja.exercises.exercise import Exercise
from ninja.exercises.stopped import Fault

STARTING = 60.0
"""Seconds beyond the limit until the process is ended from outside: it imports torch first."""

READ = 100_000
"""Bytes of what the interpreter wrote as it ended."""


def run_separately(exercise: Exercise, file: Path, seconds: float) -> Ran:
    """What the file defines.

    Args:
        exercise: whose file it is.
        file: which must be readable, as `source_of` has found.
        seconds: until it is stopped.
    """
    package = Path(ninja.__file__).resolve().parents[1]
    places = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "ran.pt"
        # -P: a torch.py or a random.py beside the file is not what is meant
        command = [sys.executable, "-P", "-m", "ninja.exercises.child"]
        arguments = [str(exercise.number), str(file), str(out), str(seconds)]
        # stderr is a file: a pipe would stay open as long as anything that was started lives
        with (Path(folder) / "stderr").open("w+b") as errors:
            child = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environment,
                start_new_session=True,  # so that what it starts ends with it
            )
            try:
                child.wait(timeout=seconds + STARTING)
                errors.seek(0)
                told = errors.read(READ).decode(errors="replace")
            except subprocess.TimeoutExpired:
                told = "Timeout"
            finally:
                _end(child)
        if out.exists() and child.returncode == 0:
            return _read(out)
    return Ran({}, {}, _lost(told, str(file), child.returncode, seconds))


def _end(child: "subprocess.Popen[bytes]") -> None:
    """The process, and those it has started."""
    with suppress(ProcessLookupError):  # there may be none left
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _read(out: Path) -> Ran:
    found: dict[str, Any] = torch.load(out, weights_only=True)
    fault: dict[str, Any] | None = found["fault"]
    return Ran(
        found["values"],
        found["given"],
        Fault(**fault) if fault is not None else None,
        found["printed"],
    )


def _lost(told: str, file: str, code: int, seconds: float) -> Fault:
    """Why there is no result, from what the interpreter wrote as it ended."""
    escaped = file.encode("ascii", "backslashreplace").decode()  # as faulthandler writes it
    lines = re.findall(rf'File "(?:{re.escape(file)}|{re.escape(escaped)})", line (\d+)', told)
    line = int(lines[0]) if lines else 0
    if "Timeout" in told:
        return Fault(
            line, f"it was still running after {seconds:g} s: an endless loop? (--seconds)"
        )
    if "MemoryError" in told or code == -signal.SIGKILL:
        return Fault(line, "it was killed: out of memory?")
    if code < 0:
        return Fault(line, f"it ended the interpreter ({signal.Signals(-code).name})")
    if code == 0 or not told.strip():
        return Fault(
            line, f"it ended the process itself, with exit code {code}, before its last line"
        )
    return Fault(line, " ".join(told.strip().splitlines()[-1].split()))


def source_of(file: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: it is not there, or is no text.
    """
    name = repr(str(file))
    start = "python -m ninja exercise start N writes one"
    try:
        if not file.is_file():
            raise ConfigError(
                f"{name}: {'not a file' if file.exists() else 'no such file'}: {start}"
            )
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8 at byte {error.start}: save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
