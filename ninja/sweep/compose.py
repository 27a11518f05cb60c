"""Jobs from their overrides: composed by Hydra once for each choice of groups, and then merged.

Hydra takes 75 ms to compose a job. Most jobs of a sweep differ in plain values only, which need no
new composition: they are set in a copy of what was composed. Whatever is not plain (``+key``,
``~key``, dictionaries, interpolations, Hydra's own keys) is left to Hydra.
"""

import copy
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from operator import not_
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ninja import faults, runs
from ninja.checks import check_run
from ninja.config import RunConfig
from ninja.errors import NinjaError
from ninja.schema import config_of
from ninja.sweep.jobs import HydraFiles, Invalid, Job

_WHOLE = re.compile(r"([A-Za-z_][A-Za-z_.]*=)([1-9][0-9]{0,17}|0)")

FOLDER, SUBDIR = "${study_folder:}", "${run_id:}"
"""Where a run lies unless ``hydra.sweep`` says something else."""


@dataclass(frozen=True)
class Composed:
    """A configuration as plain data, its interpolations as they are written.

    Attributes:
        task: the job's own keys.
        hydra: Hydra's.
    """

    task: dict[str, Any]
    hydra: dict[str, Any]

    @classmethod
    def of(cls, config: DictConfig) -> "Composed":
        """Of what Hydra has composed."""
        plain: Any = OmegaConf.to_container(config, resolve=False, enum_to_str=True)
        return cls(plain, plain.pop("hydra"))


class Composer:
    """Composes the jobs of one command.

    Attributes:
        loads: how often Hydra was asked.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        """Args: Hydra's loader, and the configuration that the command line alone makes."""
        self.loads = 0
        self._loader, self._master = loader, master
        self._parser = OverridesParser.create(config_loader=loader)
        self._parsed: dict[str, Override] = {}
        self._simple: dict[str, bool] = {}
        self._bases: dict[tuple[str, ...], Composed] = {}

    def jobs(self, overrides: Sequence[Sequence[str]], first: int = 0) -> list[Job | Invalid]:
        """A job for each list of overrides, or what is wrong with it.

        Args:
            overrides: of each job.
            first: number of the first.
        """
        return [self.job(own, first + place) for place, own in enumerate(overrides)]

    def job(self, overrides: Sequence[str], number: int) -> Job | Invalid:
        """One of them."""
        try:
            composed = self.composed(overrides, number)
            config = config_of(RunConfig, _resolved(composed.task))
            check_run(config)
            folder = runs.folder(config)
            files = _files(composed, folder)
        except (NinjaError, HydraException, OmegaConfBaseException, OSError) as error:
            return Invalid(number, tuple(overrides), faults.line(error))
        except ValueError as error:  # which Hydra raises for a group that is given no name
            if not faults.is_no_name(error):
                raise
            return Invalid(number, tuple(overrides), faults.no_name(list(overrides)))
        return Job(number, tuple(files.overrides), config, folder, files)

    def composed(self, overrides: Sequence[str], number: int) -> Composed:
        """What Hydra composes for a job, with all that its launchers add but the output folder.

        Raises:
            HydraException: a key, a group or a value that it refuses.
            OmegaConfBaseException: the same.
        """
        parsed = self.parse(overrides)
        simple = [self._simple[one] for one in overrides]
        base = self._base(tuple(compress(overrides, map(not_, simple))))
        values = list(compress(parsed, simple))
        if not all(_fits(base.task, one) for one in values):
            base, values = self._base(tuple(overrides)), []
        task = copy.deepcopy(base.task)
        for one in values:
            *path, name = one.key_or_group.split(".")
            node = task
            for key in path:
                node = node[key]
            node[name] = one.value()
        return Composed(task, _hydra(base.hydra, parsed, number))

    def load(self, overrides: Sequence[str]) -> DictConfig:
        """What Hydra itself composes."""
        self.loads += 1
        return self._loader.load_sweep_config(self._master, list(overrides))

    def parse(self, overrides: Sequence[str]) -> list[Override]:
        """Overrides as Hydra reads them."""
        return [self._parse(one) for one in overrides]

    def _base(self, overrides: tuple[str, ...]) -> Composed:
        if overrides not in self._bases:
            self._bases[overrides] = Composed.of(self.load(overrides))
        return self._bases[overrides]

    def _parse(self, override: str) -> Override:
        """Each is read once: Hydra takes five milliseconds, and ten more to look for its group."""
        if override in self._parsed:
            return self._parsed[override]
        whole = _WHOLE.fullmatch(override)  # a thousand seeds differ in nothing else
        if whole and whole[1] in self._parsed:
            like = self._parsed[whole[1]]
            parsed = replace(like, _value=int(whole[2]), input_line=override)
            self._simple[override] = self._simple[whole[1]]
        else:
            (parsed,) = self._parser.parse_overrides([override])
            self._simple[override] = self._is_simple(parsed)
            if whole:
                self._parsed[whole[1]], self._simple[whole[1]] = parsed, self._simple[override]
        self._parsed[override] = parsed
        return parsed

    def _is_simple(self, override: Override) -> bool:
        """Whether it sets a value and does nothing else."""
        key = override.key_or_group
        if override.type is not OverrideType.CHANGE or override.is_hydra_override():
            return False
        if override.package is not None or override.is_sweep_override():
            return False
        return _is_plain(override.value()) and not self._loader.get_group_options(key)


def _is_plain(value: Any) -> bool:
    """Whether it means itself, wherever it stands."""
    if isinstance(value, str):
        return "${" not in value and value != "???"
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float))


def _fits(task: Mapping[str, Any], override: Override) -> bool:
    """Whether there is such a key, which holds no group of keys."""
    node: Any = task
    for key in override.key_or_group.split("."):
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return not isinstance(node, dict)


def _resolved(task: dict[str, Any]) -> dict[str, Any]:
    """With the values that its interpolations stand for."""
    if not _interpolates(task):
        return task
    found: Any = OmegaConf.to_container(OmegaConf.create(task), resolve=True)
    return found


def _interpolates(node: Any) -> bool:
    if isinstance(node, dict):
        return any(map(_interpolates, node.values()))
    if isinstance(node, list):
        return any(map(_interpolates, node))
    return isinstance(node, str) and "${" in node


def _hydra(base: Mapping[str, Any], parsed: Sequence[Override], number: int) -> dict[str, Any]:
    """Hydra's keys of a job: as of all jobs with these groups, but for what names this one."""
    own = [one.input_line or "" for one in parsed if not one.is_hydra_override()]
    about = base["job"]["config"]["override_dirname"]
    shown = [
        one.input_line or ""
        for one in parsed
        if not one.is_hydra_override() and one.key_or_group not in about["exclude_keys"]
    ]
    dirname = about["item_sep"].join(sorted(shown)).replace("=", about["kv_sep"])
    return {
        **base,
        "job": {**base["job"], "id": str(number), "num": number, "override_dirname": dirname},
        "overrides": {**base["overrides"], "task": own},
    }


def _files(composed: Composed, run: Path) -> HydraFiles:
    """What goes into the job's ``.hydra``, and where that is: beside the run, or as asked for."""
    task, hydra = composed.task, composed.hydra
    sweep = hydra["sweep"]
    if (sweep["dir"], sweep["subdir"]) == (FOLDER, SUBDIR):
        output = run
    else:
        output = _output(OmegaConf.create({**task, "hydra": hydra}))
    folder = Path(os.path.abspath(output))
    runtime = {**hydra["runtime"], "output_dir": str(folder)}
    subdir = hydra["output_subdir"]
    return HydraFiles(
        None if subdir is None else folder / subdir,
        task,
        {**hydra, "runtime": runtime},
        hydra["overrides"]["task"],
    )


def _output(config: DictConfig) -> Path:
    """The folder that ``hydra.sweep`` names, which may ask for anything of the configuration."""
    there = HydraConfig.instance()
    before = there.cfg
    there.cfg = config  # pyright: ignore[reportAttributeAccessIssue]
    try:
        sweep = config.hydra.sweep
        return Path(str(sweep.dir), str(sweep.subdir))
    finally:
        there.cfg = before
