"""Losses, and what else may be of any size, in a few characters."""

LARGE = 1e5
"""From here on the digits say nothing."""


def shown_loss(value: float) -> str:
    """With four decimals; a large one by its first digits and its power of ten."""
    return f"{value:.3e}" if LARGE <= abs(value) < float("inf") else f"{value:.4f}"
