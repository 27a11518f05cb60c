"""Everything that is looked at, in the order in which one thing needs the other."""

from collections.abc import Iterator
from pathlib import Path

from ninja.config import RunConfig
from ninja.doctor import machine, packages, places, tracker
from ninja.doctor.check import Check


def examine(output: Path | None = None) -> Iterator[Check]:
    """Look at one thing after the other.

    Args:
        output: folder that results will be in; none for the default one.
    """
    yield packages.python()
    torch = packages.torch()
    yield torch
    yield packages.other_ninja()
    yield machine.threads()
    if torch.state == "ok":
        yield machine.gpu()
    yield machine.cxx()
    results = output or Path(RunConfig().output)
    yield places.disk(results)
    yield from places.folders(results)
    yield from tracker.wandb()
