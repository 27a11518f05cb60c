"""Specification of the fast lane: the same numbers, and no others."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from ninja.observe import lane, measure
from ninja.observe.lane import Lane
from tests.observe.trainings import Kind, Training, batch, made, mlp, seen, trained

STEPS = 14


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each look in the lane was what was expected."""
    found: list[bool] = []
    finish = Lane.finish

    def noted(self: Lane, *given: Any) -> bool:
        found.append(finish(self, *given))
        return found[-1]

    monkeypatch.setattr(Lane, "finish", noted)
    return found


def rows(kind: Kind, steps: int = STEPS) -> list[dict[str, Any]]:
    with seen(kind) as (training, health):
        trained(training, steps, health)
    return health.rows()


FAST = (
    *("plain", "momentum", "adamw", "norms", "own_activation", "shared", "double", "lazy"),
    *("normed_weights", "accumulated", "two_losses", "closure", "by_hand", "parallel"),
    *("learning_rates", "transformed_modules", "rateless", "again"),
)


@pytest.mark.parametrize("kind", FAST)
def test_numbers_are_those_of_a_careful_look(
    kind: str, taken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = rows(kind)
    assert len(taken) >= 4
    assert all(taken)
    monkeypatch.setattr(measure, "fits", lambda *_: False)
    taken.clear()
    careful = rows(kind)
    assert taken == []
    must_be_alike(fast, careful)


def must_be_alike(fast: list[dict[str, Any]], careful: list[dict[str, Any]]) -> None:
    for row, other in zip(fast, careful, strict=True):
        assert row["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-4)
        for of, same in zip(row["layers"], other["layers"], strict=True):
            assert of.keys() == same.keys()
            for column, value in of.items():
                expected = same[column]
                if isinstance(value, float):
                    expected = pytest.approx(expected, rel=1e-3, abs=1e-7)
                assert value == expected


def test_axes_and_widths_of_convolutions(taken: list[bool]) -> None:
    def kind() -> Training:
        model = nn.Sequential(
            *(nn.Conv1d(3, 5, 3), nn.Tanh(), nn.BatchNorm1d(5), nn.ReLU(), nn.Flatten()),
            nn.Linear(25, 3),
        )
        with torch.no_grad():
            model[2].bias[1] = -99.0
        optimizer = SGD(model.parameters(), lr=0.01)

        def step(number: int) -> Tensor:
            x, _ = batch(number, 4, 3, 7)
            _, y = batch(number, 4)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return Training(model, optimizer, step)

    for row in rows(kind):
        (relu,) = [of for of in row["layers"] if of["node"] == "3"]
        assert relu["dead"] == pytest.approx(0.2)
    assert taken
    assert all(taken)


@pytest.mark.parametrize(
    "kind",
    [
        *("convolution", "functional", "recurrent", "odd", "sparse", "mixed"),
        *("adversarial", "compiled", "frozen_encoder"),
    ],
)
def test_what_cannot_be_repeated_is_not(kind: str, taken: list[bool]) -> None:
    assert rows(kind)
    assert taken == []


def late() -> Training:
    """Gradients are there from the first step on, and updates from the eighth."""
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)

    def step(number: int) -> Tensor:
        x, y = batch(number, 5, 6)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        if number >= 8:
            optimizer.step()
        return loss

    return Training(model, optimizer, step)


def test_it_waits_for_the_first_update(taken: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    fast = rows(late)
    assert taken
    assert all(taken)
    monkeypatch.setattr(measure, "fits", lambda *_: False)
    must_be_alike(fast, rows(late))


def changing(change: Callable[[int, Training], tuple[int, ...]]) -> Callable[[], Training]:
    """A training of which something is another on some step."""

    def begun() -> Training:
        model = mlp()
        optimizer = SGD(model.parameters(), lr=0.1)

        def step(number: int) -> Tensor:
            x, y = batch(number, *change(number, training))
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        training = Training(model, optimizer, step)
        return training

    return begun


def last_batch_is_smaller(number: int, _: Training) -> tuple[int, ...]:
    return (3 if number == 8 else 5, 6)


def frozen(number: int, training: Training) -> tuple[int, ...]:
    training.model.get_submodule("0").requires_grad_(number < 8)
    return 5, 6


def moved(number: int, training: Training) -> tuple[int, ...]:
    if number == 8:
        for p in training.model.parameters():
            p.data = p.data.clone()
    return 5, 6


def replaced(number: int, training: Training) -> tuple[int, ...]:
    if number == 8:
        training.model[1] = nn.ReLU()  # type: ignore[index]
    return 5, 6


@pytest.mark.parametrize("change", [last_batch_is_smaller, frozen, moved, replaced])
def test_a_look_that_is_another_is_made_up_for_on_the_next_step(
    change: Callable[[int, Training], tuple[int, ...]], taken: list[bool]
) -> None:
    found = rows(changing(change))
    assert [row["step"] for row in found] == list(range(STEPS))
    assert ["layers" in row for row in found] == [number != 8 for number in range(STEPS)]
    assert taken.count(False) == 1
    kinds = {of["node"]: of["rule"] for of in found[9]["layers"]}
    assert kinds["1"] == ("relu" if change is replaced else "tanh")


def test_after_a_network_was_called_more_often() -> None:
    def kind() -> Training:
        training = made("plain")
        plain = training.step

        def step(number: int) -> Tensor | float:
            if number == 8:
                for _ in range(3):
                    training.model(torch.zeros(2, 6))
            return plain(number)

        return Training(training.model, training.optimizer, step)

    found = rows(kind)
    assert ["layers" in row for row in found] == [number != 8 for number in range(STEPS)]


def test_a_penalty_on_a_gradient_ends_the_lane(taken: list[bool]) -> None:
    def kind() -> Training:
        training = made("plain")
        model, plain = training.model, training.step

        def step(number: int) -> Tensor | float:
            if number == 8:
                x = torch.zeros(2, 6, requires_grad=True)
                torch.autograd.grad(model(x).sum(), x, create_graph=True)
            return plain(number)

        return Training(model, training.optimizer, step)

    assert rows(kind)
    assert False in taken


def test_numbers_that_wait_come_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = rows("plain", 30)
    monkeypatch.setattr(lane, "WAITING", 2)
    assert [list(row["layers"]) for row in rows("plain", 30)] == [list(r["layers"]) for r in alone]
    with seen("plain") as (training, health):
        for number in range(30):
            health.step(training.step(number))
            assert len(health.rows()) == number + 1
    assert [list(row["layers"]) for row in health.rows()] == [list(r["layers"]) for r in alone]
