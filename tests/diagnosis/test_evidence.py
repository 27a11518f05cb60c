"""What the record says of a run's health: each finding, what cannot be said, and real runs."""

import json
import math
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ninja import agreement
from ninja.diagnosis import unknown
from ninja.diagnosis.evidence import Evidence
from ninja.diagnosis.evidence import gather as _gather
from ninja.diagnosis.history import read
from ninja.diagnosis.ranges import GAP
from tests.diagnosis.records import layers, row, run


def gather(
    rows: Iterable[dict[str, Any]],
    losses: dict[str, float] | None = None,
    diverged: dict[str, Any] | None = None,
) -> list[Evidence]:
    return _gather(read(rows), losses, diverged)


def found(items: list[Evidence]) -> set[str]:
    return {item.finding for item in items} - {""}


LOSSES = {"train": 2.30, "validation": 2.31, "test": 2.32, "by_batch": 2.29}


def one(items: list[Evidence], name: str, when: str | None = None) -> Evidence:
    (found,) = (item for item in items if item.name == name and when in (None, item.when))
    return found


def test_a_healthy_run_is_inside_everywhere() -> None:
    items = gather(run(layers()), LOSSES)
    assert {item.state for item in items} == {"inside"}
    assert not found(items)


def test_the_profile_is_of_what_the_activations_read() -> None:
    """First over last, log10; the activations' own deltas, 9e9, count for nothing."""
    item = one(gather(run(layers((1e-3, 5e-3, 1e-2))), LOSSES), "delta profile", "start")
    assert item.value == pytest.approx(-1.0)
    assert (item.where, item.step, item.healthy) == ("00.linear / 04.linear", 0, (-1.2, 1.8))
    assert item.state == "inside"


@pytest.mark.parametrize(
    ("of", "called"),
    [
        (layers((1e-6, 1e-3)), "vanishing"),
        (layers((0.0, 1e-3)), "vanishing"),
        (layers((0.0, 0.0)), "vanishing"),
        (layers((1e-3, 1e-6)), "exploding"),
        (layers((1e-3, 0.0)), "exploding"),
        (layers(gate=0.6), "saturated"),
        (layers(saturated=0.6), "saturated"),
        (layers(dead=0.7), "dead"),
        (layers(linear=0.95), "linear"),
        (layers(update=-4.5), "stalled"),
        (layers(update=-math.inf), "stalled"),
        (layers(update=-0.5), "unstable"),
    ],
)
def test_each_finding_of_the_layers(of: list[dict[str, Any]], called: str) -> None:
    items = gather(run(of), LOSSES)
    outside = [item for item in items if item.state == "outside"]
    assert {item.finding for item in outside} == found(items) == {called}
    assert all(item.where and item.step is not None for item in outside)


def test_findings_of_the_whole_run() -> None:
    good = run(layers())
    assert found(gather(good, LOSSES | {"train": 2.5})) == {"mismatch"}
    wrong = one(gather([*good, row(800, gap=1e-3)], LOSSES), "gap")
    assert (wrong.value, wrong.step, wrong.finding) == (1e-3, 800, "wrong gradient")
    ended = {"step": 701, "node": "04.loss", "tensor": "logprobs"}
    bad = one(gather(good, {}, ended), "non-finite values")
    assert (bad.value, bad.where, bad.step) == (1, "04.loss.logprobs", 701)
    assert found(gather(good, {}, ended)) == {"diverged"}


def test_what_is_not_finite_explodes_and_is_counted_and_located() -> None:
    rows = [*run(layers()), row(800, layers((math.nan, 1e-3)))]
    bad = one(gather(rows, LOSSES), "non-finite values")
    assert (bad.value, bad.where, bad.step, bad.finding) == (1, "00.linear", 800, "diverged")
    start = one(gather(run(layers((math.inf, 1e-3))), LOSSES), "delta profile", "start")
    assert (start.value, start.finding, start.why) == (None, "exploding", "not finite")


def test_an_update_ratio_may_be_infinite_without_being_counted() -> None:
    items = gather(run(layers(update=-math.inf)), LOSSES)
    assert one(items, "non-finite values").state == "inside"
    assert one(items, "median update").value is None


def test_the_start_is_the_first_look_and_the_end_the_median_of_the_last() -> None:
    rows = [row(i, layers(dead=0.1 * (i == 0))) for i in range(10)]
    shares = [0.9, 0.2, 0.3, 0.9, 0.25]  # two whims among the last five
    rows += [row(10 + i, layers(dead=share)) for i, share in enumerate(shares)]
    items = gather(rows, LOSSES)
    start, end = (one(items, "dead units", when) for when in ("start", "end"))
    assert (start.value, start.step) == (pytest.approx(0.1), 0)
    assert (end.value, end.step) == (0.3, 14)


def test_a_look_of_the_first_half_does_not_speak_for_the_end() -> None:
    """Close looks are rare: the early ones must not outvote the last."""
    rows = [row(step, layers(gate=1.0)) for step in (0, 1, 2, 5)]
    rows += [row(1000, layers(gate=0.1))]
    end = one(gather(rows, LOSSES), "closed gates", "end")
    assert (end.value, end.step) == (0.1, 1000)


def test_columns_of_close_looks_are_read_from_those() -> None:
    plain = [{k: v for k, v in at.items() if k not in ("gate", "linear")} for at in layers()]
    rows = [row(0, layers(gate=0.2)), *(row(100 * i, plain) for i in range(1, 5))]
    items = gather(rows, LOSSES)
    assert one(items, "closed gates", "end").step == 0
    assert one(items, "saturated elements", "end").step == 400
    unknown = one(gather(rows[1:], LOSSES), "closed gates", "start")
    assert (unknown.state, unknown.why) == ("unknown", "never looked at closely")


def test_one_hidden_layer_has_no_profile() -> None:
    items = gather(run(layers((1e-3,))), LOSSES)
    item = one(items, "delta profile", "end")
    assert (item.state, item.value) == ("does not apply", None)
    assert "two hidden layers" in item.why
    assert not found(items)


def test_a_relu_has_no_gates_and_may_be_quiet_near_zero() -> None:
    items = gather(run(layers(rule="relu", linear=1.0)), LOSSES)
    assert one(items, "closed gates", "end").state == "does not apply"
    assert one(items, "linear units", "end").state == "does not apply"
    assert not found(items)


def test_what_was_not_looked_at_is_unknown() -> None:
    for items in (gather([]), gather([row(0), row(100)], LOSSES)):
        assert {item.state for item in items if item.when != "run"} <= {"unknown", "does not apply"}
    unseen = [{k: v for k, v in at.items() if k != "gap"} for at in run(layers())]
    assert unknown(gather(unseen)) == ["gap", "mismatch"]


def test_of_parameters_alone_the_rest_is_unknown() -> None:
    """As of a compiled model: a record without its outputs must not look like a healthy one."""
    weights = [of for of in layers() if of["tensor"] != "y"]
    items = list(gather(run(weights)))
    names = ["delta profile", "closed gates", "saturated elements", "dead units", "linear units"]
    assert unknown(items) == [*names, "mismatch"]
    assert {item.why for item in items if item.name in names} == {"no module's output was seen"}


def test_a_lowered_learning_rate_stalls_nothing() -> None:
    rows = [*run(layers(update=-3.2)), *(row(i, layers(update=-4.5), lr=0.01) for i in (800, 900))]
    smallest = one(gather(rows, LOSSES), "median update")
    assert (smallest.value, smallest.step, smallest.state) == (-3.2, 700, "inside")
    raised = [*rows, row(1000, layers(update=-0.5), lr=0.2)]
    assert one(gather(raised, LOSSES), "median update").value == -0.5


def test_a_row_of_gaps_alone_is_no_look() -> None:
    rows = [row(0, [{"node": "00.linear", "rule": "linear", "tensor": "y", "gap": 1e-8}])]
    assert one(gather(rows, LOSSES), "fastest update").why == "no layer was looked at"


def test_the_gap_names_the_layer_that_makes_it() -> None:
    of = [at | {"gap": 1e-3 if at["node"] == "02.linear" else 1e-9} for at in layers()]
    assert one(gather(run(of, gap=1e-3), LOSSES), "gap").where.startswith("02.linear")


def test_a_gap_that_is_no_number_is_wrong_unless_everything_is() -> None:
    good = run(layers())
    assert found(gather([*good, row(800, gap=math.nan)], LOSSES)) == {"wrong gradient"}
    lost = row(800, gap=math.nan, loss=math.nan, grad_norm=math.nan)
    assert found(gather([*good, lost], LOSSES)) == {"diverged"}


def test_a_row_whose_loss_is_lost_says_nothing_of_the_end() -> None:
    rows = [*run(layers()), row(800, layers(dead=1.0), loss=math.inf)]
    assert one(gather(rows), "dead units", "end").value == 0.0
    only = gather(rows[-1:])
    assert one(only, "median update").why == "no look with a finite loss"
    assert found(only) == {"diverged", "dead"}


def test_evidence_is_strict_json() -> None:
    of = layers((0.0, 1e-3), update=-math.inf)
    plain = [asdict(item) for item in gather(run(of), {})]
    assert json.loads(json.dumps(plain, allow_nan=False))[0]["finding"] == "vanishing"


def test_the_largest_gap_is_agreements() -> None:
    assert GAP.high == agreement.WRONG


def test_it_needs_neither_torch_nor_pandas() -> None:
    code = "import sys, ninja.diagnosis; assert not {'torch', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
