"""Tab after ``python run.py``, as README says it is switched on, in bash."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TAB = """
tab() {
    COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    hydra_bash_completion
    echo "${COMPREPLY[*]}"
}
"""
"""Bash itself calls the function with these, when Tab is pressed."""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_tab_completes_keys_and_values() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (switched_on,) = re.findall(r'^eval "\$\(python run.py .*$', readme, re.MULTILINE)
    script = f"""{TAB}
{switched_on}
complete -p python
tab "python run.py norm=l"
tab "python run.py optimizer.m"
tab "python run.py -m hydra/launcher=packed_d"
"""
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    registered, *completed = done.stdout.splitlines()
    assert registered.endswith(" hydra_bash_completion python")
    assert completed == ["norm=layernorm", "optimizer.momentum=", "hydra/launcher=packed_dask"]
