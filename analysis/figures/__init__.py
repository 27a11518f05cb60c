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


NEEDS: Mapping[str, str] = {
    verdicts.NAME: "runs of two settings",
    profile.NAME: "a network of two hidden layers or more, and a look at its deltas",
    units.NAME: "a look at activations",
    histograms.NAME: "histograms that a run has kept",
    updates.NAME: "a look at the updates of weight matrices",
    losses.NAME: "a finite loss",
    grid.NAME: "runs of several settings",
    gaps.NAME: "a gap between engines that a run has recorded",
    engines.NAME: "runs by hand, and the same by autograd",
    claims.NAME: "claims that make reproduce has measured",
}
"""What there must be for each of them."""


def figures(records: Records) -> list[Figure]:
    """Those that these records have data for, in the report's order."""
    if records.runs.empty:
        return []
    made = (build(records) for build in BUILDERS.values())
    return [one for one in made if one is not None]


__all__ = ["BUILDERS", "DARK", "LIGHT", "Figure", "Theme", "figures", "save", "svg"]
