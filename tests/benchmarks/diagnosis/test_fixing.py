"""The override of a finding, applied to the run that it is of."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.diagnosis.cases import Case, Edit, Trained
from benchmarks.diagnosis.detectors import Alarm
from benchmarks.diagnosis.fixing import fixed, helped
from benchmarks.diagnosis.label import Labelled
from ninja.config import InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig
from tests.benchmarks.diagnosis.made import record

EDITS = (Edit("shift", "02.linear", "b", -5.0),)
RUN = Trained(RunConfig(norm=NormConfig(name="none")), EDITS, "Linear.backward: sign of dW")


def test_an_override_is_applied():
    found = fixed(RUN, "optimizer.lr=0.03 norm=batchnorm norm.momentum=0.1")
    assert found is not None
    assert found.config.optimizer.lr == 0.03
    assert (found.config.norm.name, found.config.norm.momentum) == ("batchnorm", 0.1)
    assert found.edits == EDITS  # the update is another one, the first values are the same


def test_what_was_spoiled_is_spoiled_in_the_other_network_too():
    deep = replace(RUN.config, model=replace(RUN.config.model, n_layers=2))
    second = Trained(deep, (Edit("shift", "04.linear", "b", -5.0),))
    found = fixed(second, "norm=batchnorm")  # 02.linear 03.batchnorm 04.tanh 05.linear
    assert found is not None
    assert [edit.node for edit in found.edits] == ["05.linear"]
    normed = replace(deep, norm=NormConfig())
    spoiled = Trained(normed, (Edit("scale", "03.batchnorm", "gain", 0.01),))
    without = fixed(spoiled, "norm=layernorm")
    assert without is not None
    assert not without.edits  # there is no such layer any more


def test_other_first_values_take_the_place_of_spoiled_ones():
    found = fixed(RUN, "init.gain=tanh")
    assert found is not None
    assert not found.edits
    assert found.config.init.gain == "tanh"
    assert found.mutant == RUN.mutant


def test_another_engine_leaves_the_mistake_behind():
    found = fixed(RUN, "backward=autograd")
    assert found is not None
    assert not found.mutant


@pytest.mark.parametrize("fix", ["", "lower the rate", "init.gian=1", "optimizer.lr=x", "init=1"])
def test_what_cannot_be_applied_is_no_fix(fix: str):
    assert fixed(RUN, fix) is None


CONFIG = RunConfig(
    steps=100,
    model=ModelConfig(n_hidden=32),
    init=InitConfig(gain=1.0, output_scale=0.3),
    norm=NormConfig(name="none"),
    optimizer=OptimizerConfig(lr=0.2),
    tracker="disabled",
)


def test_a_run_is_trained_again_with_the_fix(tmp_path: Path):
    stalled = Trained(replace(CONFIG, optimizer=OptimizerConfig(lr=1e-6)))
    healthy = Case("dev", "healthy", "", "family", Trained(CONFIG), Trained(CONFIG))
    case = Case("dev", "stalled", "stalled", "family", stalled, Trained(CONFIG))
    good = Labelled(healthy, record({"by_batch": 2.7}), "", 2.7, 2.7)
    bad = Labelled(case, record({"by_batch": 3.3}), "", 3.3, 2.7)
    alarms = [
        [],
        [Alarm("", ("stalled",), fix="optimizer.lr=0.2")],
        [Alarm("", ("stalled",), fix="optimizer.lr=1e-5")],
        [Alarm("", ("stalled",), fix="")],
        [],
    ]
    assert helped([good, bad, bad, bad, bad], alarms, tmp_path) == [None, True, False, False, False]
