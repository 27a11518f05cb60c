"""Networks that are not MLPs: what is made, and what is seen of them."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Generator, nn

from benchmarks.diagnosis import module_cases, modules
from benchmarks.diagnosis.cases import HEALTHY, Edit
from benchmarks.diagnosis.module_cases import SHAPES, Module

KINDS = ("convolutions", "transformer", "recurrence")


def made(kind: str, norm: str = "none", seed: int = 3) -> tuple[Module, nn.Module]:
    """A run, and its model at its first values."""
    run = Module(kind, "relu", norm, 2, 12, 1.4, 0.3, 0.1, False, seed)
    model = run.build()
    modules.initialise(model, run.gain, run.output_scale, Generator().manual_seed(seed))
    return run, model


def test_cases_are_the_same_each_time_and_have_each_kind_of_network():
    first, second = (list(module_cases.cases()) for _ in range(2))
    assert first == second
    assert {case.sick.kind for case in first if isinstance(case.sick, Module)} == set(KINDS)
    assert {case.part for case in first} == {"unseen"}
    for case in first:
        assert (case.sick == case.twin) == (case.label == HEALTHY)
        assert len({case.sick.key, case.twin.key}) == (1 if case.label == HEALTHY else 2)


@pytest.mark.parametrize("kind", KINDS)
def test_first_values_follow_the_gain(kind: str):
    run, model = made(kind)
    *hidden, (_, last) = modules.weights(model)
    for _, weight in hidden:
        expected = run.gain / math.sqrt(weight[0].numel())
        assert weight.std().item() == pytest.approx(expected, rel=0.25)
    assert last.std().item() == pytest.approx(0.3 / math.sqrt(last[0].numel()), rel=0.25)
    assert all((p == 0).all() for n, p in model.named_parameters() if n.endswith("bias"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_values_and_batches(kind: str):
    (_, first), (_, second) = made(kind), made(kind)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    inputs, targets = modules.draw(kind, 64, Generator().manual_seed(1))
    again, _ = modules.draw(kind, 64, Generator().manual_seed(1))
    assert torch.equal(inputs, again)
    logits = first(inputs)
    assert logits.shape == (64, made(kind)[0].classes)
    assert 0 <= int(targets.min()) <= int(targets.max()) < logits.shape[1]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_rivals_columns_are_read_off_every_network(shape: module_cases.Shape):
    pytest.importorskip("ninja.observe")
    from benchmarks.diagnosis import module_train
    from benchmarks.diagnosis.cache import Record
    from benchmarks.diagnosis.rivals import RIVALS
    from benchmarks.diagnosis.rivals.look import Seen

    run = next(
        case.sick
        for case in module_cases.cases()
        if case.family == shape.name and isinstance(case.sick, Module)
    )
    short = replace(run, edits=(*run.edits, Edit("scale", "out", "weight", 1.0)))
    record = Record(**module_train.train(short, steps=12))
    assert [row["step"] for row in record.rows] == [0, 1, 2, 5, 10]
    assert [step for step, _ in record.extras] == [0, 1, 2, 5, 10]
    seen = Seen.of(record, short)
    assert len(seen.looks[0].matrices) == len(modules.weights(short.build()))
    assert len(seen.looks[0].units) >= 1
    assert record.losses["train"] < 5
    for rival in RIVALS:
        rival.alarms_of(seen)
