"""Figures, one file each, in one style: as SVG, PNG and PDF, with their data as CSV."""

from collections.abc import Callable, Mapping

from analysis.figures import (
    claims,
    engines,
    gaps,
    grid,
    histograms,
    losses,
    profile,
    units,
    updates,
    verdicts,
)
from analysis.figures.figure import Figure
from analysis.figures.render import save, svg
from analysis.figures.style import DARK, LIGHT, Theme
from analysis.tables import Records

BUILDERS: Mapping[str, Callable[[Records], Figure | None]] = {
    verdicts.NAME: verdicts.build,
    profile.NAME: profile.build,
    units.NAME: units.build,
    histograms.NAME: histograms.build,
    updates.NAME: updates.build,
    losses.NAME: losses.build,
    grid.NAME: grid.build,
    gaps.NAME: gaps.build,
    engines.NAME: engines.build,
    claims.NAME: claims.build,
}
"""What makes each figure, by its name, in the report's order."""


def figures(records: Records) -> list[Figure]:
    """Those that these records have data for, in the report's order."""
    if records.runs.empty:
        return []
    made = (build(records) for build in BUILDERS.values())
    return [one for one in made if one is not None]


__all__ = ["BUILDERS", "DARK", "LIGHT", "Figure", "Theme", "figures", "save", "svg"]
