"""``python -m ninja theory`` as a user meets it."""

import json
import math

import pytest

from ninja.cli import main
from ninja.theory import NAMED, Setting, predict
from tests.test_cli import ninja, refusal


def test_it_prints_the_prediction() -> None:
    done = ninja("theory", "--gain", "1.6667", "--activation", "tanh", "--depth", "30")
    assert (done.returncode, done.stderr) == (0, "")
    assert "q = 1.1786, χ = 1.20985: |δ|² grows by e in 5.25 layers" in done.stdout
    assert "critical: σw² = 1.00000" in done.stdout
    assert "20.94" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ([], Setting(20, (5 / 3) ** 2, "tanh")),
        (
            ["--gain", "relu", "--activation", "relu", "--batch", "8", "--depth", "4"],
            Setting(4, math.sqrt(2) ** 2, "relu", batch=8),
        ),
        (
            ["--bias-std", "0.2", "--norm", "layernorm", "--residual", "--width", "60"],
            Setting(
                20,
                (5 / 3) ** 2,
                "tanh",
                bias_variance=0.2**2,
                norm="layernorm",
                residual=True,
                width=60,
            ),
        ),
        (
            ["--norm", "batchnorm", "--batch", "32", "--input-variance", "3"],
            Setting(20, (5 / 3) ** 2, "tanh", norm="batchnorm", batch=32, input_variance=3),
        ),
    ],
    ids=["plain", "relu", "residual", "batchnorm"],
)
def test_json(options: list[str], setting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theory", "--json", *options]) == 0
    found, expected = json.loads(capsys.readouterr().out), predict(setting)
    assert found["setting"]["weight_variance"] == setting.weight_variance
    assert found["chi"] == expected.chi
    assert [layer["delta"] for layer in found["layers"]] == [one.delta for one in expected.layers]
    assert [layer["dead"] for layer in found["layers"]] == [one.dead for one in expected.layers]
    assert found["caveats"] == list(expected.caveats)


def test_what_keeps_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    relu = ["theory", "--activation", "relu", "--gain", "relu"]
    assert main([*relu, "--json"]) == 0
    out = capsys.readouterr().out
    assert "Infinity" not in out
    assert json.loads(out)["depth_scale"] is None
    assert main([*relu, "--batch", "32", "--width", "50"]) == 0
    out = capsys.readouterr().out
    assert "keeps its size" in out
    assert "caveat: at width 50" in out
    assert main([*relu, "--gain", "1"]) == 0
    assert "shrinks by e in" in capsys.readouterr().out


def test_a_deep_network_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theory", "--depth", "400", "--gain", "1"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 55
    assert "│     1 │" in out
    assert "│   400 │" in out


@pytest.mark.parametrize("name", NAMED)
def test_every_activation(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theory", "--activation", name, "--depth", "3", "--gain", "1"]) == 0
    assert f"3 layers of {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--gain", "huge"], "--gain: 'huge' is not a gain"),
        (["--gain", "-1"], "--gain"),
        (["--gain", "0"], "lets nothing pass"),
        (["--activation", "tan"], "did you mean tanh?"),
        (["--depth", "0"], "--depth"),
        (["--bias-std", "-1"], "--bias-std: '-1'"),
        (["--bias-std", "nan"], "--bias-std: 'nan'"),
        (["--input-variance", "inf"], "--input-variance"),
        (["--norm", "batchnorm"], "batch: BatchNorm's growth"),
        (["--norm", "batchnorm", "--batch", "3"], "batch: 3 is too few"),
        (["--norm", "batchnorm", "--batch", "32", "--residual"], "residual"),
        (["--norm", "bn"], "norm: unknown name 'bn'"),
        (["--activation", "relu", "--gain", "3", "--depth", "3000"], "beyond all numbers"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_options(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refusal(capsys, "theory", *options)
