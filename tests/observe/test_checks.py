"""Specification of what is refused: a line each, which names the argument."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD

import ninja
from ninja.observe import checks
from tests.observe.trainings import mlp, seen, trained

OTHER = SGD(mlp().parameters(), lr=0.1)


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"model": "net"}, TypeError, "model: 'net' is a str, give a torch.nn.Module"),
        ({"model": mlp}, TypeError, "model: function, give a torch.nn.Module"),
        (
            {"model": nn.ReLU()},
            ValueError,
            "model: ReLU has no parameters, there is nothing to see",
        ),
        ({"every": 0}, ValueError, "every: 0 is out of range, give 1 or more steps"),
        ({"every": -3}, ValueError, "every: -3 is out of range, give 1 or more steps"),
        ({"every": 2.0}, TypeError, "every: 2.0 is a float, give a number of steps such as 10"),
        ({"every": True}, TypeError, "every: True is a bool, give a number of steps such as 10"),
        ({"classes": 1}, ValueError, "classes: 1 is out of range, give 2 or more, or leave it out"),
        (
            {"classes": "7"},
            TypeError,
            "classes: '7' is a str, give a number such as 10, or leave it",
        ),
        (
            {"optimizer": "adam"},
            TypeError,
            "optimizer: 'adam' is a str, give a torch.optim.Optimizer, a list of them, or None",
        ),
        ({"optimizer": SGD}, TypeError, "optimizer: type, give a torch.optim.Optimizer, a list"),
        (
            {"optimizer": OTHER},
            ValueError,
            "optimizer: none of the parameters of this SGD is the model's, "
            "give the optimizer that trains this model",
        ),
    ],
)
def test_arguments(options: dict[str, Any], kind: type[Exception], said: str) -> None:
    given = {"model": mlp(), "optimizer": None, **options}
    with pytest.raises(kind) as caught:
        ninja.watch(**given)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_an_integer_may_be_numpys() -> None:
    health = ninja.watch(mlp(), every=np.int64(5), classes=np.int32(3))  # type: ignore[arg-type]
    assert (health.every, health.classes) == (5, 3)
    assert type(health.every) is int


def test_an_optimizer_may_be_wrapped_or_one_of_several() -> None:
    model = mlp()
    first, second = SGD(model[0].parameters(), lr=0.1), SGD(model[2].parameters(), lr=0.1)
    wrapped = SimpleNamespace(optimizer=SimpleNamespace(optimizer=first))
    assert checks.optimizers(wrapped, model) == (first,)
    assert checks.optimizers((first, second), model) == (first, second)
    assert checks.optimizers(None, model) == ()
    with pytest.raises(ValueError, match="optimizer: none of the parameters"):
        checks.optimizers([first, OTHER], model)


@pytest.mark.parametrize(
    ("loss", "kind", "said"),
    [
        (
            torch.zeros(32),
            ValueError,
            "loss: a tensor of shape (32,), give a single number, such as",
        ),
        (torch.zeros(0), ValueError, "loss: a tensor of shape (0,), give a single number"),
        (
            torch.zeros(1, dtype=torch.complex64),
            TypeError,
            "loss: a complex number, give a real one",
        ),
        (None, TypeError, "loss: NoneType, give the loss as a tensor or a float"),
        ("2.3", TypeError, "loss: '2.3' is a str, give the loss as a tensor or a float"),
        (True, TypeError, "loss: True is a bool, give the loss"),
        (np.zeros(3), TypeError, "loss: ndarray, give the loss"),
    ],
)
def test_losses(loss: Any, kind: type[Exception], said: str) -> None:
    with seen("plain") as (training, health):
        training.step(0)
        with pytest.raises(kind) as caught:
            health.step(loss)
        assert str(caught.value).startswith(said)
        trained(training, 2, health)  # and it goes on


@pytest.mark.parametrize("loss", [1, 2.5, np.float32(2.5), float("nan"), torch.ones(1, 1)])
def test_losses_that_are_numbers(loss: Any) -> None:
    checks.loss(loss)


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match=r"^folder: .*' is a file, give the path of a folder$"):
            checks.folder(path)
    with pytest.raises(TypeError, match=r"^folder: 3 is a int, give the path"):
        checks.folder(3)
    assert checks.folder(str(tmp_path / "new" / "one")) == tmp_path / "new" / "one"
