"""Diagnosis: from the rows of a record to what is wrong, where, why, and what fixes it.

A pure function; no torch. `history` is the record as arrays, `ranges` the thresholds, `evidence`
the numbers against them; `flow`, `units`, `updates` and `loss` find, each by its subject; `fixes`
says what to change; `diagnose` does all of it.
"""

from ninja.diagnosis.diagnose import diagnose, unknown
from ninja.diagnosis.evidence import Evidence, gather
from ninja.diagnosis.finding import KINDS, About, Finding, Kind, verdict
from ninja.diagnosis.history import History, read

__all__ = [
    "KINDS",
    "About",
    "Evidence",
    "Finding",
    "History",
    "Kind",
    "diagnose",
    "gather",
    "read",
    "unknown",
    "verdict",
]
