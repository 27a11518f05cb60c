"""A record as arrays: what was seen, what was not, and what was no number."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ninja.diagnosis.history import hidden, read
from tests.diagnosis.records import layers, row, run


def test_an_empty_record() -> None:
    found = read([])
    assert found.steps.shape == (0,)
    assert found.units == found.matrices == ()
    assert found.last is None
    assert found.spoilt == (0, None, "")


def test_units_in_depth_order_with_what_comes_before_them() -> None:
    (first, second) = read(run(layers())).units
    assert (first.name, first.rule, first.source) == ("01.tanh", "tanh", "00.linear")
    assert (second.layer, second.source) == ("02.linear", "02.linear")


def test_a_norm_between_is_the_source_and_not_the_layer() -> None:
    of = layers((1e-3,))
    norm = {"layer": 1, "node": "00b.batchnorm", "rule": "batchnorm", "tensor": "y"}
    of.insert(2, norm | {"delta_rms": 7.0})
    (unit,) = read([row(0, of)]).units
    assert (unit.source, unit.layer) == ("00b.batchnorm", "00.linear")
    assert read([row(0, of)]).deltas.tolist() == [[7.0]]


def test_only_rows_that_saw_layers_are_looks() -> None:
    compared = row(50, [{"node": "00.linear", "rule": "linear", "tensor": "y", "gap": 1e-8}])
    found = read([row(0, layers()), compared, row(100, layers()), row(150)])
    assert found.steps.tolist() == [0, 100]
    assert found.last == 150
    assert found.scalars["loss"].shape == (4,)
    assert found.at_looks("loss").shape == (2,)
    assert found.apart == {0: "", 50: "00.linear", 100: "", 150: ""}


def test_what_a_look_lacks_is_not_a_number() -> None:
    plain = [{k: v for k, v in of.items() if k not in ("gate", "linear")} for of in layers()]
    found = read([row(0, layers(gate=0.2)), row(100, plain)])
    assert found.shares["gate"][0].tolist() == [0.2, 0.2]
    assert np.isnan(found.shares["gate"][1]).all()
    assert found.shares["dead"].tolist() == [[0, 0], [0, 0]]


def test_what_is_no_number_is_told_and_a_delta_of_it_infinite() -> None:
    found = read([row(0, layers((math.nan, 1e-3))), row(1, layers(), loss=math.nan)])
    assert found.deltas[0].tolist() == [math.inf, 1e-3]
    assert found.scalars["loss"].tolist() == [2.3, math.inf]
    assert found.spoilt == (2, 0, "00.linear")


def test_a_matrix_that_did_not_move_is_sound() -> None:
    assert read(run(layers(update=-math.inf))).spoilt[0] == 0


def test_an_activation_is_what_has_one_of_its_columns() -> None:
    pairs = [(before["node"], act["node"]) for before, act in hidden(layers())]
    assert pairs == [("00.linear", "01.tanh"), ("02.linear", "03.tanh")]


@given(st.permutations(range(5)))
def test_layers_are_in_depth_order_whichever_look_saw_them_first(order: list[int]) -> None:
    of = layers((1.0, 2.0, 3.0, 4.0, 5.0))
    rows = [row(step, of[3 * at : 3 * at + 3]) for step, at in enumerate(order)]
    found = read(rows)
    assert [unit.name for unit in found.units] == [f"{2 * i + 1:02d}.tanh" for i in range(5)]
    assert np.nanmax(found.deltas, 0).tolist() == [1, 2, 3, 4, 5]
