"""From plain data to a typed configuration."""

from dataclasses import asdict, dataclass
from typing import Any

import pytest

from ninja.config import OptimizerConfig, RunConfig
from ninja.errors import ConfigError
from ninja.schema import check_types, config_of
from tests.faults import fault_of


def test_nothing_given_is_the_default() -> None:
    assert config_of(RunConfig, {}) == RunConfig()


def test_round_trip() -> None:
    assert config_of(RunConfig, asdict(RunConfig())) == RunConfig()


def test_lists_are_tuples_and_ints_good_floats() -> None:
    made = config_of(OptimizerConfig, {"betas": [0, 0.5], "lr": 1, "lr_schedule": [[10, 0.1]]})
    assert made.betas == (0, 0.5)
    assert made.lr_schedule == ((10, 0.1),)


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({"sed": 1}, "sed: there is no such key, did you mean seed"),
        ({"optimizer": {"lrr": 1}}, "did you mean optimizer.lr"),
        ({"optimizer": 3}, "optimizer: 3 is no group of keys, set optimizer.name, optimizer.lr, "),
        ({"seed": 1e3}, "seed: 1000.0 is not of type int, give 1000"),
        ({"seed": ""}, "seed: '' is not of type int"),
        ({"seed": float("inf")}, "seed: inf is not of type int"),
        ({"seed": "abc"}, "seed: 'abc' is not of type int"),
        ({"seed": True}, "seed: True is not of type int"),
        ({"steps": 1.5}, "steps: 1.5 is not of type int"),
        ({"optimizer": {"betas": [0.9]}}, "optimizer.betas: (0.9,) is not of type"),
        ({"optimizer": {"lr_schedule": [["a", 1.0]]}}, "optimizer.lr_schedule: (('a', 1.0),)"),
        ({"optimizer": {"clip": "big"}}, "optimizer.clip: 'big' is not of type float | null"),
        ({"probe": {"early": [0, "x"]}}, "probe.early"),
        ({"backward": "auto"}, "backward: unknown name 'auto'"),
        ({"norm": {"running": "mean"}}, "norm.running: unknown name 'mean'"),
        ({"study": None}, "study: None is not of type str"),
    ],
)
def test_refusals(plain: dict[str, Any], said: str) -> None:
    assert said in fault_of(lambda: config_of(RunConfig, plain), ConfigError)


def test_what_may_be_anything() -> None:
    @dataclass(frozen=True)
    class Loose:
        found: dict[str, Any] | None = None

    for value in (None, {}, {"a": None, "b": [1]}):
        check_types(Loose(value))
    said = fault_of(lambda: check_types(Loose([])), ConfigError)  # pyright: ignore
    assert said.startswith("found: [] is not of type dict[str, ")
