"""One style for all figures, on light paper and on dark.

Colours are Okabe & Ito's, which colour-blind people tell apart; dashes and markers say the same
again, for those who print in grey.
"""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import matplotlib as mpl

from ninja.streams import printable

LONGEST = 44
"""Letters of a name; what follows is cut."""


@dataclass(frozen=True)
class Theme:
    """Colours of a page.

    Attributes:
        name: "light" or "dark".
        paper: behind everything.
        ink: of text and axes.
        faint: of the grid, and of what is only there to compare with.
        band: of a region that is not healthy.
        colours: of the series, in their order.
    """

    name: str
    paper: str
    ink: str
    faint: str
    band: str
    colours: tuple[str, ...]


LIGHT = Theme(
    "light",
    paper="#ffffff",
    ink="#1b1b1b",
    faint="#8a8a8a",
    band="#d9d9d9",
    colours=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b37b00", "#2b2b2b"),
)
DARK = Theme(
    "dark",
    paper="#16181d",
    ink="#e8e8e8",
    faint="#8d929c",
    band="#3a3d45",
    colours=("#56b4e9", "#e69f00", "#2fc79b", "#e7a3c6", "#f0e442", "#ffffff"),
)

DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1.5, 1.5)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (8, 3)),
)
MARKERS = ("o", "s", "^", "D", "v", "P")
SERIES = len(MARKERS)
"""How many series one panel can tell apart."""

DEPTHS = "cividis"
"""Colours of the layers, from first to last: it rises in lightness, too."""


@contextmanager
def styled(theme: Theme) -> Generator[None]:
    """Draw and save in this style; the settings of whoever calls are as they were, afterwards."""
    settings: dict[str, Any] = {
        "font.family": "DejaVu Sans",  # it comes with matplotlib: all measure by it
        "font.size": 8,
        "text.parse_math": False,  # a "$" in a name is one
        "text.usetex": False,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.edgecolor": theme.ink,
        "axes.facecolor": "none",
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": False,
        "grid.color": theme.faint,
        "grid.linewidth": 0.3,
        "grid.alpha": 0.5,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "figure.facecolor": theme.paper,
        "savefig.facecolor": "auto",
        "lines.linewidth": 1.3,
        "lines.markersize": 3.5,
        "patch.linewidth": 0.6,
        "hatch.linewidth": 0.5,
        "legend.frameon": False,
        "legend.fontsize": 7.5,
        "svg.fonttype": "none",
        "svg.hashsalt": "gradient-ninja",
        "pdf.fonttype": 42,
        "path.simplify": True,
    }
    with mpl.rc_context(cast("Any", settings)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a letter that no font here has
        yield


def plain(name: object, longest: int = LONGEST) -> str:
    """A name as it can stand in a figure: printable, in one line, and not too long."""
    text = " ".join(str(name).split())
    text = printable(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def on(colour: str) -> str:
    """Black or white, whichever can be read upon it."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)
    ]
    lightness = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if lightness > 0.179 else "#ffffff"
