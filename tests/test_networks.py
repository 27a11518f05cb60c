"""Specification of the networks: structure, the lecture's draws, and the lecture's numbers."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from ninja.batches import Batches
from ninja.config import InitConfig, ModelConfig, NetworkConfig, NormConfig
from ninja.data import Dataset, Examples, load
from ninja.engines import engine
from ninja.errors import ConfigError
from ninja.init import Generators
from ninja.net import Net, count, draw, merge
from ninja.networks import PRESETS, build, with_hidden
from ninja.optim import sgd_
from ninja.types import Batch, Buffers, Params, Trace
from tests.faults import fault_of

SEED = 2147483647  # the lecture's
VOCAB = 27
LECTURE_LIST = Path(__file__).parents[2] / "shared/data/names.txt"
"""The lecture's own list, when it lies beside the checkout."""


def lecture_data() -> Dataset:
    if not LECTURE_LIST.exists():
        pytest.skip("needs the lecture's own list, which does not lie beside the checkout")
    return load(LECTURE_LIST)


def network(n_layers: int = 1, **parts: object) -> Net:
    """A default network of that depth; ``parts`` are a model, init or norm config."""
    model = parts.pop("model", ModelConfig())
    return build(NetworkConfig(model=replace(model, n_hidden=8, n_layers=n_layers), **parts), VOCAB)


def kinds(net: Net) -> list[str]:
    return [node.name.partition(".")[2] for node in net.nodes]


# --- structure -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("lecture_batchnorm", 12_097),
        ("lecture_deep", 47_024),
        ("lecture_manual", 12_297),
        ("lecture_wavenet", 76_579),
    ],
)
def test_parameter_counts_are_the_lectures(preset: str, parameters: int) -> None:
    assert count(draw(build(PRESETS[preset], VOCAB), Generators.of(SEED))) == parameters


def test_one_hidden_layer() -> None:
    assert kinds(network()) == [
        "embedding",
        "flatten",
        *("linear", "batchnorm", "tanh"),
        "linear",
        "loss",
    ]


def test_each_node_reads_the_one_before_it_and_the_loss_the_targets() -> None:
    nodes = network(n_layers=2).nodes
    assert nodes[0].inputs == ("tokens",)
    assert nodes[-1].inputs == (nodes[-2].name, "targets")
    for before, node in pairwise(nodes[:-1]):
        assert node.inputs == (before.name,)


@pytest.mark.parametrize("name", ["batchnorm", "layernorm", "rmsnorm"])
def test_a_norm_stands_between_linear_and_activation(name: str) -> None:
    net = network(n_layers=2, norm=NormConfig(name=name))
    assert kinds(net) == [
        *("embedding", "flatten"),
        *("linear", name, "tanh"),
        *("linear", name, "tanh"),
        *("linear", "loss"),
    ]


def test_norm_none_leaves_it_out() -> None:
    net = network(n_layers=2, norm=NormConfig(name="none"))
    assert kinds(net) == [
        *("embedding", "flatten"),
        *("linear", "tanh", "linear", "tanh"),
        *("linear", "loss"),
    ]


@pytest.mark.parametrize("name", ["batchnorm", "layernorm", "rmsnorm"])
def test_an_output_norm_takes_the_place_of_the_output_bias(name: str) -> None:
    net = network(norm=NormConfig(name=name, output=True))
    linear, norm, loss = net.nodes[-3:]
    assert kinds(net)[-3:] == ["linear", name, "loss"]
    assert "b" not in linear.rule.shapes()
    assert norm.rule.shapes()["gain"] == (1, VOCAB)
    assert loss.inputs[0] == norm.name


def test_residual_adds_every_layer_from_the_second_on_to_its_input() -> None:
    net = network(n_layers=3, model=ModelConfig(residual=True), norm=NormConfig(name="none"))
    assert [node.name for node in net.nodes] == [
        "00.embedding",
        "01.flatten",
        *("02.linear", "03.tanh"),
        *("04.linear", "05.tanh", "06.residual"),
        *("07.linear", "08.tanh", "09.residual"),
        *("10.linear", "11.loss"),
    ]
    inputs = {node.name: node.inputs for node in net.nodes}
    assert inputs["06.residual"] == ("05.tanh", "03.tanh")
    assert inputs["09.residual"] == ("08.tanh", "06.residual")
    assert inputs["10.linear"] == ("09.residual",)


def test_pairs_are_fused_level_by_level() -> None:
    net = build(PRESETS["lecture_wavenet"], VOCAB)
    assert kinds(net)[:3] == ["embedding", "flatten", "linear"]
    assert kinds(net).count("flatten") == 3
    fan_ins = [node.rule.shapes()["W"][0] for node in net.nodes if "linear" in node.name]
    assert fan_ins == [2 * 24, 2 * 128, 2 * 128, 128]


@pytest.mark.parametrize("bias", [True, False])
def test_bias_is_that_of_the_hidden_layers_only(bias: bool) -> None:
    net = network(n_layers=2, model=ModelConfig(bias=bias))
    linear = [node for node in net.nodes if "linear" in node.name]
    assert ["b" in node.rule.shapes() for node in linear] == [bias, bias, True]


def test_without_affine_a_norm_has_no_parameters() -> None:
    net = network(norm=NormConfig(affine=False))
    params = draw(net, Generators.of(SEED))
    assert params["03.batchnorm"] == {}


@pytest.mark.parametrize("n_layers", [1, 3, 4, 12, 30, 40])
def test_names_sort_in_depth_order(n_layers: int) -> None:
    names = [node.name for node in network(n_layers).nodes]
    assert len(names) == 3 * n_layers + 4
    assert len(set(names)) == len(names)
    assert sorted(names) == names


@pytest.mark.parametrize("preset", PRESETS)
def test_with_hidden_changes_the_width_alone(preset: str) -> None:
    config = PRESETS[preset]
    narrow = with_hidden(config, 64)
    assert narrow.model.n_hidden == 64
    assert with_hidden(narrow, config.model.n_hidden) == config


def test_build_refuses_what_the_check_refuses() -> None:
    message = fault_of(lambda: build(NetworkConfig(block_size=0), VOCAB), ConfigError)
    assert message.startswith("data.block_size")


# --- first values --------------------------------------------------------------------------------


def test_the_output_scale_is_the_last_weights() -> None:
    one, tenth = (
        draw(network(init=InitConfig(output_scale=scale)), Generators.of(SEED))
        for scale in (1.0, 0.1)
    )
    assert torch.equal(one["02.linear"]["W"], tenth["02.linear"]["W"])
    torch.testing.assert_close(one["05.linear"]["W"] * 0.1, tenth["05.linear"]["W"])


def test_the_output_scale_is_the_last_gains_if_a_norm_follows() -> None:
    norm, init = NormConfig(output=True), InitConfig(output_scale=0.1)
    params = draw(network(init=init, norm=norm), Generators.of(SEED))
    assert torch.equal(params["03.batchnorm"]["gain"], torch.ones(1, 8))
    assert torch.equal(params["06.batchnorm"]["gain"], torch.full((1, VOCAB), 0.1))
    assert torch.equal(params["06.batchnorm"]["bias"], torch.zeros(1, VOCAB))
    assert params["05.linear"]["W"].std().item() == pytest.approx(1 / math.sqrt(8), rel=0.2)


def test_noise_on_the_output_norm_lies_around_the_output_scale() -> None:
    norm, init = NormConfig(output=True), InitConfig(output_scale=0.5, norm_std=0.01)
    params = draw(network(init=init, norm=norm), Generators.of(SEED))["06.batchnorm"]
    assert params["gain"].mean().item() == pytest.approx(0.5, abs=0.01)
    assert params["bias"].mean().item() == pytest.approx(0.0, abs=0.01)
    assert 0.005 < params["gain"].std().item() < 0.02


def test_noise_on_the_norms_changes_no_weight() -> None:
    quiet, noisy = (
        draw(network(n_layers=2, init=InitConfig(norm_std=std)), Generators.of(SEED))
        for std in (0.0, 0.1)
    )
    for name in quiet:
        if "batchnorm" not in name:
            assert_equal(quiet[name], noisy[name])


def assert_equal(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """The same names, shapes and values."""
    assert tensors.keys() == expected.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected[name]), name


# --- the lecture's draws, as the lecture writes them ---------------------------------------------


def numbered(n: int = 182_625) -> Examples:
    """Examples whose targets tell their own index; as many as the lecture trains on."""
    index = torch.arange(n)
    return Examples(index[:, None].expand(n, 3), index)


def started(preset: str) -> tuple[Params, list[Tensor]]:
    """The first parameters of a preset and the indices of its first 70 batches."""
    generators = Generators.of(SEED)
    params = draw(build(PRESETS[preset], VOCAB), generators)
    batches = Batches(numbered(), 32, generators.run)
    return params, [next(batches).targets for _ in range(70)]


def lecture_indices(g: Generator) -> list[Tensor]:
    return [torch.randint(0, 182_625, (32,), generator=g) for _ in range(70)]


def test_part_3_one_hidden_layer() -> None:
    params, indices = started("lecture_batchnorm")
    g = Generator().manual_seed(SEED)
    C = torch.randn((27, 10), generator=g)
    W1 = torch.randn((30, 200), generator=g) * (5 / 3) / (30**0.5)
    W2 = torch.randn((200, 27), generator=g) * 0.01
    b2 = torch.randn(27, generator=g) * 0
    assert_equal(params["00.embedding"], {"C": C})
    assert_equal(params["02.linear"], {"W": W1})
    assert_equal(
        params["03.batchnorm"], {"gain": torch.ones((1, 200)), "bias": torch.zeros((1, 200))}
    )
    assert_equal(params["05.linear"], {"W": W2, "b": b2})
    assert all(map(torch.equal, indices, lecture_indices(g)))


def test_part_3_six_layers() -> None:
    params, indices = started("lecture_deep")
    g = Generator().manual_seed(SEED)
    assert_equal(params["00.embedding"], {"C": torch.randn((27, 10), generator=g)})
    sizes = [(30, 100), (100, 100), (100, 100), (100, 100), (100, 100), (100, 27)]
    for layer, (fan_in, fan_out) in enumerate(sizes):
        linear, norm = f"{2 + 3 * layer:02d}.linear", f"{3 + 3 * layer:02d}.batchnorm"
        W = torch.randn((fan_in, fan_out), generator=g) / fan_in**0.5
        gamma = torch.ones((1, fan_out))
        if layer == 5:
            gamma *= 0.1
        assert_equal(params[linear], {"W": W})
        assert_equal(params[norm], {"gain": gamma, "bias": torch.zeros((1, fan_out))})
    assert all(map(torch.equal, indices, lecture_indices(g)))


def test_part_4_exercise_4() -> None:
    params, indices = started("lecture_manual")
    g, outside = Generator().manual_seed(SEED), Generators.of(SEED).norm
    C = torch.randn((27, 10), generator=g)
    W1 = torch.randn((30, 200), generator=g) * (5 / 3) / (30**0.5)
    b1 = torch.randn(200, generator=g) * 0.1
    W2 = torch.randn((200, 27), generator=g) * 0.1
    b2 = torch.randn(27, generator=g) * 0.1
    bngain = torch.randn((1, 200), generator=outside) * 0.1 + 1.0
    bnbias = torch.randn((1, 200), generator=outside) * 0.1
    assert_equal(params["00.embedding"], {"C": C})
    assert_equal(params["02.linear"], {"W": W1, "b": b1})
    assert_equal(params["03.batchnorm"], {"gain": bngain, "bias": bnbias})
    assert_equal(params["05.linear"], {"W": W2, "b": b2})
    assert all(map(torch.equal, indices, lecture_indices(g)))


# --- training, short enough to pin ---------------------------------------------------------------


def train(
    net: Net, examples: Examples, steps: int, backward: str = "manual_fused"
) -> tuple[list[float], Trace, Params, Buffers]:
    """The lecture's loop: its seed, batches of 32, a learning rate of 0.1.

    Returns:
        The losses, the last trace, and the parameters and running statistics after the last step.
    """
    generators, pull = Generators.of(SEED), engine(backward)
    params, buffers = draw(net, generators), net.buffers()
    batches = Batches(examples, 32, generators.run)
    losses: list[float] = []
    for _ in range(steps):
        trace = net.forward(params, next(batches), graph=pull.graph)
        losses.append(trace.loss.item())
        buffers = net.running(buffers, trace)
        sgd_(params, pull(net, trace).deltas, lr=0.1)
    return losses, trace, params, buffers


GOLDEN = {  # on the shipped list, at steps 0, 1, 10 and 100
    "lecture_batchnorm": (3.2944756, 3.2570391, 2.8961034, 2.5299644),
    "lecture_deep": (3.3042412, 3.3029108, 3.2180872, 2.7894034),
    "lecture_manual": (3.8728931, 3.4681740, 3.4412875, 2.8113866),
    "lecture_wavenet": (3.2880611, 3.2793188, 2.8392091, 2.3812385),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_golden_losses_on_the_shipped_list(preset: str) -> None:
    config = PRESETS[preset]
    losses, *_ = train(build(config, VOCAB), load(block_size=config.block_size).train, 101)
    assert [losses[step] for step in (0, 1, 10, 100)] == pytest.approx(GOLDEN[preset], rel=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_by_hand_and_by_autograd_train_to_the_same_bits(preset: str) -> None:
    config = PRESETS[preset]
    net, examples = build(config, VOCAB), load(block_size=config.block_size).train
    by_hand, _, params, _ = train(net, examples, 101, "manual_atomic")
    by_autograd, _, expected, _ = train(net, examples, 101, "autograd")
    assert by_hand == by_autograd
    for name in expected:
        assert_equal(params[name], expected[name])


# --- the lecture's own numbers -------------------------------------------------------------------


def saturated(net: Net, trace: Trace) -> list[float]:
    """Per tanh layer, the share of |tanh| > 0.97 in percent."""
    outputs = [trace.saved[node.name]["y"] for node in net.nodes if "tanh" in node.name]
    return [(y.abs() > 0.97).float().mean().item() * 100 for y in outputs]


def evaluate(net: Net, merged: Params, examples: Examples, rows: int = 4096) -> float:
    """The loss over a whole split; rows by rows, as the intermediates of all would fill gigabytes.

    A running statistic makes the rows independent, so that the mean over all is that of the parts.
    """
    total = 0.0
    for batch in map(Batch, examples.contexts.split(rows), examples.targets.split(rows)):
        total += net.evaluation().forward(merged, batch).loss.item() * len(batch.targets)
    return total / len(examples)


def two_digits(*printed: float) -> object:
    """As printed; half a unit of the last digit, and a little for a half rounded to even."""
    return pytest.approx(printed, abs=0.00501)


def test_the_lecture_s_first_loss_with_one_hidden_layer() -> None:
    losses, *_ = train(build(PRESETS["lecture_batchnorm"], VOCAB), lecture_data().train, 1)
    assert losses == pytest.approx([3.3239], abs=1e-4)


def test_the_lecture_s_six_layers_after_1001_steps() -> None:
    data, net = lecture_data(), build(PRESETS["lecture_deep"], VOCAB)
    losses, trace, params, buffers = train(net, data.train, 1001)
    assert losses[0] == pytest.approx(3.2870, abs=1e-4)
    assert saturated(net, trace) == two_digits(2.78, 2.56, 2.25, 1.69, 1.88)
    evaluated = [
        evaluate(net, merge(params, buffers), part) for part in (data.train, data.validation)
    ]
    assert evaluated == pytest.approx([2.4002976, 2.3982468], abs=2e-6)


@pytest.mark.parametrize(
    ("gain", "loss", "percent"),
    [
        ("5/3", 3.2962, (20.25, 8.38, 6.62, 5.47, 6.12)),
        (1.0, 3.2988, (3.50, 0.03, 0.06, 0.0, 0.0)),
    ],
)
def test_the_lecture_s_six_layers_without_batchnorm(
    gain: float | str, loss: float, percent: tuple[float, ...]
) -> None:
    net = build(
        NetworkConfig(
            model=ModelConfig(n_hidden=100, n_layers=5, bias=False),
            init=InitConfig(gain=gain, output_scale=0.1),
            norm=NormConfig(name="none"),
        ),
        VOCAB,
    )
    losses, trace, *_ = train(net, lecture_data().train, 1)
    assert losses == pytest.approx([loss], abs=1e-4)
    assert saturated(net, trace) == two_digits(*percent)


def whole_run(data: Dataset) -> list[float]:
    """Part 3 in full: 200,000 steps, then the losses over the training and validation splits."""
    net, generators, pull = (
        build(PRESETS["lecture_batchnorm"], VOCAB),
        Generators.of(SEED),
        engine("manual_fused"),
    )
    params, buffers = draw(net, generators), net.buffers()
    batches = Batches(data.train, 32, generators.run)
    for step in range(200_000):
        trace = net.forward(params, next(batches))
        buffers = net.running(buffers, trace)
        sgd_(params, pull(net, trace).deltas, lr=0.1 if step < 100_000 else 0.01)
    merged = merge(params, buffers)
    return [evaluate(net, merged, part) for part in (data.train, data.validation)]


@pytest.mark.slow
def test_one_hidden_layer_after_all_200_000_steps() -> None:
    """What a clone without the lecture's list can hold itself to."""
    if LECTURE_LIST.exists():
        pytest.skip("tests/test_app.py trains the same network on the lecture's own list")
    assert whole_run(load()) == pytest.approx([2.0677103, 2.1088184], abs=2e-4)
