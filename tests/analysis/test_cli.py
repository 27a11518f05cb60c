"""``python -m analysis``."""

import subprocess
import sys
from pathlib import Path

import pytest

from analysis.cli import main

ROOT = Path(__file__).parents[2]


def test_what_is_wrong_with_the_arguments_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reprot"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("ninja: ")
    assert "report" in error


def test_every_folder_with_a_command_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    named = [path.parent.name for path in (ROOT / "analysis").glob("*/command.py")]
    assert "report" in named
    for name in named:
        assert name.rstrip("s") in shown


def test_what_is_there_already_needs_neither_pandas_nor_torch() -> None:
    code = (
        "import sys, analysis.cli, analysis.report.write; "
        "print([name for name in ('torch', 'pandas', 'scipy', 'hydra', 'matplotlib') "
        "if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
