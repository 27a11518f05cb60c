"""All cases of a part with their records and labels, from the cache or made anew."""

import math
from pathlib import Path

from benchmarks.diagnosis import mlp
from benchmarks.diagnosis.cache import FOLDER, records_of
from benchmarks.diagnosis.cases import Part
from benchmarks.diagnosis.faults import VOCABULARY
from benchmarks.diagnosis.label import Labelled, label


def load(part: Part, folder: Path = FOLDER) -> list[Labelled]:
    """Every case, those that are left out too: their ``why`` is not empty."""
    cases = list(mlp.cases(part))
    runs = [run for case in cases for run in (case.sick, case.twin)]
    return label(cases, records_of(runs, folder), math.log(VOCABULARY))
