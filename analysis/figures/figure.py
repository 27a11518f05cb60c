"""A figure as a value: what it shows, its data, and how to draw it."""

import os
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.figure
import pandas as pd

from analysis.figures.style import Theme, styled
from analysis.tables import Records


class Drawing(ABC):
    """How a figure is drawn, whoever asks for it."""

    def __call__(self, theme: Theme) -> matplotlib.figure.Figure:
        """Draw it in the style of all figures."""
        with styled(theme):
            return self.draw(theme)

    @abstractmethod
    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        """Draw it; the style is set."""


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: of its files, such as "profile".
        title: its subject, a sentence.
        caption: how to read it, with units.
        alt: what these data show, in numbers, for whoever cannot see it.
        data: exactly what is drawn, tidy.
        command: what makes it again.
        draw: makes it, in a theme.
    """

    name: str
    title: str
    caption: str
    alt: str
    data: pd.DataFrame
    command: str
    draw: Callable[[Theme], matplotlib.figure.Figure]


def command(name: str, records: Records) -> str:
    """What makes a figure of these records again."""
    return f"python -m analysis figure {name} {shlex.quote(_place(records))}"


def _place(records: Records) -> str:
    """The folder in which all the runs lie."""
    folders = list(records.runs["folder"])
    if not folders:
        return "outputs"
    if len(folders) == 1:
        return str(folders[0])
    if len({Path(folder).is_absolute() for folder in folders}) > 1:
        folders = [os.path.abspath(folder) for folder in folders]
    return os.path.commonpath(folders)


def sentences(*parts: str) -> str:
    """Those that say something, one after the other."""
    return " ".join(part for part in parts if part)


def shown_of(shown: Sequence[object], every: Sequence[object], what: str) -> str:
    """A sentence where not all are shown; else nothing."""
    if len(shown) == len(every):
        return ""
    return f"Shown are {len(shown)} of {len(every)} {what}, evenly chosen."
