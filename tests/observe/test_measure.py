"""Specification of the numbers of a look, against torch in float64, one after the other."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW

from ninja.diagnosis.history import hidden
from ninja.observe import Health
from tests.observe import oracle
from tests.observe.oracle import Found
from tests.observe.trainings import Training, batch, made, mlp, seen, trained, watched

STEPS = 14


def numbers(row: Mapping[str, Any]) -> Found:
    """Of a row, by their places."""
    about = ("layer", "node", "rule", "tensor")
    return {
        (layer["node"], layer["tensor"], column): value
        for layer in row.get("layers", ())
        for column, value in layer.items()
        if column not in about
    }


def layers(health: Health, step: int) -> list[dict[str, Any]]:
    return list(next(row for row in health.rows() if row["step"] == step)["layers"])


def entry(health: Health, node: str, tensor: str = "y", step: int = 0) -> dict[str, Any]:
    (found,) = [of for of in layers(health, step) if of["node"] == node and of["tensor"] == tensor]
    return found


def sequential(
    net: Callable[[], nn.Sequential], *shape: int, adam: bool = False
) -> Callable[[], Training]:
    """A training, and the numbers of its steps as they should be, in ``.expected``."""

    def begun() -> Training:
        model = net()
        optimizer = AdamW(model.parameters(), lr=0.01) if adam else SGD(model.parameters(), lr=0.1)

        def step(number: int) -> Tensor:
            x, y = batch(number, *shape)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return Training(model, optimizer, step)

    return begun


def expected(kind: Callable[[], Training], *shape: int) -> list[Found]:
    """Of every step of the same training."""
    training = made(kind)
    assert isinstance(training.model, nn.Sequential)
    return [
        oracle.step(training.model, training.optimizer, *batch(number, *shape))
        for number in range(STEPS)
    ]


def conv(*, inplace: bool = False) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace),
        nn.Conv2d(4, 3, 3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(12, 3),
    )


NETS: dict[str, tuple[Callable[[], nn.Sequential], tuple[int, ...]]] = {
    "tanh": (mlp, (5, 6)),
    "sigmoid": (lambda: mlp(nn.Sigmoid()), (5, 6)),
    "relu": (lambda: mlp(nn.BatchNorm1d(8), nn.ReLU(), nn.LayerNorm(8)), (5, 6)),
    "wide": (lambda: mlp(width=300), (300, 6)),  # too large to be kept: reduced at once
    "convolutions": (conv, (4, 2, 6, 6)),
    "double": (lambda: mlp().double(), (5, 6)),
}
CLOSE = ("gate", "linear", "twins")


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name == "wide" else name for name in NETS],
)
def test_each_number_of_every_step(name: str, adam: bool) -> None:
    """The first looks close ones and others, with care; the last ones in the fast lane."""
    net, shape = NETS[name]
    torch.set_default_dtype(torch.float64 if name == "double" else torch.float32)
    try:
        kind = sequential(net, *shape, adam=adam)
        wanted = expected(kind, *shape)
        with seen(kind) as (training, health):
            trained(training, STEPS, health)
    finally:
        torch.set_default_dtype(torch.float32)
    units = {node for node, _, column in wanted[0] if column == "linear"}
    for row, want in zip(health.rows(), wanted, strict=True):
        close = row["step"] in (0, 1, 2, 5, 10)
        found = numbers(row)
        for (node, tensor, column), value in want.items():
            outside = column in CLOSE or (column.startswith("act_") and node not in units)
            if outside and not close:
                assert (node, tensor, column) not in found
                continue
            got = found.pop((node, tensor, column))
            assert got == pytest.approx(value, rel=2e-4, abs=1e-7), (row["step"], node, column)
        assert not found  # and nothing else
        grads = [value for (_, _, column), value in want.items() if column == "grad_norm"]
        assert row["grad_norm"] == pytest.approx(math.hypot(*grads), rel=1e-5)


def test_what_is_overwritten_is_seen_before_it() -> None:
    kept, lost = sequential(conv, 4, 2, 6, 6), sequential(lambda: conv(inplace=True), 4, 2, 6, 6)
    for row, other in zip(
        watched(kept, STEPS, 1).rows(), watched(lost, STEPS, 1).rows(), strict=True
    ):
        assert numbers(row) == pytest.approx(numbers(other), rel=1e-5)


def test_an_output_that_is_added_to_is_left_out_with_what_was_lost() -> None:
    found = entry(watched("residual"), "norm2")
    assert "delta_rms" in found
    assert "act_mean" not in found


# --- what is pooled, and what is not -------------------------------------------------------------


def test_calls_of_one_layer_are_pooled_and_those_of_an_activation_told_apart() -> None:
    health = watched("shared")
    names = [of["node"] for of in layers(health, 0) if of["tensor"] == "y"]
    assert names == ["inner", "act", "outer"]
    training = made("shared")
    x, y = batch(0, 5, 6)
    outputs = []
    for _ in range(3):
        x = training.model.inner(x)
        x.retain_grad()
        outputs.append(x)
        x = x.tanh()
    nn.functional.cross_entropy(training.model.outer(x), y).backward()
    deltas = torch.stack([of.grad for of in outputs if of.grad is not None])
    together = torch.stack(outputs).detach()
    assert entry(health, "inner")["delta_rms"] == pytest.approx(
        deltas.square().mean().sqrt().item()
    )
    assert entry(health, "inner")["act_std"] == pytest.approx(together.std().item(), rel=1e-5)


def test_one_activation_that_follows_several_layers_is_several() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 8)
            self.third, self.act = nn.Linear(8, 3), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.third(self.act(self.second(self.act(self.first(x)))))

    def kind() -> Training:
        model = Net()
        return Training(model, SGD(model.parameters(), lr=0.1), lambda _: 0.0)

    with seen(kind) as (training, health):
        x, y = batch(0, 5, 6)
        loss = nn.functional.cross_entropy(training.model(x), y)
        loss.backward()
        training.optimizer.step()
        health.step(loss)
    names = [of["node"] for of in layers(health, 0) if of["tensor"] == "y"]
    assert names == ["first", "act", "second", "act(second)", "third"]
    pairs = [(before["node"], act["node"]) for before, act in hidden(layers(health, 0))]
    assert pairs == [("first", "act"), ("second", "act(second)")]


def test_micro_batches_are_pooled_and_gradients_are_those_before_clipping() -> None:
    training = made("accumulated")
    health = watched("accumulated", 1)
    for part in range(4):
        x, y = batch(part, 5, 6)
        (nn.functional.cross_entropy(training.model(x), y) / 4).backward()
    norms = [p.grad.norm().item() for p in training.model.parameters() if p.grad is not None]
    assert health.rows()[0]["grad_norm"] == pytest.approx(math.hypot(*norms), rel=1e-5)
    assert math.hypot(*norms) > 0.01


def test_deltas_of_several_losses_add_up() -> None:
    training = made("two_losses")
    assert isinstance(training.model, nn.Sequential)
    health = watched("two_losses", STEPS, 1)
    x, y = batch(0, 5, 6)
    hidden_layer = training.model[:2](x)
    hidden_layer.retain_grad()
    out = training.model[2:](hidden_layer)
    (nn.functional.cross_entropy(out, y) + out.square().mean()).backward()
    assert hidden_layer.grad is not None
    rms = hidden_layer.grad.square().mean().sqrt().item()
    assert entry(health, "1")["delta_rms"] == pytest.approx(rms, rel=1e-5)


def test_what_the_loss_did_not_reach_does_not_count() -> None:
    """The maker's outputs are detached when the judge is trained, and its own loss reaches both."""
    health = watched("adversarial")
    assert entry(health, "maker.4")["delta_rms"] > 0
    assert entry(health, "judge.0", "weight")["grad_norm"] > 0


def test_frozen_and_unused_parameters_have_a_norm_and_no_gradient() -> None:
    health = watched("odd")
    for node in ("frozen", "unused"):
        found = entry(health, node, "weight")
        assert found["weight_norm"] > 0
        assert not {"grad_norm", "update_ratio"} & found.keys()
    assert "update_ratio" not in entry(health, "model", "gain")


def test_no_rows_for_outputs_that_are_no_real_numbers() -> None:
    nodes = {of["node"] for of in layers(watched("odd"), 0)}
    assert not {"spectrum", "rank"} & nodes


def test_a_shared_weight_is_one_parameter() -> None:
    names = [(of["node"], of["tensor"]) for of in layers(watched("attention"), 0)]
    assert ("embedding", "weight") in names
    assert ("head", "weight") not in names
    assert ("head", "y") in names


def test_parameters_that_a_module_lends_lie_with_it() -> None:
    found = layers(watched("attention"), 0)
    order = list(dict.fromkeys(of["node"] for of in found))
    assert order.index("attention.out_proj") == order.index("attention") + 1
    assert order[0] == "model"  # its position is added before anything else
    assert order[-1] == "head"


def test_deltas_of_a_dead_channel() -> None:
    def net() -> nn.Sequential:
        model = conv()
        with torch.no_grad():
            model[1].bias[2] = -100.0
        return model

    health = watched(sequential(net, 4, 2, 6, 6), STEPS, 1)
    for step in range(STEPS):
        assert entry(health, "2", step=step)["dead"] == 0.25


@pytest.mark.parametrize("power", [-60, 60])
def test_gradients_that_vanish_or_explode_keep_their_size(power: int) -> None:
    """Their squares are no float32 any more."""
    usual, scaled = sequential(mlp, 5, 6), sequential(mlp, 5, 6)

    def kind() -> Training:
        training = scaled()
        optimizer = SGD(training.model.parameters(), lr=0.0)

        def step(number: int) -> Tensor:
            x, y = batch(number, 5, 6)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(training.model(x), y)
            (loss * 2.0**power).backward()
            optimizer.step()
            return loss

        return Training(training.model, optimizer, step)

    want = numbers(watched(usual, 1, 1).rows()[0])
    for row in watched(kind, STEPS, 1).rows()[:1] + watched(kind, STEPS, 1).rows()[-1:]:
        for cell, value in numbers(row).items():
            if cell[2] in ("grad_norm", "delta_rms") and row["step"] == 0:
                assert value == pytest.approx(want[cell] * 2.0**power, rel=1e-4), cell
            assert math.isfinite(value) or cell[2] == "update_ratio"
