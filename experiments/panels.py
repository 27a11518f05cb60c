"""The figure that answers a study's question: which claims it shows, and against what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEYS = {"x", "y", "log", "series"}
LOGS = ("", "x", "y", "xy")
MOST = 6
"""Series of a panel: no more can be told apart."""


@dataclass(frozen=True)
class Panel:
    """Claims of one kind beside each other.

    Attributes:
        x: what the claims differ in, with its unit; nothing to say where they have names.
        y: what is measured, with its unit.
        log: which axes are logarithmic: "", "x", "y" or "xy".
        series: by their names, where each claim stands: a number, or a name if they have names.
    """

    x: str
    y: str
    log: str
    series: Mapping[str, Mapping[str, float | str]]

    @property
    def named(self) -> list[str]:
        """The names along x, in their order; none if there are numbers."""
        places = [place for of in self.series.values() for place in of.values()]
        return list(dict.fromkeys(place for place in places if isinstance(place, str)))


def panels(given: Sequence[Mapping[str, Any]], claims: Mapping[str, object]) -> tuple[Panel, ...]:
    """The panels of a figure.

    Args:
        given: as a file has them.
        claims: of the study, by name.

    Raises:
        ValueError: one shows what nobody claims, or numbers beside names.
    """
    return tuple(_panel(f"figure: panel {n}", of, claims) for n, of in enumerate(given, 1))


def _panel(at: str, given: Mapping[str, Any], claims: Mapping[str, object]) -> Panel:
    if unknown := given.keys() - KEYS:
        raise ValueError(f"{at}: {', '.join(sorted(unknown))} is none of {', '.join(sorted(KEYS))}")
    log = str(given.get("log", ""))
    if log not in LOGS:
        raise ValueError(f"{at}: log: {log!r} is none of x, y, xy")
    series = {
        str(name): {str(claim): _place(of) for claim, of in places.items()}
        for name, places in given["series"].items()
    }
    if len(series) > MOST:
        raise ValueError(f"{at}: {len(series)} series, {MOST} can be told apart")
    shown = [claim for places in series.values() for claim in places]
    if not shown:
        raise ValueError(f"{at}: shows no claim")
    if nobodys := sorted(set(shown) - claims.keys()):
        raise ValueError(f"{at}: {', '.join(nobodys)} is no claim")
    if len({isinstance(place, str) for of in series.values() for place in of.values()}) > 1:
        raise ValueError(f"{at}: numbers and names stand side by side")
    return Panel(str(given.get("x", "")), str(given["y"]), log, series)


def _place(given: Any) -> float | str:
    return float(given) if isinstance(given, int | float) else str(given)
