"""Specification of looks that wait: nothing that waits with a look changes a bit of it."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ninja.config import OptimizerConfig, RunConfig
from ninja.init import Generators
from ninja.net import draw
from ninja.networks import build
from ninja.optim import learning_rate
from ninja.probes import LOOKS, Layers, Pending, Snapshot, Values, pending
from ninja.types import Params
from tests.probes.steps import (
    CONFIGS,
    DTYPES,
    ENGINES,
    LR,
    SHARES,
    VOCAB,
    begun,
    looked_at,
    one_of,
    parameters_only,
    random_batch,
    step,
    variant,
)

SOME = ("lecture_manual", "lecture_deep", "layernorm", "relu", "residual")
OPTIMIZERS = {
    "sgd": OptimizerConfig(lr=LR),
    "clipped": OptimizerConfig(lr=LR, clip=0.01),
    "momentum": OptimizerConfig(lr=LR, momentum=0.9),
    "adamw": OptimizerConfig("adamw", lr=0.01, weight_decay=0.5),
    "schedule": OptimizerConfig(lr=LR, lr_schedule=((1, 0.03), (2, 0.01))),
}


def looks(
    config: str = "lecture_deep", dtype: torch.dtype = torch.float32, count: int = LOOKS
) -> list[Snapshot]:
    """Different steps of one network, each in memory of its own."""
    together = step(config, dtype=dtype, replicas=count)
    return [one_of(together, replica) for replica in range(count)]


def begin(first: Snapshot) -> Pending:
    """Room for looks such as this one."""
    return Pending(Layers(first), first.trace.loss)


def take(waiting: Pending, snapshot: Snapshot) -> None:
    waiting.take(Layers(snapshot).measured(snapshot), snapshot.rate)


def waited(waiting: Pending, *taken: Snapshot) -> Values:
    """The numbers of looks that wait together, (cells, looks)."""
    for snapshot in taken:
        take(waiting, snapshot)
    assert waiting.count == len(taken)
    return waiting.columns()


def alone(snapshot: Snapshot) -> Values:
    """The numbers of a look that waits for nobody, (cells,)."""
    return waited(begin(snapshot), snapshot)[:, 0]


def scaled(snapshot: Snapshot, factor: float) -> Snapshot:
    def of(tensors: Params) -> Params:
        return {node: {key: t * factor for key, t in own.items()} for node, own in tensors.items()}

    deltas = of(snapshot.deltas)
    return replace(snapshot, deltas=deltas, directions=deltas)


def assert_near(layers: Layers, found: Values, snapshot: Snapshot) -> None:
    """As the look that does not wait: shares in every bit, the others nearly."""
    expected = layers(snapshot)
    assert found.shape == expected.shape
    for cell, value, other in zip(layers.cells, found, expected, strict=True):
        if cell.column in SHARES:
            np.testing.assert_array_equal(value, other, str(cell))
        small = 1e-7 if cell.column == "act_mean" else 0  # it is a difference
        np.testing.assert_allclose(value, other, 1e-6, small, err_msg=str(cell))


# --- the same numbers as without waiting ---------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_the_numbers_are_those_of_a_look_that_does_not_wait(
    config: str, dtype: torch.dtype
) -> None:
    given = looks(config, dtype)
    layers = Layers(given[0])
    found = waited(Pending(layers, given[0].trace.loss), *given)
    assert (found.dtype, found.shape) == (np.float64, (len(layers.cells), LOOKS))
    for values, snapshot in zip(found.T, given, strict=True):
        assert_near(layers, values, snapshot)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("backward", ENGINES)
def test_also_of_a_training_whose_updates_are_in_place(backward: str, optimizer: str) -> None:
    """Four looks, and three more steps before they are reduced."""
    net = build(CONFIGS["lecture_deep"], VOCAB)
    config = RunConfig(backward=backward, optimizer=OPTIMIZERS[optimizer])
    batches = (random_batch(CONFIGS["lecture_deep"], seed=seed) for seed in range(99))
    run = begun(net, draw(net, Generators.of(1)), batches, config)
    first = looked_at(run)
    layers, rates = Layers(first), [first.rate]
    at_once, later = Pending(layers, first.trace.loss), Pending(layers, first.trace.loss)
    direct, immediate, s = [layers(first)], [waited(at_once, first)[:, 0]], first
    take(later, first)
    for _ in range(3):
        s = looked_at(run)
        rates.append(s.rate)
        direct.append(layers(s))
        immediate.append(waited(at_once, s)[:, 0])
        take(later, s)
    for _ in range(3):
        looked_at(run)
    found = later.columns()
    np.testing.assert_array_equal(found, np.stack(immediate, 1))
    np.testing.assert_allclose(found, np.stack(direct, 1), 1e-6, 1e-7)
    assert not np.array_equal(layers(s), direct[-1])  # the steps did write over what was taken
    if optimizer == "schedule":
        assert rates == [learning_rate(OPTIMIZERS[optimizer], number) for number in range(4)]
        assert len(set(rates)) == 3


def test_deltas_of_the_parameters_alone_are_enough() -> None:
    given = [parameters_only(s) for s in looks(count=3)]
    layers = Layers(given[0])
    for values, s in zip(
        waited(Pending(layers, given[0].trace.loss), *given).T, given, strict=True
    ):
        assert_near(layers, values, s)


# --- the same bits whatever waits ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_every_slot_gives_the_same_bits(config: str, dtype: torch.dtype) -> None:
    (s,) = looks(config, dtype, 1)
    expected = alone(s)
    waiting = begin(s)
    assert waiting.room == LOOKS
    found = waited(waiting, *[s] * LOOKS)
    np.testing.assert_array_equal(found, np.repeat(expected[:, None], LOOKS, 1))


@pytest.mark.parametrize("config", SOME)
def test_a_look_has_the_same_bits_alone_and_with_others(config: str) -> None:
    given = looks(config)
    expected = np.stack([alone(s) for s in given], 1)
    waiting = begin(given[0])
    for count in range(1, LOOKS + 1):  # what was reduced before lies in the slots behind
        for start in (0, LOOKS - count):
            part = slice(start, start + count)
            np.testing.assert_array_equal(waited(waiting, *given[part]), expected[:, part])
            fresh = begin(given[0])
            np.testing.assert_array_equal(waited(fresh, *given[part]), expected[:, part])
    backwards = waited(waiting, *given[::-1])
    np.testing.assert_array_equal(backwards, expected[:, ::-1])


@cache
def two_dozen() -> tuple[list[Snapshot], Values]:
    """Looks, and the numbers of each alone."""
    given = looks("lecture_manual", count=24)
    return given, np.stack([alone(s) for s in given], 1)


@given(st.lists(st.lists(st.integers(0, 23), min_size=1, max_size=LOOKS), max_size=5))
def test_any_looks_in_any_order_give_their_own_bits(groups: list[list[int]]) -> None:
    snapshots, expected = two_dozen()
    waiting = begin(snapshots[0])
    for group in groups:
        found = waited(waiting, *(snapshots[index] for index in group))
        np.testing.assert_array_equal(found, expected[:, group])


@pytest.mark.parametrize("factor", [0.0, 2.0**-100, 2.0**100, math.nan, math.inf])
@pytest.mark.parametrize("config", SOME)
def test_gradients_that_vanished_or_broke_stay_in_their_slot(config: str, factor: float) -> None:
    given = looks(config)
    healthy = waited(begin(given[0]), *given)
    for slot in (0, 7, LOOKS - 1):
        odd = [scaled(s, factor) if index == slot else s for index, s in enumerate(given)]
        waiting = begin(given[0])
        found = waited(waiting, *odd)
        np.testing.assert_array_equal(
            np.delete(found, slot, axis=1), np.delete(healthy, slot, axis=1)
        )
        np.testing.assert_array_equal(found[:, slot], alone(odd[slot]))
        assert not np.array_equal(found[:, slot], healthy[:, slot])
        # and nothing of it is left for those that take its place, or another
        np.testing.assert_array_equal(waited(waiting, *given[:3]), healthy[:, :3])


def test_a_rate_is_that_of_its_look() -> None:
    (s,) = looks(count=1)
    rates = [LR, LR * 10, LR / 100]
    layers = Layers(s)
    found = waited(Pending(layers, s.trace.loss), *(replace(s, rate=rate) for rate in rates))
    for cell, (one, ten, hundredth) in zip(layers.cells, found, strict=True):
        moved = [1.0, -2.0] if cell.column == "update_ratio" else [0.0, 0.0]
        assert [ten - one, hundredth - one] == pytest.approx(moved, rel=1e-12, abs=1e-12)


# --- room ----------------------------------------------------------------------------------------


def test_what_was_reduced_is_gone() -> None:
    given = looks(count=5)
    waiting = begin(given[0])
    cells = len(waited(waiting, *given))
    assert waiting.count == 0
    assert waiting.columns().shape == (cells, 0)


def test_a_look_too_many_is_an_error_and_no_look_is_lost() -> None:
    given = looks(count=LOOKS)
    waiting = begin(given[0])
    for s in given:
        take(waiting, s)
    with pytest.raises(IndexError):
        take(waiting, given[0])
    np.testing.assert_array_equal(waiting.columns(), np.stack([alone(s) for s in given], 1))


def test_the_larger_a_network_the_fewer_of_its_looks_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    (s,) = looks(count=1)
    layers = Layers(s)
    size = sum(tensor.numel() for tensor in layers.measured(s))
    for elements, room in ((99 * size, LOOKS), (5 * size, 5), (2 * size - 1, 1), (size - 1, 0)):
        monkeypatch.setattr(pending, "ELEMENTS", elements)
        assert Pending(layers, s.trace.loss).room == room


@pytest.mark.parametrize(("wide", "waits"), [(16, True), (200, True), (600, False)])
def test_the_lectures_networks_wait_and_a_wide_one_does_not(wide: int, waits: bool) -> None:
    base = variant("none")
    s = step(replace(base, model=replace(base.model, n_hidden=wide)))
    layers = Layers(s)
    size = sum(tensor.numel() for tensor in layers.measured(s))
    assert (size <= pending.ELEMENTS / 2) == waits
    assert (Pending(layers, s.trace.loss).room > 1) == waits
