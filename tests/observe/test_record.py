"""Specification of the rows of a watched training."""

import math

import numpy as np
import pytest
import torch

from ninja.observe.modules import Modules
from ninja.observe.nodes import Nodes
from ninja.observe.record import Story
from ninja.observe.seen import Seen
from ninja.probes import Cell
from tests.observe.trainings import mlp, watched


def begun() -> tuple[Story, Nodes]:
    modules, nodes = Modules(mlp()), Nodes()
    modules.read()
    return Story(modules, nodes), nodes


def look(step: int, *numbers: float, lr: float = 0.1, stepped: bool = True) -> Seen:
    seen = Seen(step, lr, 1.0, stepped)
    cells = [Cell("0", "weight", "grad_norm"), Cell("2", "weight", "grad_norm")]
    seen.take(cells, np.array(numbers))
    return seen


def test_a_row_for_every_step_that_was_looked_at() -> None:
    story, _ = begun()
    for step in range(10):
        if step % 4 == 0:
            story.see(look(step, 3.0, 4.0))
            story.step(torch.tensor(float(step)))
        else:
            story.steps += 1
    assert [(row["step"], row["loss"], row["grad_norm"]) for row in story.rows()] == [
        *((0, 0.0, 5.0), (4, 4.0, 5.0), (8, 8.0, 5.0))
    ]
    assert next(story.rows())["layers"][1] == {
        "layer": 1,
        "node": "2",
        "rule": "linear",
        "tensor": "weight",
        "grad_norm": 4.0,
    }
    assert story.looked


def test_a_step_that_could_not_be_measured_has_its_loss_alone() -> None:
    story, _ = begun()
    story.step(2.5)
    (row,) = story.rows()
    assert row["loss"] == 2.5
    assert math.isnan(row["lr"])
    assert "layers" not in row


def test_a_step_that_was_given_up_has_its_loss_alone() -> None:
    story, _ = begun()
    story.see(look(0, math.inf, 1.0, stepped=False))
    story.step(2.5)
    assert "layers" not in next(story.rows())


def test_the_rate_is_that_of_the_last_step_that_had_one() -> None:
    story, _ = begun()
    for lr in (0.5, math.nan, 0.25):
        story.see(look(story.steps, 1.0, 1.0, lr=lr))
        story.step(1.0)
    assert [row["lr"] for row in story.rows()] == [0.5, 0.5, 0.25]


def test_depths_are_those_that_are_known_in_the_end() -> None:
    health = watched("ladder", 14, 1)
    found: dict[str, set[int]] = {}
    for row in health.rows():
        for of in row.get("layers", ()):
            found.setdefault(of["node"], set()).add(of["layer"])
    assert all(len(depths) == 1 for depths in found.values())
    assert sorted(found, key=lambda name: min(found[name]))[-1] == "head"


def test_lines_are_rows_with_bare_numbers() -> None:
    health = watched("plain")
    for (line, places), row in zip(health._story.lines(), health.rows(), strict=True):
        assert len(line["layers"]) == len(places)
        assert {**line, "layers": row["layers"]} == row


def test_a_training_without_optimizer_has_no_rate() -> None:
    assert math.isnan(watched("by_hand").rows()[0]["lr"])
    assert watched("learning_rates").rows()[0]["lr"] == pytest.approx(0.2)
