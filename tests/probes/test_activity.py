"""Specification of what the units do, against loops over the elements."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ninja.config import InitConfig, ModelConfig, NetworkConfig, NormConfig
from ninja.data import load
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import build
from ninja.probes import Block, Snapshot, activity_blocks, dead, delta_blocks
from ninja.rules.activations import Activation
from ninja.types import Params
from tests.probes.steps import (
    CONFIGS,
    DTYPES,
    ENGINES,
    REPLICAS,
    VOCAB,
    normal,
    one_of,
    random_batch,
    step,
    taken,
    variant,
)
from tests.test_networks import lecture_data, train

Found = dict[tuple[str, str], Tensor]


def collected(blocks: list[Block]) -> Found:
    """By node and column; no cell may be there twice."""
    found: Found = {}
    for block in blocks:
        for cell, value in zip(block.cells(), block.values.unbind(), strict=True):
            assert cell.tensor == "y"
            assert (cell.node, cell.column) not in found
            found[cell.node, cell.column] = value
    return found


def everything(s: Snapshot) -> Found:
    return collected([*activity_blocks(s.net, s.trace, s.deltas), *delta_blocks(s.deltas, s.lead)])


# --- the oracle: Python's floats, one element after the other ------------------------------------


def elements_of(tensor: Tensor) -> list[float]:
    return tensor.detach().flatten().tolist()


def units_of(tensor: Tensor) -> list[list[float]]:
    return tensor.detach().mT.tolist()


def share(marks: list[bool]) -> float:
    return sum(marks) / len(marks)


def naive(s: Snapshot) -> dict[tuple[str, str], float]:
    """The columns of a single run."""
    found: dict[tuple[str, str], float] = {}
    for node in s.net.nodes[:-1]:
        if "y" in s.deltas[node.name]:
            elements = elements_of(s.deltas[node.name]["y"])
            rms = math.sqrt(math.fsum(d * d for d in elements) / len(elements))
            found[node.name, "delta_rms"] = rms
    for node in s.net.nodes:
        if isinstance(node.rule, Activation):
            source, kind = node.inputs[0], node.rule.name
            for name in (node.name, source):
                values = elements_of(s.trace.saved[name]["y"])
                mean = math.fsum(values) / len(values)
                spread = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
                found[name, "act_mean"], found[name, "act_std"] = mean, math.sqrt(spread)
            y, x = s.trace.saved[node.name]["y"], s.trace.saved[source]["y"]
            outputs, inputs = elements_of(y), elements_of(x)
            bound = torch.tensor(0.1, dtype=x.dtype).item()
            found[node.name, "linear"] = share([abs(v) < bound for v in inputs])
            units = units_of(y)
            twins = [
                any(i != j and u == v for j, v in enumerate(units)) for i, u in enumerate(units)
            ]
            found[node.name, "twins"] = share(twins)
            if kind == "tanh":
                slopes, most = [[1 - v * v for v in u] for u in units], 1.0
                found[node.name, "saturated"] = share([abs(v) > 0.97 for v in outputs])
            if kind == "sigmoid":
                slopes, most = [[v * (1 - v) for v in u] for u in units], 0.25
                found[node.name, "saturated"] = share([abs(2 * v - 1) > 0.97 for v in outputs])
            if kind in ("tanh", "sigmoid"):
                found[node.name, "gate"] = share(
                    [math.fsum(u) / len(u) < 0.1 * most for u in slopes]
                )
            if "y" in s.deltas[source]:
                silent = [all(d == 0 for d in u) for u in units_of(s.deltas[source]["y"])]
                found[node.name, "dead"] = share(silent)
    return found


def assert_is(found: Found, expected: dict[tuple[str, str], float]) -> None:
    assert found.keys() == expected.keys()
    for cell, value in expected.items():
        assert found[cell].item() == pytest.approx(value, rel=1e-6, abs=1e-7), cell


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backward", ENGINES)
@pytest.mark.parametrize("config", CONFIGS)
def test_every_column_is_that_of_a_loop(config: str, backward: str, dtype: torch.dtype) -> None:
    s = step(config, backward, dtype)
    assert_is(everything(s), naive(s))


@pytest.mark.parametrize("gain", [0.01, 3.0, 30.0])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_also_where_units_are_linear_saturated_or_dead(activation: str, gain: float) -> None:
    config = variant("none", activation)
    s = step(replace(config, init=InitConfig(gain=gain, bias_std=gain)))
    assert_is(everything(s), naive(s))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_replicas_numbers_are_its_own(config: str, dtype: torch.dtype) -> None:
    s = step(config, dtype=dtype, replicas=REPLICAS)
    found = everything(s)
    for replica in range(REPLICAS):
        alone = everything(one_of(s, replica))
        assert found.keys() == alone.keys()
        for (name, column), value in found.items():
            assert value.shape == (REPLICAS,)
            if column in ("saturated", "gate", "linear", "dead", "twins"):
                assert torch.equal(value[replica], alone[name, column]), (name, column)
            torch.testing.assert_close(
                value[replica], alone[name, column], rtol=1e-6, atol=1e-7, msg=f"{name} {column}"
            )


# --- what is left out ----------------------------------------------------------------------------


def columns_of(found: Found, node: str) -> set[str]:
    return {column for name, column in found if name == node}


def test_without_deltas_of_intermediates_their_columns_are_left_out() -> None:
    s = step("lecture_manual", "autograd")
    only = {
        node: {key: s.deltas[node][key] for key in tensors}
        for node, tensors in s.params_before.items()
    }
    found = everything(replace(s, deltas=only))
    assert columns_of(found, "04.tanh") == {
        *("act_mean", "act_std", "saturated", "gate", "linear", "twins")
    }
    assert {name for name, _ in found} == {"03.batchnorm", "04.tanh"}


def test_only_what_saturates_has_a_gate() -> None:
    for name in ("relu", "leaky_relu", "gelu"):
        found = everything(step(name))
        assert columns_of(found, f"03.{name}") == {
            *("act_mean", "act_std", "linear", "dead", "twins", "delta_rms")
        }


def test_the_linear_layer_under_a_norm_is_no_pre_activation() -> None:
    found = everything(step("lecture_manual"))
    assert columns_of(found, "02.linear") == {"delta_rms"}
    assert columns_of(found, "03.batchnorm") == {"delta_rms", "act_mean", "act_std"}


def test_the_loss_has_no_columns() -> None:
    s = step("lecture_manual")
    assert s.net.nodes[-1].name not in {name for name, _ in everything(s)}


# --- made on purpose -----------------------------------------------------------------------------


def changed(config: NetworkConfig, change: str, unit: int = 2) -> Snapshot:
    """A step of a network whose first hidden layer was tampered with."""
    net = build(config, VOCAB)
    params = draw(net, Generators.of(1))
    _tamper(net, params, change, unit)
    return taken(net, params, random_batch(config))


def _tamper(net: Net, params: Params, change: str, unit: int) -> None:
    layer = params[next(node.name for node in net.nodes if "linear" in node.name)]
    if change == "all dead":
        layer["b"][:] = -100.0
    if change == "one dead":
        layer["b"][unit] = -100.0
    if change == "copied":
        layer["W"][:, unit] = layer["W"][:, 0]
        layer["b"][unit] = layer["b"][0]


RELU, TANH = variant("none", "relu"), variant("none", "tanh")


def test_a_bias_of_minus_100_kills_a_relu() -> None:
    found = everything(changed(RELU, "all dead"))
    assert found["03.relu", "dead"].item() == 1.0
    assert found["03.relu", "twins"].item() == 1.0  # all of them say 0
    assert found["03.relu", "act_std"].item() == 0.0
    assert found["02.linear", "delta_rms"].item() == 0.0


def test_one_dead_unit_is_one_of_nine() -> None:
    healthy = everything(changed(RELU, "nothing"))["03.relu", "dead"].item()
    found = everything(changed(RELU, "one dead"))["03.relu", "dead"].item()
    assert found == pytest.approx(healthy + 1 / 9)


def test_a_tanh_that_is_saturated_for_good_is_dead_too() -> None:
    found = everything(changed(TANH, "one dead"))
    assert found["03.tanh", "dead"].item() == pytest.approx(1 / 9)
    assert found["03.tanh", "gate"].item() >= 1 / 9 - 1e-6


def test_a_copied_column_makes_twins() -> None:
    assert everything(changed(TANH, "nothing"))["03.tanh", "twins"].item() == 0.0
    assert everything(changed(TANH, "copied"))["03.tanh", "twins"].item() == pytest.approx(2 / 9)


def test_a_small_gain_is_linear() -> None:
    config = replace(TANH, init=InitConfig(gain=1e-3))
    found = everything(step(config))
    assert [found[name, "linear"].item() for name in ("03.tanh", "05.tanh")] == [1.0, 1.0]


def test_dead_means_exactly_zero() -> None:
    dx = torch.zeros(4, 3)
    dx[2, 1] = 1e-45
    assert dead(dx).item() == pytest.approx(2 / 3)


# --- extremes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [-120, -80, 40, 120])
def test_a_vanished_or_exploded_delta_keeps_its_size(power: int) -> None:
    dy = normal(6, 5)
    deltas = {"00.linear": {"y": dy * 2.0**power}}
    found = collected(delta_blocks(deltas, 0))["00.linear", "delta_rms"].item()
    assert found == pytest.approx(dy.double().square().mean().sqrt().item() * 2.0**power, rel=1e-6)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_makes_every_share_of_it_no_number(broken: float) -> None:
    for activation in ("relu", "gelu"):
        s = step(variant("none", activation), replicas=REPLICAS)
        for node in (f"03.{activation}", "02.linear"):
            s.trace.saved[node]["y"] = s.trace.saved[node]["y"].clone()
            s.trace.saved[node]["y"][1, 0, 0] = broken
            s.deltas[node]["y"] = s.deltas[node]["y"].clone()
            s.deltas[node]["y"][1, 0, 0] = broken
        found = everything(s)
        for column in ("linear", "dead", "twins", "act_std", "act_mean", "delta_rms"):
            finite = found[f"03.{activation}", column].isfinite().tolist()
            assert finite == [True, False, True], column
        for column in ("linear", "dead", "twins"):
            assert found[f"03.{activation}", column][1].isnan()


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("backward", ENGINES)
@pytest.mark.parametrize("config", CONFIGS)
def test_broken_weights_are_no_exception(config: str, backward: str, broken: float) -> None:
    net = build(CONFIGS[config], VOCAB)
    params = draw(net, Generators.of(1))
    params["02.linear" if "02.linear" in params else "01.linear"]["W"][:] = broken
    s = taken(net, params, random_batch(CONFIGS[config]), backward)
    found = everything(s)
    hidden = next(node.name for node in net.nodes if isinstance(node.rule, Activation))
    if math.isnan(broken):
        assert not any(
            value.isfinite() for (name, column), value in found.items() if name == hidden
        )


def test_one_element_has_no_deviation() -> None:
    config = NetworkConfig(model=ModelConfig(n_hidden=1), norm=NormConfig(name="none"))
    net = build(config, VOCAB)
    batch = random_batch(config)
    s = taken(
        net,
        draw(net, Generators.of(1)),
        batch._replace(tokens=batch.tokens[:1], targets=batch.targets[:1]),
    )
    found = everything(s)
    assert found["03.tanh", "act_std"].isnan()
    assert found["03.tanh", "act_mean"].isfinite()


# --- the lecture's own numbers -------------------------------------------------------------------

PLAIN = NetworkConfig(
    model=ModelConfig(n_hidden=100, n_layers=5, bias=False),
    init=InitConfig(gain="5/3", output_scale=0.1),
    norm=NormConfig(name="none"),
)


def percent_saturated(source: str) -> list[float]:
    net = build(PLAIN, 27)
    examples = (lecture_data() if source == "lecture" else load()).train
    _, trace, *_ = train(net, examples, 1)
    found = collected(activity_blocks(net, trace, {}))
    return [100 * v.item() for (_, column), v in found.items() if column == "saturated"]


def test_the_lectures_six_layers_without_batchnorm() -> None:
    expected = (20.25, 8.38, 6.62, 5.47, 6.12)
    assert percent_saturated("lecture") == pytest.approx(expected, abs=0.00501)


def test_the_same_on_the_shipped_list() -> None:
    net = build(PLAIN, 27)
    _, trace, *_ = train(net, load().train, 1)
    outputs = [trace.saved[node.name]["y"] for node in net.nodes if "tanh" in node.name]
    expected = [(y.abs() > 0.97).double().mean().item() * 100 for y in outputs]
    assert percent_saturated("shipped") == pytest.approx(expected, rel=1e-6)
