"""A linear map, its norm and its activation are one layer."""

import pytest

from benchmarks.diagnosis.cases import Trained
from benchmarks.diagnosis.module_cases import SHAPES, Module
from benchmarks.diagnosis.place import right
from ninja.config import ModelConfig, RunConfig

# 00.embedding 01.flatten 02.linear 03.batchnorm 04.tanh 05.linear 06.batchnorm 07.tanh 08.linear
RUN = Trained(RunConfig(model=ModelConfig(n_layers=2)))


@pytest.mark.parametrize(
    ("said", "true", "same"),
    [
        ("02.linear.W", "02.linear", True),
        ("04.tanh", "02.linear", True),
        ("03.batchnorm.gain", "02.linear", True),
        ("00.embedding.C", "02.linear", True),
        ("05.linear", "02.linear", False),
        ("07.tanh", "05.linear", True),
        ("08.linear", "05.linear", False),
        ("", "02.linear", False),
    ],
)
def test_of_the_products_networks(said: str, true: str, same: bool):
    assert right(said, true, RUN) == same


def module(kind: str) -> Module:
    shape = next(shape for shape in SHAPES if shape.kind == kind)
    return Module(kind, shape.activation, shape.norm, 3, 12, 1.0, 1.0, 0.1, False, 1)


@pytest.mark.parametrize(
    ("kind", "said", "true", "same"),
    [
        ("convolutions", "act1", "conv1", True),
        ("convolutions", "norm1.weight", "conv1", True),
        ("convolutions", "conv2", "conv1", False),
        ("transformer", "blocks.0.act", "blocks.0.up", True),
        ("transformer", "blocks.1.act", "blocks.0.up", False),
        ("recurrence", "act", "read", True),
        ("recurrence", "out", "read", False),
    ],
)
def test_of_modules(kind: str, said: str, true: str, same: bool):
    assert right(said, true, module(kind)) == same
