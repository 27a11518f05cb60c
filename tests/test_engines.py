"""Specification of the backward engines: by hand is autograd, bit for bit; fused is close.

The lecture's comparison looks at 26 tensors of one network. Here every tensor of every network is
looked at, alone and in stacks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from ninja.agreement import gap
from ninja.config import InitConfig, ModelConfig, NetworkConfig, NormConfig
from ninja.engines import Autograd, Checked, Manual, engine, engines
from ninja.errors import ConfigError, ShapeError
from ninja.init import Constant, Generators
from ninja.net import Net, Node, draw
from ninja.networks import PRESETS, build, with_hidden
from ninja.replicas import stack, unstack
from ninja.rules import (
    BatchNorm,
    CrossEntropy,
    Embedding,
    FlattenConsecutive,
    Linear,
    Residual,
    Tanh,
    activations,
    intermediates,
)
from ninja.types import Batch, Deltas, Gradients, Params, Tensors, Watch
from tests.faults import fault_of

VOCAB = 27
DTYPES = [torch.float32, torch.float64]
STACKS = [None, 1, 4, 16]  # None: a single run, without the replica's dimension
NORMS = ["none", "batchnorm", "layernorm", "rmsnorm"]


def parameters(net: Net, seeds: Iterable[int], dtype: torch.dtype, stacked: bool) -> Params:
    runs = [draw(net, Generators.of(seed), dtype) for seed in seeds]
    return stack(runs) if stacked else runs[0]


def problem(
    net: Net,
    block_size: int = 3,
    replicas: int | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 1,
    rows: int = 32,
) -> tuple[Params, Batch]:
    """First parameters and a batch of random tokens, for one run or for a stack."""
    params = parameters(net, range(seed, seed + (replicas or 1)), dtype, replicas is not None)
    generator = torch.Generator().manual_seed(seed)
    lead = () if replicas is None else (replicas,)
    tokens = torch.randint(0, VOCAB, (*lead, rows, block_size), generator=generator)
    targets = torch.randint(0, VOCAB, (*lead, rows), generator=generator)
    return params, Batch(tokens, targets)


def pulled(name: str, net: Net, params: Params, batch: Batch, watch: Watch = "all") -> Deltas:
    pull = engine(name)
    return pull(net, net.forward(params, batch, graph=pull.graph), watch).deltas


def assert_every_row_exact(net: Net, params: Params, batch: Batch) -> None:
    """`manual_atomic` equals autograd on each parameter and each intermediate, in all bits."""
    by_hand = pulled("manual_atomic", net, params, batch)
    reference = pulled("autograd", net, params, batch)
    different = [
        f"{node}.{key}"
        for node, own in reference.items()
        for key, delta in own.items()
        if not torch.equal(by_hand[node][key], delta)
    ]
    assert different == []


def fused_gap(net: Net, params: Params, batch: Batch) -> float:
    pull = Checked(engine("manual_fused"), engine("autograd"))
    measured = pull(net, net.forward(params, batch, graph=pull.graph)).gap
    assert measured is not None
    return measured.max().item()


# --- names ---------------------------------------------------------------------------------------


def test_every_engine_is_found_by_its_name() -> None:
    assert list(engines()) == ["autograd", "manual_atomic", "manual_fused"]
    assert engine("autograd") == Autograd()
    assert engine("manual_atomic") == Manual(fused=False)
    assert engine("manual_fused") == Manual(fused=True)


def test_only_autograd_asks_for_a_graph() -> None:
    assert {name: pull.graph for name, pull in engines().items()} == {
        "autograd": True,
        "manual_atomic": False,
        "manual_fused": False,
    }


def test_an_unknown_engine_is_refused() -> None:
    message = fault_of(lambda: engine("manual"), ConfigError)
    assert message.startswith("backward: unknown name 'manual', choose from autograd, manual_at")
    assert "did you mean manual_" in message


# --- by hand is autograd, bit for bit ------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("replicas", STACKS)
def test_every_row_of_a_preset_is_exact(
    preset: str, dtype: torch.dtype, replicas: int | None
) -> None:
    config = PRESETS[preset]
    net = build(config, VOCAB)
    for seed in (1, 2147483647):
        assert_every_row_exact(net, *problem(net, config.block_size, replicas, dtype, seed))


def grid(activation: str, norm: str, residual: bool) -> Net:
    """Three narrow layers, each parameter away from 0 and 1, so that no mistake can hide."""
    return build(
        NetworkConfig(
            model=ModelConfig(4, 16, 3, activation, residual),
            init=InitConfig(bias_std=0.1, norm_std=0.1),
            norm=NormConfig(norm),
        ),
        VOCAB,
    )


@pytest.mark.parametrize("activation", activations())
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_row_of_the_grid_is_exact(
    activation: str, norm: str, residual: bool, dtype: torch.dtype
) -> None:
    net = grid(activation, norm, residual)
    for replicas in STACKS:
        assert_every_row_exact(net, *problem(net, replicas=replicas, dtype=dtype))


@pytest.mark.parametrize(
    "norm",
    [
        NormConfig(affine=False),
        NormConfig(bessel=False),
        NormConfig(output=True),
        NormConfig(eps=0.0, running="std"),
        NormConfig("layernorm", affine=False, output=True),
        NormConfig("rmsnorm", affine=False, output=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_row_of_a_norms_variants_is_exact(norm: NormConfig, dtype: torch.dtype) -> None:
    net = build(NetworkConfig(model=ModelConfig(4, 16, 2), norm=norm), VOCAB)
    for replicas in STACKS:
        assert_every_row_exact(net, *problem(net, replicas=replicas, dtype=dtype))


def lecture_manual(hidden: int) -> Net:
    return build(with_hidden(PRESETS["lecture_manual"], hidden), VOCAB)


@pytest.mark.parametrize("hidden", [64, 200])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("replicas", STACKS)
def test_the_lectures_rows_are_exact_on_twenty_seeds(
    hidden: int, dtype: torch.dtype, replicas: int | None
) -> None:
    net = lecture_manual(hidden)
    for seed in range(100, 120):
        assert_every_row_exact(net, *problem(net, 3, replicas, dtype, seed))


def test_watching_all_looks_at_every_intermediate() -> None:
    """Otherwise the comparisons above could leave one out."""
    net = lecture_manual(16)
    params, batch = problem(net)
    trace = net.forward(params, batch)
    expected = {
        node: set(params[node]) | {name for name, _ in intermediates(saved)}
        for node, saved in trace.saved.items()
    }
    for name in ("autograd", "manual_atomic"):
        deltas = pulled(name, net, params, batch)
        assert {node: set(own) for node, own in deltas.items()} == expected
    assert sum(map(len, expected.values())) >= 26  # the lecture's rows


@pytest.mark.parametrize("name", engines())
@pytest.mark.parametrize("watch", ["params", "all"])
@pytest.mark.parametrize("replicas", [None, 3])
def test_a_delta_has_the_shape_of_its_tensor(name: str, watch: Watch, replicas: int | None) -> None:
    net = lecture_manual(16)
    params, batch = problem(net, replicas=replicas)
    saved = net.forward(params, batch).saved
    deltas = pulled(name, net, params, batch, watch)
    for node, own in params.items():
        assert set(own) <= set(deltas[node])
        for key, delta in deltas[node].items():
            assert delta.shape == (saved[node] | own)[key].shape
            assert delta.dtype == torch.float32
            assert not delta.requires_grad


def test_autograd_is_asked_for_no_more_than_is_watched() -> None:
    net = lecture_manual(16)
    params, batch = problem(net)
    deltas = pulled("autograd", net, params, batch, "params")
    assert {node: set(own) for node, own in deltas.items()} == {
        node: set(own) for node, own in params.items()
    }


# --- fused is close ------------------------------------------------------------------------------

BOUND = {torch.float32: 1e-6, torch.float64: 1e-14}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("replicas", STACKS)
def test_the_fused_gap_of_a_preset(preset: str, dtype: torch.dtype, replicas: int | None) -> None:
    config = PRESETS[preset]
    net = build(config, VOCAB)
    assert fused_gap(net, *problem(net, config.block_size, replicas, dtype)) <= BOUND[dtype]


@pytest.mark.parametrize("activation", activations())
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_fused_gap_of_the_grid(
    activation: str, norm: str, residual: bool, dtype: torch.dtype
) -> None:
    net = grid(activation, norm, residual)
    for replicas in (None, 4):
        assert fused_gap(net, *problem(net, replicas=replicas, dtype=dtype)) <= BOUND[dtype]


# --- the manual engines do without autograd ------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", ["manual_atomic", "manual_fused"])
def test_by_hand_never_calls_autograd(
    preset: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def called(*_: Any, **__: Any) -> None:
        raise AssertionError("autograd was called")

    monkeypatch.setattr(torch.autograd, "grad", called)
    monkeypatch.setattr(torch.autograd, "backward", called)
    monkeypatch.setattr(torch.Tensor, "backward", called)
    config = PRESETS[preset]
    net = build(config, VOCAB)
    params, batch = problem(net, config.block_size)
    trace = net.forward(params, batch)
    for own in trace.saved.values():
        assert not any(tensor.requires_grad for tensor in own.values())
    assert engine(name)(net, trace).deltas["00.embedding"]["C"].any()
    with pytest.raises(AssertionError, match="autograd was called"):  # the trap works
        pulled("autograd", net, params, batch)


@pytest.mark.parametrize("name", engines())
def test_a_backward_leaves_the_trace_and_the_parameters_as_they_were(name: str) -> None:
    net = grid("gelu", "layernorm", residual=True)
    params, batch = problem(net)
    trace = net.forward(params, batch, graph=engine(name).graph)

    def everything() -> list[Tensor]:
        named = (*trace.saved.values(), *trace.bound.values(), *params.values())
        return [tensor.detach().clone() for own in named for tensor in own.values()]

    before = everything()
    engine(name)(net, trace, "all")
    assert all(map(torch.equal, everything(), before))


# --- checked -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("manual_atomic", "autograd"),
        ("manual_fused", "autograd"),
        ("manual_fused", "manual_atomic"),
        ("autograd", "manual_fused"),
    ],
)
@pytest.mark.parametrize("replicas", [None, 1, 4])
def test_a_check_changes_no_bit_and_adds_the_gap(
    name: str, reference: str, replicas: int | None
) -> None:
    net = lecture_manual(16)
    params, batch = problem(net, replicas=replicas)
    pull = Checked(engine(name), engine(reference))
    assert pull.graph == ("autograd" in (name, reference))
    deltas, measured = pull(net, net.forward(params, batch, graph=pull.graph))
    plain = pulled(name, net, params, batch, "params")
    assert deltas.keys() == plain.keys()
    for node, own in plain.items():
        assert deltas[node].keys() == own.keys()
        assert all(torch.equal(deltas[node][key], delta) for key, delta in own.items())
    other = pulled(reference, net, params, batch, "params")
    assert measured is not None
    assert measured.shape == (() if replicas is None else (replicas,))
    assert torch.equal(measured, gap(plain, other, params, lead=measured.dim()))


@pytest.mark.parametrize("name", engines())
def test_without_a_check_there_is_no_gap(name: str) -> None:
    net = lecture_manual(16)
    pull = engine(name)
    assert pull(net, net.forward(*problem(net), graph=pull.graph)).gap is None


def test_a_check_hands_on_what_is_watched() -> None:
    net = lecture_manual(16)
    params, batch = problem(net)
    pull = Checked(engine("autograd"), engine("manual_fused"))
    for watch, expected in (("all", True), ("params", False)):
        deltas = pull(net, net.forward(params, batch, graph=True), watch).deltas
        assert ("probs" in deltas["06.loss"]) == expected


@dataclass(frozen=True)
class Wrong:
    """An engine that is off by half in one replica of a stack."""

    replica: int
    graph: bool = False

    def __call__(self, net: Net, trace: Any, watch: Watch = "params") -> Gradients:
        deltas = engine("manual_fused")(net, trace, watch).deltas
        factors = torch.ones(len(trace.loss), 1, 1)
        factors[self.replica] = 1.5
        deltas["02.linear"]["W"] = deltas["02.linear"]["W"] * factors
        return Gradients(deltas)


def test_the_gap_tells_which_replica_is_wrong() -> None:
    net = lecture_manual(16)
    pull = Checked(Wrong(replica=2), engine("autograd"))
    measured = pull(net, net.forward(*problem(net, replicas=4), graph=True)).gap
    assert measured is not None
    assert (measured > 1e-6).tolist() == [False, False, True, False]


# --- a delta of the wrong shape ------------------------------------------------------------------


class Flattened(BatchNorm):
    """Its deltas of γ and β lost a dimension: they would broadcast in the update, silently."""

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        dx, deltas = super().backward(params, saved, dy)
        return dx, deltas | {"bias": deltas["bias"].squeeze(-2)}

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        dx, deltas = super().backward_fused(params, saved, dy)
        return dx, deltas | {"bias": deltas["bias"].squeeze(-2)}


@pytest.mark.parametrize("name", ["manual_atomic", "manual_fused"])
@pytest.mark.parametrize("replicas", [None, 4])
def test_a_delta_of_another_shape_is_refused_by_name(name: str, replicas: int | None) -> None:
    net = lecture_manual(16)
    net = Net(
        tuple(
            replace(node, rule=Flattened(16)) if "batchnorm" in node.name else node
            for node in net.nodes
        )
    )
    params, batch = problem(net, replicas=replicas)
    message = fault_of(lambda: pulled(name, net, params, batch), ShapeError)
    lead = () if replicas is None else (replicas,)
    assert message == (
        f"03.batchnorm.bias: the delta has shape {(*lead, 16)}, its parameter {(*lead, 1, 16)}"
    )


# --- a node that several others read -------------------------------------------------------------


def branching() -> Net:
    """h is read by three: two linear layers and a sum; the loss reads the sum of all."""
    fills = {"W": Constant(0.1), "b": Constant(0.0)}
    return Net(
        (
            Node("0.embedding", Embedding(VOCAB, 4), ("tokens",), {"C": Constant(0.1)}),
            Node("1.flatten", FlattenConsecutive(3), ("0.embedding",)),
            Node("2.linear", Linear(12, VOCAB), ("1.flatten",), fills),
            Node("3.tanh", Tanh(), ("2.linear",)),
            Node("4.linear", Linear(VOCAB, VOCAB), ("3.tanh",), fills),
            Node("5.linear", Linear(VOCAB, VOCAB), ("3.tanh",), fills),
            Node("6.residual", Residual(), ("3.tanh", "4.linear")),
            Node("7.residual", Residual(), ("6.residual", "5.linear")),
            Node("8.loss", CrossEntropy(), ("7.residual", "targets")),
        )
    )


def randomised(params: Params) -> Params:
    generator = torch.Generator().manual_seed(5)
    return {
        node: {
            key: torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            for key, tensor in own.items()
        }
        for node, own in params.items()
    }


@pytest.mark.parametrize("name", ["manual_atomic", "manual_fused"])
def test_the_delta_of_a_node_read_by_three_is_the_sum_of_theirs(name: str) -> None:
    net = branching()
    params, batch = problem(net, dtype=torch.float64)
    params = randomised(params)
    deltas = pulled(name, net, params, batch)
    dsum = deltas["7.residual"]["y"]
    through = [params[node]["W"].mT for node in ("4.linear", "5.linear")]
    expected = dsum + dsum @ through[0] + dsum @ through[1]
    torch.testing.assert_close(deltas["3.tanh"]["y"], expected)
    reference = pulled("autograd", net, params, batch)
    for node, own in params.items():
        for key in own:
            torch.testing.assert_close(deltas[node][key], reference[node][key])


@pytest.mark.parametrize("replicas", STACKS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_its_rows_are_exact_too(replicas: int | None, dtype: torch.dtype) -> None:
    net = branching()
    params, batch = problem(net, replicas=replicas, dtype=dtype)
    assert_every_row_exact(net, randomised(params), batch)


@pytest.mark.parametrize("name", ["manual_atomic", "manual_fused"])
def test_a_node_read_twice_by_the_same_one_counts_twice(name: str) -> None:
    *_, tanh, _, _, _, _, loss = branching().nodes
    double = Node("4.residual", Residual(), (tanh.name, tanh.name))
    net = Net((*branching().nodes[:4], double, replace(loss, inputs=("4.residual", "targets"))))
    params, batch = problem(net)
    params = randomised(params)
    deltas = pulled(name, net, params, batch)
    assert torch.equal(deltas["3.tanh"]["y"], 2 * deltas["4.residual"]["y"])
    torch.testing.assert_close(
        deltas["2.linear"]["W"], pulled("autograd", net, params, batch)["2.linear"]["W"]
    )


# --- replicas ------------------------------------------------------------------------------------


def with_replica(params: Params, replica: int, change: float) -> Params:
    """A copy in which one replica's parameters are multiplied by ``change``."""
    copies = {node: {key: t.clone() for key, t in own.items()} for node, own in params.items()}
    for own in unstack(copies, replica).values():
        for tensor in own.values():
            tensor.mul_(change)
    return copies


@pytest.mark.parametrize("name", engines())
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("change", [2.0, float("inf"), float("nan")])
def test_replicas_never_mix(name: str, preset: str, change: float) -> None:
    """Whatever happens to replica 1, a gradient that overflows even, the others do not feel it."""
    config = PRESETS[preset]
    net = build(config, VOCAB)
    params, batch = problem(net, config.block_size, replicas=3)
    before = pulled(name, net, params, batch, "params")
    after = pulled(name, net, with_replica(params, 1, change), batch, "params")
    for node, own in params.items():
        for key in own:
            for other in (0, 2):
                assert torch.equal(before[node][key][other], after[node][key][other])
    assert not torch.equal(before["00.embedding"]["C"][1], after["00.embedding"]["C"][1])


@pytest.mark.parametrize("name", engines())
def test_a_replica_feels_its_own_batch_only(name: str) -> None:
    net = lecture_manual(16)
    params, batch = problem(net, replicas=3)
    before = pulled(name, net, params, batch, "params")
    tokens, targets = batch.tokens.clone(), batch.targets.clone()
    tokens[1], targets[1] = 0, 0
    after = pulled(name, net, params, Batch(tokens, targets), "params")
    for node, own in params.items():
        for key in own:
            for other in (0, 2):
                assert torch.equal(before[node][key][other], after[node][key][other])
    assert not torch.equal(before["02.linear"]["W"][1], after["02.linear"]["W"][1])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_whatever_mode_the_caller_is_in(mode: Any) -> None:
    net = build(PRESETS["lecture_manual"], 27)
    params = draw(net, Generators.of(1))
    tokens = torch.randint(0, 27, (8, 3), generator=torch.Generator().manual_seed(1))
    batch = Batch(tokens, tokens[:, 0])
    checked = Checked(Manual(fused=True), Autograd())
    expected = checked(net, net.forward(params, batch, graph=True))
    with mode():
        made = checked(net, net.forward(params, batch, graph=True))
    assert made.gap is not None
    assert expected.gap is not None
    assert torch.equal(made.gap, expected.gap)
