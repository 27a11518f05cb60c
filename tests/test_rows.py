"""Steps as rows: one a replica, in order, and every number stands where the probes saw it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ninja import agreement, data
from ninja.config import ModelConfig, OptimizerConfig, ProbeConfig, RunConfig
from ninja.init import Generators
from ninja.net import draw
from ninja.networks import build
from ninja.probes import (
    LOOKS,
    NOTHING,
    Cell,
    Due,
    Gaps,
    Layers,
    close_blocks,
    copied,
    cosine,
    due,
    pending,
)
from ninja.records import Record, rows
from ninja.replicas import stack
from ninja.rows import Sight
from ninja.train import Step, Training, begin, train_step
from ninja.types import Batch
from tests.probes.steps import (
    CONFIGS,
    ENGINES,
    LR,
    REPLICAS,
    SHARES,
    VOCAB,
    Found,
    begun,
    found_in,
    of_blocks,
    of_layers,
    random_batch,
)

EVERYTHING = Due(look=True, close=True, compare=True, keep=True)
PLAIN = ProbeConfig(early=(0, 1, 2), every=0, gap_every=1)
LISTS = ("layers", "close", "gaps")


def training(
    config: str = "lecture_manual",
    replica: int | None = None,
    replicas: int = 0,
    probe: ProbeConfig = PLAIN,
    backward: str = "manual_fused",
    dtype: torch.dtype = torch.float64,
) -> Training:
    """A run: alone, a stack of runs, or one of the runs of a stack, alone."""
    net = build(CONFIGS[config], VOCAB)
    lead = (replicas,) if replicas else ()
    runs = [draw(net, Generators.of(seed), dtype) for seed in range(REPLICAS)]
    batches = (random_batch(CONFIGS[config], lead or (REPLICAS,), seed) for seed in range(99))
    if not replicas:
        batches = (Batch(*(part[replica or 0] for part in batch)) for batch in batches)
    optimizer = OptimizerConfig(lr=LR)
    name = str(dtype).removeprefix("torch.")
    return begun(
        net,
        stack(runs[:replicas]) if replicas else runs[replica or 0],
        batches,
        RunConfig(backward=backward, probe=probe, optimizer=optimizer, dtype=name),
    )


def seen(run: Training, steps: int = 3) -> Iterator[tuple[Step, list[dict[str, Any]], Sight]]:
    """The rows of each step, asked for at once."""
    sight = Sight(run)
    for number in range(steps):
        owed = due(run.config.probe, number)
        step = train_step(run, owed)
        sight.see(step, owed)
        (found,) = sight.rows()
        yield step, found, sight


def probed(step: Step) -> Found:
    """What the probes say of a step that owes everything, each asked by itself."""
    assert step.snapshot is not None
    assert step.reference is not None
    s = step.snapshot
    gaps = Gaps(s.params, s.lead)(step.deltas, step.reference).nodes
    return of_layers(s) | of_blocks(close_blocks(s.net, step.trace)) | of_blocks([gaps])


def assert_seen(found: Found, expected: Found, waited: bool) -> None:
    """The probes' own numbers: in every bit, but for those of looks that waited."""
    assert found.keys() == expected.keys()
    for cell, value in expected.items():
        if waited and cell[2] not in (*SHARES, "gap"):
            np.testing.assert_allclose(found[cell], value, 1e-10, 1e-14, err_msg=str(cell))
        else:
            np.testing.assert_array_equal(found[cell], value, str(cell))


# --- where the numbers belong --------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [0, 1, REPLICAS])
@pytest.mark.parametrize("config", CONFIGS)
def test_there_is_one_row_a_replica_and_places_line_up(config: str, replicas: int) -> None:
    for step, found, sight in seen(training(config, replicas=replicas)):
        assert len(found) == max(replicas, 1)
        expected = probed(step)
        for replica, row in enumerate(found):
            assert (row["step"], row["lr"]) == (step.number, LR)
            assert set(sight.cells) == set(LISTS)
            lists: Found = {}
            for key in LISTS:
                lists |= found_in(sight.cells[key], np.array(row[key]))
                assert [Cell(p[1], *p[3:]) for p in sight.places(key)] == sight.cells[key]
            own = {cell: value[replica] if replicas else value for cell, value in expected.items()}
            assert_seen(lists, own, waited=not replicas)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_record_gives_each_number_back_where_the_probe_saw_it(
    config: str, tmp_path: Path
) -> None:
    run = training(config)
    expected: list[Found] = []
    with Record(tmp_path) as record:
        for step, (row,), sight in seen(run):
            for key in LISTS:
                if key not in record.places:
                    record.place(key, sight.places(key))
            record.append(row)
            expected.append(probed(step))
    kinds = {node.name: (depth, node.rule) for depth, node in enumerate(run.net.nodes)}
    for row, numbers in zip(rows(tmp_path), expected, strict=True):
        found: Found = {}
        for of in row["layers"]:
            about = {key: of.pop(key) for key in ("layer", "node", "rule", "tensor")}
            assert about["layer"] == kinds[about["node"]][0]
            found |= {(about["node"], about["tensor"], c): np.array(v) for c, v in of.items()}
        assert_seen(found, numbers, waited=True)


@pytest.mark.parametrize(
    ("config", "backward"),
    [
        *((config, "manual_fused") for config in CONFIGS),
        *(("lecture_deep", b) for b in ENGINES[:2]),
    ],
)
def test_the_rows_of_a_stack_are_those_of_its_runs_alone(config: str, backward: str) -> None:
    together = list(seen(training(config, replicas=REPLICAS, backward=backward)))
    for replica in range(REPLICAS):
        alone = seen(training(config, replica, backward=backward))
        for (_, found, of_stack), (_, (own,), sight) in zip(together, alone, strict=True):
            assert of_stack.cells == sight.cells
            row = found[replica]
            assert row.keys() == own.keys()
            for one, other in zip(row["histograms"], own["histograms"], strict=True):
                assert one["edges"] == pytest.approx(other["edges"], rel=1e-9)
                assert {**one, "edges": []} == {**other, "edges": []}
            for name in row.keys() - {"histograms"}:
                np.testing.assert_allclose(row[name], own[name], 1e-6, 1e-9, err_msg=name)


def test_rows_are_plain_data() -> None:
    for replicas in (0, REPLICAS):
        for _, found, _ in seen(training(replicas=replicas)):
            assert orjson.loads(orjson.dumps(found)) == found
            assert all(type(row["loss"]) is float for row in found)


# --- what is due ---------------------------------------------------------------------------------


def rows_of(run: Training, *owed: Due) -> list[dict[str, Any]]:
    """The first replica's row of each step."""
    sight = Sight(run)
    for of in owed:
        sight.see(train_step(run, of), of)
    return [found[0] for found in sight.rows()]


ALWAYS = {"step", "lr", "loss"}


@pytest.mark.parametrize("replicas", [0, REPLICAS])
@pytest.mark.parametrize(
    ("owed", "more"),
    [
        (NOTHING, set()),  # as of a step whose loss is no number
        (Due(validate=True), set()),
        (Due(keep=True), set()),
        (Due(look=True), {"grad_norm", "layers"}),
        (Due(look=True, close=True), {"grad_norm", "layers", "close", "histograms"}),
        (Due(compare=True), {"gap", "gaps"}),
        (EVERYTHING, {"grad_norm", "layers", "close", "histograms", "gap", "gaps"}),
    ],
)
def test_a_row_has_what_was_due(owed: Due, more: set[str], replicas: int) -> None:
    (row,) = rows_of(training(replicas=replicas), owed)
    assert set(row) == ALWAYS | more


def test_histograms_may_be_switched_off() -> None:
    probe = replace(PLAIN, histograms=False)
    (row,) = rows_of(training(probe=probe), EVERYTHING)
    assert "histograms" not in row
    assert "close" in row


def test_histograms_are_each_replicas_own() -> None:
    for step, found, _ in seen(training("lecture_deep", replicas=REPLICAS), 1):
        for replica, row in enumerate(found):
            kinds = [(of["node"], of["tensor"], of["of"]) for of in row["histograms"]]
            assert len(set(kinds)) == len(kinds)
            y = next(of for of in row["histograms"] if of["of"] == "value")
            values = step.trace.saved[y["node"]]["y"][replica].flatten().tolist()
            assert sum(y["counts"]) == len(values)
            assert y["outside"] == 0
            assert len(y["edges"]) == len(y["counts"]) + 1
            upper = sum(value >= 0 for value in values)  # 0 is an edge, and nothing lies on it
            assert sum(y["counts"][len(y["counts"]) // 2 :]) == upper


@pytest.mark.parametrize("replicas", [0, REPLICAS])
@pytest.mark.parametrize("backward", ENGINES)
def test_there_is_a_cosine_after_a_gradient_that_was_kept(backward: str, replicas: int) -> None:
    run = training(replicas=replicas, backward=backward)
    steps = list(seen(run, 5))
    assert ["cosine" in found[0] for _, found, _ in steps] == [False, True, True, False, False]
    for (before, _, _), (step, found, _) in pairwise(steps[:3]):
        expected = cosine(run.params, step.deltas, before.deltas, step.trace.loss.dim())
        assert [row["cosine"] for row in found] == expected.reshape(-1).tolist()


def test_a_cosine_is_due_only_closely_and_after_the_very_step_before() -> None:
    close, keep = Due(look=True, close=True), Due(keep=True)
    found = rows_of(training(), keep, Due(look=True), close, keep, close, close)
    assert ["cosine" in row for row in found] == [False, False, False, False, True, False]


def test_the_whole_gradients_norm_is_that_of_its_parts() -> None:
    for step, found, sight in seen(training("lecture_deep", replicas=REPLICAS)):
        for row in found:
            of = dict(zip(sight.cells["layers"], row["layers"], strict=True))
            parts = [value for cell, value in of.items() if cell.column == "grad_norm"]
            assert row["grad_norm"] == pytest.approx(math.hypot(*parts), rel=1e-9)
        assert step.reference is not None
        gap = agreement.gap(step.deltas, step.reference, sight.run.params, 1)
        assert [row["gap"] for row in found] == pytest.approx(gap.tolist(), rel=1e-6, abs=1e-30)
        assert [row["loss"] for row in found] == step.trace.loss.tolist()


# --- looks that wait -----------------------------------------------------------------------------

KINDS = (
    EVERYTHING,
    Due(look=True),
    Due(look=True, close=True, keep=True),
    Due(compare=True),
    Due(validate=True),
    NOTHING,
)
STEPS = [KINDS[(number * number + number // 5) % len(KINDS)] for number in range(24)]


def rows_by(
    run: Training, owed: Sequence[Due], ask: Callable[[int], bool] = lambda _: False
) -> list[list[dict[str, Any]]]:
    """The rows of every step, asked for after some, where there is no room, and at the end."""
    sight, found = Sight(run), []
    for number, of in enumerate(owed):
        sight.see(train_step(run, of), of)
        if sight.full or ask(number):
            found += sight.rows()
            assert not sight.waiting
            assert not sight.full
    return found + sight.rows()


@pytest.fixture(params=[(0, LOOKS), (0, 3), (0, 1), (REPLICAS, LOOKS)], ids=str)
def waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Replicas, and room for all of their looks, for a few, for none."""
    replicas, room = request.param
    (s,) = (step.snapshot for step, _, _ in seen(training("lecture_deep"), 1))
    assert s is not None
    size = sum(tensor.numel() for tensor in Layers(s).measured(s))
    assert size * LOOKS <= pending.ELEMENTS
    monkeypatch.setattr(pending, "ELEMENTS", size * room)
    return replicas


def deep(replicas: int, scale: float = 1.0, backward: str = "manual_fused") -> Training:
    """In float32, where a sum taken in another order shows."""
    run = training("lecture_deep", replicas=replicas, backward=backward, dtype=torch.float32)
    for tensors in run.params.values():
        for tensor in tensors.values():
            tensor *= scale
    return run


def test_rows_are_those_of_the_steps_in_order_whoever_waits(waiting: int) -> None:
    assert set(STEPS) == set(KINDS)
    expected = rows_by(deep(waiting), STEPS, lambda _: True)
    assert [row["step"] for row, *_ in expected] == list(range(len(STEPS)))
    for (row, *_), owed in zip(expected, STEPS, strict=True):
        keys = {"layers": owed.look, "grad_norm": owed.look, "close": owed.close}
        assert {key: key in row for key in keys} == keys
        assert ("gaps" in row) == owed.compare
    assert rows_by(deep(waiting), STEPS) == expected
    assert rows_by(deep(waiting), STEPS, lambda number: number % 5 == 3) == expected


@cache
def at_once() -> list[list[dict[str, Any]]]:
    return rows_by(deep(0), STEPS, lambda _: True)


@settings(max_examples=25)
@given(st.sets(st.integers(0, len(STEPS) - 1)))
def test_when_the_rows_are_asked_for_does_not_change_a_bit(asked: set[int]) -> None:
    """A run writes them when its patience ends, and a resumed run at other steps."""
    assert rows_by(deep(0), STEPS, asked.__contains__) == at_once()


def test_seventeen_looks_in_a_row() -> None:
    run, owed = deep(0), Due(look=True)
    sight = Sight(run)
    for number in range(LOOKS):
        assert not sight.full
        seen = sight.see(train_step(run, owed), owed)
        assert (seen.step, "layers" in seen.lists) == (number, False)
        assert len(sight.waiting) == number + 1
    assert sight.full
    found = sight.rows()
    assert len(found) == LOOKS
    assert (sight.full, sight.waiting) == (False, [])
    sight.see(train_step(run, owed), owed)
    found += sight.rows()
    assert sight.rows() == []
    assert [row["step"] for (row,) in found] == list(range(LOOKS + 1))
    assert found == rows_by(deep(0), [owed] * (LOOKS + 1), lambda _: True)


@pytest.mark.parametrize("replicas", [0, REPLICAS])
def test_other_steps_wait_too_and_not_without_end(replicas: int) -> None:
    run = deep(replicas)
    sight = Sight(run)
    for owed in (Due(compare=True), Due(validate=True), Due(look=True), NOTHING) * (LOOKS // 4):
        assert not sight.full
        sight.see(train_step(run, owed), owed)
    assert sight.full
    assert [row["step"] for row, *_ in sight.rows()] == list(range(LOOKS))


def test_what_is_known_at_once_is_said_at_once() -> None:
    """The run judges the gap of a step before it makes the next."""
    run = deep(0)
    sight = Sight(run)
    step = train_step(run, EVERYTHING)
    found = sight.see(step, EVERYTHING)
    assert found is sight.waiting[0]
    ((row,),) = sight.rows()
    assert found.scalars["gap"].item() == row["gap"] > 0
    assert found.scalars["loss"].item() == row["loss"] == step.trace.loss.item()


def test_the_training_does_not_see_who_waits() -> None:
    asked, left, blind = deep(0), deep(0), deep(0)
    rows_by(asked, STEPS, lambda _: True)
    rows_by(left, STEPS)
    for _ in STEPS:
        train_step(blind, NOTHING)
    for node, tensors in blind.params.items():
        for key, tensor in tensors.items():
            assert torch.equal(tensor, asked.params[node][key])
            assert torch.equal(tensor, left.params[node][key])


@pytest.mark.parametrize("backward", ENGINES)
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e25])
def test_also_where_nothing_is_safe(scale: float, backward: str, waiting: int) -> None:
    """Weights of 0, and so small or large that their squares vanish or overflow."""
    expected = rows_by(deep(waiting, scale, backward), STEPS, lambda _: True)
    assert str(rows_by(deep(waiting, scale, backward), STEPS)) == str(expected)  # NaN is not NaN


def test_looks_that_are_safe_and_looks_that_are_not_keep_their_places(waiting: int) -> None:
    def run_of(ask: Callable[[int], bool]) -> list[list[dict[str, Any]]]:
        run = deep(waiting)
        healthy, sight, found = copied(run.params), Sight(run), []
        for number in range(9):
            for node, tensors in run.params.items():
                for key, tensor in tensors.items():
                    small = 1e-20 if number in (1, 4, 5) else 1.0
                    tensor.copy_(healthy[node][key] * small)
            sight.see(train_step(run, Due(look=True)), Due(look=True))
            if sight.full or ask(number):
                found += sight.rows()
        return found + sight.rows()

    expected = run_of(lambda _: True)
    sizes = [row["grad_norm"] for row, *_ in expected]
    assert len({round(math.log10(size)) for size in sizes}) > 1  # they are not alike
    assert str(run_of(lambda _: False)) == str(expected)
    assert str(run_of(lambda number: number == 4)) == str(expected)


def test_gradients_are_looked_at_and_compared_before_they_are_clipped() -> None:
    run, other = deep(0), deep(0)
    short = replace(other.config, optimizer=OptimizerConfig(lr=LR, clip=1e-3))
    other = replace(other, configs=(short,))
    (free,), (clipped,) = rows_of(run, EVERYTHING), rows_of(other, EVERYTHING)
    for key in ("loss", "grad_norm", "gap", "gaps"):
        assert free[key] == clipped[key]
    assert free["grad_norm"] > 1e-3
    assert free["layers"] != clipped["layers"]  # the weights moved less


def test_a_network_that_is_too_large_does_not_wait() -> None:
    wide = replace(CONFIGS["none"], model=replace(CONFIGS["none"].model, n_hidden=600))
    net = build(wide, VOCAB)
    run = begun(net, draw(net, Generators.of(1)), (random_batch(wide, seed=s) for s in range(3)))
    sight, owed = Sight(run), Due(look=True)
    expected: list[list[float]] = []
    for _ in range(3):
        step = train_step(run, owed)
        assert step.snapshot is not None
        layers = Layers(step.snapshot)
        measured = layers.measured(step.snapshot)
        assert sum(tensor.numel() for tensor in measured) > pending.ELEMENTS / 2
        expected.append(layers(step.snapshot).tolist())
        sight.see(step, owed)
    assert [row["layers"] for (row,) in sight.rows()] == expected  # in every bit


# --- the noise of the gradient -------------------------------------------------------------------


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> data.Dataset:
    path = tmp_path_factory.mktemp("words") / "words.txt"
    path.write_text("\n".join(f"{a}{b}{c}" for a in "abc" for b in "xyzu" for c in "no" * 5))
    return data.load(path)


@pytest.mark.parametrize("backward", ENGINES)
def test_the_noise_is_measured_and_the_training_does_not_see_it(
    backward: str, words: data.Dataset
) -> None:
    config = RunConfig(model=ModelConfig(n_hidden=8), backward=backward)
    noisy, quiet = begin(config, words), begin(config, words)
    for owed in (Due(look=True, noise=True), Due(look=True), Due(look=True, noise=True)):
        (row,) = rows_of(noisy, owed)
        (other,) = rows_of(quiet, replace(owed, noise=False))
        assert ("noise_trace" in row) == ("noise_norm2" in row) == owed.noise
        assert {name: of for name, of in row.items() if "noise" not in name} == other
        if owed.noise:
            assert row["noise_trace"] > 0
            assert math.isfinite(row["noise_norm2"])
    for run in (noisy, quiet):
        for _ in range(64):  # batches are drawn in blocks of 64: the next one, too, is the same
            train_step(run, NOTHING)
    for node, tensors in noisy.params.items():
        for key, tensor in tensors.items():
            assert torch.equal(tensor, quiet.params[node][key])
    for name, tensors in noisy.buffers.items():  # BatchNorm saw the training's batches alone
        for key, tensor in tensors.items():
            assert torch.equal(tensor, quiet.buffers[name][key])
