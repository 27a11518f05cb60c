"""Gradient checkpointing: activations that are kept, and time that is paid for it.

L layers in k segments: the input of each segment is kept, and while a segment is pulled back, its
own activations.

Source: Chen et al. 2016, section 4.1.
"""

import math

from ninja.errors import TheoryError


def saved_activations(depth: int, segments: int) -> int:
    """k + ⌈L/k⌉, the most activations that are kept at a time.

    Raises:
        TheoryError: not from 1 to depth segments.
    """
    _check(depth, segments)
    return segments + math.ceil(depth / segments)


def best_segments(depth: int) -> int:
    """The number of segments that keeps the fewest activations, about √L; the least of several."""
    _check(depth, 1)
    return min(range(1, depth + 1), key=lambda segments: saved_activations(depth, segments))


def time_factor(backward: float = 2.0) -> float:
    """Time of a step over that without checkpoints: every layer's forward is computed twice.

    Args:
        backward: time of the backward over that of the forward.
    """
    return (2 + backward) / (1 + backward)


def _check(depth: int, segments: int) -> None:
    if depth < 1 or not 1 <= segments <= depth:
        raise TheoryError(
            f"segments: {segments} segments of {depth} layers cannot be, give 1 to {depth}"
        )
