"""Specification of what a probe is given."""

import torch

from ninja.probes import copied
from tests.probes.steps import ENGINES, normal, step


def test_a_copy_is_out_of_reach_of_the_update() -> None:
    params = {"00.embedding": {"C": normal(4, 3)}, "01.flatten": {}}
    before = copied(params)
    params["00.embedding"]["C"].add_(1.0)
    assert torch.equal(before["00.embedding"]["C"], normal(4, 3))
    assert before["01.flatten"] == {}


def test_a_copy_joins_no_graph() -> None:
    params = {"00.embedding": {"C": normal(4, 3).requires_grad_()}}
    assert not copied(params)["00.embedding"]["C"].requires_grad


def test_a_step_changes_every_parameter_that_has_a_gradient() -> None:
    for backward in ENGINES:
        snapshot = step("lecture_manual", backward)
        for node, tensors in snapshot.params_before.items():
            for key, before in tensors.items():
                after = before - 0.1 * snapshot.deltas[node][key]
                torch.testing.assert_close(snapshot.params_after[node][key], after)
