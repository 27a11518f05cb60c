"""Specification of the closer look, against loops over the elements."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from ninja.config import InitConfig, ModelConfig, NetworkConfig, NormConfig
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import PRESETS, build
from ninja.probes import Snapshot, close_blocks
from ninja.replicas import stack
from ninja.rules.activations import Activation
from tests.probes.steps import (
    CONFIGS,
    DTYPES,
    ENGINES,
    REPLICAS,
    VOCAB,
    Found,
    assert_own,
    normal,
    of_blocks,
    one_of,
    random_batch,
    step,
    taken,
    variant,
)


def closely(s: Snapshot) -> Found:
    return of_blocks(close_blocks(s.net, s.trace))


def close(s: Snapshot) -> dict[tuple[str, str], float]:
    """Of a single run, by node and column."""
    return {(node, column): value.item() for (node, _, column), value in closely(s).items()}


# --- the oracle: Python's floats, one element after the other ------------------------------------


def elements_of(tensor: Tensor) -> list[float]:
    return tensor.detach().flatten().tolist()


def share(marks: list[bool]) -> float:
    return sum(marks) / len(marks)


def gelu_slope(x: float, _: float) -> float:
    """Φ(x) + x φ(x)."""
    phi = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + math.erf(x / math.sqrt(2))) + x * phi


SLOPES: dict[str, tuple[float, Callable[[float, float], float]]] = {
    "tanh": (1.0, lambda _, y: 1 - y * y),
    "sigmoid": (0.25, lambda _, y: y * (1 - y)),
    "relu": (1.0, lambda x, _: float(x > 0)),
    "gelu": (gelu_slope(math.sqrt(2), 0), gelu_slope),
}
"""Largest slope, and the slope at x, where the output is y."""


def naive(s: Snapshot) -> dict[tuple[str, str, str], float]:
    """The columns of a single run."""
    found: dict[tuple[str, str, str], float] = {}
    for node in s.net.nodes:
        if not isinstance(node.rule, Activation):
            continue
        source, kind = node.inputs[0], node.rule.name
        x, y = s.trace.saved[source]["y"], s.trace.saved[node.name]["y"]
        values, units = elements_of(x), y.detach().mT.tolist()
        mean = math.fsum(values) / len(values)
        spread = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
        found[source, "y", "act_mean"] = mean
        found[source, "y", "act_std"] = math.sqrt(spread)
        bound = torch.tensor(0.1, dtype=x.dtype).item()
        found[node.name, "y", "linear"] = share([abs(v) < bound for v in values])
        twins = [any(i != j and u == v for j, v in enumerate(units)) for i, u in enumerate(units)]
        found[node.name, "y", "twins"] = share(twins)
        if kind in SLOPES:
            most, slope = SLOPES[kind]
            columns = x.detach().mT.tolist()
            slopes = [[slope(v, w) for v, w in zip(*pair)] for pair in zip(columns, units)]
            gates = [math.fsum(u) / len(u) < 0.1 * most for u in slopes]
            found[node.name, "y", "gate"] = share(gates)
    return found


def assert_is(found: Found, expected: dict[tuple[str, str, str], float]) -> None:
    assert found.keys() == expected.keys()
    for cell, value in expected.items():
        assert found[cell].item() == pytest.approx(value, rel=1e-6, abs=1e-7), cell


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backward", ENGINES)
@pytest.mark.parametrize("config", CONFIGS)
def test_every_column_is_that_of_a_loop(config: str, backward: str, dtype: torch.dtype) -> None:
    s = step(config, backward, dtype)
    assert_is(closely(s), naive(s))


@pytest.mark.parametrize("gain", [0.01, 3.0, 30.0])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_also_where_units_are_linear_or_closed(activation: str, gain: float) -> None:
    s = step(replace(variant("none", activation), init=InitConfig(gain=gain, bias_std=gain)))
    assert_is(closely(s), naive(s))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_replicas_numbers_are_its_own(config: str, dtype: torch.dtype) -> None:
    s = step(config, dtype=dtype, replicas=REPLICAS)
    alone = [closely(one_of(s, replica)) for replica in range(REPLICAS)]
    assert_own(closely(s), alone, atol=1e-7)


@pytest.mark.parametrize("preset", PRESETS)
def test_also_at_full_width(preset: str) -> None:
    s = step(PRESETS[preset], replicas=8)
    assert_own(closely(s), [closely(one_of(s, replica)) for replica in range(8)], atol=1e-7)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_engines_see_the_same(config: str) -> None:
    first, *others = (closely(step(config, backward)) for backward in ENGINES)
    assert all(first == other for other in others)  # there is one forward


# --- which columns there are ---------------------------------------------------------------------


def test_the_lectures_columns() -> None:
    assert set(close(step("lecture_manual"))) == {
        *(("03.batchnorm", column) for column in ("act_mean", "act_std")),
        *(("04.tanh", column) for column in ("linear", "twins", "gate")),
    }


def test_only_what_has_a_flat_part_has_a_gate() -> None:
    for name in ("relu", "leaky_relu", "gelu"):
        columns = {column for node, column in close(step(name)) if node == f"03.{name}"}
        assert columns == {"linear", "twins"} | ({"gate"} if name in SLOPES else set())


def test_an_activation_that_another_reads_has_its_moments_already() -> None:
    """Those of its output are part of every look."""
    s = step("lecture_manual")
    first = next(node for node in s.net.nodes if node.name == "04.tanh")
    again = replace(first, name="04.tanh.again", inputs=("04.tanh",))
    s.trace.saved[again.name] = first.rule.forward({}, s.trace.saved["04.tanh"]["y"].detach())
    twice = Net((*s.net.nodes[:5], again, *s.net.nodes[5:]))
    found = close(replace(s, net=twice))
    assert {node for node, column in found if column == "act_std"} == {"03.batchnorm"}
    assert ("04.tanh.again", "linear") in found


@pytest.mark.parametrize("replicas", [0, REPLICAS])
def test_a_network_without_activations_has_nothing_to_see(replicas: int) -> None:
    s = step("lecture_manual", replicas=replicas)
    net = Net(tuple(n for n in s.net.nodes if not isinstance(n.rule, Activation)))
    assert close_blocks(net, s.trace) == []


@pytest.mark.parametrize("replicas", [0, REPLICAS])
def test_numbers_have_the_replicas_shape(replicas: int) -> None:
    s = step("lecture_deep", replicas=replicas)
    for value in closely(s).values():
        assert value.dtype == np.float64
        assert value.shape == s.trace.loss.shape


@pytest.mark.parametrize("backward", ENGINES)
def test_nothing_that_is_given_changes(backward: str) -> None:
    s = step("lecture_deep", backward)

    def state() -> list[Tensor]:
        return [t.detach().clone() for ts in s.trace.saved.values() for t in ts.values()]

    before = state()
    closely(s)
    assert all(map(torch.equal, before, state()))


# --- made on purpose -----------------------------------------------------------------------------


def changed(config: NetworkConfig, change: str, unit: int = 2) -> dict[tuple[str, str], float]:
    """A step of a network whose first hidden layer was tampered with."""
    net = build(config, VOCAB)
    params = draw(net, Generators.of(1))
    layer = params[next(node.name for node in net.nodes if "linear" in node.name)]
    if change == "all dead":
        layer["b"][:] = -100.0
    if change == "one dead":
        layer["b"][unit] = -100.0
    if change == "copied":
        layer["W"][:, unit] = layer["W"][:, 0]
        layer["b"][unit] = layer["b"][0]
    return close(taken(net, params, random_batch(config)))


RELU, TANH = variant("none", "relu"), variant("none", "tanh")


def test_dead_units_all_say_the_same() -> None:
    assert changed(RELU, "all dead")["03.relu", "twins"] == 1.0


def test_a_saturated_units_gate_is_closed() -> None:
    nothing, one = (changed(TANH, change)["03.tanh", "gate"] for change in ("nothing", "one dead"))
    assert one == pytest.approx(nothing + 1 / 9)


def test_a_copied_column_makes_twins() -> None:
    assert changed(TANH, "nothing")["03.tanh", "twins"] == 0.0
    assert changed(TANH, "copied")["03.tanh", "twins"] == pytest.approx(2 / 9)


def test_a_small_gain_is_linear() -> None:
    found = close(step(replace(TANH, init=InitConfig(gain=1e-3))))
    assert [found[name, "linear"] for name in ("03.tanh", "05.tanh")] == [1.0, 1.0]


def test_one_element_has_no_deviation() -> None:
    config = NetworkConfig(model=ModelConfig(n_hidden=1), norm=NormConfig(name="none"))
    net, batch = build(config, VOCAB), random_batch(config)
    batch = batch._replace(tokens=batch.tokens[:1], targets=batch.targets[:1])
    found = close(taken(net, draw(net, Generators.of(1)), batch))
    assert math.isnan(found["02.linear", "act_std"])
    assert math.isfinite(found["02.linear", "act_mean"])


# --- extremes ------------------------------------------------------------------------------------


def with_output(s: Snapshot, node: str, y: Tensor) -> Snapshot:
    saved = {**s.trace.saved, node: {**s.trace.saved[node], "y": y}}
    return replace(s, trace=replace(s.trace, saved=saved))


@pytest.mark.parametrize("mean", [10.0, 1e3])
def test_a_large_mean_does_not_spoil_the_deviation(mean: float) -> None:
    x = normal(6, 9) * 1e-2 + mean
    found = close(with_output(step("lecture_manual"), "03.batchnorm", x))
    assert found["03.batchnorm", "act_std"] == pytest.approx(x.double().std().item(), rel=1e-6)


@pytest.mark.parametrize("power", [-100, -76, -70, 30, 63, 100])
def test_a_vanished_or_exploded_pre_activation_keeps_its_deviation(power: int) -> None:
    x = normal(6, 9) * 2.0**power
    found = close(with_output(step("lecture_manual"), "03.batchnorm", x))
    std, mean = x.double().std().item(), x.double().mean().item()
    assert found["03.batchnorm", "act_std"] == pytest.approx(std, rel=1e-6, abs=0)
    assert found["03.batchnorm", "act_mean"] == pytest.approx(mean, rel=1e-6, abs=1e-6 * std)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh", "sigmoid"])
def test_what_is_not_finite_shows_and_stays_with_its_replica(
    activation: str, broken: float
) -> None:
    s = step(variant("none", activation), replicas=REPLICAS)
    hidden, healthy = f"03.{activation}", closely(s)
    for node in (hidden, "02.linear"):
        y = s.trace.saved[node]["y"].detach().clone()
        y[1, 0, 0] = broken
        s = with_output(s, node, y)
    found = closely(s)
    for cell, value in found.items():
        touched = cell[0] in (hidden, "02.linear")
        assert np.isfinite(value).tolist() == [True, not touched, True], cell
        np.testing.assert_allclose(value[[0, 2]], healthy[cell][[0, 2]], rtol=1e-6)
        if touched and cell[2] in ("linear", "twins", "gate"):
            assert np.isnan(value[1])


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_an_infinity_that_the_activation_swallows_shows_in_what_it_read(activation: str) -> None:
    s = step(variant("none", activation), replicas=REPLICAS)
    x = s.trace.saved["02.linear"]["y"].clone()
    x[1, 0, 0] = -math.inf
    found = closely(with_output(s, "02.linear", x))
    for cell in (("02.linear", "y", "act_mean"), (f"03.{activation}", "y", "linear")):
        assert np.isfinite(found[cell]).tolist() == [True, False, True]


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("backward", ENGINES)
@pytest.mark.parametrize("config", CONFIGS)
def test_broken_weights_are_no_exception(config: str, backward: str, broken: float) -> None:
    net = build(CONFIGS[config], VOCAB)
    params = stack([draw(net, Generators.of(seed)) for seed in range(2)])
    params["02.linear" if "02.linear" in params else "01.linear"]["W"][1] = broken
    found = closely(taken(net, params, random_batch(CONFIGS[config], (2,)), backward))
    hidden = next(node.name for node in net.nodes if isinstance(node.rule, Activation))
    assert all(np.isfinite(value[0]) for value in found.values())
    if math.isnan(broken):
        assert not any(np.isfinite(v[1]) for (name, _, _), v in found.items() if name == hidden)
