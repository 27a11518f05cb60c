"""Is this machine fit for it? Offline: nothing is sent, and nothing is left behind."""

from ninja.doctor.check import Check
from ninja.doctor.examine import examine

__all__ = ["Check", "examine"]
