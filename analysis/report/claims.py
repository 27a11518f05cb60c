"""What the studies of `experiments` claim and have measured, as rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PLACE = Path("outputs") / "reproduce"
"""As `experiments.cache`, which hashes the whole source when it is asked."""


@dataclass(frozen=True)
class Claims:
    """Of all studies that were measured with the code as it is.

    Attributes:
        titles: of the columns.
        rows: a claim each, in the order of the titles.
        passed: of each.
        quick: names of the studies that were measured with fewer seeds.
        missing: names of the studies that were not measured.
    """

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    passed: tuple[bool, ...]
    quick: tuple[str, ...]
    missing: tuple[str, ...]


def files() -> Sequence[Path]:
    """Where measurements may be kept; whether they are of this code is not said."""
    return sorted(PLACE.glob("*.json"))


def claims() -> Claims | None:
    """None if no study was ever measured here. A whole measurement goes before a quick one."""
    if not files():
        return None
    from experiments import cache
    from experiments import claims as studies
    from experiments.reproduce import COLUMNS, cells

    rows: list[tuple[str, ...]] = []
    passed: list[bool] = []
    quickly: list[str] = []
    missing: list[str] = []
    for name in studies.names():
        for quick in (False, True):
            found = cache.read(name, quick=quick)
            if found is not None:
                judged = studies.judge(studies.read(name), found[0], quick=quick)
                rows += [tuple(cells(name, one)) for one in judged]
                passed += [one.passed for one in judged]
                quickly += [name] if quick else []
                break
        else:
            missing.append(name)
    titles = (*COLUMNS[:-1], "result")
    return Claims(titles, tuple(rows), tuple(passed), tuple(quickly), tuple(missing))
