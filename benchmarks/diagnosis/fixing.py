"""Does the fix help? The first finding's override is applied, and the run is trained again.

An edit of the first values stays, unless the fix makes other first values (``init.…``): that is to
initialise anew what was spoiled.
"""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.diagnosis.cache import records_of
from benchmarks.diagnosis.cases import HEALTHY, Edit, Trained
from benchmarks.diagnosis.detectors import Alarm
from benchmarks.diagnosis.faults import VOCABULARY
from benchmarks.diagnosis.label import SPOILT, Labelled, best_of, learnt_enough, loss_of
from ninja.checks import check_run
from ninja.config import RunConfig
from ninja.errors import ConfigError
from ninja.networks import build
from ninja.schema import config_of

GROUPS = ("norm", "optimizer")
"""``norm=batchnorm`` chooses one of a group."""


def fixed(run: Trained, fix: str) -> Trained | None:
    """The run with the override; none where it is no override, or one that cannot be."""
    plain: dict[str, Any] = asdict(run.config)
    try:
        words = [word.partition("=") for word in shlex.split(fix, comments=True)]
        if not words or any(not equals for _, equals, _ in words):
            return None
        for key, _, value in words:
            *groups, last = f"{key}.name".split(".") if key in GROUPS else key.split(".")
            inner = plain
            for group in groups:
                inner = inner[group]
            inner[last] = yaml.safe_load(value)
        config = config_of(RunConfig, _lists(plain))
        check_run(config)
    except (ConfigError, KeyError, TypeError, ValueError):
        return None
    anew = any(key.startswith("init.") for key, _, _ in words)
    mutant = "" if config.backward == "autograd" else run.mutant
    edits = () if anew else _carried(run, config)
    return replace(run, config=config, edits=edits, mutant=mutant)


def _carried(run: Trained, config: RunConfig) -> tuple[Edit, ...]:
    """The edits, of the nodes that are in the other network what theirs are in this one."""
    if not run.edits:
        return ()
    old, new = (_places(of) for of in (run.config, config))
    there = {place: node for node, place in new.items()}
    moved = ((edit, there.get(old[edit.node])) for edit in run.edits)
    return tuple(replace(edit, node=node) for edit, node in moved if node is not None)


def _places(config: RunConfig) -> dict[str, tuple[type, int]]:
    """Of every node: its rule, and how many of them came before."""
    count: Counter[type] = Counter()
    found: dict[str, tuple[type, int]] = {}
    for node in build(config.network, VOCABULARY).nodes:
        found[node.name] = type(node.rule), count[type(node.rule)]
        count[type(node.rule)] += 1
    return found


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(one) for key, one in value.items()}
    return [_lists(one) for one in value] if isinstance(value, (list, tuple)) else value


def helped(
    cases: Sequence[Labelled], alarms: Sequence[Sequence[Alarm]], folder: Path
) -> list[bool | None]:
    """Of every case: whether the first alarm's fix makes the run healthy; none of one not ours.

    Healthy is: it learns enough for its family, and the loss that the fault concerns is as good as
    without it.
    """
    tried: list[Trained | None] = []
    for case, of in zip(cases, alarms, strict=True):
        run = case.case.sick
        sick = isinstance(run, Trained) and case.case.label != HEALTHY
        tried.append(fixed(run, of[0].fix) if sick and of and isinstance(run, Trained) else None)
    records = records_of((run for run in tried if run is not None), folder)
    best = best_of(cases)
    found: list[bool | None] = []
    for case, run in zip(cases, tried, strict=True):
        if not isinstance(case.case.sick, Trained) or case.case.label == HEALTHY:
            found.append(None)
        elif run is None:
            found.append(False)
        else:
            record = records[run.key]
            well = learnt_enough(loss_of(record, "end"), case.case, best)
            found.append(well and loss_of(record, case.case.concern) - case.fixed <= SPOILT)
    return found
