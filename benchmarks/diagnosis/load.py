"""All cases of a part with their records and labels, from the cache or made anew."""

from pathlib import Path

from benchmarks.diagnosis import mlp
from benchmarks.diagnosis.cache import FOLDER, records_of
from benchmarks.diagnosis.cases import Part
from benchmarks.diagnosis.label import Labelled, label

QUICK = 3
"""Families of a quick run."""


def load(part: Part, folder: Path = FOLDER, *, quick: bool = False) -> list[Labelled]:
    """Every case, those that are left out too: their ``why`` is not empty."""
    cases = list(mlp.cases(part, QUICK if quick else None))
    runs = [run for case in cases for run in (case.sick, case.twin)]
    return label(cases, records_of(runs, folder))
