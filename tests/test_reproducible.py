"""What a GPU is told, so that its sums come out the same; on a CPU nothing is."""

import os

import pytest
import torch

from ninja.reproducible import reproducible

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def test_only_on_a_gpu_and_only_within(monkeypatch: pytest.MonkeyPatch) -> None:
    with reproducible("cpu"):
        assert not torch.are_deterministic_algorithms_enabled()
    monkeypatch.delenv(WORKSPACE, raising=False)
    with reproducible("cuda"):
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ[WORKSPACE] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_was_chosen_before_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE, ":16:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with reproducible("cuda"):
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert os.environ[WORKSPACE] == ":16:8"
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpus_sums_are_the_same_each_time() -> None:
    x = torch.randn(200_000, 8, device="cuda")
    index = torch.randint(0, 27, (200_000,), device="cuda")
    with reproducible("cuda"):
        sums = [torch.zeros(27, 8, device="cuda").index_add_(0, index, x) for _ in range(5)]
    assert all(torch.equal(one, sums[0]) for one in sums)
