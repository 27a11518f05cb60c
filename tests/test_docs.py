"""The documents say what is so: their code runs, their links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/*.md")])
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)[^)]*\)")

INSERTED = re.compile(r"^```py\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run(code: str) -> None:
    """Run it as a reader would: in a process of its own, in the checkout."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def blocks(document: Path) -> list[str]:
    return PYTHON.findall(document.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("document", "number"),
    [
        pytest.param(document, number, id=f"{document.name}-{number}")
        for document in DOCUMENTS
        for number in range(len(blocks(document)))
    ],
)
def test_code_runs(document: Path, number: int) -> None:
    run(blocks(document)[number])


@pytest.mark.slow
def test_an_activation_is_one_class_and_one_line(tmp_path: Path) -> None:
    """CONTRIBUTING's two blocks, put where it says, in a copy of the project."""
    class_, line = INSERTED.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    skipped = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__")
    copy = Path(shutil.copytree(ROOT, tmp_path / "copy", ignore=skipped))
    insert(copy / "ninja/rules/activations.py", class_ + "\n\n", before="def activations()")
    insert(copy / "tests/rules/settings.py", line, before='    "gelu": activation(')
    about_rules = "rules test_cases.py test_gradcheck.py test_identities.py test_mutants.py"
    everything = f"{about_rules} test_engines.py test_cli.py test_checks.py test_verify.py"
    for command in (
        ["-m", "ruff", "check", "."],
        ["-m", "ruff", "format", "--check", "."],
        ["-m", "pytest", "-q", *(f"tests/{part}" for part in everything.split())],
        ["-m", "ninja", "gradcheck"],
    ):
        # a source folder before the installed package: the copy is what runs
        environment = os.environ | {"PYTHONPATH": str(copy)}
        done = subprocess.run(
            [sys.executable, *command],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "silu" in done.stdout


def insert(path: Path, text: str, before: str) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count(before) == 1
    path.write_text(source.replace(before, text + before), encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), target


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = re.findall(r"`?make ([a-z-]+)", document.read_text(encoding="utf-8"))
        commands = [name for name in named if f"`make {name}" in document.read_text("utf-8")]
        assert set(commands) <= targets, document


def test_architecture_names_what_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        paths = re.findall(r"`([^`]+)`", row)
        folder = ""
        for path in paths:
            folder = path.rpartition("/")[0] or folder
            assert (ROOT / path).exists() or (ROOT / folder / path).exists(), path


def test_architecture_names_every_module() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for module in (ROOT / "ninja").iterdir():
        if module.name.startswith(("_", ".")) or module.name == "py.typed":
            continue
        assert f"{module.name}`" in text or f"{module.name}/`" in text, module.name
