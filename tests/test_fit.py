"""A run: trained, recorded, resumed to the same bits, stopped where a number is none."""

import json
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from ninja import checkpoint, fit, records, result, runs
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
from ninja.durable import CURRENT
from ninja.errors import ConfigError, RecordError, RunError
from ninja.loop import Interrupted
from ninja.mutants import MUTANTS, planted
from ninja.networks import PRESETS
from ninja.result import Result
from tests.faults import fault_of

NET = PRESETS["lecture_wavenet"]
WAVENET = RunConfig(
    seed=42,
    steps=2_000,
    data=DataConfig(block_size=NET.block_size),
    model=NET.model,
    init=NET.init,
    norm=NET.norm,
    optimizer=OptimizerConfig(lr=0.1),
    probe=ProbeConfig(every=10, gap_every=0),
    tracker="disabled",
)
"""Part 5's."""
ENGINES = ("autograd", "manual_atomic", "manual_fused")
SMALL = RunConfig(
    steps=60,
    model=ModelConfig(n_hidden=16),
    probe=ProbeConfig(early=(0, 1, 5), every=10, close_every=20, gap_every=20, val_every=25),
    checkpoint=CheckpointConfig(every=15),
)


@pytest.fixture(scope="module", autouse=True)
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A short list, so that evaluating takes no time."""
    path = tmp_path_factory.mktemp("words") / "words.txt"
    path.write_text("\n".join(f"{a}{b}{c}" for a in "abc" for b in "xyzu" for c in "no" * 5))
    global SMALL
    SMALL = replace(SMALL, data=DataConfig(path=str(path)))
    return str(path)


def trained(config: RunConfig, folder: Path, **told: Any) -> Result:
    ended = fit.fit(config, folder, **told)
    assert isinstance(ended, Result)
    return ended


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The records without the columns that may differ between identical runs."""
    steps = pd.read_parquet(folder / records.STEPS)
    timing = [name for name in steps if name.endswith("_us")]
    assert timing
    return steps.drop(columns=timing), pd.read_parquet(folder / records.LAYERS)


def assert_same_run(one: Path, other: Path, run_id: str) -> None:
    """Losses, parameters and records, bit for bit."""
    for a, b in zip(tables(one), tables(other), strict=True):
        pd.testing.assert_frame_equal(a, b, check_exact=True)
    first, second = (checkpoint.load(folder, run_id)[0] for folder in (one, other))
    assert first is not None
    assert second is not None
    for node, tensors in first.params.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, second.params[node][name])
    ended = [result.read(folder, run_id) for folder in (one, other)]
    assert ended[0] is not None
    assert ended[1] is not None
    assert ended[0].losses == ended[1].losses


def stop_after(rows: int) -> Callable[..., None]:
    """Ask the process to stop once so many rows were told."""
    left = [rows]

    def tell(_: dict[str, Any]) -> None:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGTERM)

    return tell


def test_a_run_leaves_record_checkpoint_and_result(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    ended = trained(SMALL, tmp_path, tell=told.append)
    assert ended.status == "done"
    assert ended.steps == 60
    assert set(ended.losses) == {"train", "validation", "test", "by_batch"}
    assert ended.losses["train"] < told[0]["loss"]
    steps, layers = tables(tmp_path)
    assert list(steps["step"]) == [0, 1, 5, 10, 20, 25, 30, 40, 50]
    steps = steps.set_index("step")
    assert list(steps["gap"].dropna().index) == [0, 20, 40]
    assert steps["gap"].max() < 1e-6
    assert list(steps["val_loss"].dropna().index) == [25, 50]
    assert list(steps["cosine"].dropna().index) == [1, 5, 20, 40]
    assert steps["cosine"].abs().max() <= 1
    assert {"03.batchnorm", "04.tanh", "05.linear"} <= set(layers["node"])
    assert len(set(layers["step"])) == 8
    by_node = layers[layers["step"] == 20].dropna(subset="gap").set_index("node")["gap"]
    assert list(by_node.index) == ["00.embedding", "02.linear", "03.batchnorm", "05.linear"]
    assert (by_node**2).sum() ** 0.5 == pytest.approx(steps["gap"][20], rel=1e-5)
    for _, seen in layers.groupby("step"):
        assert seen["layer"].is_monotonic_increasing
    assert json.loads((tmp_path / result.RESULT).read_text())["config"]["steps"] == 60


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rows", [1, 2, 4, 7])
def test_stopped_and_gone_on_is_as_never_stopped(tmp_path: Path, engine: str, rows: int) -> None:
    config = replace(SMALL, backward=engine)
    trained(config, tmp_path / "whole")
    stopped = fit.fit(config, tmp_path / "parts", tell=stop_after(rows))
    assert isinstance(stopped, Interrupted)
    assert stopped.signal == signal.SIGTERM
    trained(config, tmp_path / "parts")
    assert_same_run(tmp_path / "whole", tmp_path / "parts", runs.run_id(config))


@pytest.mark.parametrize(
    "optimizer",
    [
        OptimizerConfig(momentum=0.9, clip=0.5, lr_schedule=((20, 0.1),)),
        OptimizerConfig(name="adamw", lr=1e-2),
    ],
    ids=["momentum", "adamw"],
)
def test_the_optimizers_state_goes_on_too(tmp_path: Path, optimizer: OptimizerConfig) -> None:
    config = replace(SMALL, optimizer=optimizer, norm=NormConfig(calibrate=True))
    trained(config, tmp_path / "whole")
    fit.fit(config, tmp_path / "parts", tell=stop_after(5))
    trained(config, tmp_path / "parts")
    assert_same_run(tmp_path / "whole", tmp_path / "parts", runs.run_id(config))


def test_engines_by_hand_and_autograd_train_to_the_same_bits(tmp_path: Path) -> None:
    for engine in ("autograd", "manual_atomic"):
        trained(replace(SMALL, backward=engine), tmp_path / engine)
    steps = [tables(tmp_path / engine)[0] for engine in ("autograd", "manual_atomic")]
    pd.testing.assert_frame_equal(*steps, check_exact=True)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """The losses are those of a run that nobody looks at."""
    blind = replace(SMALL, probe=ProbeConfig(early=(), every=0, gap_every=0))
    ends = [trained(SMALL, tmp_path / "seen"), trained(blind, tmp_path / "blind")]
    assert ends[0].losses == ends[1].losses


def test_a_done_run_is_not_trained_again(tmp_path: Path) -> None:
    first = trained(SMALL, tmp_path)
    told: list[dict[str, Any]] = []
    assert trained(SMALL, tmp_path, tell=told.append) == first
    assert told == []


@pytest.mark.parametrize("name", [records.STEPS, records.LAYERS])
@pytest.mark.parametrize("content", [None, b"", b"PAR1 and then nothing"])
def test_a_missing_or_damaged_table_is_made_anew(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    first = trained(SMALL, tmp_path)
    before = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    said: list[str] = []
    assert trained(SMALL, tmp_path, warn=said.append) == first
    assert len(said) == 1
    assert (tmp_path / name).read_bytes() == before


def test_words_that_change_under_a_run_do_not_change_whose_checkpoint_it_is(tmp_path: Path) -> None:
    trained(SMALL, tmp_path / "whole")
    assert SMALL.data.path is not None
    words = Path(SMALL.data.path)
    right, stop = words.read_text(), stop_after(7)

    def tell(row: dict[str, Any]) -> None:
        words.write_text("other\nwords\n")
        stop(row)

    try:
        assert isinstance(fit.fit(SMALL, tmp_path / "parts", tell=tell), Interrupted)
    finally:
        words.write_text(right)
    said: list[str] = []
    trained(SMALL, tmp_path / "parts", warn=said.append)
    assert said == []
    assert_same_run(tmp_path / "whole", tmp_path / "parts", runs.run_id(SMALL))


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(tmp_path: Path) -> None:
    trained(SMALL, tmp_path / "whole")
    fit.fit(SMALL, tmp_path / "parts", tell=stop_after(7))
    (tmp_path / "parts" / CURRENT).write_bytes(b"torn")
    said: list[str] = []
    trained(SMALL, tmp_path / "parts", warn=said.append)
    assert "checkpoint.pt': damaged" in said[0]
    assert_same_run(tmp_path / "whole", tmp_path / "parts", runs.run_id(SMALL))


def test_divergence_says_where(tmp_path: Path) -> None:
    config = replace(
        SMALL,
        model=ModelConfig(n_hidden=16, n_layers=4, activation="relu"),
        norm=NormConfig(name="none"),
        init=InitConfig(gain=1e9),
    )
    ended = trained(config, tmp_path)
    assert ended.status == "diverged"
    assert ended.losses == {}
    assert ended.diverged is not None
    assert ended.diverged["step"] == 0
    assert ended.diverged["tensor"] in {"y", "probs", "logprobs", "norm_logits", "counts"}
    assert len(tables(tmp_path)[0]) == 1


def test_a_last_update_that_spoils_the_parameters_is_a_divergence_too(tmp_path: Path) -> None:
    far = InitConfig(output_scale=1e9, output_scheme="raw")
    config = replace(SMALL, steps=1, init=far, optimizer=OptimizerConfig(lr=1e9, momentum=0.0))
    ended = trained(replace(config, backward="manual_fused", dtype="float32"), tmp_path)
    assert ended.status == "diverged"
    assert ended.losses == {}


def test_another_runs_result_is_refused(tmp_path: Path) -> None:
    trained(SMALL, tmp_path)
    other = replace(SMALL, seed=5)
    assert "damaged (it is of the run" in fault_of(lambda: fit.fit(other, tmp_path), RecordError)


def test_a_wrong_gradient_is_noticed_at_the_first_due_step(tmp_path: Path) -> None:
    (mutant,) = (m for m in MUTANTS if m.name == "Linear.backward: dx for x in dW")
    said: list[str] = []
    with planted(mutant):
        trained(SMALL, tmp_path / "warned", warn=said.append)
        stop = replace(SMALL, probe=replace(SMALL.probe, on_gap="stop"))
        message = fault_of(lambda: fit.fit(stop, tmp_path / "stopped"), RunError)
    assert len(said) == 1
    assert said[0].startswith("step 0: the gap of manual_fused")
    assert "step 0" in message


def test_a_wrong_gradient_stops_the_same_command_again(tmp_path: Path) -> None:
    (mutant,) = (m for m in MUTANTS if m.name == "Linear.backward: dx for x in dW")
    stop = replace(SMALL, probe=replace(SMALL.probe, on_gap="stop", gap_every=7))
    with planted(mutant):
        first, again = (fault_of(lambda: fit.fit(stop, tmp_path), RunError) for _ in range(2))
    assert first == again


def test_a_gradient_of_nearly_nothing_is_not_called_wrong(tmp_path: Path) -> None:
    """In float32 it is little more than rounding, in which right engines differ."""
    words = tmp_path / "one.txt"
    words.write_text("ab\n" * 10)
    probe = ProbeConfig(early=(), every=10, gap_every=10, on_gap="stop")
    lecture = InitConfig(bias_std=0.1, output_scheme="raw", output_scale=0.1, norm_std=0.1)
    config = replace(SMALL, data=DataConfig(path=str(words)), init=lecture, probe=probe, steps=400)
    config = replace(config, model=ModelConfig(n_hidden=64))
    ended = trained(config, tmp_path / "run")
    steps = tables(tmp_path / "run")[0]
    assert (steps["gap"] > 1e-5).any()
    assert (steps["gap_float64"].dropna() < 1e-10).all()
    assert "wrong gradient" not in ended.verdict


@pytest.mark.parametrize("key", ["lr", "loss"])
def test_an_edited_record_is_told_before_anything_is_trained(tmp_path: Path, key: str) -> None:
    assert isinstance(fit.fit(SMALL, tmp_path, tell=stop_after(5)), Interrupted)
    path = tmp_path / records.LINES
    path.write_bytes(
        path.read_bytes().replace(f'"{key}":'.encode(), f'"{key[0]}":'.encode(), 1)
        + b" " * (len(key) - 1)
    )
    told: list[dict[str, Any]] = []
    message = fault_of(lambda: fit.fit(SMALL, tmp_path, tell=told.append), RecordError)
    assert "metrics.jsonl" in message
    assert told == []


def test_a_second_process_in_a_run_is_refused(tmp_path: Path) -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with fit._locked(tmp_path, 0.0):  # pyright: ignore[reportPrivateUsage]
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    assert "another process" in fault_of(lambda: fit.fit(SMALL, tmp_path), RunError)
    leave.set()
    thread.join()


def test_batch_of_one_with_batchnorm(tmp_path: Path) -> None:
    config = replace(SMALL, batch_size=1)
    assert "norm.name=batchnorm" in fault_of(lambda: fit.fit(config, tmp_path), ConfigError)


# --- real processes, killed for real -------------------------------------------------------------


def _run(config: RunConfig, folder: Path) -> None:
    torch.set_num_threads(1)
    fit.fit(config, folder)


def killed_until_done(config: RunConfig, folder: Path, kills: int, seed: int) -> int:
    """Start, kill −9 after a random while, and again; returns how many kills hit a live run."""
    context = multiprocessing.get_context("fork")
    generator = torch.Generator().manual_seed(seed)
    hit = 0
    while True:
        process = context.Process(target=_run, args=(config, folder))
        process.start()
        if hit < kills:
            time.sleep(float(torch.rand((), generator=generator)) * 0.25)
            process.kill()
        process.join()
        if process.exitcode == 0:
            return hit
        hit += process.exitcode == -signal.SIGKILL


def test_the_noise_scale_changes_no_training_and_goes_on_too(tmp_path: Path) -> None:
    config = replace(SMALL, probe=replace(SMALL.probe, noise_scale=True))
    whole, plain = trained(config, tmp_path / "whole"), trained(SMALL, tmp_path / "plain")
    assert whole.losses == plain.losses
    fit.fit(config, tmp_path / "parts", tell=stop_after(5))
    trained(config, tmp_path / "parts")
    assert_same_run(tmp_path / "whole", tmp_path / "parts", runs.run_id(config))
    steps, _ = tables(tmp_path / "whole")
    looked = steps.dropna(subset="grad_norm")
    assert looked["noise_trace"].notna().all()
    assert looked["noise_trace"].mean() > 0
    # |G|² of the mean gradient is below that of a noisy one
    assert looked["noise_norm2"].mean() < (looked["grad_norm"] ** 2).mean()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("engine", ENGINES)
def test_on_a_gpu(tmp_path: Path, engine: str) -> None:
    """Through plain torch: stopped and gone on to the same bits, and near the CPU's losses."""
    config = replace(SMALL, backward=engine, device="cuda", norm=NormConfig(calibrate=True))
    whole = trained(config, tmp_path / "whole")
    assert isinstance(fit.fit(config, tmp_path / "parts", tell=stop_after(5)), Interrupted)
    trained(config, tmp_path / "parts")
    assert_same_run(tmp_path / "whole", tmp_path / "parts", runs.run_id(config))
    cpu = trained(replace(config, device="cpu"), tmp_path / "cpu")
    assert whole.losses == pytest.approx(cpu.losses, abs=1e-3)


@pytest.mark.slow
def test_by_hand_and_by_autograd_after_20_000_steps(tmp_path: Path) -> None:
    """From one seed to the same losses, to five decimals; `experiments.lecture_manual` goes on."""
    config = RunConfig(
        steps=20_000,
        norm=NormConfig(calibrate=True),
        optimizer=OptimizerConfig(lr=0.1, lr_schedule=((10_000, 0.1),)),
        tracker="disabled",
    )
    hand = trained(config, tmp_path / "hand").losses
    autograd = trained(replace(config, backward="autograd"), tmp_path / "autograd").losses
    for name, loss in hand.items():
        assert loss == pytest.approx(autograd[name], abs=5e-6), name


@pytest.mark.slow
def test_the_wavenet_by_every_engine_over_2_000_steps(tmp_path: Path) -> None:
    losses = {}
    for engine in ENGINES:
        config = replace(WAVENET, backward=engine)
        trained(config, tmp_path / engine)
        losses[engine] = tables(tmp_path / engine)[0]["loss"]
    assert len(losses["autograd"]) > 100
    for engine in ("manual_atomic", "manual_fused"):
        assert (losses[engine] - losses["autograd"]).abs().max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_kill_9_at_random_moments(tmp_path: Path, engine: str) -> None:
    config = replace(SMALL, backward=engine, steps=12_000, checkpoint=CheckpointConfig(every=50))
    trained(config, tmp_path / "whole")
    assert killed_until_done(config, tmp_path / "parts", kills=30, seed=1) == 30
    assert_same_run(tmp_path / "whole", tmp_path / "parts", runs.run_id(config))
