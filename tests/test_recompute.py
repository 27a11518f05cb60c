"""Computed twice, with the same bits: gradients, statistics, whole runs; and less is kept."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from experiments.deep import Deep, normal
from ninja import data, fit, recompute, runs, train
from ninja.config import (
    DataConfig,
    InitConfig,
    ModelConfig,
    NetworkConfig,
    NormConfig,
    OptimizerConfig,
    RunConfig,
)
from ninja.engines import Checked, engine, engines
from ninja.errors import ConfigError
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import build
from ninja.probes import NOTHING, Due
from ninja.recompute import Recomputed, parts, split
from ninja.replicas import stack
from ninja.result import Result
from ninja.rules import Linear, activations
from ninja.sweep.plan import shape_signature
from ninja.theory import best_segments, saved_activations
from ninja.train import Training, begin_together, train_step
from ninja.types import Batch, Buffers, Deltas, Params, Trace, Watch
from tests.faults import fault_of
from tests.test_engines import NORMS, VOCAB, branching, problem, randomised
from tests.test_fit import assert_same_run
from tests.test_fit_together import PROBE, WORDS


def deep(layers: int, norm: str = "none", activation: str = "tanh", residual: bool = False) -> Net:
    return build(
        NetworkConfig(
            model=ModelConfig(4, 16, layers, activation, residual),
            init=InitConfig(bias_std=0.1, norm_std=0.1),
            norm=NormConfig(norm),  # pyright: ignore
        ),
        VOCAB,
    )


def buffers_of(net: Net, replicas: int | None, dtype: torch.dtype) -> Buffers:
    alone = {
        node: {key: of.to(dtype) for key, of in own.items()} for node, own in net.buffers().items()
    }
    return alone if replicas is None else stack([alone] * replicas)


def pulled(
    name: str, net: Net, count: Any, params: Params, batch: Batch, watch: Watch = "params"
) -> tuple[Tensor, Deltas]:
    """By an engine, without segments if there are none."""
    pull = engine(name)
    if count is None:
        trace = net.forward(params, batch, graph=pull.graph)
    else:
        trace, _ = recompute.forward(split(net, count), params, batch, {}, graph=pull.graph)
        assert isinstance(trace.saved, Recomputed)
    return trace.loss, pull(net, trace, watch).deltas


def assert_equal(one: Params, other: Params, of: Params) -> None:
    for node, named in of.items():
        for key in named:
            assert torch.equal(one[node][key], other[node][key]), f"{node}.{key}"


# --- gradients -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(list(engines())),
    norm=st.sampled_from(NORMS),
    activation=st.sampled_from(list(activations())),
    residual=st.booleans(),
    replicas=st.sampled_from([None, 1, 3]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    of=st.integers(1, 6).flatmap(
        lambda layers: st.tuples(st.just(layers), st.integers(1, layers + 1) | st.just("sqrt"))
    ),
)
def test_bit_for_bit_the_gradients_and_statistics_without(
    name: str,
    norm: str,
    activation: str,
    residual: bool,
    replicas: int | None,
    dtype: torch.dtype,
    of: tuple[int, Any],
) -> None:
    net = deep(of[0], norm, activation, residual)
    params, batch = problem(net, replicas=replicas, dtype=dtype, rows=8)
    loss, expected = pulled(name, net, None, params, batch)
    buffers = buffers_of(net, replicas, dtype)
    pull = engine(name)
    trace, running = recompute.forward(split(net, of[1]), params, batch, buffers, graph=pull.graph)
    deltas = pull(net, trace).deltas
    assert torch.equal(trace.loss, loss)
    assert {node: set(own) for node, own in deltas.items()} == {
        node: set(own) for node, own in params.items()
    }
    assert_equal(deltas, expected, params)
    assert_equal(running, net.running(buffers, net.forward(params, batch)), buffers)
    assert list(running) == list(buffers)


@pytest.mark.parametrize("name", engines())
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("replicas", [None, 4])
def test_what_three_nodes_read_is_added_up_in_the_same_order(
    name: str, count: int, replicas: int | None
) -> None:
    """Of the three, one to three lie in other segments than what they read."""
    net = branching()
    params, batch = problem(net, replicas=replicas)
    params = randomised(params)
    _, expected = pulled(name, net, None, params, batch, "all")
    _, deltas = pulled(name, net, count, params, batch, "all")
    assert_equal(deltas, expected, expected)


@pytest.mark.parametrize("name", engines())
def test_what_is_watched_is_there_too(name: str) -> None:
    net = deep(4, "batchnorm", residual=True)
    params, batch = problem(net)
    _, expected = pulled(name, net, None, params, batch, "all")
    _, deltas = pulled(name, net, 2, params, batch, "all")
    assert deltas.keys() == expected.keys()
    assert_equal(deltas, expected, expected)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_several_engines_pull_one_trace(count: int) -> None:
    net = deep(4, "layernorm")
    params, batch = problem(net)
    pull = Checked(engine("autograd"), engine("manual_atomic"))
    trace, _ = recompute.forward(split(net, count), params, batch, {}, graph=True)
    for _ in range(2):
        assert pull(net, trace).gap == 0


def test_a_trace_reads_as_a_whole_one() -> None:
    net = deep(4, "batchnorm")
    params, batch = problem(net)
    whole = net.forward(params, batch).saved
    trace, _ = recompute.forward(split(net, 3), params, batch, buffers_of(net, None, torch.float32))
    assert list(trace.saved) == list(whole)
    assert len(trace.saved) == len(whole)
    for node, saved in trace.saved.items():
        assert list(saved) == list(whole[node])
        assert all(map(torch.equal, saved.values(), whole[node].values()))


# --- how it is cut -------------------------------------------------------------------------------


@given(
    st.integers(1, 12).flatmap(
        lambda layers: st.tuples(st.just(layers), st.integers(1, layers + 1))
    ),
    st.booleans(),
)
def test_segments_are_all_nodes_in_parts_of_nearly_equal_depth(
    of: tuple[int, int], residual: bool
) -> None:
    layers, count = of
    net = deep(layers, residual=residual)
    segments = split(net, count)
    assert tuple(node for segment in segments for node in segment.net.nodes) == net.nodes
    depths = [sum(isinstance(n.rule, Linear) for n in s.net.nodes) for s in segments]
    assert len(depths) == count
    assert max(depths) == math.ceil((layers + 1) / count)
    assert max(depths) - min(depths) <= 1
    assert segments[0].entering == ()
    for before, segment in pairwise(segments):
        assert segment.entering == (before.net.nodes[-1].name,)  # no more than one crosses a cut


def test_sqrt_is_what_theory_finds_best() -> None:
    for layers in (1, 2, 8, 15, 63):
        assert len(split(deep(layers), "sqrt")) == best_segments(layers + 1)


@pytest.mark.parametrize("count", [0, -1, 4])
def test_more_segments_than_layers_are_refused(count: int) -> None:
    said = fault_of(lambda: split(deep(2), count), ConfigError)
    assert said == (
        f"recompute: {count} segments of 3 linear layers cannot be, give 1 to 3, sqrt or none"
    )


# --- what is kept, and what is computed ----------------------------------------------------------


def kept(saved: Recomputed) -> int:
    """Distinct activations that a trace holds now; of the linear layers, and their input."""
    there = [saved._batch.tokens, *saved.kept.values()]
    if saved._there is not None:
        made = saved._there[1].trace.saved
        there += [t for name, own in made.items() if "loss" not in name for t in own.values()]
    return len({t.untyped_storage().data_ptr() for t in there})


@pytest.mark.parametrize("name", engines())
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 12])
def test_kept_at_a_time_is_what_theory_says(name: str, count: int) -> None:
    """Counted after each segment of the forward and of the backward."""
    net = Deep(12, 8, "identity", 1.0).net()
    batch = Batch(normal(4, 8, 1), normal(4, 8, 2))
    params = draw(net, Generators.of(1))
    trace, _ = recompute.forward(split(net, count), params, batch, {}, graph=engine(name).graph)
    assert isinstance(trace.saved, Recomputed)
    counts = [kept(trace.saved)]
    for part in parts(net, trace):
        counts.append(kept(trace.saved))
        del part
    assert max(counts) == saved_activations(12, count)


@pytest.mark.parametrize("name", engines())
@pytest.mark.parametrize("count", [1, 2, 5])
def test_all_but_the_last_segment_is_computed_twice(
    name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = deep(9)
    params, batch = problem(net)
    calls = [0]
    plain = Linear.forward

    def counted(self: Linear, *of: Any) -> Any:
        calls[0] += 1
        return plain(self, *of)

    monkeypatch.setattr(Linear, "forward", counted)
    pulled(name, net, count, params, batch)
    assert calls[0] == 10 + 10 - 10 // count


# --- a run ---------------------------------------------------------------------------------------

BASE = RunConfig(model=ModelConfig(n_hidden=16, n_layers=4), recompute="sqrt")


def begun(config: RunConfig, count: int) -> Training:
    configs = [replace(config, seed=seed) for seed in range(count)]
    return begin_together(configs, data.load(block_size=config.data.block_size))


def trained(config: RunConfig, count: int, owed: Sequence[Due]) -> tuple[Training, list[Tensor]]:
    run = begun(config, count)
    return run, [train_step(run, due).trace.loss for due in owed]


@pytest.mark.parametrize(
    "config",
    [
        *(replace(BASE, backward=name) for name in engines()),
        replace(BASE, optimizer=OptimizerConfig(name="adamw", clip=0.5), recompute=3),
        replace(BASE, norm=NormConfig("rmsnorm"), dtype="float64", recompute=1),
        replace(
            BASE,
            data=DataConfig(block_size=4),
            model=ModelConfig(n_hidden=16, n_layers=2, consecutive=2),
            recompute=3,
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("count", [1, 3])
def test_training_has_the_bits_of_the_same_without(config: RunConfig, count: int) -> None:
    owed = [Due(look=True, compare=True), NOTHING, Due(keep=True), Due(validate=True), NOTHING]
    run, losses = trained(config, count, owed)
    plain, expected = trained(replace(config, recompute="none"), count, owed)
    assert all(map(torch.equal, losses, expected))
    assert_equal(run.params, plain.params, plain.params)
    assert_equal(run.buffers, plain.buffers, plain.buffers)
    for name, of in plain.optimizer.items():
        assert_equal(run.optimizer[name], of, of)


@pytest.mark.parametrize("name", engines())
@pytest.mark.parametrize("broken", [False, True])
def test_its_record_and_result_are_those_of_the_run_without(
    name: Any, broken: bool, tmp_path: Path
) -> None:
    words = tmp_path / "words.txt"
    words.write_text(WORDS)
    config = replace(
        BASE,
        steps=30,
        backward=name,
        data=DataConfig(path=str(words)),
        probe=replace(PROBE, gap_every=7),
        # a step too far, after which nobody looks: the first tensor that is no number is told
        optimizer=OptimizerConfig(lr=1e9, lr_schedule=((0, 1e-10), (3, 1.0 if broken else 1e-10))),
        norm=NormConfig("none" if broken else "batchnorm"),
        model=ModelConfig(n_hidden=16, n_layers=4, activation="relu"),
    )
    ended = [
        fit.fit(one, tmp_path / str(one.recompute))
        for one in (config, replace(config, recompute="none"))
    ]
    first, second = ended
    assert isinstance(first, Result)
    assert isinstance(second, Result)
    assert first.status == ("diverged" if broken else "done")
    assert (first.diverged is not None and first.diverged["step"] == 4) is broken
    assert (first.diverged, first.losses) == (second.diverged, second.losses)
    assert first.config["recompute"] == "sqrt"
    if not broken:
        assert_same_run(tmp_path / "sqrt", tmp_path / "none", runs.run_id(config))


@pytest.mark.parametrize(
    ("owed", "whole"),
    [
        (NOTHING, False),
        (Due(keep=True), False),
        (Due(validate=True), False),
        (Due(look=True), True),
        (Due(compare=True), True),
    ],
)
def test_a_step_that_is_looked_at_is_whole(owed: Due, whole: bool) -> None:
    assert isinstance(train_step(begun(BASE, 1), owed).trace.saved, Recomputed) is not whole


def test_where_a_loss_is_not_finite_the_first_tensor_that_is_not_can_be_found() -> None:
    run = begun(replace(BASE, norm=NormConfig("none")), 2)
    for named in run.params.values():
        for tensor in named.values():
            tensor[1] = math.nan
    trace: Trace = train_step(run, NOTHING).trace
    assert trace.loss.isfinite().tolist() == [True, False]
    assert isinstance(trace.saved, dict)
    assert trace.saved["00.embedding"]["y"][0].isfinite().all()


def test_it_is_the_same_run_but_another_stack() -> None:
    plain = replace(BASE, recompute="none")
    assert runs.run_id(BASE) == runs.run_id(plain)
    assert shape_signature(BASE) != shape_signature(plain)


def test_without_it_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.recompute, "split", lambda *_: pytest.fail("cut"))
    assert begun(replace(BASE, recompute="none"), 1).segments == ()
