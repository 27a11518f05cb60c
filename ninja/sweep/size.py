"""How many runs a stack has: as many as the cache has room for, up to where more gain nothing.

Measured by ``benchmarks/sweep.py --sizes``: the time of a run's step falls to a third from 1 to 16
runs, by a few per cent from there to 32, and hardly any further; it rises again where a stack does
not fit into the last level of the cache. Smaller stacks end earlier, and W&B is told of their runs
while others train.
"""

from contextlib import suppress
from pathlib import Path

from ninja.config import RunConfig

MOST = 32

MOST_ON_A_GPU = 256
"""There a step takes as long for many runs as for one: the time to start its kernels."""

CLASSES = 32
"""Letters, about: the exact number is only known once the words are read."""

PASSES = 8
"""Tensors of a hidden layer's size that a step writes: intermediates and their deltas."""

FALLBACK = 8 << 20
"""Bytes, where the system does not tell."""


def cache_size() -> int:
    """Bytes of the largest cache of this machine's first core."""
    sizes = [FALLBACK >> 3]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        with suppress(OSError, ValueError):
            text = path.read_text().strip()
            unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
            sizes.append(int(text.rstrip("KM")) * unit)
    return max(sizes) if len(sizes) > 1 else FALLBACK


def bytes_of(config: RunConfig) -> int:
    """What a step of this run writes and reads, about."""
    model, rows = config.model, config.batch_size
    fused = model.consecutive or config.data.block_size
    later = model.n_hidden * (model.consecutive or 1)
    weights = (
        CLASSES * model.n_embd
        + fused * model.n_embd * model.n_hidden
        + (model.n_layers - 1) * later * model.n_hidden
        + model.n_hidden * CLASSES
    )
    copies = 2 + (2 if config.optimizer.name == "adamw" else bool(config.optimizer.momentum))
    positions = config.data.block_size // fused
    hidden = rows * positions * model.n_layers * model.n_hidden
    itemsize = 8 if config.dtype == "float64" else 4
    return itemsize * (copies * weights + PASSES * (hidden + rows * CLASSES))


def runs_in_a_stack(config: RunConfig, cache: int) -> int:
    """At most so many of these runs in a stack.

    Args:
        config: of one of them.
        cache: bytes of it; that workers share it costs less than smaller stacks would.
    """
    if config.device == "cuda":
        return MOST_ON_A_GPU
    return max(1, min(MOST, cache // bytes_of(config)))
