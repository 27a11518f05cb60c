"""The figures as the page holds them: drawn for light and for dark, with their data."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
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


def pictures(found: "Sequence[Figure]", folder: Path, room: int = ROOM) -> list[Picture]:
    """Draw them, as many for both themes as there is room for.

    Args:
        found: the figures, in the order of the page.
        folder: where they have been saved, their data too.
        room: bytes.
    """
    if not found:
        return []
    from analysis.figures import svg
    from analysis.figures.style import DARK, LIGHT

    lights = [svg(figure, LIGHT) for figure in found]
    light = [len(drawn.encode()) for drawn in lights]
    left = room
    there: list[bool] = []
    for size in light:
        there.append(size <= left)
        left -= size if there[-1] else 0
    made: list[Picture] = []
    for figure, drawn, size, is_there in zip(found, lights, light, there, strict=True):
        both = is_there and size * 1.1 <= left
        dark = svg(figure, DARK) if both else ""
        left -= len(dark.encode())
        data = _data(folder / f"{figure.name}.csv")
        words = (figure.name, figure.title, figure.caption, figure.alt)
        made.append(Picture(*words, drawn if is_there else "", dark, data, figure.command))
    return made


def _data(path: Path) -> str:
    content = path.read_bytes()
    if len(content) > SMALL:
        return ""
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(content).decode()}"
