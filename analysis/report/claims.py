"""What the studies of `experiments` claim and have measured, as rows of a table."""

from dataclasses import dataclass

from experiments import cache


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


def claims() -> Claims | None:
    """None if no study was ever measured here. A whole measurement goes before a quick one."""
    if not cache.files():
        return None
    from experiments.reproduce import COLUMNS, cells, kept

    measured = dict(kept())
    every = [(name, one) for name, judged in measured.items() for one in judged]
    rows = [tuple(cells(name, one)[:-1]) for name, one in every]  # without seconds
    passed = [one.passed for _, one in every]
    quickly = dict.fromkeys(name for name, one in every if one.quick)
    missing = [name for name, judged in measured.items() if not judged]
    return Claims(COLUMNS[:-1], tuple(rows), tuple(passed), tuple(quickly), tuple(missing))
