"""Specification of the record's rows."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from ninja.networks import PRESETS
from ninja.probes import COLUMNS, Layer, layer_blocks, layer_rows, numbers, rule_kind
from tests.probes.steps import CONFIGS, DTYPES, ENGINES, REPLICAS, one_of, step


@pytest.mark.parametrize("config", CONFIGS)
def test_rows_are_in_depth_order_output_first_and_each_once(config: str) -> None:
    rows = layer_rows(step(config))
    names = [row.node for row in rows]
    assert names == sorted(names)
    places = [(row.node, row.tensor) for row in rows]
    assert len(set(places)) == len(places)
    for before, row in pairwise(rows):
        if before.node == row.node:
            assert row.tensor != "y"
    assert all(row.columns for row in rows)
    assert {column for row in rows for column in row.columns} <= set(COLUMNS)


def test_the_lectures_rows() -> None:
    rows = {
        (row.node, row.rule, row.tensor): set(row.columns)
        for row in layer_rows(step("lecture_manual"))
    }
    vector = {"grad_norm", "weight_norm"}
    matrix = vector | {"update_ratio"}
    moments = {"delta_rms", "act_mean", "act_std"}
    assert rows == {
        ("00.embedding", "embedding", "y"): {"delta_rms"},
        ("00.embedding", "embedding", "C"): matrix,
        ("01.flatten", "flattenconsecutive", "y"): {"delta_rms"},
        ("02.linear", "linear", "y"): {"delta_rms"},
        ("02.linear", "linear", "W"): matrix,
        ("02.linear", "linear", "b"): vector,
        ("03.batchnorm", "batchnorm", "y"): moments,
        ("03.batchnorm", "batchnorm", "gain"): vector,
        ("03.batchnorm", "batchnorm", "bias"): vector,
        ("04.tanh", "tanh", "y"): moments | {"saturated", "gate", "linear", "dead", "twins"},
        ("05.linear", "linear", "y"): {"delta_rms"},
        ("05.linear", "linear", "W"): matrix,
        ("05.linear", "linear", "b"): vector,
    }


def test_every_column_is_used() -> None:
    used = {c for config in CONFIGS for row in layer_rows(step(config)) for c in row.columns}
    assert used == set(COLUMNS)


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ("rmsnorm", {"rmsnorm", "tanh"}),
        ("layernorm", {"layernorm"}),
        ("leaky_relu", {"leaky_relu"}),
        ("residual", {"residual"}),
    ],
)
def test_a_rule_is_called_as_in_a_config(config: str, kinds: set[str]) -> None:
    s = step(config)
    assert kinds <= {rule_kind(node) for node in s.net.nodes}
    assert kinds <= {row.rule for row in layer_rows(s)}


def flattened(rows: tuple[Layer, ...]) -> dict[tuple[str, str, str], torch.Tensor]:
    return {(r.node, r.tensor, c): value for r in rows for c, value in r.columns.items()}


@pytest.mark.parametrize("replicas", [0, REPLICAS])
@pytest.mark.parametrize("config", CONFIGS)
def test_blocks_hold_the_same_numbers_for_one_sync(config: str, replicas: int) -> None:
    s = step(config, replicas=replicas)
    blocks = layer_blocks(s)
    cells = [cell for block in blocks for cell in block.cells()]
    found = numbers(blocks)
    assert found.dtype == torch.float64
    assert found.shape == (len(cells), *s.trace.loss.shape)
    expected = flattened(layer_rows(s))
    assert len(cells) == len(expected)
    for cell, value in zip(cells, found, strict=True):
        assert torch.equal(value, expected[tuple(cell)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backward", ENGINES)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_row_of_a_stack_is_that_of_the_run_alone(
    config: str, backward: str, dtype: torch.dtype
) -> None:
    s = step(config, backward, dtype, REPLICAS)
    together = flattened(layer_rows(s))
    for replica in range(REPLICAS):
        alone = flattened(layer_rows(one_of(s, replica)))
        assert together.keys() == alone.keys()
        for cell, value in together.items():
            torch.testing.assert_close(
                value[replica], alone[cell], rtol=1e-6, atol=1e-6, equal_nan=True
            )


@pytest.mark.parametrize("config", CONFIGS)
def test_the_engines_see_the_same_layers(config: str) -> None:
    """Fused deltas differ in the last bits, so the numbers agree and not their bits."""
    first, *others = (flattened(layer_rows(step(config, b, torch.float64))) for b in ENGINES)
    for other in others:
        assert first.keys() == other.keys()
        for cell, value in first.items():
            if cell[2] != "update_ratio":  # of a true gradient of zero it is noise
                torch.testing.assert_close(value, other[cell], rtol=1e-6, atol=1e-12)


def test_deltas_of_the_parameters_alone_leave_out_what_needs_more() -> None:
    s = step("lecture_manual", "autograd")
    only = {n: {k: s.deltas[n][k] for k in ts} for n, ts in s.params_before.items()}
    columns = {c for row in layer_rows(replace(s, deltas=only)) for c in row.columns}
    assert columns == set(COLUMNS) - {"delta_rms", "dead"}


@pytest.mark.parametrize("preset", PRESETS)
def test_also_at_full_width_where_tensors_are_not_copied_together(preset: str) -> None:
    s = step(PRESETS[preset], replicas=8)
    together = flattened(layer_rows(s))
    for replica in (0, 7):
        alone = flattened(layer_rows(one_of(s, replica)))
        assert together.keys() == alone.keys()
        for cell, value in together.items():
            torch.testing.assert_close(value[replica], alone[cell], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("backward", ENGINES)
def test_nothing_that_is_given_changes(backward: str) -> None:
    s = step("lecture_deep", backward)

    def state() -> list[torch.Tensor]:
        groups = (s.trace.saved, s.deltas, s.params_before, s.params_after)
        return [t.detach().clone() for g in groups for ts in g.values() for t in ts.values()]

    before = state()
    rows = layer_rows(s)
    assert all(map(torch.equal, before, state()))
    assert not any(value.requires_grad for row in rows for value in row.columns.values())
