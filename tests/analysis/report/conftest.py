"""Runs of several kinds, and figures that take no time to draw."""

import shutil
import sys
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

import analysis
from tests.analysis import made
from tests.analysis.made import Shape

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@dataclass(frozen=True)
class Drawn:
    name: str = "profile"
    title: str = f"A title {EVIL}"
    caption: str = f"A caption {EVIL}"
    alt: str = f"Words {EVIL}"
    data: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"x": [1, 2]}))
    command: str = f"python -m analysis figure profile '{EVIL}'"

    def draw(self, theme: str) -> str:
        return theme


def save(figure: Drawn, folder: Path, drawn: str) -> list[Path]:
    assert drawn == "light"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{figure.name}.{kind}" for kind in ("svg", "png", "pdf", "csv")]
    for path in paths:
        path.write_text("x\n1\n")
    return paths


def svg(figure: Drawn, theme: str, drawn: str | None = None) -> str:
    assert drawn in (theme, None)
    return f'<svg viewBox="0 0 9 9" id="{figure.name}-{theme}"></svg>'


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[Drawn]:
    """Stand in for `analysis.figures`; what a test puts into the list is what is drawn."""
    shown = [Drawn()]
    figures: Any = ModuleType("analysis.figures")
    figures.figures = lambda records: shown if len(records.runs) else []
    figures.save = save
    figures.svg = svg
    style: Any = ModuleType("analysis.figures.style")
    style.LIGHT, style.DARK = "light", "dark"
    monkeypatch.setitem(sys.modules, "analysis.figures", figures)
    monkeypatch.setitem(sys.modules, "analysis.figures.style", style)
    monkeypatch.setattr(analysis, "figures", figures, raising=False)
    return shown


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study: gain × norm × engine × two seeds; those without a norm and of gain 0.5 vanish."""
    place = tmp_path_factory.mktemp("grid") / "outputs"
    axes = product((0.5, 1.0, "5/3"), ("none", "batchnorm"), ("manual_fused", "autograd"), (1, 2))
    for gain, norm, backward, seed in axes:
        sick = gain == 0.5 and norm == "none"
        loss = 2.0 + seed / 10 + (norm == "none") + (gain != 1.0)
        made.run(
            place / "study" / f"{str(gain).replace('/', '')}-{norm}-{backward}-{seed}",
            Shape(looks=3, hidden=3),
            growth=0.01 if sick else 1.0,
            seed=seed,
            losses=made.DONE | {"validation": loss},
            config={"init": {"gain": gain}, "norm": {"name": norm}, "backward": backward},
        )
    return place


@pytest.fixture
def outputs(grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, for a test that changes it or writes beside it."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(grid, tmp_path / "outputs", ignore=shutil.ignore_patterns(".analysis"))


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Names and messages with HTML, script and Markdown in them, and a file of somebody else's."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "outputs"
    name = "<b>&amp;|`@x`<!--"
    made.run(place / name / "run <i>", growth=0.01, config={"backward": "</script><u>"})
    made.run(place / name / "other", config={"data": {"path": EVIL.replace("/", "_")}})
    foreign = place / name / "foreign <s>x"
    foreign.mkdir()
    (foreign / "result.json").write_text("<script>alert(3)</script>")
    return place
