"""What was typed becomes jobs: as Hydra's own sweeper has them, and keys that vary together."""

from typing import Any

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from ninja.errors import ConfigError
from ninja.sweep import expand

PARSER = OverridesParser.create()


def jobs(*overrides: str, paired: Any = ()) -> list[list[str]]:
    return list(expand.jobs(expand.axes(PARSER.parse_overrides(list(overrides))), paired))


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=1,2"],
        ["seed=range(3)", "norm=none,batchnorm", "steps=10"],
        ["init.gain=choice(0.5,5/3)", "+new=1", "~old", "seed=1,2"],
        ["optimizer.lr_schedule=[[5,0.1]],[]", "a={b:1},{b:2}"],
        ["name='x,y'", "seed=1"],
        ["seed=1,2", "steps=5", "seed=7,8,9"],
        [],
    ],
)
def test_as_hydras_own_sweeper(overrides: list[str]) -> None:
    (expected,) = BasicSweeper.split_arguments(PARSER.parse_overrides(overrides), None)
    assert jobs(*overrides) == expected


def test_two_seeds_are_two_jobs() -> None:
    assert jobs("seed=1,2") == [["seed=1"], ["seed=2"]]


def test_the_command_line_replaces_what_a_preset_sweeps() -> None:
    assert jobs("norm=none,batchnorm", "seed=1,2", "norm=layernorm") == [
        ["norm=layernorm", "seed=1"],
        ["norm=layernorm", "seed=2"],
    ]


def test_however_it_is_typed_there() -> None:
    own = PARSER.parse_overrides(["norm=none,batchnorm", "seed=1,2", "steps=5"])
    typed = PARSER.parse_overrides(["++seed=7", "~norm", "steps=6"])
    made = list(expand.jobs(expand.axes(expand.replaced(own, typed))))
    assert made == [["steps=6", "++seed=7", "~norm=null"]]


def test_no_keys_vary_together() -> None:
    assert jobs("a=1,2", paired=None) == jobs("a=1,2") == jobs("a=1,2", paired=[])


def test_keys_that_vary_together() -> None:
    made = jobs("a=1,2", "x=5", "b=3,4", "c=7,8", paired=[["a", "b"]])
    assert made == [
        ["a=1", "x=5", "b=3", "c=7"],
        ["a=1", "x=5", "b=3", "c=8"],
        ["a=2", "x=5", "b=4", "c=7"],
        ["a=2", "x=5", "b=4", "c=8"],
    ]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(2, 4))
def test_as_many_as_the_product_of_what_varies_by_itself(sizes: list[int], pairs: int) -> None:
    keys = [f"k{n}" for n in range(len(sizes))]
    typed = [f"{key}={','.join(map(str, range(n)))}" for key, n in zip(keys, sizes, strict=True)]
    values = ",".join(map(str, range(pairs)))
    made = jobs(*typed, f"p={values}", f"q={values}", paired=[["q", "p"]])
    count = pairs
    for size in sizes:
        count *= size
    assert len(made) == count
    assert len({tuple(job) for job in made}) == count
    assert all(job[-1].removeprefix("q=") == job[-2].removeprefix("p=") for job in made)


@pytest.mark.parametrize(
    ("overrides", "paired", "said"),
    [
        (["a=1,2", "b=1,2,3"], [["a", "b"]], "a has 2, b has 3 values"),
        (["a=1,2"], [["a", "b"]], "b is not swept; swept are: a"),
        (["a=1,2"], [["a"]], "has one key"),
        (["a=1,2", "b=1,2", "c=1,2"], [["a", "b"], ["b", "c"]], "b is there twice"),
        (["a=1,2", "b=1,2"], ["a", "b"], "a is no list of keys, give a list of lists"),
        (["a=1,2"], 3, "hydra.sweeper.zip: 3 is no list of keys"),
        (["a=1,2"], "a", "hydra.sweeper.zip: a is no list of keys"),
        (["a=1,2"], {"a": "b"}, "is no list of keys"),
        (["a=1,2"], [[["a"], ["b"]]], "hydra.sweeper.zip: [['a'], ['b']] is no list of keys"),
        (["a=1,2"], [["a", 1]], "hydra.sweeper.zip: ['a', 1] is no list of keys"),
        (["a=1,2"], [None], "hydra.sweeper.zip: None is no list of keys"),
        (["seed=range(1,3,0)"], [], "seed=range(1,3,0): range() arg 3 must not be zero"),
        (["seed=range(3,3)"], [], "seed=range(3,3): no value to try"),
        (
            ["seed=range(1,1e12)"],
            [],
            "seed=range(1,1e12): 999,999,999,999 jobs, a sweep has at most",
        ),
        (["a=range(1000)", "b=range(101)", "c=1"], [], "a, b: 101,000 jobs, a sweep has at most"),
        (["seed=interval(0,1)"], [], "seed=interval(0,1): an interval has no list of values"),
    ],
)
def test_what_cannot_be_expanded(overrides: list[str], paired: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs(*overrides, paired=paired)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
