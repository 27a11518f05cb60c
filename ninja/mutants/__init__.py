"""Is the proof worth anything? Wrong versions of our own code, and which check notices each."""

from ninja.mutants.catalogue import MUTANTS, Mutant
from ninja.mutants.plant import planted
from ninja.mutants.trial import CHECKS, Outcome, try_all, try_mutant

__all__ = ["CHECKS", "MUTANTS", "Mutant", "Outcome", "planted", "try_all", "try_mutant"]
