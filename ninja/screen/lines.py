"""A run as plain lines, for files, pipes and terminals that cannot move their cursor."""

import time
from typing import Any

from ninja.screen.losses import shown_loss

SECONDS = 2.0  # between two lines


class Lines:
    """Prints a row when the last one is a while ago."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.printed = float("-inf")

    def tell(self, row: dict[str, Any]) -> None:
        """One line: step, loss, and what else the row has."""
        now = time.monotonic()
        if now - self.printed < SECONDS:
            return
        first, self.printed = self.printed == float("-inf"), now
        parts = [f"step {row['step']:>7,}/{self.steps:,}", f"loss {shown_loss(row['loss'])}"]
        if "grad_norm" in row:
            parts.append(f"grad {row['grad_norm']:.2e}")
        if "gap" in row:
            parts.append(f"gap {row['gap']:.1e}")
        if not first:  # that one has what is only done once
            parts.append(f"{row['train_us']:.0f} µs a step")
        print("  ".join(parts), flush=True)
