"""Wrong engines: found by the gap at the first step that it is due."""

import pytest

from benchmarks.diagnosis import wrong
from benchmarks.diagnosis.silent import NETWORKS, hunts
from ninja.mutants import MUTANTS

pytest.importorskip("ninja.diagnosis")


def test_every_mistake_of_a_backward_pass_has_a_network_that_runs_into_it():
    without = {
        mutant.target.partition(".")[0]
        for mutant in MUTANTS
        if not any(wrong.affects(mutant, config) for config in NETWORKS)
    }
    assert without == {"MeanSquaredError", "BatchNormEvaluation", "BatchNorm"}
    assert {
        mutant.target
        for mutant in MUTANTS
        if mutant.target.startswith("BatchNorm.")
        and not any(wrong.affects(mutant, config) for config in NETWORKS)
    } == {"BatchNorm.running"}


def test_a_few_of_them():
    names = (
        "Linear.backward: sign of dW",
        "Linear.backward: dW transposed",
        "standardize_backward: a stack: replicas for rows",
        "Tanh.backward: rounded twice",
    )
    found = list(hunts(tuple(mutant for mutant in MUTANTS if mutant.name in names)))
    outcomes = {hunt.mutant: (hunt.outcome, hunt.step) for hunt in found}
    assert outcomes == {
        "Linear.backward: sign of dW": ("found", 0),
        "standardize_backward: a stack: replicas for rows": ("found", 0),
    }


@pytest.mark.slow
def test_every_third_is_found_at_the_first_due_step():
    """`python benchmarks/diagnosis.py --mutants` hunts them all."""
    found = [hunt for hunt in hunts(MUTANTS[::3]) if hunt.outcome != "loud"]
    assert len(found) > 25
    assert {(hunt.outcome, hunt.step) for hunt in found} == {("found", 0)}
