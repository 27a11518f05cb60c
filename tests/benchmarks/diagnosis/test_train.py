"""The benchmark's records are those that the product writes."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.diagnosis.cache import Record, records_of
from benchmarks.diagnosis.cases import PROBE, Edit, Trained
from ninja import fit, records
from ninja.config import InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig

CONFIG = RunConfig(
    steps=60,
    seed=5,
    model=ModelConfig(n_hidden=16, n_layers=2),
    init=InitConfig(output_scale=0.3),
    norm=NormConfig(name="none"),
    probe=PROBE,
    tracker="disabled",
)
DIVERGES = replace(CONFIG, seed=6, optimizer=OptimizerConfig(lr=300.0))
NUMBERS = ("loss", "grad_norm", "gap", "gap_float64", "cosine", "lr")


def written(config: RunConfig, folder: Path) -> tuple[list[dict[str, Any]], fit.Result]:
    """What the product leaves on disk."""
    found = fit.fit(config, folder)
    assert isinstance(found, fit.Result)
    return list(records.rows(folder)), found


def alike(made: Record, rows: list[dict[str, Any]]) -> None:
    """Every number of every row, and of every layer."""
    assert [row["step"] for row in made.rows] == [row["step"] for row in rows]
    for own, row in zip(made.rows, rows, strict=True):
        for key in NUMBERS:
            assert (key in own) == (key in row)
            if key in row:
                assert own[key] == pytest.approx(row[key], rel=1e-5, nan_ok=True)
        for layer, expected in zip(own.get("layers", ()), row.get("layers", ()), strict=True):
            assert layer.keys() == expected.keys()
            for column, value in expected.items():
                if not isinstance(value, str):
                    value = pytest.approx(value, rel=1e-4, abs=1e-7, nan_ok=True)
                assert layer[column] == value


def test_the_rows_are_the_products_own(tmp_path: Path):
    runs = [Trained(CONFIG), Trained(DIVERGES)]  # as one stack
    made = records_of(runs, tmp_path / "cache")
    for run in runs:
        rows, ended = written(run.config, tmp_path / run.key)
        alike(made[run.key], rows)
        where = made[run.key].diverged
        assert (where is None) == (ended.diverged is None)
        for name, loss in ended.losses.items():
            assert made[run.key].losses[name] == pytest.approx(loss, rel=1e-5)
    gone = made[runs[1].key]
    assert gone.diverged is not None
    assert len(gone.history) == gone.diverged["step"] + 1
    assert not math.isfinite(gone.history[-1])
    assert not gone.losses


def test_what_is_in_the_cache_is_read_and_not_made_again(tmp_path: Path):
    run = Trained(CONFIG)
    first = records_of([run], tmp_path)
    (path,) = tmp_path.glob("*.json.gz")
    changed = path.stat().st_mtime_ns
    assert records_of([run], tmp_path) == first
    assert path.stat().st_mtime_ns == changed


def test_edits_change_the_first_values(tmp_path: Path):
    edits = (
        Edit("scale", "02.linear", "W", 0.0),
        Edit("fill", "04.linear", "W", 0.5),
        Edit("shift", "04.linear", "b", -3.0),
    )
    run = Trained(replace(CONFIG, optimizer=OptimizerConfig(lr=0.0)), edits)
    (made,) = records_of([run], tmp_path).values()
    first = {(of["node"], of["tensor"]): of for _, layers in made.extras[:1] for of in layers}
    assert first["02.linear", "W"]["w_abs"] == 0
    assert first["04.linear", "W"]["w_mean"] == 0.5
    assert first["04.linear", "W"]["before_var"] == 0
    assert first["04.linear", "b"]["w_mean"] == -3


def test_a_wrong_engine_is_planted_for_its_own_runs_only(tmp_path: Path):
    name = "Linear.backward: sign of dW"
    config = replace(CONFIG, backward="manual_atomic")
    made = records_of([Trained(config, mutant=name), Trained(config)], tmp_path)
    gaps = [one.rows[0].get("gap_float64", one.rows[0]["gap"]) for one in made.values()]
    assert gaps[0] > 1
    assert gaps[1] < 1e-6
