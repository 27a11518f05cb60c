"""A fresh clone, as it lies here, with the environment that make has set up."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETUP = Path(".venv/.setup")
REQUIREMENTS = ("pyproject.toml", "constraints.txt")


def clone(folder: Path) -> Path:
    """Of what git tracks, changed or not; a test without git or an environment is skipped."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git, and a clone of the project")
    if not (ROOT / SETUP).exists():
        pytest.skip("needs the environment that make sets up")
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, tracked.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    for name in REQUIREMENTS:
        os.utime(folder / name, (0, 0))  # older than the environment, which make leaves as it is
    return folder
