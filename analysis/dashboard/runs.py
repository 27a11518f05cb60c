"""What there is to show: the runs of each W&B project, their verdicts, and the names they log."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from analysis.dashboard.colours import ORDER, state
from ninja import records, result
from ninja.errors import NinjaError, RecordError
from ninja.folders import differing, flat, runs_in
from ninja.tracking import identity, metrics

EARLY = 8
"""Rows of a record in which every column of a layer is there: close looks are among them."""

SHAPE = ("model", "norm", "backward", "probe")
"""Keys of a configuration on which it depends what is logged of which layer."""


class DashboardError(NinjaError):
    """There is nothing to show, or it cannot be saved."""


@dataclass(frozen=True)
class Run:
    """One line in a plot.

    Attributes:
        id: of the W&B run.
        folder: where it lies.
        state: the key of its colour.
        fix: what its first finding proposes; empty where there is none.
        there: the server has all of it.
        offline: its folder has files of W&B's that `wandb leet` can show.
    """

    id: str
    folder: str
    state: str
    fix: str
    there: bool
    offline: bool


@dataclass(frozen=True)
class Project:
    """What one dashboard is of.

    Attributes:
        entity: user or team; none for the default of whoever saves it.
        name: of the project.
        runs: all that lie here.
        logged: W&B's prefix of a column, such as "delta/rms", and the layers it is logged of, in
            depth order.
        settings: the keys of the configuration that differ between the runs.
        timeout: seconds that a silent server may cost, the largest of the runs'.
        online: some run was trained with ``tracker=online``.
        noise: some run was asked for its gradient noise.
    """

    entity: str | None
    name: str
    runs: tuple[Run, ...]
    logged: Mapping[str, Sequence[str]]
    settings: Sequence[str]
    timeout: float
    online: bool
    noise: bool

    @property
    def counts(self) -> dict[str, int]:
        """Runs by state, in the order of the legend."""
        found = Counter(run.state for run in self.runs)
        return {name: found[name] for name in ORDER if found[name]}


def projects(path: Path) -> tuple[list[Project], list[str]]:
    """The projects of all runs in a folder, and what is wrong with runs that were left out.

    Args:
        path: of a run, of a study, or of all studies.

    Raises:
        RecordError: there is no run.
        DashboardError: there is none that W&B should show.
    """
    groups: dict[tuple[str, str], list[tuple[Run, identity.Identity]]] = {}
    damaged: list[str] = []
    for folder in runs_in(path):
        try:
            known = identity.read(folder)
            if known is not None:
                run = _run(folder, known)
                groups.setdefault((known.entity or "", known.project), []).append((run, known))
        except RecordError as error:
            damaged.append(str(error))
    if not groups:
        why = "; ".join(damaged) or f"none with a {identity.FILE}"
        raise DashboardError(
            f"{str(path)!r}: no run that W&B should show ({why}): train with tracker=offline or "
            "tracker=online"
        )
    found: list[Project] = []
    for (entity, name), members in sorted(groups.items()):
        logged, faults = _logged(members)
        damaged += faults
        configs = [dict(flat(known.config)) for _, known in members]
        found.append(
            Project(
                entity=entity or None,
                name=name,
                runs=tuple(run for run, _ in members),
                logged=logged,
                settings=differing(configs),
                timeout=max(known.timeout for _, known in members),
                online=any(known.config.get("tracker") == "online" for _, known in members),
                noise=any(known.config["probe"]["noise_scale"] for _, known in members),
            )
        )
    return found, damaged


def _run(folder: Path, known: identity.Identity) -> Run:
    """What its files say.

    Raises:
        RecordError: its result is damaged.
    """
    done = result.read(folder)
    first = done.findings[0] if done is not None and done.findings else {}
    return Run(
        id=known.id,
        folder=str(folder),
        state=state(done),
        fix=str(first.get("fix", "")),
        there=known.state == "complete",
        offline=any(folder.glob("wandb/*run-*")),
    )


def _logged(
    members: Iterable[tuple[Run, identity.Identity]],
) -> tuple[dict[str, list[str]], list[str]]:
    """The layers of each prefix, of all runs; and what is wrong with records."""
    shapes: set[str] = set()
    layers: dict[str, dict[str, int]] = {prefix: {} for prefix in metrics.OF_LAYER.values()}
    faults: list[str] = []
    for run, known in members:
        shape = json.dumps({key: known.config.get(key) for key in SHAPE}, sort_keys=True)
        record = Path(run.folder)
        if shape in shapes or not (record / records.LINES).exists():
            continue
        try:
            for row in islice(records.rows(record), EARLY):
                for prefix, name, depth in metrics.logged(row):
                    layers[prefix].setdefault(name, depth)
                shapes.add(shape)
        except RecordError as error:
            faults.append(str(error))
    found = {prefix: sorted(of, key=lambda name: (of[name], name)) for prefix, of in layers.items()}
    return {prefix: names for prefix, names in found.items() if names}, faults


def key(project: Project) -> str:
    """What it is known by."""
    return f"{project.entity or ''}/{project.name}"


def plain(project: Project) -> dict[str, Any]:
    """As JSON has it."""
    return {**vars(project), "runs": [vars(run) for run in project.runs]}


def read(found: Mapping[str, Any]) -> Project:
    """What `plain` made plain."""
    values: dict[str, Any] = {**found, "runs": tuple(Run(**run) for run in found["runs"])}
    return Project(**values)
