"""What is trained: the same each time, nothing of the unseen part in the development part."""

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.diagnosis import faults, mlp, wrong
from benchmarks.diagnosis.cases import CLASSES, HEALTHY, Edit, Part, Trained
from ninja.config import RunConfig
from ninja.mutants import MUTANTS

PARTS: tuple[Part, ...] = ("dev", "unseen")


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_the_same_each_time(part: Part):
    first, second = (list(mlp.cases(part)) for _ in range(2))
    assert first == second
    assert [case.sick.key for case in first] == [case.sick.key for case in second]


@pytest.mark.parametrize("part", PARTS)
def test_every_class_is_there(part: Part):
    counts = Counter(case.label for case in mlp.cases(part))
    assert set(counts) == {HEALTHY, *CLASSES}
    assert min(counts.values()) >= 10


def test_the_unseen_part_is_large_enough_and_has_nothing_of_the_development_part():
    dev, unseen = (list(mlp.cases(part)) for part in PARTS)
    assert sum(case.label == HEALTHY for case in unseen) >= 200
    assert not {case.sick.key for case in dev} & {case.sick.key for case in unseen}
    assert not set(mlp.DEV) & set(mlp.UNSEEN)
    activations = {shape.activation for shape in mlp.DEV}
    assert {shape.activation for shape in mlp.UNSEEN} - activations == {
        *("gelu", "leaky_relu", "sigmoid")
    }
    mutants = [
        {case.fault for case in of if case.label == "wrong gradient"} for of in (dev, unseen)
    ]
    assert not mutants[0] & mutants[1]


@pytest.mark.parametrize("part", PARTS)
def test_a_twin_is_the_run_without_its_fault(part: Part):
    for case in mlp.cases(part):
        assert isinstance(case.sick, Trained)
        assert isinstance(case.twin, Trained)
        assert (case.sick == case.twin) == (case.label == HEALTHY)
        assert not case.twin.edits
        assert not case.twin.mutant
        assert case.sick.config.seed == case.twin.config.seed


def test_what_determines_a_run_is_in_its_key():
    run = Trained(RunConfig())
    others = [
        replace(run, edits=(Edit("scale", "02.linear", "W", 2.0),)),
        replace(run, mutant=MUTANTS[0].name),
        replace(run, config=replace(run.config, seed=1)),
    ]
    assert len({run.key, *(one.key for one in others)}) == 4
    assert Trained(RunConfig()).key == run.key


def test_mistakes_that_fit_are_planted_in_networks_that_have_their_rule():
    config = faults.with_init(RunConfig(), gain=1.0)
    names = {mutant.name for mutant in wrong.applicable(config)}
    assert "Tanh.backward: 1 − y for 1 − y²" in names
    assert "Tanh.backward: rounded twice" not in names  # it is no mistake
    assert "Linear.backward: transpose of W forgotten" not in names  # it does not fit
    assert not any(name.startswith(("ReLU", "LayerNorm", "Residual")) for name in names)
    assert {wrong.engine(mutant) for mutant in wrong.applicable(config)} == {
        *("manual_atomic", "manual_fused")
    }
