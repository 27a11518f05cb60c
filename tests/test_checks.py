"""Specification of the network's configuration: every refusal is one line that names its key."""

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from ninja import checks
from ninja.checks import check, check_keys, check_place, check_run, gain_value
from ninja.config import NetworkConfig, RunConfig
from ninja.errors import ConfigError, nearest
from ninja.networks import PRESETS
from ninja.rules import activations
from tests.faults import fault_of


def changed(**values: Any) -> NetworkConfig:
    """The default config with some keys changed, written ``model__n_hidden=64``."""
    config = NetworkConfig()
    for key, value in values.items():
        group, _, name = key.rpartition("__")
        if group:
            part = replace(getattr(config, group), **{name: value})
            config = replace(config, **{group: part})
        else:
            config = replace(config, **{name: value})
    return config


def refusal(**values: Any) -> str:
    return fault_of(lambda: check(changed(**values)), ConfigError)


# --- what is right -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_right(name: str) -> None:
    check(PRESETS[name])


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"norm__eps": 0, "norm__momentum": 1, "init__output_scale": 2},  # an int is a good float
        {"init__bias_std": 0.0, "init__norm_std": 0.0, "norm__momentum": 0.0},
        {"norm__eps": 1.0, "norm__momentum": 1.0},
        {"model__n_hidden": 1, "model__n_embd": 1, "model__n_layers": 1, "block_size": 1},
        {"model__residual": True, "model__n_layers": 3},
        {"block_size": 8, "model__consecutive": 2, "model__n_layers": 3},
        {"block_size": 9, "model__consecutive": 3, "model__n_layers": 2},
        {"norm__name": "none"},
        {"norm__name": "layernorm", "norm__output": True},
        {"init__scheme": "orthogonal", "init__gain": 0},
        *({"model__activation": name, "init__gain": name} for name in activations()),
    ],
    ids=str,
)
def test_what_can_be_built_passes(values: dict[str, Any]) -> None:
    check(changed(**values))


# --- gains ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "value"),
    [
        (5 / 3, 5 / 3),
        ("5/3", 5 / 3),
        ("1.5", 1.5),
        ("1e-2", 0.01),
        (" 5/3 ", 5 / 3),
        (2, 2.0),
        (0, 0.0),
        ("0", 0.0),
        ("tanh", 5 / 3),
        ("relu", math.sqrt(2)),
        ("identity", 1.0),
    ],
)
def test_a_gain_is_a_number_a_fraction_or_a_name(gain: float | str, value: float) -> None:
    assert gain_value(gain) == value
    assert type(gain_value(gain)) is float


@pytest.mark.parametrize("name", activations())
def test_every_activation_is_a_gain(name: str) -> None:
    assert gain_value(name) == activations()[name].gain


@pytest.mark.parametrize(
    "gain",
    ["tahn", "", "5/0", "5:3", "1,5", -1.0, "-5/3", math.nan, math.inf, -math.inf, "nan", "inf"],
)
def test_nonsense_is_no_gain(gain: float | str) -> None:
    message = fault_of(lambda: gain_value(gain), ConfigError)
    assert message.startswith(f"init.gain: {gain!r} is not a gain")
    assert "5/3" in message
    assert all(name in message for name in activations())


@pytest.mark.parametrize("gain", [None, [1.0], True])
def test_a_gain_of_another_type_is_refused(gain: Any) -> None:
    assert refusal(init__gain=gain).startswith("init.gain: ")


# --- types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("model.n_hidden", "64", "int"),
        ("model.n_hidden", 64.0, "int, give 64"),
        ("model.n_embd", None, "int"),
        ("model.n_layers", [1], "int"),
        ("model.n_hidden", True, "int"),
        ("model.consecutive", False, "int"),
        ("model.activation", 3, "str"),
        ("model.activation", None, "str"),
        ("model.residual", 1, "bool"),
        ("model.bias", "false", "bool"),
        ("init.bias_std", "0.1", "float | null"),
        ("init.bias_std", True, "float | null"),
        ("init.output_scale", None, "float"),
        ("norm.affine", 0, "bool"),
        ("norm.eps", "1e-5", "float"),
        ("norm.momentum", False, "float"),
        ("data.block_size", "3", "int"),
        ("data.block_size", True, "int"),
    ],
)
def test_a_wrong_type_is_named(key: str, value: Any, kind: str) -> None:
    field = key.removeprefix("data.").replace(".", "__")
    assert refusal(**{field: value}) == f"{key}: {value!r} is not of type {kind}"


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "typo", "meant"),
    [
        ("model.activation", "tahn", "tanh"),
        ("model.activation", "leakyrelu", "leaky_relu"),
        ("init.scheme", "kaimin", "kaiming"),
        ("init.output_scheme", "xaver", "xavier"),
        ("norm.name", "batch_norm", "batchnorm"),
        ("norm.running", "vars", "var"),
    ],
)
def test_an_unknown_name_comes_with_a_guess(key: str, typo: str, meant: str) -> None:
    message = refusal(**{key.replace(".", "__"): typo})
    assert message.startswith(f"{key}: unknown name {typo!r}, choose from ")
    assert message.endswith(f"; did you mean {meant}?")


@pytest.mark.parametrize(
    ("key", "value"),
    [("model.activation", "xyz"), ("init.scheme", None), ("norm.name", 7), ("norm.running", "")],
)
def test_a_name_like_no_other_comes_with_the_choice_only(key: str, value: Any) -> None:
    message = refusal(**{key.replace(".", "__"): value})
    assert message.startswith(f"{key}: unknown name {str(value)!r}, choose from ")
    assert "did you mean" not in message


# --- ranges --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "bounds"),
    [
        ("data.block_size", 0, "from 1 to 4096"),
        ("model.n_embd", 0, "from 1 to 65536"),
        ("model.n_hidden", -5, "from 1 to 65536"),
        ("model.n_layers", 0, "from 1 to 65536"),
        ("model.consecutive", -2, "from 0 to 4096"),
        ("model.consecutive", 10**9, "from 0 to 4096"),
        ("init.bias_std", -0.1, "from 0 to 1e+09"),
        ("init.output_scale", math.inf, "from 0 to 1e+09"),
        ("init.norm_std", math.nan, "from 0 to 1e+09"),
        ("norm.eps", -1e-9, "from 0 to 1"),
        ("norm.eps", math.nan, "from 0 to 1"),
        ("norm.eps", 1.5, "from 0 to 1"),
        ("norm.momentum", 1.001, "from 0 to 1"),
        ("norm.momentum", -0.1, "from 0 to 1"),
    ],
)
def test_what_is_out_of_range_is_told_its_bounds(key: str, value: float, bounds: str) -> None:
    field = key.removeprefix("data.").replace(".", "__")
    assert refusal(**{field: value}) == f"{key}: {value!r} is out of range, it must be {bounds}"


# --- keys that contradict each other -------------------------------------------------------------


@pytest.mark.parametrize(
    ("consecutive", "layers", "block_size", "needed"),
    [(2, 3, 3, "2^3"), (2, 2, 8, "2^2"), (3, 1, 9, "3^1"), (1, 1, 3, "2^1"), (1, 1, 1, "2^1")],
)
def test_fused_positions_must_use_up_the_context(
    consecutive: int, layers: int, block_size: int, needed: str
) -> None:
    message = refusal(model__consecutive=consecutive, model__n_layers=layers, block_size=block_size)
    assert message.startswith(f"model.consecutive: {consecutive} positions")
    assert message.endswith(f"data.block_size = {needed}, not {block_size}")


def test_fused_positions_leave_no_residual() -> None:
    message = refusal(model__residual=True, model__consecutive=2, model__n_layers=3, block_size=8)
    assert message.startswith("model.residual: ")
    assert "model.consecutive" in message


def test_no_norm_leaves_none_for_the_output() -> None:
    message = refusal(norm__name="none", norm__output=True)
    assert message.startswith("norm.output: ")
    assert "norm.name=none" in message


# --- a whole run ---------------------------------------------------------------------------------


def run_changed(**values: Any) -> RunConfig:
    """The default run with some keys changed, written ``optimizer__lr=1.0``."""
    config = RunConfig()
    for key, value in values.items():
        group, _, name = key.rpartition("__")
        if group:
            value = replace(getattr(config, group), **{name: value})
        config = replace(config, **{group or name: value})
    return config


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"optimizer__lr": 0, "optimizer__clip": 1e-9, "optimizer__lr_schedule": ()},
        {"optimizer__lr_schedule": ((0, 0.0), (5, 1), (10, 2.0))},
        {"probe__early": (), "probe__every": 0, "probe__gap_every": 0},
        {"probe__on_gap": "stop", "probe__gap_every": 1},
        {"study": "a b.c-ü", "output": "/tmp/x y", "data__path": "ü b.txt"},
        {"wandb__tags": ("a" * 64, "b"), "wandb__project": "p" * 128, "wandb__entity": "me"},
        {"wandb__timeout": 0.1},
        {"recompute": "sqrt"},
        {"recompute": 5, "model__n_layers": 4, "backward": "autograd"},
        {"model__n_hidden": 4096, "batch_size": 1024},
    ],
    ids=str,
)
def test_what_can_be_run_passes(values: dict[str, Any]) -> None:
    check_run(run_changed(**values))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        *(
            ({"study": name}, "study: ")
            for name in ("", " ", ".", "..", ".x", "a/b", "a\0b", "a\nb")
        ),
        *(({"output": name}, "output: ") for name in ("", "  ", "a\nb", "a\0b", "\udcff")),
        *(({"data__path": name}, "data.path: ") for name in ("", " ", "a\nb", "a\0b")),
        ({"seed": 2**32}, "seed: 4294967296 is out of range"),
        ({"checkpoint__every": -1}, "checkpoint.every: -1 is out of range"),
        ({"optimizer__lr": math.inf}, "optimizer.lr: inf is out of range"),
        ({"optimizer__eps": math.nan}, "optimizer.eps: nan is out of range"),
        ({"optimizer__weight_decay": math.inf}, "optimizer.weight_decay: inf is out of range"),
        ({"optimizer__clip": 0}, "optimizer.clip: 0 leaves nothing"),
        ({"optimizer__clip": math.inf}, "optimizer.clip: inf is out of range"),
        ({"optimizer__lr_schedule": ((5, math.inf),)}, "optimizer.lr_schedule.5: inf"),
        ({"optimizer__lr_schedule": ((5, math.nan),)}, "optimizer.lr_schedule.5: nan"),
        ({"optimizer__lr_schedule": ((math.inf, 1.0),)}, "optimizer.lr_schedule: ((inf, 1.0),)"),
        ({"optimizer__lr_schedule": ((9, 1.0), (5, 1.0))}, "the steps 9, 5 do not ascend"),
        ({"optimizer__lr_schedule": ((5, 1.0), (5, 1.0))}, "the steps 5, 5 do not ascend"),
        ({"probe__early": (0, -1)}, "probe.early: -1 is out of range"),
        ({"probe__early": (0, 1.5)}, "probe.early: (0, 1.5) is not of type"),
        ({"probe__val_every": -1}, "probe.val_every: -1 is out of range"),
        ({"probe__close_every": -1}, "probe.close_every: -1 is out of range"),
        ({"recompute": 0}, "recompute: 0 segments of 2 linear layers cannot be, give 1 to 2, sqrt"),
        ({"recompute": 3}, "recompute: 3 segments of 2 linear layers cannot be, give 1 to 2, sqrt"),
        ({"recompute": True}, "recompute: True is not of type none | sqrt | int"),
        ({"recompute": None}, "recompute: None is not of type none | sqrt | int"),
        ({"recompute": "sqr"}, "recompute: 'sqr' is not of type none | sqrt | int"),
        ({"recompute": 2.0}, "recompute: 2.0 is not of type none | sqrt | int"),
        ({"recompute": "sqrt", "compile": True}, "give recompute=none or compile=false"),
        ({"wandb__timeout": 0}, "wandb.timeout: 0 leaves no time"),
        ({"wandb__timeout": -1}, "wandb.timeout: -1 is out of range"),
        ({"wandb__timeout": math.nan}, "wandb.timeout: nan is out of range"),
        ({"wandb__timeout": 1e9}, "wandb.timeout: 1000000000.0 is out of range"),
        ({"wandb__project": ""}, "wandb.project: '' must have from 1 to 128"),
        ({"wandb__project": "p" * 129}, "must have from 1 to 128 characters"),
        ({"wandb__project": "a\nb"}, "wandb.project: 'a\\nb' holds what cannot be printed"),
        *(({"wandb__project": f"a{bad}b"}, f"holds {bad}, which W&B") for bad in "/\\#?%:"),
        ({"wandb__entity": ""}, "wandb.entity: '' must have"),
        ({"wandb__group": " "}, "wandb.group: ' ' must have"),
        ({"wandb__tags": (1,)}, "wandb.tags: (1,) is not of type"),
        ({"wandb__tags": ("a", "")}, "wandb.tags: '' must have from 1 to 64"),
        ({"wandb__tags": ("a" * 65,)}, "must have from 1 to 64 characters"),
    ],
    ids=lambda value: ascii(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_run_is_refused(values: dict[str, Any], said: str) -> None:
    assert said in fault_of(lambda: check_run(run_changed(**values)), ConfigError)


def test_to_stop_at_a_wrong_gap_it_must_be_measured() -> None:
    message = fault_of(
        lambda: check_run(run_changed(probe__on_gap="stop", probe__gap_every=0)), ConfigError
    )
    assert message.startswith("probe.on_gap: ")
    assert "probe.gap_every=0" in message


@pytest.mark.parametrize(
    "values",
    [
        {"model__n_hidden": 65536, "model__n_layers": 4096},
        {"model__n_hidden": 65536, "batch_size": 1 << 20, "model__n_layers": 2},
        {"batch_size": 1 << 20, "data__block_size": 4096},
    ],
    ids=str,
)
def test_what_fits_into_no_memory_is_refused(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_memory", lambda: 2**38)
    message = fault_of(lambda: check_run(run_changed(**values)), ConfigError)
    assert message.startswith("model, batch_size: ")
    assert message.endswith("this machine has 256.0 GiB: give smaller sizes")


def test_memory_is_counted_per_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that just fits, in float64 and with AdamW's two moments no more."""
    monkeypatch.setattr(checks, "_memory", lambda: 3 * 4 * 10_000**2)
    fits = {"model__n_hidden": 10_000, "model__n_layers": 2}
    check_run(run_changed(**fits))
    for more in ({"dtype": "float64"}, {"optimizer__name": "adamw"}):
        with pytest.raises(ConfigError, match="give smaller sizes"):
            check_run(run_changed(**fits, **more))


def test_what_is_computed_twice_needs_less_if_no_step_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, "_memory", lambda: 2**30)
    deep = {"model__n_layers": 99, "model__n_hidden": 100, "batch_size": 1 << 14}
    unseen = {"probe__early": (), "probe__every": 0, "probe__gap_every": 0}
    for values in (deep | unseen, deep | {"recompute": "sqrt"}):
        with pytest.raises(ConfigError, match="give smaller sizes"):
            check_run(run_changed(**values))
    for recompute in ("sqrt", 5):
        check_run(run_changed(**deep, **unseen, recompute=recompute))


def test_the_memory_of_this_machine_is_some() -> None:
    assert 2**28 < checks._memory() < 2**50


def test_the_place_alone() -> None:
    check_place(run_changed(steps=-1))
    assert "study" in fault_of(lambda: check_place(run_changed(study="..")), ConfigError)


def test_keys_are_checked_without_torch() -> None:
    code = (
        "import sys\n"
        "from ninja.checks import check_keys\n"
        "from ninja.config import RunConfig\n"
        "check_keys(RunConfig())\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert fault_of(lambda: check_keys(run_changed(steps=0)), ConfigError).startswith("steps: 0")


# --- nearest -------------------------------------------------------------------------------------


def test_nearest_sorts_what_there_is_and_guesses() -> None:
    assert nearest("key", "gama", ["gamma", "beta", "alpha"]) == (
        "key: unknown name 'gama', choose from alpha, beta, gamma; did you mean gamma?"
    )


def test_nearest_does_not_guess_wildly() -> None:
    assert nearest("key", "xyz", ["beta", "alpha"]) == (
        "key: unknown name 'xyz', choose from alpha, beta"
    )


@pytest.mark.parametrize("given", ["a\nb", "a\r\nb", "\x1b[31m", None, 3, ["a"]])
def test_nearest_stays_on_one_line(given: object) -> None:
    assert nearest("key", given, ["alpha"]).isprintable()
