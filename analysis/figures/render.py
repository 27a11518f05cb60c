"""Figures as files and as text for the page: the same data give the same bytes."""

import io
import re
from collections.abc import Collection
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Canvas

from analysis.figures.figure import Figure
from analysis.figures.style import LIGHT, Theme, styled
from ninja import durable

KINDS = ("svg", "png", "pdf")
RESOLUTION = 200
"""Of a PNG, in points an inch."""

NO_METADATA: dict[str, dict[str, Any]] = {
    "svg": dict.fromkeys(("Creator", "Date", "Format", "Type")),
    "png": {"Software": None},
    "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate")),
}
"""Dates and versions, which would make other bytes of the same figure."""

FONTS = "system-ui, 'Liberation Sans', Arial, Helvetica, sans-serif"


def save(
    figure: Figure, folder: Path, kinds: Collection[str] = KINDS, drawn: Canvas | None = None
) -> list[Path]:
    """Write a figure in these kinds, on light paper, and its data as CSV beside it.

    Args:
        figure: to draw.
        folder: is made, if it is not there.
        kinds: of "svg", "png", "pdf".
        drawn: the figure on light paper, if it was drawn before.

    Returns:
        The files.

    Raises:
        ValueError: another kind.
        OSError: one cannot be written.
    """
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"kinds: {min(unknown)!r} is none of {', '.join(KINDS)}")
    folder.mkdir(parents=True, exist_ok=True)
    contents: dict[str, bytes] = {}
    with styled(LIGHT):
        if kinds and drawn is None:
            drawn = figure.draw(LIGHT)
        for kind in KINDS:
            if drawn is not None and kind in kinds:
                contents[kind] = _bytes(drawn, kind)
    if "svg" in contents:
        contents["svg"] = _portable(contents["svg"].decode()).encode()
    contents["csv"] = csv(figure).encode()
    paths = [folder / f"{figure.name}.{kind}" for kind in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        durable.write(path, content)
    return paths


def csv(figure: Figure) -> str:
    """The data of a figure, numbers with six digits."""
    return figure.data.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def svg(figure: Figure, theme: Theme, drawn: Canvas | None = None) -> str:
    """A figure to be put into a page: an element that is as wide as there is room, with `alt`.

    Its text is text, in the page's own sans-serif; its ids are of this figure and theme alone.

    Args:
        figure: to draw.
        theme: of the paper.
        drawn: the figure in this theme, if it was drawn before.
    """
    with styled(theme):
        text = _bytes(drawn or figure.draw(theme), "svg", transparent=True).decode()
    text = _portable(text[text.index("<svg") :]).strip()
    own = f"{figure.name}-{theme.name}-"
    text = re.sub(r'(?<= id=")(?=[^"]+")', own, text)
    text = re.sub(r"(?<=url\(#)|(?<=href=\"#)", own, text)
    text = re.sub(r"<style[^>]*>\*\{([^}]*)\}</style>", "", text)
    opening, rest = text.split(">", 1)
    opening = re.sub(r' (width|height|version|xmlns)="[^"]*"', "", opening)
    said = f' role="img" aria-label="{escape(figure.alt, quote=True)}"'
    style = ' style="stroke-linejoin:round;stroke-linecap:butt"'
    return f'{opening} xmlns="http://www.w3.org/2000/svg"{said}{style}>{rest}'


def _bytes(drawn: Canvas, kind: str, *, transparent: bool = False) -> bytes:
    buffer = io.BytesIO()
    drawn.savefig(
        buffer,
        format=kind,
        dpi=RESOLUTION if kind == "png" else 72,
        metadata=NO_METADATA[kind],
        transparent=transparent,
    )
    return buffer.getvalue()


def _portable(text: str) -> str:
    """In fonts that other machines have, and with two decimals of a point, which is enough."""
    text = re.sub(r"'DejaVu Sans'", FONTS.replace("'", "'"), text)
    return re.sub(r' (d|x|y|points|transform)="[^"<]*"', _rounded, text)


def _rounded(found: re.Match[str]) -> str:
    return re.sub(r"(-?\d+\.\d\d)\d+", r"\1", found[0])
