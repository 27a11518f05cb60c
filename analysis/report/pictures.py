"""The figures as the page holds them: drawn for light and for dark, with their data."""

import base64
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.figures import Figure

ROOM = 2_600_000
"""Bytes of all drawings; beyond it there is one for both themes, and then only its file."""

SMALL = 16_000
"""Bytes of data that are put into the page itself."""


@dataclass(frozen=True)
class Picture:
    """A figure on the page.

    Attributes:
        name: of its files in the folder `figures`.
        title: its subject.
        caption: how to read it.
        alt: what these data show, in words.
        light: the drawing for light paper; empty if there is no room for it.
        dark: the same for dark; empty if the light one is shown, on light paper.
        data: the CSV as an address that needs no file; empty if it is too large.
        command: what makes it again.
    """

    name: str
    title: str
    caption: str
    alt: str
    light: str
    dark: str
    data: str
    command: str


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn and saved.

    Attributes:
        files: what was saved.
        light: an SVG element for light paper.
        dark: the same for dark.
    """

    files: tuple[Path, ...]
    light: str
    dark: str


def draw(figure: "Figure", folder: Path) -> Drawn:
    """Save a figure, and draw it for the page."""
    from analysis.figures import save, svg
    from analysis.figures.style import DARK, LIGHT

    drawn = figure.draw(LIGHT)
    files = save(figure, folder, drawn=drawn)
    return Drawn(tuple(files), svg(figure, LIGHT, drawn), svg(figure, DARK))


def draw_all(
    figures: "Sequence[Figure]", folder: Path, pool: Executor | None = None
) -> list[Drawn]:
    """By these processes, if there are any; in the order of the figures."""
    return list((pool.map if pool else map)(draw, figures, repeat(folder)))


def pictures(
    figures: "Sequence[Figure]", drawn: Sequence[Drawn], folder: Path, room: int = ROOM
) -> list[Picture]:
    """As many for both themes as there is room for.

    Args:
        figures: in the order of the page.
        drawn: each of them.
        folder: where their data are.
        room: bytes.
    """
    left = room
    lights: list[str] = []
    for one in drawn:
        size = len(one.light.encode())
        lights.append(one.light if size <= left else "")
        left -= size if lights[-1] else 0
    made: list[Picture] = []
    for figure, one, light in zip(figures, drawn, lights, strict=True):
        size = len(one.dark.encode())
        dark = one.dark if light and size <= left else ""
        left -= size if dark else 0
        data = _data(folder / f"{figure.name}.csv")
        words = (figure.name, figure.title, figure.caption, figure.alt)
        made.append(Picture(*words, light, dark, data, figure.command))
    return made


def _data(path: Path) -> str:
    content = path.read_bytes()
    if len(content) > SMALL:
        return ""
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(content).decode()}"
