"""Losses over whole splits: by different contexts as by every example."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ninja import data, evaluate
from ninja.config import DataConfig, InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig
from ninja.data import Dataset, Examples
from ninja.evaluate import Splits
from ninja.net import merge
from ninja.probes import NOTHING
from ninja.rules import BatchNorm
from ninja.train import Training, begin, begin_together, buffers_of, params_of, train_step
from ninja.types import Batch

WORDS = [f"{a}{b}{c}" for a in "abcd" for b in "xyzu" for c in ("no", "an", "t") * 3]
BASE = RunConfig(
    model=ModelConfig(n_hidden=16),
    norm=NormConfig(momentum=0.1),
    optimizer=OptimizerConfig(lr=0.5),
)
DEEP = replace(
    BASE,
    data=DataConfig(block_size=4),
    model=ModelConfig(n_hidden=16, n_layers=2, consecutive=2, bias=False),
    init=InitConfig(bias_std=None),
)


def loaded(folder: Path, block_size: int = 3, words: list[str] = WORDS) -> Dataset:
    path = folder / "words.txt"
    path.write_text("\n".join(words))
    return data.load(path, block_size)


def trained(config: RunConfig, dataset: Dataset, steps: int = 40) -> Training:
    run = begin(config, dataset)
    for _ in range(steps):
        train_step(run, NOTHING)
    return run


def one_by_one(run: Training, examples: Examples) -> float:
    """Each example for itself."""
    params, net = merge(run.params, run.buffers), run.net.evaluation()
    found = [
        net.forward(params, Batch(context[None], target[None])).loss.item()
        for context, target in zip(examples.contexts, examples.targets, strict=True)
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize("norm", ["none", "batchnorm", "layernorm"])
@pytest.mark.parametrize("rows", [7, 4096])
@pytest.mark.parametrize("shape", [BASE, DEEP])
def test_the_mean_over_a_split_is_that_of_its_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, norm: str, rows: int, shape: RunConfig
) -> None:
    monkeypatch.setattr(evaluate, "ROWS", rows)
    dataset = loaded(tmp_path, shape.data.block_size)
    config = replace(shape, norm=replace(BASE.norm, name=norm), dtype="float64")
    run = trained(config, dataset)
    splits = Splits.of(dataset, 32)
    found = evaluate.losses(run.net, run.params, run.buffers, splits, calibrated=False)
    for name in ("train", "validation", "test"):
        expected = one_by_one(run, getattr(dataset, name))
        assert getattr(found, name) == pytest.approx(expected, rel=1e-12)
    assert found.validation == evaluate.validation(
        run.net, run.params, run.buffers, splits, calibrated=False
    )
    assert len({found.train, found.validation, found.test}) == 3


@pytest.mark.parametrize("shape", [BASE, DEEP])
def test_calibrated_statistics_are_those_of_all_examples(tmp_path: Path, shape: RunConfig) -> None:
    dataset = loaded(tmp_path, shape.data.block_size)
    run = trained(replace(shape, dtype="float64"), dataset)
    splits = Splits.of(dataset, 32)
    found = evaluate.calibrate(run.net, run.params, run.buffers, splits.distinct, splits.train)
    whole = Batch(dataset.train.contexts, dataset.train.targets)
    (first, *_) = [node for node in run.net.nodes if isinstance(node.rule, BatchNorm)]
    x = run.net.forward(run.params, whole).saved[first.inputs[0]]["y"]
    torch.testing.assert_close(found[first.name]["running_mean"], x.mean(0, keepdim=True))
    torch.testing.assert_close(found[first.name]["running_var"], x.var(0, keepdim=True))
    by_batch = evaluate.losses(run.net, run.params, run.buffers, splits, calibrated=True)
    assert by_batch.train != one_by_one(run, dataset.train)


def test_without_batchnorm_no_row_knows_of_another(tmp_path: Path) -> None:
    dataset = loaded(tmp_path)
    run = trained(replace(BASE, norm=NormConfig(name="layernorm")), dataset)
    found = evaluate.losses(run.net, run.params, run.buffers, Splits.of(dataset, 32), False)
    assert found.by_batch == found.train


def test_the_batches_own_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all batches, the estimate is the mean over them: nothing of the control is left."""
    dataset = loaded(tmp_path)
    run = trained(replace(BASE, dtype="float64"), dataset)
    size = 5
    count = len(dataset.train) // size
    monkeypatch.setattr(evaluate, "SAMPLE", count + 1)
    splits = Splits.of(dataset, size)
    assert splits.sample.shape == (count, size)
    assert len(set(splits.sample.flatten().tolist())) == count * size
    found = evaluate.losses(run.net, run.params, run.buffers, splits, calibrated=False)
    own = [
        run.net.forward(
            run.params, Batch(dataset.train.contexts[rows], dataset.train.targets[rows])
        ).loss.item()
        for rows in splits.sample
    ]
    net, params = run.net.evaluation(), merge(run.params, run.buffers)
    at = splits.sample.flatten()
    batch = Batch(dataset.train.contexts[at], dataset.train.targets[at])
    running = net.forward(params, batch).loss.item()
    assert found.by_batch == pytest.approx(found.train + sum(own) / count - running, rel=1e-12)
    monkeypatch.setattr(evaluate, "SAMPLE", 3)
    spread = Splits.of(dataset, size).sample.flatten().tolist()
    assert len(spread) == 3 * size
    assert spread[-1] >= len(dataset.train) - len(dataset.train) // len(spread) - 1


def test_few_examples(tmp_path: Path) -> None:
    dataset = loaded(tmp_path)
    run = trained(BASE, dataset)
    part = Examples(dataset.train.contexts[:9], dataset.train.targets[:9])
    found = evaluate.losses(
        run.net, run.params, run.buffers, Splits.of(replace(dataset, train=part), 32), False
    )
    whole = run.net.forward(run.params, Batch(part.contexts, part.targets)).loss.item()
    assert found.by_batch == pytest.approx(whole, rel=1e-5)
    single = Examples(dataset.train.contexts[:1], dataset.train.targets[:1])
    found = evaluate.losses(
        run.net, run.params, run.buffers, Splits.of(replace(dataset, train=single), 32), False
    )
    assert math.isnan(found.by_batch)
    assert math.isfinite(found.train)


@pytest.mark.parametrize("calibrated", [False, True])
def test_a_run_out_of_a_stack_is_evaluated_to_the_same_bits(
    tmp_path: Path, calibrated: bool
) -> None:
    dataset = loaded(tmp_path)
    configs = [replace(BASE, seed=seed) for seed in range(3)]
    run, splits = begin_together(configs, dataset), Splits.of(dataset, 32)
    alone = trained(configs[1], dataset)
    for _ in range(40):
        train_step(run, NOTHING)
    assert params_of(run, 1)["02.linear"]["W"].storage_offset() != 0
    assert evaluate.losses(
        run.net, params_of(run, 1), buffers_of(run, 1), splits, calibrated
    ) == evaluate.losses(alone.net, alone.params, alone.buffers, splits, calibrated)
