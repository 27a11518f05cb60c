"""W&B shows what the local record holds: a mirror, fed from the record, that training never awaits.

The record in a run's folder is written first and is the truth. A process of its own (`mirror`)
reads it and tells W&B; the command that trains talks to it through `Mirror` and imports nothing of
W&B. What W&B did not get, because no server answered or because somebody was in a hurry, is still
in the record, and ``python -m ninja sync`` sends it.
"""

from ninja.tracking.client import Mirror, mode_of

__all__ = ["Mirror", "mode_of"]
