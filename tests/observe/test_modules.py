"""Specification of a model's modules and parameters."""

import pytest
import torch
from torch import nn

from ninja.observe.modules import Modules, compiled, unwrapped
from tests.observe.trainings import Attention, Residual, mlp, normed_weights


def read(model: nn.Module) -> Modules:
    modules = Modules(model)
    modules.read()
    return modules


def test_names_are_qualified() -> None:
    modules = read(Residual())
    assert [place.name for place in modules.places.values()] == [
        *("model", "first", "second", "norm1", "norm2", "relu", "head")
    ]
    assert modules.inplace
    assert [of.name for of in modules.owned[:3]] == [
        *(("first", "weight"), ("first", "bias"), ("second", "weight"))
    ]


def test_a_parameter_is_there_once() -> None:
    modules = read(Attention())
    assert len({id(of.tensor) for of in modules.owned}) == len(modules.owned)
    assert ("head", "weight") not in [of.name for of in modules.owned]
    assert modules.owners["attention"] == "multiheadattention"
    assert modules.owners["model"] == "attention"


@pytest.mark.parametrize("trains", [False, True])
def test_a_sparse_parameter_has_no_numbers_to_see(trains: bool) -> None:
    model = nn.Linear(3, 3, bias=False)
    model.edges = nn.Parameter(torch.eye(3).to_sparse(), requires_grad=trains)
    assert [(of.key, of.is_real()) for of in read(model).owned] == [
        *(("weight", True), ("edges", False))
    ]


def test_what_changes_is_read_anew_and_what_is_gone_is_remembered() -> None:
    model = mlp()
    modules = read(model)
    model[2] = nn.Identity()
    modules.read()
    assert "2" not in {of.place.name for of in modules.owned}
    assert modules.owners["2"] == "linear"


@pytest.mark.parametrize(
    ("parameter", "module", "matrix"),
    [
        (torch.ones(3, 4), nn.Embedding, True),
        (torch.ones(3, 2, 2, 2), nn.Conv2d, True),
        (torch.ones(1, 4), nn.Linear, True),
        (torch.ones(1, 4), nn.Module, False),
        (torch.ones(1, 4, 1), nn.Module, False),
        (torch.ones(5), nn.LayerNorm, False),
    ],
)
def test_matrices(parameter: torch.Tensor, module: type[nn.Module], matrix: bool) -> None:
    made = {nn.Embedding: (3, 4), nn.Conv2d: (2, 3, 2), nn.Linear: (4, 1), nn.LayerNorm: (5,)}
    model = module(*made.get(module, ()))
    model.weight = nn.Parameter(parameter)
    (owned,) = [of for of in read(model).owned if of.key == "weight"]
    assert owned.is_matrix() == matrix
    assert owned.is_real()


def test_parameters_without_numbers() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(2, 2, device="meta"))
    model.register_parameter("spin", nn.Parameter(torch.zeros(2, dtype=torch.complex64)))
    model.register_parameter("none", nn.Parameter(torch.zeros(0)))
    assert not any(of.is_real() for of in read(model).owned)


def test_what_makes_a_parameter_is_no_layer() -> None:
    model = normed_weights().model
    names = [place.name for place in read(model).places.values()]
    assert not any("parametrizations.weight" in name for name in names)
    assert {of.name for of in read(model).owned} >= {("0.parametrizations.weight", "original0")}


def test_wrappers_are_taken_off() -> None:
    model = mlp()
    assert unwrapped(nn.DataParallel(torch.compile(model, backend="eager"))) is model
    assert list(compiled(model)) == []
    assert list(compiled(torch.compile(model, backend="eager")))[:1] == ["model"]
    model[0].compile(backend="eager")
    assert list(compiled(model)) == ["0"]
    whole = nn.Sequential(torch.compile(nn.Linear(2, 2), backend="eager"))
    assert [of.name for of in read(whole).owned] == [("0", "weight"), ("0", "bias")]


def test_the_fast_path_of_attention() -> None:
    model = Attention()
    assert not read(model).has_fast_path()
    model.eval()
    assert not read(model).has_fast_path()  # its weights need gradients
    model.requires_grad_(False)
    assert read(model).has_fast_path()
