"""Specification of which parameters there are."""

import torch

from ninja.probes.names import flat, matrices, names_of, picked
from ninja.types import Params
from tests.probes.steps import normal, step

PARAMS: Params = {
    "00.embedding": {"C": normal(4, 3)},
    "01.flatten": {},
    "02.linear": {"W": normal(9, 5), "b": normal(5)},
    "03.batchnorm": {"gain": normal(1, 5), "bias": normal(1, 5)},
    "04.linear": {"W": normal(5, 1)},
}


def test_names_are_in_depth_order() -> None:
    assert names_of(PARAMS) == [
        ("00.embedding", "C"),
        *(("02.linear", "W"), ("02.linear", "b")),
        *(("03.batchnorm", "gain"), ("03.batchnorm", "bias")),
        ("04.linear", "W"),
    ]


def test_a_norms_row_is_no_matrix_and_a_column_is() -> None:
    expected = [("00.embedding", "C"), ("02.linear", "W"), ("04.linear", "W")]
    assert matrices(PARAMS, lead=0) == expected


def test_matrices_are_those_of_a_single_run() -> None:
    alone, stacked = step("layernorm"), step("layernorm", replicas=2)
    assert matrices(alone.params, 0) == matrices(stacked.params, 1)


def test_flat_keeps_the_replicas() -> None:
    params = {"00.linear": {"W": normal(2, 3, 4), "b": normal(2, 4)}}
    names = names_of(params)
    assert [t.shape for t in flat(params, names, 1)] == [(2, 12), (2, 4)]
    assert [t.shape for t in flat(params, names, 0)] == [(24,), (8,)]
    assert torch.equal(picked(params, names)[0], params["00.linear"]["W"])
