"""Each class from a record made by hand, what explains what, and records that say little."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja import fit
from ninja.config import InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig
from ninja.diagnosis import KINDS, About, Finding, diagnose, verdict
from ninja.diagnosis.finding import read
from ninja.networks import PRESETS
from ninja.result import Result
from tests.diagnosis.records import Row, layers, row, run

CONFIG: dict[str, Any] = json.loads(json.dumps(asdict(RunConfig())))
LOSSES = {"train": 2.30, "validation": 2.31, "test": 2.32, "by_batch": 2.29}
ABOUT = About(27, LOSSES, None, CONFIG)
PLAIN = replace(ABOUT, config=CONFIG | {"norm": CONFIG["norm"] | {"name": "none"}})


def sick(rows: list[Row], about: About = PLAIN) -> Finding:
    (found,) = (one for one in diagnose(rows, about) if one.severity == "sick")
    return found


def test_a_healthy_run_has_no_finding() -> None:
    assert diagnose(run(layers()), ABOUT) == []
    assert verdict([]) == "healthy"


@pytest.mark.parametrize(
    ("rows", "kind", "layer"),
    [
        (run(layers((1e-6, 1e-3))), "vanishing", "02.linear"),
        (run(layers((0.0, 1e-3))), "vanishing", "02.linear"),
        (run(layers((1e-3, 1e-6))), "exploding", "02.linear"),
        (run(layers((1e-6, 2e-6, 1e-2, 1e-2))), "vanishing", "04.linear"),
        (run(layers((1e-6, 1e-5, 1e-4, 1e-3))), "vanishing", ""),
        (run(layers(gate=0.8, at=1)), "saturated", "02.linear"),
        (run(layers(dead=0.9, rule="relu", at=1)), "dead", "02.linear"),
        (run(layers(gate=0.9, rule="relu", at=0)), "dead", "00.linear"),
        (run(layers(twins=1.0)), "symmetric", "00.linear"),
        (run(layers(linear=0.99)), "linear", "00.linear"),
        (run(layers(update=-6)), "stalled", ""),
        (run(layers(update=-0.3)), "unstable", ""),
        (run(layers(), gap=1e-3), "wrong gradient", ""),
        (run(layers(), loss=27.0), "overconfident", ""),
    ],
)
def test_each_class(rows: list[Row], kind: str, layer: str) -> None:
    found = sick(rows)
    assert (found.kind, found.layer, found.step) == (kind, layer, 0)
    assert found.reason
    assert found.fix
    assert all(item.state == "outside" and item.step == 0 for item in found.evidence)


def test_the_end_of_a_run_speaks_too() -> None:
    found = sick(run(layers()), replace(PLAIN, losses=LOSSES | {"train": 3.3}))
    assert (found.kind, found.fix) == ("mismatch", "norm.calibrate=true")
    where = {"step": 7, "node": "05.loss", "tensor": "probs"}
    found = sick(run(layers()), replace(PLAIN, losses={}, diverged=where))
    assert (found.kind, found.layer, found.step) == ("diverged", "05.loss", 7)
    assert found.fix.startswith("optimizer.lr=")


def test_every_class_is_tested() -> None:
    (mark,) = test_each_class.pytestmark  # pyright: ignore[reportFunctionMemberAccess]
    assert {kind for _, kind, _ in mark.args[1]} | {"mismatch", "diverged"} == set(KINDS)


# --- causes and what they bring about ------------------------------------------------------------


def test_what_a_cause_explains_is_a_note_below_it() -> None:
    found = diagnose(run(layers((1e-6, 1e-3), update=-6, linear=0.99)), PLAIN)
    assert [(one.kind, one.severity) for one in found] == [
        ("linear", "sick"),
        ("vanishing", "note"),
        ("stalled", "note"),
    ]
    assert verdict(found) == "linear"


def test_what_came_first_is_the_cause() -> None:
    """Steps too large have killed the units; units that are dead make no steps at all."""
    wild = [row(i, layers(update=-1.5, rule="relu")) for i in range(3)]
    rows = [*wild, *(row(i, layers(update=-1.5, dead=1.0, rule="relu")) for i in range(3, 12))]
    assert [(one.kind, one.severity) for one in diagnose(rows, PLAIN)] == [
        ("unstable", "sick"),
        ("dead", "note"),
    ]


def test_what_training_has_mended_is_a_warning() -> None:
    rows = [row(i, layers((1e-6, 1e-3))) for i in range(4)]
    rows += [row(i, layers()) for i in range(100, 1000, 100)]
    rows[4] = row(4, layers())
    (found,) = diagnose(rows, PLAIN)
    assert (found.kind, found.severity) == ("vanishing", "warning")
    assert verdict([found]) == "vanishing at the start"


@pytest.mark.parametrize(
    ("deltas", "reason"),
    [
        ((1.234e-7, 1e-3), "gradient shrinks 8,100 times, most of all in 02.linear"),
        ((0.0, 1e-3), "gradient shrinks 10^inf times, most of all in 02.linear"),
        ((1e-6, 1e-5, 1e-4, 1e-3), "gradient shrinks 1,000 times, 10 a layer"),
        ((1e-3, 1e-4, 1e-5, 1e-6), "gradient grows 1,000 times, 10 a layer"),
    ],
)
def test_where_the_gradient_changes(deltas: tuple[float, ...], reason: str) -> None:
    """The layer that makes half of it or more, else each one's share; in two digits at most."""
    assert sick(run(layers(deltas))).reason.endswith(reason)


@pytest.mark.parametrize(("after", "end"), [(5e-4, "2 times"), (2e-3, "no more")])
def test_a_gradient_that_has_recovered_is_told_of_in_the_past(after: float, end: str) -> None:
    rows = [row(100 * i, layers((1e-6, 1e-3))) for i in range(8)]
    rows += [row(100 * i, layers((after, 1e-3))) for i in range(8, 16)]
    found = sick(rows)
    assert found.kind == "vanishing"
    assert found.reason.endswith(
        f"gradient shrank 1,000 times, most of all in 02.linear; {end} at the end"
    )


def test_a_run_that_diverged_is_said_to_be_so_whatever_has_brought_it_about() -> None:
    rows = run(layers((1e-3, 1e-6)))
    rows[5] = row(500, layers((1e-3, 1e-6)), loss=math.nan)
    found = diagnose(rows, PLAIN)
    assert [(one.kind, one.severity) for one in found] == [
        ("exploding", "sick"),
        ("diverged", "note"),
    ]
    assert verdict(found) == "exploding, diverged"


def test_sigmoids_want_a_norm_as_no_gain_helps_them() -> None:
    shrunk = run(layers((1e-6, 1e-3), rule="sigmoid"))
    found = sick(shrunk, replace(PLAIN, config=None))
    assert "LazyBatchNorm1d" in found.fix
    config = CONFIG | {"model": CONFIG["model"] | {"activation": "sigmoid"}}
    none = {"norm": CONFIG["norm"] | {"name": "none"}}
    assert sick(shrunk, replace(PLAIN, config=config | none)).fix == "norm=batchnorm"


def test_one_look_among_many_is_a_whim() -> None:
    rows = run(layers())
    rows[3] = row(300, layers((1e-6, 1e-3), update=-0.1, dead=1.0))
    assert diagnose(rows, PLAIN) == []


# --- what looks like a fault and is none ----------------------------------------------------------


def test_one_hidden_layer_cannot_vanish() -> None:
    assert diagnose(run(layers((1e-9,))), ABOUT) == []


def test_a_relu_is_neither_saturated_nor_linear() -> None:
    found = diagnose(run(layers(rule="relu", linear=1.0)), PLAIN)
    assert found == []


def test_units_below_a_dead_layer_are_not_dead_themselves() -> None:
    """They get nothing because those above send nothing."""
    below = layers((0.0,), dead=1.0, rule="relu", arriving=0.0)
    above = [
        of | {"layer": of["layer"] + 2, "node": f"{of['layer'] + 2:02d}.{of['rule']}"}
        for of in layers((0.0,), dead=1.0, rule="relu")
    ]
    assert sick(run(below + above)).layer == "02.linear"


def test_a_first_output_layer_of_zeros_is_no_fault() -> None:
    """At step 0 it sends nothing back; from step 1 on it does."""
    nothing = layers((0.0, 0.0), dead=1.0, arriving=0.0)
    assert diagnose([row(0, nothing), *(row(i, layers()) for i in range(1, 9))], PLAIN) == []


def test_who_learns_by_small_steps_is_not_stalled() -> None:
    rows = [row(i, layers(update=-5), loss=3.3 * 0.97**i) for i in range(10)]
    assert diagnose(rows, PLAIN) == []


def test_an_underflow_is_no_wrong_gradient() -> None:
    """Of a loss of 30 some examples' probabilities are 0, and 0/0 is pulled back step by step."""
    rows = run(layers(), gap=math.inf, loss=30.0)
    assert "wrong gradient" not in {one.kind for one in diagnose(rows, PLAIN)}
    assert sick(run(layers(), gap=math.inf)).kind == "wrong gradient"


def test_a_lowered_learning_rate_stalls_nothing() -> None:
    rows = run(layers()) + [row(i, layers(update=-7), lr=1e-4) for i in range(800, 810)]
    assert diagnose(rows, PLAIN) == []


def test_dead_units_look_alike_and_are_not_called_symmetric() -> None:
    assert sick(run(layers(twins=1.0, dead=1.0, rule="relu"))).kind == "dead"


def test_zero_weights_are_symmetric_though_their_units_are_dead() -> None:
    of = layers(twins=1.0, dead=1.0, rule="relu")
    zero = [layer | {"weight_norm": 0.0} if layer["tensor"] == "W" else layer for layer in of]
    assert sick(run(zero)).kind == "symmetric"


def of_losses(*losses: float, update: float = -2.5) -> list[Row]:
    """One look for each loss."""
    looked = enumerate(losses)
    return [row(10 * i, layers(update=update), loss=loss) for i, loss in looked]


def test_a_hard_batch_is_no_rise_of_the_loss() -> None:
    """One look above the bound is a batch; three are a rise, and so is one of twice as much."""
    assert not diagnose(of_losses(2.3, 4.5, 2.0, 4.4, 2.1, 2.0, 1.9), PLAIN)
    assert sick(of_losses(2.3, 2.2, 4.5, 4.6, 4.7)).kind == "unstable"
    assert sick(of_losses(2.3, 2.2, 8.0, 2.1, 2.2)).kind == "unstable"


def test_no_rise_is_theirs_who_change_nothing() -> None:
    (found,) = diagnose(of_losses(2.3, 8.0, 9.0, 8.5, 9.0, update=-math.inf), PLAIN)
    assert found.kind == "stalled"
    assert "change no weight at all" in found.reason


def test_a_large_first_update_makes_no_weights_alike() -> None:
    """Its spread is all that there is, as if there had been none: but the loss leaps, too."""
    first, *rest = of_losses(2.3, 90.0, 80.0, 70.0, 90.0)
    for layer in first["layers"]:
        if "update_ratio" in layer:
            layer |= {"update_ratio": 0.0, "weight_norm": 90.0}
    for one in rest:
        one["layers"] = layers(update=-0.5)
        for layer in one["layers"]:
            layer |= {"weight_norm": 90.0} if "update_ratio" in layer else {}
    assert sick([first, *rest]).kind == "unstable"
    for one in rest:
        one["loss"] = 2.3
    assert sick([first, *rest]).kind == "symmetric"


def test_layers_that_no_optimizer_holds_are_named() -> None:
    rows = of_losses(2.3, 2.2, 2.1, 2.0)
    for one in rows:
        for layer in one["layers"]:
            if layer["node"] == "02.linear" and layer["tensor"] == "W":
                layer["update_ratio"] = -math.inf
    found = sick(rows)
    assert (found.kind, found.layer) == ("stalled", "02.linear")
    assert "no optimizer holds it" in found.reason
    assert "add_param_group" in found.fix
    assert "get_submodule('02.linear')" in found.fix


def test_a_young_run_has_no_mismatch() -> None:
    apart = replace(PLAIN, losses={"train": 3.0, "by_batch": 2.0})
    assert not diagnose([row(step, layers()) for step in range(5)], apart)
    assert sick(run(layers()), apart).kind == "mismatch"


def test_weights_that_are_not_finite_are_not_confident() -> None:
    lost = layers(act_mean=math.nan, act_std=math.nan)
    (found,) = [f for f in diagnose(run(lost, loss=math.nan), PLAIN) if f.severity == "sick"]
    assert found.kind == "diverged"
    sound = layers(act_mean=0.0, act_std=0.5)
    finite = [row(0, sound, loss=math.inf), *run(sound)[1:]]
    assert "overconfident" in {f.kind for f in diagnose(finite, PLAIN)}


def test_fixes_of_pytorch_name_what_is_there() -> None:
    dead = sick(run(layers(rule="relu", dead=0.9)), About(27))
    assert "kaiming_normal_" in dead.fix  # it has no bias that could be set to zero
    confident = sick(run(layers(), loss=33.0), About(27))
    assert "get_submodule('02.linear').weight" in confident.fix


def test_the_output_scale_is_made_smaller_than_it_is() -> None:
    config = asdict(RunConfig(init=InitConfig(output_scale=0.1)))
    found = sick(run(layers(), loss=33.0), replace(PLAIN, config=config))
    assert found.fix == "init.output_scale=0.01"


def test_a_resumed_or_partial_record_says_nothing_of_the_first_loss() -> None:
    assert diagnose([row(500, layers(), loss=27.0)], ABOUT) == []


# --- records that say little ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "kinds"),
    [
        ([], set()),
        ([row(0)], set()),
        ([row(0, [])], set()),
        ([row(0, layers())], set()),
        ([row(0, layers((math.nan,) * 3, math.nan, dead=math.nan), loss=math.nan)], {"diverged"}),
        ([row(0, layers((0.0, 0.0), -math.inf, arriving=0.0), grad_norm=0.0)], {"stalled"}),
        ([row(0, layers((1e-3,), dead=1.0, rule="relu"))], {"dead"}),
    ],
    ids=["empty", "no layers", "none at all", "one row", "all NaN", "all zero", "one layer"],
)
def test_a_record_that_says_little(rows: list[Row], kinds: set[str]) -> None:
    found = diagnose(rows, About())
    assert kinds <= {one.kind for one in found}
    assert bool(found) == bool(kinds)


NUMBER = st.sampled_from([0.0, 1e-9, 0.3, 1.0, 1e9, math.inf, -math.inf, math.nan])


@given(st.lists(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER, NUMBER), max_size=5), st.booleans())
def test_no_record_is_too_odd(numbers: list[tuple[float, ...]], ours: bool) -> None:
    rows = [
        row(i, layers((a, b, c), d, dead=e, gate=a, twins=b), loss=c, grad_norm=d, gap=e)
        for i, (a, b, c, d, e) in enumerate(numbers)
    ]
    found = diagnose(rows, ABOUT if ours else About())
    assert all(one.fix and one.reason for one in found)
    assert [read(plain) for plain in json.loads(json.dumps(list(map(asdict, found))))] == found


# --- real runs -----------------------------------------------------------------------------------


def deep(gain: float, **optimizer: Any) -> RunConfig:
    return RunConfig(
        steps=201,
        model=ModelConfig(n_hidden=50, n_layers=5),
        norm=NormConfig(name="none"),
        init=InitConfig(gain=gain, output_scale=0.1),
        optimizer=OptimizerConfig(**optimizer),
    )


def lecture(preset: str) -> RunConfig:
    network = PRESETS[preset]
    small = replace(network.model, n_hidden=64)
    return RunConfig(steps=201, model=small, norm=network.norm, init=network.init)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (lecture("lecture_deep"), "healthy"),
        (lecture("lecture_batchnorm"), "healthy"),
        (deep(5 / 3), "healthy"),
        (deep(0.1), "vanishing"),
        (deep(10.0), "saturated"),
        (deep(5 / 3, lr=1e-5), "stalled"),
        (deep(5 / 3, lr=1e3), "diverged"),
    ],
    ids=["lecture_deep", "lecture_batchnorm", "5/3", "0.1", "10", "lr 1e-5", "lr 1e3"],
)
def test_a_real_run(config: RunConfig, said: str, tmp_path: Path) -> None:
    ended = fit.fit(config, tmp_path)
    assert isinstance(ended, Result)
    assert ended.verdict == said
