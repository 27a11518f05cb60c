"""Runs trained together: each is, bit for bit, the run that was trained alone."""

import errno
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from ninja import checkpoint, records, result, runs
from ninja.config import (
    CheckpointConfig,
    DataConfig,
    InitConfig,
    ModelConfig,
    NormConfig,
    OptimizerConfig,
    ProbeConfig,
    RunConfig,
)
from ninja.errors import RunError
from ninja.fit import Ending, Entry, fit, fit_together
from ninja.lock import Lock
from ninja.loop import Interrupted
from ninja.mutants import MUTANTS, planted
from ninja.result import Result

ENGINES = ("autograd", "manual_atomic", "manual_fused")
NORMS = ("none", "batchnorm", "layernorm", "rmsnorm")
ACTIVATIONS = ("identity", "tanh", "sigmoid", "relu", "leaky_relu", "gelu")
QUICK = [(n, a) for n in ("none", "batchnorm", "layernorm") for a in ("tanh", "relu")]
PROBE = ProbeConfig(early=(0, 1, 5), every=10, close_every=20, gap_every=20, val_every=25)
WORDS = "\n".join(f"{a}{b}{c}" for a in "abcd" for b in "xyzu" for c in ("no", "an", "t") * 3)


@pytest.fixture
def base(tmp_path: Path) -> RunConfig:
    """A short run of a short list, so that evaluating takes no time."""
    words = tmp_path / "words.txt"
    words.write_text(WORDS)
    return RunConfig(
        steps=60,
        output=str(tmp_path),
        data=DataConfig(path=str(words)),
        model=ModelConfig(n_hidden=16),
        probe=PROBE,
        checkpoint=CheckpointConfig(every=15),
    )


def grid(base: RunConfig) -> list[RunConfig]:
    """All that may differ in a stack: seed, first values, learning rate, clip."""
    sgd = base.optimizer
    clipped = replace(sgd, clip=0.5)
    return [
        replace(base, seed=1, optimizer=clipped),
        replace(base, seed=2, optimizer=replace(clipped, lr=0.03)),
        replace(base, seed=1, init=InitConfig(gain=0.5, bias_std=0.1), optimizer=clipped),
        replace(base, seed=4, init=InitConfig(scheme="orthogonal"), optimizer=clipped),
        replace(base, seed=5, optimizer=replace(clipped, lr=0.3, clip=0.01)),
    ]


def together(configs: Sequence[RunConfig], folder: Path, **told: Any) -> list[Ending]:
    """Train a stack, each run in its own folder."""
    endings: dict[int, Ending] = {}
    entries = [Entry(config, place(config, folder), **told) for config in configs]
    fit_together(entries, endings.__setitem__)
    return [endings[number] for number in range(len(configs))]


def place(config: RunConfig, folder: Path) -> Path:
    return folder / runs.run_id(config)


def alone(config: RunConfig, folder: Path) -> Result:
    ended = fit(config, place(config, folder))
    assert isinstance(ended, Result)
    return ended


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The records without the columns that may differ between identical runs."""
    steps = pd.read_parquet(folder / records.STEPS)
    timing = [name for name in steps if name.endswith("_us")]
    assert timing
    return steps.drop(columns=timing), pd.read_parquet(folder / records.LAYERS)


def assert_same(config: RunConfig, one: Path, other: Path) -> None:
    """Losses, verdict, parameters, buffers and tables, bit for bit."""
    a, b = place(config, one), place(config, other)
    for left, right in zip(tables(a), tables(b), strict=True):
        pd.testing.assert_frame_equal(left, right, check_exact=True)
    run_id = runs.run_id(config)
    first, second = (result.read(folder, run_id) for folder in (a, b))
    assert first is not None
    assert second is not None
    for name in ("status", "steps", "losses", "diverged", "verdict", "evidence"):
        assert getattr(first, name) == getattr(second, name), name
    states = [checkpoint.load(folder, run_id)[0] for folder in (a, b)]
    if first.status == "diverged":  # it is trained no further than to its last checkpoint
        return
    assert states[0] is not None
    assert states[1] is not None
    assert states[0].step == states[1].step == config.steps
    for kind in ("params", "buffers"):
        for node, tensors in getattr(states[0], kind).items():
            for name, tensor in tensors.items():
                assert torch.equal(tensor, getattr(states[1], kind)[node][name]), (node, name)


SLOW = [
    pytest.param(norm, activation, marks=pytest.mark.slow)
    for norm in NORMS
    for activation in ACTIVATIONS
    if (norm, activation) not in QUICK
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("norm", "activation"), [*QUICK, *SLOW])
def test_a_run_of_a_stack_is_the_run_alone(
    tmp_path: Path, base: RunConfig, engine: str, norm: str, activation: str
) -> None:
    model = replace(base.model, n_layers=2, activation=activation)
    shape = replace(base, backward=engine, norm=NormConfig(name=norm), model=model)
    configs = grid(shape)
    endings = together(configs, tmp_path / "stack")
    for config, ending in zip(configs, endings, strict=True):
        assert isinstance(ending, Result)
        assert ending == result.read(place(config, tmp_path / "stack"))
        alone(config, tmp_path / "alone")
        assert_same(config, tmp_path / "stack", tmp_path / "alone")


@pytest.mark.parametrize(
    "optimizer",
    [
        OptimizerConfig(name="adamw", lr=0.01),
        OptimizerConfig(momentum=0.9, lr_schedule=((20, 0.1), (40, 0.3))),
    ],
)
def test_every_optimizer_with_rates_of_their_own(
    tmp_path: Path, base: RunConfig, optimizer: OptimizerConfig
) -> None:
    rates = [0.003, 0.01, 0.1]
    noisy = replace(base.probe, noise_scale=True)
    configs = [replace(base, probe=noisy, optimizer=replace(optimizer, lr=lr)) for lr in rates]
    configs.append(replace(configs[0], seed=7))
    together(configs, tmp_path / "stack")
    for config in configs:
        alone(config, tmp_path / "alone")
        assert_same(config, tmp_path / "stack", tmp_path / "alone")
        assert config.optimizer.lr in set(tables(place(config, tmp_path / "stack"))[0]["lr"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_stack_on_a_gpu(tmp_path: Path, base: RunConfig, engine: str) -> None:
    """Its multiplications choose their order by the size of the stack: near, not to the bit."""
    configs = grid(replace(base, backward=engine, device="cuda"))
    for config, ended in zip(configs, together(configs, tmp_path / "together"), strict=True):
        assert isinstance(ended, Result)
        expected = alone(replace(config, device="cpu"), tmp_path / "cpu").losses
        assert ended.losses == pytest.approx(expected, abs=1e-3)
        assert alone(config, tmp_path / "alone").losses == pytest.approx(expected, abs=1e-3)


def test_one_that_diverges_leaves_the_others_as_they_are(tmp_path: Path, base: RunConfig) -> None:
    plain = replace(
        base,
        model=replace(base.model, activation="relu", n_layers=3),
        norm=NormConfig(name="none"),
    )
    wild = InitConfig(gain=1e9)
    steep = replace(plain.optimizer, lr=1e6)
    configs = [
        replace(plain, seed=1),
        replace(plain, seed=2, init=wild),
        replace(plain, seed=3),
        replace(plain, seed=4, optimizer=steep),
        replace(plain, seed=5),
    ]
    endings = together(configs, tmp_path / "stack")
    found = [ending.status for ending in endings if isinstance(ending, Result)]
    assert found == ["done", "diverged", "done", "diverged", "done"]
    steps = {len(tables(place(config, tmp_path / "stack"))[0]) for config in configs}
    assert len(steps) > 1  # they left at different steps
    for config in configs:
        alone(config, tmp_path / "alone")
        assert_same(config, tmp_path / "stack", tmp_path / "alone")


def test_only_the_last_two_are_left_and_one_goes(tmp_path: Path, base: RunConfig) -> None:
    """The last one goes on without a leading dimension, as the run alone."""
    plain = replace(base, model=replace(base.model, activation="relu"), norm=NormConfig("none"))
    configs = [replace(plain, seed=1), replace(plain, optimizer=replace(plain.optimizer, lr=1e9))]
    endings = together(configs, tmp_path / "stack")
    assert [ending.status for ending in endings if isinstance(ending, Result)] == [
        "done",
        "diverged",
    ]
    alone(configs[0], tmp_path / "alone")
    assert_same(configs[0], tmp_path / "stack", tmp_path / "alone")


@pytest.mark.parametrize("rows", [3, 21, 30])
def test_interrupted_and_gone_on(tmp_path: Path, base: RunConfig, rows: int) -> None:
    configs = grid(base)
    left = [rows]

    def tell(_: dict[str, Any]) -> None:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGTERM)

    endings = together(configs, tmp_path / "stack", tell=tell)
    assert all(isinstance(ending, Interrupted) for ending in endings)
    assert len({ending.step for ending in endings if isinstance(ending, Interrupted)}) == 1
    again = together(configs, tmp_path / "stack")
    for config, ending in zip(configs, again, strict=True):
        assert isinstance(ending, Result)
        alone(config, tmp_path / "alone")
        assert_same(config, tmp_path / "stack", tmp_path / "alone")


def test_they_go_on_from_different_steps(tmp_path: Path, base: RunConfig) -> None:
    """Some were saved, one was not yet, one is done: a kill in between leaves that."""
    configs = grid(base)
    left = [12]

    def tell(_: dict[str, Any]) -> None:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGTERM)

    together(configs[:3], tmp_path / "stack", tell=tell)
    assert checkpoint.load(place(configs[0], tmp_path / "stack"), runs.run_id(configs[0]))[0]
    alone(configs[4], tmp_path / "stack")
    held: list[int] = []
    endings = together(configs, tmp_path / "stack", held=held.append)
    assert held[3:] == [0, base.steps]
    assert 0 < held[0] < base.steps
    assert all(isinstance(ending, Result) for ending in endings)
    for config in configs:
        alone(config, tmp_path / "alone")
        assert_same(config, tmp_path / "stack", tmp_path / "alone")


def test_what_cannot_be_trained_stops_no_other(
    tmp_path: Path, base: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is held by another process, one finds no room for its rows."""
    configs = grid(base)
    held, full = place(configs[1], tmp_path / "stack"), place(configs[2], tmp_path / "stack")
    held.mkdir(parents=True)
    append = records.Record.append

    def no_room(self: records.Record, *rows: dict[str, Any]) -> None:
        if self.path.parent == full and any(row.get("step", 0) > 20 for row in rows):
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, *rows)

    monkeypatch.setattr(records.Record, "append", no_room)
    lock = Lock(held / ".lock")
    assert lock.take()
    endings = together(configs, tmp_path / "stack")
    lock.release()
    assert isinstance(endings[1], RunError)
    assert "another process" in str(endings[1])
    assert isinstance(endings[2], OSError)
    for number in (0, 3, 4):
        assert isinstance(endings[number], Result)
        alone(configs[number], tmp_path / "alone")
        assert_same(configs[number], tmp_path / "stack", tmp_path / "alone")


def test_a_wrong_engine_stops_those_that_asked_for_it(tmp_path: Path, base: RunConfig) -> None:
    (mutant,) = (m for m in MUTANTS if m.name == "Linear.backward: dx for x in dW")
    stop = replace(base, probe=replace(base.probe, on_gap="stop"))
    with planted(mutant):
        endings = together(grid(stop), tmp_path)
    assert all(isinstance(ending, RunError) for ending in endings)
    assert {str(ending).partition(":")[0] for ending in endings} == {"step 0"}
    assert not list(tmp_path.glob("*/result.json"))


def test_the_steps_that_were_made_add_up(tmp_path: Path, base: RunConfig) -> None:
    made: list[int] = []
    configs = grid(base)
    entries = [Entry(config, place(config, tmp_path)) for config in configs]
    fit_together(entries, lambda *_: None, made.append)
    assert sum(made) == base.steps * len(configs)
    assert len(made) > 1


def test_a_runs_seconds_are_its_share(tmp_path: Path, base: RunConfig) -> None:
    endings = together(grid(base), tmp_path)
    shares = {ending.seconds for ending in endings if isinstance(ending, Result)}
    assert len(shares) == 1
    assert shares.pop() > 0


@pytest.mark.parametrize(
    ("name", "backward"),
    [
        ("standardize_backward: a stack: replicas for rows", "manual_atomic"),
        ("Manual.pulled: a stack: shared out among the replicas", "manual_fused"),
    ],
)
def test_a_mistake_that_only_a_stack_makes_is_no_rounding(
    name: str, backward: Any, base: RunConfig, tmp_path: Path
):
    """The gap that looked wrong is measured again as it came about: in the stack."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    configs = [replace(base, steps=2, seed=seed, backward=backward) for seed in (1, 2)]
    warned: list[str] = []
    entries = [Entry(config, tmp_path / str(config.seed), warn=warned.append) for config in configs]
    with planted(mutant):
        fit_together(entries, lambda *_: None)
    for entry in entries:
        first = next(records.rows(entry.folder))
        assert first["gap"] > 1e-3
        assert first["gap_float64"] == pytest.approx(first["gap"], rel=0.9)
    assert len(warned) == 2
