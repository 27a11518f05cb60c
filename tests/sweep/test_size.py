"""Stacks as large as the cache has room for."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ninja.config import DataConfig, ModelConfig, OptimizerConfig, RunConfig
from ninja.sweep.size import MOST, MOST_ON_A_GPU, bytes_of, cache_size, runs_in_a_stack

BASE = RunConfig()
DEEP = replace(BASE, batch_size=128, model=ModelConfig(n_hidden=256, n_layers=20))
CACHE = 32 << 20


def test_small_networks_fill_a_stack_and_large_ones_are_alone() -> None:
    assert runs_in_a_stack(BASE, CACHE) == MOST
    assert runs_in_a_stack(DEEP, CACHE) == 1
    assert 1 < runs_in_a_stack(BASE, 2 << 20) < MOST


def test_a_gpu_takes_many_of_any() -> None:
    for config in (BASE, DEEP):
        assert runs_in_a_stack(replace(config, device="cuda"), CACHE) == MOST_ON_A_GPU


def test_more_of_anything_takes_more_room() -> None:
    larger = [
        replace(BASE, batch_size=64),
        replace(BASE, dtype="float64"),
        replace(BASE, optimizer=OptimizerConfig(momentum=0.9)),
        replace(BASE, optimizer=OptimizerConfig(name="adamw")),
        replace(BASE, model=ModelConfig(n_layers=2)),
        replace(BASE, model=ModelConfig(n_hidden=300)),
        replace(BASE, data=DataConfig(block_size=8)),
    ]
    assert all(bytes_of(config) > bytes_of(BASE) for config in larger)


@given(st.integers(0, 1 << 30))
def test_there_is_always_room_for_one(cache: int) -> None:
    assert 1 <= runs_in_a_stack(BASE, cache) <= MOST


def test_the_machine_has_a_cache() -> None:
    assert cache_size() >= 1 << 18
