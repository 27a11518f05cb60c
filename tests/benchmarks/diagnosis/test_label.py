"""Who is sick is decided by losses: of the run, of its twin, of the best of its family."""

import math

import pytest

from benchmarks.diagnosis.cache import Record
from benchmarks.diagnosis.cases import HEALTHY, Case, Concern, Trained
from benchmarks.diagnosis.label import label, loss_of
from ninja.config import RunConfig
from tests.benchmarks.diagnosis.made import record

BEST, GOOD, MIDDLING, POOR = (
    Trained(RunConfig(seed=seed, model=RunConfig().model)) for seed in range(4)
)
SICK = Trained(RunConfig(seed=9))
LOSSES = {BEST: 2.3, GOOD: 2.45, MIDDLING: 2.9, POOR: 2.6}


def ended(loss: float, train: float | None = None) -> Record:
    """A run with these final losses."""
    return record({"by_batch": loss, "train": loss if train is None else train})


def why(case: Case, sick: Record | None = None) -> str:
    """Of a case in a family whose best healthy run ends at 2.3."""
    healthy = [Case("dev", HEALTHY, "", "family", run, run) for run in LOSSES]
    records = {run.key: ended(loss) for run, loss in LOSSES.items()}
    if sick is not None:
        records[SICK.key] = sick
    found = label([*healthy, case], records)
    return found[-1].why


def sick(label: str = "vanishing", twin: Trained = GOOD, concern: Concern = "end") -> Case:
    """A case of that fault."""
    return Case("dev", label, label, "family", SICK, twin, concern)


def test_a_healthy_run_learns_nearly_as_much_as_the_best_of_its_family():
    # ln 27 is 3.296: the best learnt 0.996 of it, and four fifths of that end at 2.499
    assert why(Case("dev", HEALTHY, "", "family", GOOD, GOOD)) == ""
    assert why(Case("dev", HEALTHY, "", "family", POOR, POOR)) == "healthy, but learns too little"


def test_a_fault_must_cost_what_its_fix_restores():
    assert why(sick(), ended(2.6)) == ""
    assert why(sick(), ended(2.5)) == "the fault does not matter"
    assert why(sick(twin=MIDDLING), ended(3.2)) == "its twin is not healthy"


def test_a_twin_that_diverged_proves_nothing():
    records = {SICK.key: ended(3.3), POOR.key: record(diverged={"step": 3})}
    cases = [Case("dev", HEALTHY, "", "family", POOR, POOR), sick(twin=POOR)]
    assert [one.why for one in label(cases, records)] == [
        "healthy, but learns too little",
        "its twin is not healthy",
    ]


def test_each_fault_must_spoil_the_loss_that_it_concerns():
    early = record({"by_batch": 2.45, "train": 2.45}, [9.0] * 50 + [2.5] * 250)
    assert why(sick("overconfident", concern="area"), early) == ""
    assert why(sick("overconfident"), early) == "the fault does not matter"
    apart = ended(2.45, train=2.6)
    assert why(sick("mismatch", concern="evaluation"), apart) == ""
    assert why(sick("mismatch"), apart) == "the fault does not matter"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("unstable", "diverged"), ("dead_step", "diverged"), ("exploding", "exploding")],
)
def test_a_step_too_large_that_ends_the_run_is_called_diverged(fault: str, expected: str):
    case = Case("dev", fault.partition("_")[0], fault, "family", SICK, GOOD)
    gone = record(history=[3.3, math.inf], diverged={"step": 1})
    records = {run.key: ended(loss) for run, loss in LOSSES.items()} | {SICK.key: gone}
    healthy = [Case("dev", HEALTHY, "", "family", run, run) for run in LOSSES]
    *_, found = label([*healthy, case], records)
    assert (found.case.label, found.why) == (expected, "")


def test_what_cannot_diverge_and_does_has_another_fault_as_well():
    gone = record(history=[3.3, math.inf], diverged={"step": 1})
    assert why(sick("stalled"), gone) == "meant to be stalled, diverged"
    assert why(sick("diverged"), ended(3.2)) == "meant to diverge, stayed finite"


def test_the_loss_of_what_diverged_is_infinite():
    assert loss_of(record(history=[3.0]), "area") == math.inf
    assert loss_of(record(), "end") == math.inf
    assert loss_of(record(history=[2.0] * 50 + [9.0]), "area") == 2.0
