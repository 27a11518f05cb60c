"""A bar that says which colour is which number, beside the panels."""

from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from analysis.figures.layout import WIDTH, Panels
from analysis.figures.style import DEPTHS, Theme

ROOM = 0.8
"""What it takes to the right of the panels, in inches."""


def scale(low: float, high: float, theme: Theme) -> ScalarMappable:
    """From numbers to colours, of which none is lost on the paper."""
    whole = mpl.colormaps[DEPTHS]
    ends = (0.0, 0.88) if theme.name == "light" else (0.28, 1.0)
    samples = [ends[0] + (ends[1] - ends[0]) * step / 255 for step in range(256)]
    cut = ListedColormap([whole(of) for of in samples])
    return ScalarMappable(Normalize(low, high if high > low else low + 1), cut)


def bar(made: Panels, colours: Any, label: str, beside: Axes, ticks: list[float]) -> Axes:
    """Right of the panels, as high as one of them."""
    box = beside.get_position()
    place = (1 - (ROOM - 0.12) / WIDTH, box.y0, 0.1 / WIDTH, box.height)
    axes = made.figure.add_axes(place)
    shown = made.figure.colorbar(colours, cax=axes, ticks=ticks)
    shown.outline.set_visible(False)
    axes.set_ylabel(label)
    return axes
