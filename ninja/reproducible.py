"""The same bits again on a GPU, where sums are otherwise added in the order that threads arrive."""

import os
from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def reproducible(device: str) -> Generator[None]:
    """Within it, what runs on ``device`` gives the same bits each time.

    On a CPU that is so with one thread. On a GPU torch chooses the kernels that are so, and cuBLAS
    needs a workspace of fixed size for it (cuBLAS, "Results reproducibility"); what was chosen
    before is chosen again at the end.
    """
    if device != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read at its first use
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
