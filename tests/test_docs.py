"""The documents say what is so: their code runs, their links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/*.md")])
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)[^)]*\)")

# What proves CONTRIBUTING's new activation: appended to the class as it stands there.
USES_SILU = """
import torch
from ninja.cases import cases
from ninja.data import load
from ninja.config import ModelConfig, NetworkConfig
from ninja.gradcheck import check_rule
from ninja.networks import build
from ninja.verify import first_step, verify

assert all(check.passed for check in check_rule("silu", cases()["silu"], seed=1))
dataset = load()
net = build(NetworkConfig(model=ModelConfig(n_hidden=32, n_layers=2, activation="silu")), 27)
for replicas in (None, 3):
    params, batch = first_step(net, dataset, 1, 32, torch.float32, replicas)
    report = verify(net, params, batch, lecture=False)
    assert not report.wrong
    assert all(row.exact for row in report.rows), [row for row in report.rows if not row.exact]
    assert report.gaps["manual_fused"] < 1e-6
"""


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


def test_an_activation_is_one_class() -> None:
    (silu,) = (code for code in blocks(ROOT / "CONTRIBUTING.md") if "class SiLU" in code)
    run(silu + USES_SILU)


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
