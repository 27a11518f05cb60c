"""Specification of the names of modules and functions, and of where features lie."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the name the field gives it)
from torch import nn

from ninja.observe.kinds import ACTIVATIONS, FLAT, GATES, activation, features, functions


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_activation_is_known_as_a_module_and_as_a_function(kind: type[nn.Module]) -> None:
    name = ACTIVATIONS[kind]
    assert activation(kind()) == name
    assert name in functions().values()


def test_a_class_of_ones_own_is_what_it_is_made_of() -> None:
    class Mine(nn.ReLU):
        pass

    assert activation(Mine()) == "relu"
    assert activation(nn.Linear(2, 2)) == ""
    assert activation(nn.Softmax(-1)) == ""


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (torch.tanh, "tanh"),
        (torch.Tensor.tanh, "tanh"),
        (torch.Tensor.tanh_, "tanh"),
        (F.relu, "relu"),
        (torch.relu_, "relu"),
        (F.gelu, "gelu"),
        (F.silu, "silu"),
        (torch.sigmoid, "sigmoid"),
        (F.leaky_relu, "leaky_relu"),
    ],
)
def test_functions_and_methods_in_place_or_not(function: object, name: str) -> None:
    assert functions()[function] == name


def test_only_rules_of_ours_close() -> None:
    for name, rule in FLAT.items():
        assert rule.name == name
    assert GATES.keys() == {"tanh", "sigmoid"}


@pytest.mark.parametrize(
    ("module", "shape", "axis"),
    [
        (nn.Linear(2, 2), (3, 4, 5), -1),
        (nn.Conv2d(2, 2, 1), (3, 4, 5, 6), -3),
        (nn.Conv2d(2, 2, 1), (4, 5, 6), -3),
        (nn.Conv1d(2, 2, 1), (3, 4, 5), -2),
        (nn.BatchNorm1d(4), (3, 4, 5), -2),
        (nn.BatchNorm1d(4), (3, 4), -1),
        (nn.BatchNorm2d(4), (3, 4, 5, 6), -3),
        (nn.GroupNorm(1, 4), (3, 4, 5), -2),
        (nn.LayerNorm(6), (3, 4, 5, 6), -1),
        (nn.Embedding(3, 4), (3, 4, 5, 6), -1),
        (None, (3, 4, 5), -1),
        (None, (3, 4, 5, 6), -3),
        (nn.Flatten(), (3, 4), -1),
    ],
)
def test_where_features_lie(module: nn.Module | None, shape: tuple[int, ...], axis: int) -> None:
    assert features(module, torch.empty(shape), None) == axis


def test_what_keeps_its_inputs_shape_has_its_features() -> None:
    assert features(nn.ReLU(), torch.empty(3, 4, 5, 6), -1) == -1
    assert features(nn.ReLU(), torch.empty(3, 4, 5), -2) == -2
