"""Specification of hidden layers, measured and predicted."""

import math

import pytest
import torch
from torch import nn

from ninja.observe.stack import Hidden, Link, measured, predicted
from ninja.theory import Setting, chi1, fixed_point, predict


def layer(node: str, rule: str, **columns: float) -> dict[str, object]:
    return {"layer": 0, "node": node, "rule": rule, "tensor": "y", **columns}


LAYERS = [
    layer("0", "linear", delta_rms=1e-3, act_mean=0.0, act_std=2.0),
    layer("1", "tanh", dead=0.0, delta_rms=1e-3),
    layer("2", "conv1d", delta_rms=1e-2, act_mean=3.0, act_std=4.0),
    layer("3", "relu", dead=0.0, delta_rms=1e-2),
    layer("4", "batchnorm1d", delta_rms=1e-1, act_mean=0.0, act_std=1.0),
    layer("5", "sigmoid", dead=0.0),
]


def model() -> nn.Sequential:
    made = nn.Sequential(
        *(nn.Linear(8, 4), nn.Tanh(), nn.Conv1d(3, 5, 2), nn.ReLU()),
        *(nn.BatchNorm1d(5), nn.Sigmoid()),
    )
    with torch.no_grad():
        for p in made.parameters():
            p.zero_()
        made[0].weight.fill_(0.5)
        made[2].weight.fill_(1.0)
    return made


def test_what_is_measured() -> None:
    first, second, third = measured(model(), LAYERS)
    assert first == Hidden(
        "0", "tanh", 4.0, 1e-3, pytest.approx(-2), math.sqrt(2), pytest.approx(1.0)
    )
    assert second == Hidden(
        "2", "relu", 25.0, 1e-2, pytest.approx(-1), math.sqrt(6), pytest.approx(math.sqrt(2))
    )
    assert (third.name, third.gain, third.suggested, third.profile) == ("", None, None, 0.0)
    assert measured(model(), []) == []


def test_without_deltas_there_is_no_profile() -> None:
    (only,) = measured(model(), [layer("0", "linear"), layer("1", "tanh", linear=0.1)])
    assert (only.delta, only.profile) == (None, None)
    assert math.isnan(only.q)


def test_a_gradient_that_is_gone_or_broken() -> None:
    for delta, profile in ((0.0, -math.inf), (math.inf, math.inf)):
        layers = [dict(of) for of in LAYERS[:4]]
        layers[0]["delta_rms"] = delta
        assert measured(model(), layers)[0].profile == profile


@pytest.mark.parametrize(("gain", "bias"), [(1.0, 0.0), (5 / 3, 0.0), (1.0, 0.05), (3.0, 0.0)])
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_a_stack_of_equal_layers_is_that_of_the_theory(
    gain: float, bias: float, activation: str
) -> None:
    links = []
    for _ in range(9):
        linear = nn.Linear(400, 400)
        with torch.no_grad():
            linear.weight.fill_(gain / 20)
            linear.bias.fill_(math.sqrt(bias))
        links.append(Link(linear, 1.0))
    start = gain**2 + bias
    found = predicted([Hidden("", activation, start, None, None, None, None)] * 10, links)
    expected = predict(Setting(10, gain**2, activation, bias)).layers
    assert [of.predicted_q for of in found] == pytest.approx([of.q for of in expected], rel=1e-5)
    assert [of.predicted_profile for of in found] == pytest.approx(
        [of.delta for of in expected], abs=1e-5
    )
    assert [of.chi for of in found[:-1]] == pytest.approx(
        [of.chi for of in expected[:-1]], rel=1e-5
    )
    assert found[-1].chi is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_of_what_is_not_finite_nothing_is_predicted(value: float) -> None:
    halves = [Hidden("", "relu", 1.0, None, None, None, None)] * 3
    sound, broken = nn.Linear(4, 4), nn.Linear(4, 4)
    nn.init.constant_(broken.weight, value)
    spoilt = [Hidden("", "relu", value, None, None, None, None), *halves[1:]]
    for found, links in ((halves, [sound, broken]), (spoilt, [sound, sound])):
        said = predicted(found, [Link(of, 1.0) for of in links])
        assert isinstance(said, str)
        assert "not finite" in said


def test_where_no_gradient_passes_its_logarithm_is_endless() -> None:
    halves = [Hidden("", "relu", 1.0, None, None, None, None)] * 2
    nothing = nn.Linear(4, 4, bias=False)
    nn.init.zeros_(nothing.weight)
    first, last = predicted(halves, [Link(nothing, 1.0)])
    assert (first.chi, first.predicted_profile, last.predicted_q) == (0, -math.inf, 0)


def test_deep_inside_it_is_the_fixed_points() -> None:
    linear = nn.Linear(100, 100, bias=False)
    nn.init.constant_(linear.weight, 5 / 30)
    found = predicted(
        [Hidden("", "tanh", 1.0, None, None, None, None)] * 60, [Link(linear, 1.0)] * 59
    )
    q = fixed_point(25 / 9, 0.0, "tanh")
    assert found[-1].predicted_q == pytest.approx(q, rel=1e-5)
    assert found[-2].chi == pytest.approx(chi1(q, 25 / 9, "tanh"), rel=1e-5)


def test_widths_and_dropout_have_their_factor() -> None:
    wide = nn.Linear(100, 400, bias=False)
    nn.init.constant_(wide.weight, math.sqrt(2) / 10)
    halves = [Hidden("", "relu", 1.0, None, None, None, None)] * 2
    plain, dropped = (predicted(halves, [Link(wide, kept)]) for kept in (1.0, 2.0))
    assert plain[0].chi == pytest.approx(1.0)
    assert plain[0].predicted_profile == pytest.approx(math.log10(4) / 2)
    assert dropped[1].predicted_q == pytest.approx(2 * (plain[1].predicted_q or 0))
    assert dropped[0].predicted_profile == pytest.approx(math.log10(8) / 2)
