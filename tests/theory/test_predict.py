"""Predictions of whole networks: the parts put together, and networks of every kind they cover."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ninja.errors import TheoryError
from ninja.theory import (
    NAMED,
    Setting,
    activation,
    batchnorm_growth,
    chi1,
    critical_weight_variance,
    dead_shares,
    fixed_point,
    layernorm_growth,
    lengths,
    log_norm,
    predict,
    saturated_shares,
)
from ninja.theory.predict import Norm
from tests.faults import fault_of
from tests.theory.networks import Array, seeded

TANH = Setting(12, 25 / 9, "tanh", bias_variance=0.05, batch=32)


def test_its_parts_are_those_of_the_mean_field() -> None:
    found = predict(TANH)
    q = lengths(12, 25 / 9, 0.05, "tanh")
    assert [layer.layer for layer in found.layers] == list(range(1, 13))
    assert [layer.q for layer in found.layers] == pytest.approx(q)
    chis = [chi1(one, 25 / 9, "tanh") for one in q]
    assert [layer.chi for layer in found.layers] == pytest.approx(chis)
    assert found.layers[-1].delta == 0
    assert found.layers[0].delta == pytest.approx(sum(map(math.log10, chis[:-1])) / 2)
    saturated = saturated_shares(12, 25 / 9, 0.05, "tanh")
    assert [layer.saturated for layer in found.layers] == pytest.approx(saturated)
    assert found.q == pytest.approx(fixed_point(25 / 9, 0.05, "tanh"))
    assert found.critical_weight_variance == critical_weight_variance(0.05, "tanh")
    assert found.caveats == ()


def test_dead_units_need_a_batch() -> None:
    relu = Setting(5, 2, "relu")
    assert {layer.dead for layer in predict(relu).layers} == {None}
    dead = [layer.dead for layer in predict(replace(relu, batch=8)).layers]
    assert dead == pytest.approx(dead_shares(5, 2, 0, "relu", 8))
    assert {layer.dead for layer in predict(TANH).layers} == {0.0}
    normed = predict(replace(relu, batch=8, norm="batchnorm"))
    assert {layer.dead for layer in normed.layers} == {0.0}


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
def test_a_norm_makes_all_layers_alike(norm: Norm) -> None:
    found = predict(replace(TANH, norm=norm))
    growth = layernorm_growth(25 / 9, 0.05, "tanh")
    assert found.chi == pytest.approx(growth)
    assert found.layers[0].delta == pytest.approx(11 * math.log10(growth) / 2)
    batchnorm = predict(replace(TANH, norm="batchnorm"))
    assert batchnorm.chi == batchnorm_growth(32, "tanh", bessel=True)


def squares(setting: Setting, seed: object, nets: int) -> Array:
    """Mean of δ² on what φ is given, layer by layer, of networks as ninja builds them."""
    random, made = seeded(setting, seed), activation(setting.activation)
    width, batch = 300, 64
    total = np.zeros(setting.depth)
    for _ in range(nets):
        x, layers = random.normal(size=(batch, width)), []
        for index in range(setting.depth):
            W = random.normal(size=(width, width)) * math.sqrt(setting.weight_variance / width)
            h = x @ W + random.normal(size=width) * math.sqrt(setting.bias_variance)
            std = np.ones((batch, 1))
            if setting.norm == "layernorm":
                std = h.std(-1, keepdims=True)
                h = (h - h.mean(-1, keepdims=True)) / std
            skip = setting.residual and index > 0
            layers.append((h, W, std, skip))
            x = made.function(h) + (x if skip else 0)
        delta = random.normal(size=x.shape)
        for index in reversed(range(setting.depth)):
            h, W, std, skip = layers[index]
            dh = made.slope(h) * delta
            total[index] += (dh**2).mean()
            if setting.norm == "layernorm":
                dh = dh - dh.mean(-1, keepdims=True)
                dh = dh - h * (dh * h).mean(-1, keepdims=True)
            delta = (dh / std) @ W.T + (delta if skip else 0)
    return total


@pytest.mark.parametrize(
    "setting",
    [
        Setting(6, 25 / 9, "tanh", bias_variance=0.1),
        Setting(6, 0.5, "tanh"),
        Setting(6, 2, "relu"),
        Setting(6, 1.8, "gelu", bias_variance=0.05),
        Setting(6, 3, "tanh", bias_variance=0.5, norm="layernorm"),
        Setting(5, 1.5, "tanh", residual=True),
        Setting(5, 1.5, "relu", residual=True),
        Setting(6, 2, "tanh", bias_variance=0.1, norm="layernorm", residual=True),
    ],
    ids=lambda s: f"{s.activation} {s.norm} {'residual' if s.residual else ''}",
)
@pytest.mark.slow
def test_the_profile_against_networks(setting: Setting) -> None:
    measured = squares(setting, "profile", nets=24)
    expected = [layer.chi for layer in predict(setting).layers][:-1]
    off = np.log(measured[:-1] / measured[1:] / expected)
    assert abs(off.mean()) < 0.02
    assert abs(off).max() < 0.05  # one layer's weights alone


def test_what_is_not_to_be_trusted_is_said() -> None:
    (grows,) = predict(Setting(4, 3, "relu")).caveats
    assert "grow without end" in grows
    (width,) = predict(replace(TANH, norm="batchnorm", width=100)).caveats
    assert "needs 256 or more" in width
    assert predict(replace(TANH, norm="batchnorm", width=256)).caveats == ()
    assert "go on changing" in predict(replace(TANH, residual=True)).caveats[0]
    narrow = predict(Setting(21, 2, "relu", width=50))
    assert narrow.spread == pytest.approx(math.sqrt(log_norm([50] * 20)[1]) / 2 / math.log(10))
    assert "0.32" in narrow.caveats[0]
    assert "narrow for 12 layers" in predict(replace(TANH, width=40)).caveats[0]
    assert predict(replace(TANH, width=400)).caveats == ()


def test_a_linear_layer_alone() -> None:
    found = predict(Setting(1, 4, "identity"))
    assert (found.layers[0].q, found.layers[0].delta) == (4, 0)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (replace(TANH, activation="tan"), "did you mean tanh?"),
        (replace(TANH, weight_variance=0), "lets nothing pass"),
        (replace(TANH, weight_variance=-1), "weight_variance: -1"),
        (replace(TANH, bias_variance=math.inf), "bias_variance: inf"),
        (replace(TANH, input_variance=math.nan), "input_variance: nan"),
        (replace(TANH, depth=0), "depth: 0"),
        (replace(TANH, batch=0), "batch: 0"),
        (replace(TANH, width=0), "width: 0"),
        (replace(TANH, norm="batchnorm", batch=None), "batch: BatchNorm's growth"),
        (replace(TANH, norm="batchnorm", batch=3), "batch: 3"),
        (replace(TANH, norm="batchnorm", residual=True), "residual"),
        (Setting(4000, 9, "relu"), "beyond all numbers in layer"),
    ],
)
def test_what_it_does_not_know_is_said(setting: Setting, said: str) -> None:
    assert said in fault_of(lambda: predict(setting), TheoryError)


def test_an_unknown_norm_is_said() -> None:
    norm: Norm = "batchnrm"  # pyright: ignore[reportAssignmentType]
    assert "batchnorm?" in fault_of(lambda: predict(replace(TANH, norm=norm)), TheoryError)


def test_it_needs_no_torch() -> None:
    code = "import sys, ninja.theory; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert set(NAMED) >= {"tanh", "sigmoid", "relu", "leaky_relu", "gelu", "identity"}


def test_zeros_stay_zeros() -> None:
    found = predict(Setting(3, 25 / 9, "tanh", input_variance=0.0))
    assert (found.q, found.chi) == (0.0, pytest.approx(25 / 9))
