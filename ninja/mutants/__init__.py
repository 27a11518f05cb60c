"""Is the proof worth anything? Wrong versions of our own code, and which check notices each."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ninja.mutants.catalogue import MUTANTS, Mutant

if TYPE_CHECKING:
    from ninja.mutants.plant import planted
    from ninja.mutants.trial import CHECKS, Outcome, try_all, try_mutant

__all__ = ["CHECKS", "MUTANTS", "Mutant", "Outcome", "planted", "try_all", "try_mutant"]


def __getattr__(name: str) -> Any:
    """What plants and tries, found when it is asked for: who only names a mutant needs no torch."""
    if name not in __all__:
        raise AttributeError(f"module 'ninja.mutants' has no attribute {name!r}")
    home = "plant" if name == "planted" else "trial"
    return getattr(import_module(f"ninja.mutants.{home}"), name)
