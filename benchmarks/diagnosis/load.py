"""All cases of a part with their records and labels, from the cache or made anew."""

from collections.abc import Iterable
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from benchmarks.diagnosis import mlp, module_cases
from benchmarks.diagnosis.cache import FOLDER, module_records_of, records_of
from benchmarks.diagnosis.cases import Case, Part, Trained
from benchmarks.diagnosis.label import Labelled, label
from benchmarks.diagnosis.module_cases import Module

QUICK = 3
"""Families of a quick run."""


def load(part: Part, folder: Path = FOLDER, *, quick: bool = False) -> list[Labelled]:
    """Every case, those that are left out too: their ``why`` is not empty.

    The unseen part has networks that are not MLPs as well, where there is a `ninja.watch`.
    """
    cases = list(mlp.cases(part, QUICK if quick else None))
    if part == "unseen" and find_spec("ninja.observe") and not quick:
        cases += module_cases.cases()
    return labelled(cases, folder)


def labelled(cases: Iterable[Case], folder: Path) -> list[Labelled]:
    """With their records."""
    cases = list(cases)
    runs = list(chain.from_iterable((case.sick, case.twin) for case in cases))
    records = records_of((run for run in runs if isinstance(run, Trained)), folder)
    records |= module_records_of((run for run in runs if isinstance(run, Module)), folder)
    return label(cases, records)
