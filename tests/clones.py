"""A fresh clone, as it lies here, with the environment that make has set up."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENVIRONMENT = Path(".venv/bin/python")


def clone(folder: Path) -> Path:
    """Of what git tracks, changed or not; a test without git or an environment is skipped."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git, and a clone of the project")
    if not (ROOT / ENVIRONMENT).exists():
        pytest.skip("needs the environment that make sets up")
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, tracked.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder
