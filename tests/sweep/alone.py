"""Whether the runs of a sweep are those that they would have been alone."""

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import yaml
from torch import Tensor

from ninja import checkpoint, result
from ninja.config import RunConfig
from ninja.fit import fit
from ninja.schema import config_of
from ninja.types import Params
from tests.test_fit_together import tables

RUN = Path(__file__).parents[2] / "run.py"


def config_in(folder: Path) -> RunConfig:
    found = result.read(folder)
    assert found is not None
    return config_of(RunConfig, found.config)


def assert_as_alone(found: Sequence[Path], alone: Path) -> None:
    """Train each run again, by itself."""
    for folder in found:
        fit(config_in(folder), alone / folder.name)
        assert_equal(folder, alone / folder.name)


def assert_as_typed_alone(found: Sequence[Path], alone: Path) -> None:
    """Start each run again as it would be typed, in a process of its own."""
    for folder in found:
        typed: list[str] = yaml.safe_load((folder / ".hydra/overrides.yaml").read_text())
        subprocess.run(
            [sys.executable, str(RUN), *typed, f"output={alone}", "tracker=disabled"],
            check=True,
            capture_output=True,
        )
        (again,) = alone.glob(f"*/{folder.name}")
        assert_equal(folder, again)


def assert_equal(folder: Path, again: Path) -> None:
    """Losses, tables, parameters, evidence: every bit."""
    for one, other in zip(tables(folder), tables(again), strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    first, second = (result.read(of) for of in (folder, again))
    assert first is not None
    assert second is not None
    for name in ("status", "steps", "losses", "verdict", "evidence", "diverged"):
        assert getattr(first, name) == getattr(second, name)
    states = [checkpoint.load(of, folder.name)[0] for of in (folder, again)]
    assert all(states)
    params = [{k: v.tolist() for k, v in _flat(state.params)} for state in states if state]
    assert params[0] == params[1]


def _flat(params: Params) -> Iterator[tuple[tuple[str, str], Tensor]]:
    for node, tensors in params.items():
        for name, tensor in tensors.items():
            yield (node, name), tensor


def one_of_each(found: Sequence[Path], *keys: str) -> list[Path]:
    """A run, drawn among those that have them, for each choice of these keys' values."""
    draw = random.Random(8)
    by: dict[tuple[str, ...], Path] = {}
    for folder in draw.sample(found, len(found)):
        typed: list[str] = yaml.safe_load((folder / ".hydra/overrides.yaml").read_text())
        value = dict(one.split("=", 1) for one in typed)
        by.setdefault(tuple(value[key] for key in keys), folder)
    return list(by.values())
