"""Specification of a look at every layer, against loops over the elements."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from ninja.config import InitConfig, ModelConfig, NetworkConfig, NormConfig, OptimizerConfig
from ninja.config import RunConfig as Run
from ninja.data import load
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import PRESETS, build
from ninja.optim import learning_rate
from ninja.probes import Layers, Snapshot, copied, rule_kind
from ninja.probes.names import matrices, names_of
from ninja.replicas import stack
from ninja.rules.activations import Activation
from ninja.types import Deltas, Params
from tests.probes.steps import (
    CONFIGS,
    DTYPES,
    ENGINES,
    LR,
    REPLICAS,
    VOCAB,
    Found,
    assert_own,
    begun,
    looked_at,
    normal,
    of_layers,
    one_of,
    parameters_only,
    random_batch,
    step,
    taken,
    variant,
)
from tests.test_networks import lecture_data, train

# --- the oracle: Python's floats, one element after the other ------------------------------------


def elements_of(tensor: Tensor) -> list[float]:
    return tensor.detach().flatten().tolist()


def units_of(tensor: Tensor) -> list[list[float]]:
    return tensor.detach().mT.tolist()


def share(marks: list[bool]) -> float:
    return sum(marks) / len(marks)


def norm(tensor: Tensor) -> float:
    return math.sqrt(math.fsum(value * value for value in elements_of(tensor)))


def moments(tensor: Tensor) -> tuple[float, float]:
    values = elements_of(tensor)
    mean = math.fsum(values) / len(values)
    spread = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return mean, math.sqrt(spread)


def naive(s: Snapshot) -> dict[tuple[str, str, str], float]:
    """The columns of a single run."""
    found: dict[tuple[str, str, str], float] = {}
    for node, key in names_of(s.params):
        found[node, key, "grad_norm"] = norm(s.deltas[node][key])
        found[node, key, "weight_norm"] = norm(s.params[node][key])
    for node, key in matrices(s.params, 0):
        moved, w = moments(s.directions[node][key])[1], moments(s.params[node][key])[1]
        found[node, key, "update_ratio"] = math.log10(s.rate * moved / w)
    for node in s.net.nodes[:-1]:
        if "y" in s.deltas[node.name]:
            dy = s.deltas[node.name]["y"]
            found[node.name, "y", "delta_rms"] = norm(dy) / math.sqrt(dy.numel())
    for node in s.net.nodes:
        if isinstance(node.rule, Activation):
            y, source, kind = s.trace.saved[node.name]["y"], node.inputs[0], node.rule.name
            mean, std = moments(y)
            found[node.name, "y", "act_mean"], found[node.name, "y", "act_std"] = mean, std
            if kind in ("tanh", "sigmoid"):
                sizes = [abs(2 * v - 1) if kind == "sigmoid" else abs(v) for v in elements_of(y)]
                found[node.name, "y", "saturated"] = share([v > 0.97 for v in sizes])
            if "y" in s.deltas[source]:
                silent = [all(d == 0 for d in u) for u in units_of(s.deltas[source]["y"])]
                found[node.name, "y", "dead"] = share(silent)
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
    assert s.directions is s.deltas  # nothing was clipped, nothing remembered
    assert_is(of_layers(s), naive(s))
    assert_is(of_layers(parameters_only(s)), naive(parameters_only(s)))


@pytest.mark.parametrize("gain", [0.01, 3.0, 30.0])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_also_where_units_are_saturated_or_dead(activation: str, gain: float) -> None:
    config = variant("none", activation)
    s = step(replace(config, init=InitConfig(gain=gain, bias_std=gain)))
    assert_is(of_layers(s), naive(s))


# --- which rows and columns there are ------------------------------------------------------------


def columns_of(found: Found, node: str, tensor: str = "y") -> set[str]:
    return {column for name, key, column in found if (name, key) == (node, tensor)}


def test_the_lectures_columns() -> None:
    found = of_layers(step("lecture_manual"))
    vector, output = {"grad_norm", "weight_norm"}, {"delta_rms"}
    matrix = vector | {"update_ratio"}
    expected = {
        ("00.embedding", "y"): output,
        ("00.embedding", "C"): matrix,
        ("01.flatten", "y"): output,
        ("02.linear", "y"): output,
        ("02.linear", "W"): matrix,
        ("02.linear", "b"): vector,
        ("03.batchnorm", "y"): output,
        ("03.batchnorm", "gain"): vector,
        ("03.batchnorm", "bias"): vector,
        ("04.tanh", "y"): output | {"act_mean", "act_std", "saturated", "dead"},
        ("05.linear", "y"): output,
        ("05.linear", "W"): matrix,
        ("05.linear", "b"): vector,
    }
    assert {(node, key): columns_of(found, node, key) for node, key, _ in found} == expected


def test_only_what_has_a_bound_saturates() -> None:
    for name in ("relu", "leaky_relu", "gelu", "identity"):
        s = step(name)
        node = next(node.name for node in s.net.nodes if rule_kind(node) == name)
        assert columns_of(of_layers(s), node) == {"act_mean", "act_std", "dead", "delta_rms"}


def test_deltas_of_the_parameters_alone_leave_out_what_needs_more() -> None:
    found = of_layers(parameters_only(step("lecture_manual", "autograd")))
    assert columns_of(found, "04.tanh") == {"act_mean", "act_std", "saturated"}
    assert {node for node, key, _ in found if key == "y"} == {"04.tanh"}
    assert columns_of(found, "02.linear", "W") == {"grad_norm", "weight_norm", "update_ratio"}


@pytest.mark.parametrize("config", CONFIGS)
def test_the_loss_has_no_columns(config: str) -> None:
    s = step(config)
    assert "y" in s.deltas[s.net.nodes[-1].name]
    assert s.net.nodes[-1].name not in {node for node, _, _ in of_layers(s)}


def without(s: Snapshot, kept: Callable[[str], bool]) -> Snapshot:
    """Only some of the nodes, and nothing that is learnt."""
    net = Net(tuple(node for node in s.net.nodes if kept(rule_kind(node))))
    params: Params = {node.name: {} for node in net.nodes}
    deltas: Deltas = {node.name: {"y": s.deltas[node.name]["y"]} for node in net.nodes}
    return replace(s, net=net, params=params, deltas=deltas, directions=deltas)


@pytest.mark.parametrize("replicas", [0, REPLICAS])
def test_a_network_without_parameters_or_without_activations(replicas: int) -> None:
    s = step("lecture_manual", replicas=replicas)
    shape = s.trace.loss.shape
    bare = without(s, lambda kind: kind != "crossentropy")
    found = of_layers(bare)
    assert {column for _, _, column in found} == {
        *("delta_rms", "act_mean", "act_std", "saturated", "dead")
    }
    assert Layers(bare).grad_norm(Layers(bare)(bare)).tolist() == np.zeros(shape).tolist()
    found = of_layers(without(s, lambda kind: kind in ("linear", "crossentropy")))
    assert {column for _, _, column in found} == {"delta_rms"}
    assert all(value.shape == shape for value in found.values())


# --- the update ----------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ["lecture_batchnorm", "layernorm", "lecture_wavenet"])
def test_norms_gains_and_biases_have_no_ratio(config: str) -> None:
    found = of_layers(step(config))
    kinds = {(node.partition(".")[2], key) for node, key, c in found if c == "update_ratio"}
    assert kinds == {("embedding", "C"), ("linear", "W")}


def test_for_plain_sgd_the_ratio_is_the_lectures() -> None:
    s = step("lecture_deep", dtype=torch.float64)
    found = of_layers(s)
    for node, key in matrices(s.params, 0):
        p, grad = s.params[node][key], s.deltas[node][key]
        lecture = (LR * grad.std() / p.std()).log10()
        assert found[node, key, "update_ratio"].item() == pytest.approx(lecture.item(), rel=1e-9)


OPTIMIZERS = {
    "sgd": OptimizerConfig(lr=LR),
    "clipped": OptimizerConfig(lr=LR, clip=0.01),
    "momentum": OptimizerConfig(lr=LR, momentum=0.9),
    "momentum, clipped": OptimizerConfig(lr=LR, momentum=0.9, clip=0.3),
    "adamw": OptimizerConfig("adamw", lr=0.01, weight_decay=0.5),
    "adamw, clipped": OptimizerConfig("adamw", lr=0.01, clip=0.01),
    "schedule": OptimizerConfig(lr=LR, lr_schedule=((2, 0.1),)),
}


def applied(before: Tensor, after: Tensor) -> float:
    """What the ratio says of, by the parameters themselves."""
    return math.log10(moments(after.double() - before.double())[1] / moments(after)[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_ratio_is_that_of_the_update_that_was_applied(
    optimizer: str, dtype: torch.dtype
) -> None:
    """In float32 a weight of 1 takes an update of 1e-3 to one part in 10⁴."""
    config = variant("none")
    net = build(config, VOCAB)
    run = begun(
        net,
        draw(net, Generators.of(1), dtype),
        (random_batch(config, seed=seed) for seed in range(4)),
        Run(optimizer=OPTIMIZERS[optimizer]),
    )
    plan: Layers | None = None
    for number in range(4):
        before = copied(run.params)
        s = looked_at(run)
        plan = plan or Layers(s)
        found = of_layers(s)
        np.testing.assert_array_equal(plan(s), np.array(list(found.values())))
        for node, key in matrices(run.params, 0):
            ratio = found[node, key, "update_ratio"].item()
            expected = applied(before[node][key], run.params[node][key])
            tolerance = 1e-9 if dtype == torch.float64 else 1e-3
            assert ratio == pytest.approx(expected, abs=tolerance), (number, node)
        for node, key in names_of(run.params):  # before clipping, and after the update
            grad, weight = (found[node, key, c].item() for c in ("grad_norm", "weight_norm"))
            assert grad == pytest.approx(norm(s.deltas[node][key]), rel=1e-6)
            assert weight == pytest.approx(norm(run.params[node][key]), rel=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_in_a_stack_each_run_has_its_own_update(optimizer: str) -> None:
    config = variant("none")
    net = build(config, VOCAB)
    runs = [draw(net, Generators.of(seed)) for seed in range(REPLICAS)]
    batches = (random_batch(config, (REPLICAS,), seed) for seed in range(3))
    run = begun(net, stack(runs), batches, Run(optimizer=OPTIMIZERS[optimizer]))
    for _ in range(3):
        s = looked_at(run)
        assert_own(of_layers(s), [of_layers(one_of(s, replica)) for replica in range(REPLICAS)])


def test_a_rate_of_each_run_is_its_own() -> None:
    s = step("lecture_manual", replicas=REPLICAS)
    one = of_layers(s)
    three = of_layers(replace(s, rate=LR * np.array([1.0, 10.0, 0.01])))
    for cell, value in one.items():
        moved = [0.0, 1.0, -2.0] if cell[2] == "update_ratio" else 0.0
        np.testing.assert_allclose(three[cell], value + moved, rtol=1e-12, atol=1e-12)


def test_the_rate_is_that_of_the_schedule() -> None:
    net = build(variant("none"), VOCAB)
    optimizer = OPTIMIZERS["schedule"]
    batches = (random_batch(variant("none")) for _ in range(3))
    run = begun(net, draw(net, Generators.of(1)), batches, Run(optimizer=optimizer))
    assert [looked_at(run).rate for _ in range(3)] == [
        learning_rate(optimizer, number) for number in range(3)
    ]


def ratio_of(w: Tensor, direction: Tensor, rate: float = LR, known: bool = True) -> float:
    """The ratio of one matrix; the directions are the gradients (``known``) or something else."""
    params = {"00.linear": {"W": w}}
    deltas = {"00.linear": {"W": direction if known else normal(*w.shape, seed=9)}}
    directions = deltas if known else {"00.linear": {"W": direction}}
    s = step("lecture_manual")
    s = replace(s, net=Net(()), params=params, deltas=deltas, directions=directions, rate=rate)
    return of_layers(s)["00.linear", "W", "update_ratio"].item()


WEIGHTS, CONSTANT = normal(3, 4), torch.full((3, 4), 0.1)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("w", "direction", "expected"),
    [
        (WEIGHTS, torch.zeros(3, 4), -math.inf),  # did not move
        (WEIGHTS, CONSTANT, -math.inf),  # moved as one
        (CONSTANT, WEIGHTS, math.inf),
        (torch.zeros(3, 4), WEIGHTS, math.inf),
        (CONSTANT, CONSTANT, math.nan),
        (torch.zeros(3, 4), torch.zeros(3, 4), math.nan),
        (WEIGHTS, WEIGHTS.where(WEIGHTS < 1, math.nan), math.nan),
        (WEIGHTS, WEIGHTS.where(WEIGHTS < 1, math.inf), math.nan),
        (WEIGHTS.where(WEIGHTS < 1, math.nan), WEIGHTS, math.nan),
        (WEIGHTS.where(WEIGHTS < 1, -math.inf), WEIGHTS, math.nan),
    ],
)
def test_ratios_that_are_no_number(
    w: Tensor, direction: Tensor, expected: float, known: bool
) -> None:
    assert (WEIGHTS > 1).any()
    assert ratio_of(w, direction, known=known) == pytest.approx(expected, nan_ok=True)


def test_an_update_at_a_rate_of_zero_did_not_move() -> None:
    assert ratio_of(WEIGHTS, normal(3, 4, seed=1), rate=0.0) == -math.inf


@pytest.mark.parametrize("mean", [1.0, 10.0, 1e3])
def test_a_large_mean_does_not_spoil_the_deviation(mean: float) -> None:
    w, direction = normal(50, 20) * 1e-3 + mean, normal(50, 20, seed=1) * 1e-3 + 1
    exact = math.log10(LR * moments(direction)[1] / moments(w)[1])
    for known in (True, False):
        assert ratio_of(w, direction, known=known) == pytest.approx(exact, abs=1e-6)


# --- stacks, engines, later steps ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backward", ENGINES)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_replicas_numbers_are_its_own(config: str, backward: str, dtype: torch.dtype) -> None:
    s = step(config, backward, dtype, REPLICAS)
    assert_own(of_layers(s), [of_layers(one_of(s, replica)) for replica in range(REPLICAS)])


@pytest.mark.parametrize("preset", PRESETS)
def test_also_at_full_width(preset: str) -> None:
    s = step(PRESETS[preset], replicas=8)
    assert_own(of_layers(s), [of_layers(one_of(s, replica)) for replica in range(8)], atol=1e-7)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_engines_see_the_same_layers(config: str) -> None:
    """Fused deltas differ in the last bits, so the numbers agree and not their bits."""
    first, *others = (of_layers(step(config, b, torch.float64)) for b in ENGINES)
    for other in others:
        assert first.keys() == other.keys()
        for cell, value in first.items():
            if cell[2] != "update_ratio":  # of a true gradient of zero it is noise
                np.testing.assert_allclose(value, other[cell], 1e-6, 1e-12, err_msg=str(cell))


@pytest.mark.parametrize("replicas", [0, REPLICAS])
@pytest.mark.parametrize("config", CONFIGS)
def test_one_plan_serves_every_step(config: str, replicas: int) -> None:
    net, lead = build(CONFIGS[config], VOCAB), (replicas,) if replicas else ()
    runs = [draw(net, Generators.of(seed)) for seed in range(max(replicas, 1))]
    batches = (random_batch(CONFIGS[config], lead, seed) for seed in range(4))
    run = begun(net, stack(runs) if replicas else runs[0], batches)
    plan = Layers(looked_at(run))
    cells = list(plan.cells)
    for _ in range(3):
        s = looked_at(run)
        fresh = Layers(s)
        values = plan(s)
        assert values.dtype == np.float64
        assert values.shape == (len(cells), *s.trace.loss.shape)
        np.testing.assert_array_equal(values, fresh(s))
        assert plan.cells == fresh.cells == cells


@pytest.mark.parametrize("config", ["lecture_deep", "residual"])
def test_the_whole_gradients_norm_is_that_of_its_parts(config: str) -> None:
    s = step(config, replicas=REPLICAS)
    plan = Layers(s)
    whole = torch.cat([s.deltas[node][key].flatten(1) for node, key in names_of(s.params)], 1)
    expected = whole.double().norm(dim=1).numpy()
    np.testing.assert_allclose(plan.grad_norm(plan(s)), expected, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "clipped", "adamw"])
@pytest.mark.parametrize("backward", ENGINES)
def test_nothing_that_is_given_changes(backward: str, optimizer: str) -> None:
    net = build(CONFIGS["lecture_deep"], VOCAB)
    config = Run(backward=backward, optimizer=OPTIMIZERS[optimizer])
    batches = iter([random_batch(CONFIGS["lecture_deep"])])
    s = looked_at(begun(net, draw(net, Generators.of(1)), batches, config))

    def state() -> list[Tensor]:
        groups = (s.trace.saved, s.trace.bound, s.deltas, s.params, s.directions)
        return [t.detach().clone() for g in groups for ts in g.values() for t in ts.values()]

    before = state()
    of_layers(s)
    assert all(map(torch.equal, before, state()))


# --- made on purpose -----------------------------------------------------------------------------


def tampered(config: NetworkConfig, units: slice) -> Found:
    """A step of a network, some units of whose first hidden layer are out of reach."""
    net = build(config, VOCAB)
    params = draw(net, Generators.of(1))
    params[next(node.name for node in net.nodes if "linear" in node.name)]["b"][units] = -100.0
    return of_layers(taken(net, params, random_batch(config)))


RELU, TANH = variant("none", "relu"), variant("none", "tanh")
ALL, ONE, NONE = slice(None), slice(2, 3), slice(0)


def test_a_bias_of_minus_100_kills_a_relu() -> None:
    found = tampered(RELU, ALL)
    assert found["03.relu", "y", "dead"] == 1.0
    assert found["03.relu", "y", "act_std"] == 0.0
    assert found["02.linear", "y", "delta_rms"] == 0.0
    assert found["02.linear", "W", "grad_norm"] == 0.0
    assert found["02.linear", "W", "update_ratio"] == -math.inf


def test_one_dead_unit_is_one_of_nine() -> None:
    healthy = tampered(RELU, NONE)["03.relu", "y", "dead"].item()
    assert tampered(RELU, ONE)["03.relu", "y", "dead"] == pytest.approx(healthy + 1 / 9)


def test_a_tanh_that_is_saturated_for_good_is_dead_too() -> None:
    found = tampered(TANH, ONE)
    assert found["03.tanh", "y", "dead"] == pytest.approx(1 / 9)
    assert found["03.tanh", "y", "saturated"] >= 1 / 9


def test_one_element_has_no_deviation() -> None:
    config = NetworkConfig(model=ModelConfig(n_hidden=1), norm=NormConfig(name="none"))
    net, batch = build(config, VOCAB), random_batch(config)
    batch = batch._replace(tokens=batch.tokens[:1], targets=batch.targets[:1])
    found = of_layers(taken(net, draw(net, Generators.of(1)), batch))
    assert np.isnan(found["03.tanh", "y", "act_std"])
    assert np.isfinite(found["03.tanh", "y", "act_mean"])


# --- extremes ------------------------------------------------------------------------------------


def scaled(s: Snapshot, factor: float) -> Snapshot:
    deltas = {
        node: {key: t * factor for key, t in tensors.items() if t.is_floating_point()}
        for node, tensors in s.deltas.items()
    }
    return replace(s, deltas=deltas, directions=deltas)


@pytest.mark.parametrize("replicas", [0, REPLICAS])
@pytest.mark.parametrize("power", [-100, -80, -70, -50, 50, 70, 100])
def test_a_vanished_or_exploded_gradient_keeps_its_size(power: int, replicas: int) -> None:
    s = step("lecture_deep", replicas=replicas)
    healthy, found = of_layers(s), of_layers(scaled(s, 2.0**power))
    assert healthy.keys() == found.keys()
    for (node, key, column), value in found.items():
        expected = healthy[node, key, column]
        if column == "update_ratio":
            expected = expected + power * math.log10(2)
        elif column in ("grad_norm", "delta_rms"):
            if (expected * 2.0**power < 1e-33).any():
                continue  # float32 itself has lost digits
            expected = expected * 2.0**power
        np.testing.assert_allclose(value, expected, 1e-6, 1e-45, err_msg=f"{node} {key} {column}")


@pytest.mark.parametrize("power", [-100, -70, 30, 100])
@pytest.mark.parametrize("known", [True, False])
def test_a_vanished_or_exploded_matrix_keeps_its_ratio(power: int, known: bool) -> None:
    w, direction = normal(5, 4) * 2.0**power, normal(5, 4, seed=1)
    expected = math.log10(LR * moments(direction)[1] / moments(w)[1])
    assert ratio_of(w, direction, known=known) == pytest.approx(expected, rel=1e-6)
    expected = math.log10(LR * moments(w)[1] / moments(direction)[1])
    assert ratio_of(direction, w, known=known) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh", "sigmoid"])
def test_what_is_not_finite_shows_and_stays_with_its_replica(
    activation: str, broken: float
) -> None:
    s = step(variant("none", activation), replicas=REPLICAS)
    hidden = f"03.{activation}"
    saved = {node: dict(tensors) for node, tensors in s.trace.saved.items()}
    deltas = {node: dict(tensors) for node, tensors in s.deltas.items()}
    params = copied(s.params)
    for tensors, name, key in (
        (saved, hidden, "y"),
        (deltas, "02.linear", "y"),
        (deltas, "02.linear", "W"),
        (params, "04.linear", "W"),
    ):
        tensors[name][key] = tensors[name][key].detach().clone()
        tensors[name][key][1, 0, 0] = broken
    trace = replace(s.trace, saved=saved)
    found = of_layers(replace(s, trace=trace, deltas=deltas, directions=deltas, params=params))
    touched = {
        *((hidden, "y", column) for column in ("act_mean", "act_std", "dead")),
        *((key, "W", "update_ratio") for key in ("02.linear", "04.linear")),
        ("02.linear", "y", "delta_rms"),
        ("02.linear", "W", "grad_norm"),
        ("04.linear", "W", "weight_norm"),
    }
    if activation in ("tanh", "sigmoid"):
        touched.add((hidden, "y", "saturated"))
    assert touched <= found.keys()
    healthy = of_layers(s)
    for cell, value in found.items():
        assert np.isfinite(value).tolist() == [True, cell not in touched, True], cell
        np.testing.assert_allclose(value[[0, 2]], healthy[cell][[0, 2]], rtol=1e-6)
    assert all(np.isnan(found[cell][1]) for cell in touched if cell[2] in ("dead", "saturated"))


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("backward", ENGINES)
@pytest.mark.parametrize("config", CONFIGS)
def test_broken_weights_are_no_exception(config: str, backward: str, broken: float) -> None:
    net = build(CONFIGS[config], VOCAB)
    params = draw(net, Generators.of(1))
    params["02.linear" if "02.linear" in params else "01.linear"]["W"][:] = broken
    found = of_layers(taken(net, params, random_batch(CONFIGS[config]), backward))
    hidden = next(node.name for node in net.nodes if isinstance(node.rule, Activation))
    if math.isnan(broken):
        assert not any(np.isfinite(v) for (name, _, _), v in found.items() if name == hidden)


# --- the lecture's own numbers -------------------------------------------------------------------

PLAIN = NetworkConfig(
    model=ModelConfig(n_hidden=100, n_layers=5, bias=False),
    init=InitConfig(gain="5/3", output_scale=0.1),
    norm=NormConfig(name="none"),
)


def percent_saturated(source: str) -> tuple[list[float], list[float]]:
    """As the look says it, and by the lecture's own expression."""
    net = build(PLAIN, 27)
    examples = (lecture_data() if source == "lecture" else load()).train
    _, trace, *_ = train(net, examples, 1)
    s = Snapshot(net, trace, {}, {}, {}, LR, 0)
    found = [100 * v.item() for (*_, column), v in of_layers(s).items() if column == "saturated"]
    outputs = [trace.saved[node.name]["y"] for node in net.nodes if "tanh" in node.name]
    return found, [(y.abs() > 0.97).double().mean().item() * 100 for y in outputs]


def test_the_lectures_six_layers_without_batchnorm() -> None:
    expected = (20.25, 8.38, 6.62, 5.47, 6.12)
    assert percent_saturated("lecture")[0] == pytest.approx(expected, abs=0.00501)


def test_the_same_on_the_shipped_list() -> None:
    found, expected = percent_saturated("shipped")
    assert len(found) == 5
    assert found == pytest.approx(expected, rel=1e-6)
