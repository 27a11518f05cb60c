"""Jobs from their overrides: composed by Hydra once for each choice of groups, and then merged.

Hydra takes 75 ms to compose a job. Most jobs of a sweep differ in plain values only, which need no
new composition: they are set in a copy of what was composed. Whatever is not plain (``+key``,
``~key``, dictionaries, interpolations, Hydra's own keys, a key that comes twice) is left to Hydra.
"""

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ninja import faults, runs
from ninja.checks import check_run
from ninja.config import RunConfig
from ninja.errors import ConfigError, NinjaError, unknown_key
from ninja.schema import config_of
from ninja.sweep.jobs import HydraFiles, Invalid, Job

COMPOSING = (NinjaError, HydraException, OmegaConfBaseException, YAMLError, OSError)
"""What is raised of a job that cannot be composed."""

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
        self._groups: dict[str, bool] = {}
        self._bases: dict[tuple[str, ...], Composed | Exception] = {}

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
            config = config_of(RunConfig, self._resolved(composed))
            check_run(config)
            folder = runs.folder(config)
            files = self._files(composed, folder)
        except COMPOSING as error:
            return Invalid(number, tuple(overrides), faults.line(error))
        except ValueError as error:  # which Hydra raises for a group that is given no name
            if not faults.is_no_name(error):
                raise
            return Invalid(number, tuple(overrides), faults.no_name(list(overrides)))
        return Job(number, tuple(files.overrides), config, folder, files)

    def composed(self, overrides: Sequence[str], number: int) -> Composed:
        """What Hydra composes for a job, with all that its launchers add but the output folder.

        Raises:
            ConfigError: there is no such key.
            HydraException: a key, a group or a value that it refuses.
            OmegaConfBaseException: the same.
        """
        parsed = self.parse(overrides)
        setting = [one for one in parsed if not self._chooses(one)]
        simple = [] if _overlap(setting) else [one for one in setting if _is_simple(one)]
        others = [one for one in parsed if not any(one is another for another in simple)]
        base = self._base(tuple(one.input_line or "" for one in others))
        if not all(_fits(base.task, one) for one in simple):
            base, simple = Composed.of(self.load(overrides)), []
        task = base.task
        for one in simple:
            task = _with(task, _path(one), one.value())
        return Composed(task, _hydra(base.hydra, parsed, number))

    def load(self, overrides: Sequence[str]) -> DictConfig:
        """What Hydra itself composes."""
        self.loads += 1
        return self._loader.load_sweep_config(self._master, list(overrides))

    def parse(self, overrides: Sequence[str]) -> list[Override]:
        """Overrides as Hydra reads them, each of them once."""
        for one in overrides:
            if one not in self._parsed:
                (self._parsed[one],) = self._parser.parse_overrides([one])
        return [self._parsed[one] for one in overrides]

    def _base(self, overrides: tuple[str, ...]) -> Composed:
        """Composed once, or refused once: the rest of a sweep need not ask again."""
        if overrides not in self._bases:
            try:
                self._bases[overrides] = Composed.of(self.load(overrides))
            except (*COMPOSING, ValueError) as error:
                self._bases[overrides] = error
        found = self._bases[overrides]
        if isinstance(found, Exception):
            raise found.with_traceback(None)
        return found

    def _chooses(self, override: Override) -> bool:
        """Whether it chooses an option of a group, and sets no value."""
        key = override.key_or_group
        if key not in self._groups:  # Hydra takes five milliseconds to look for it
            hydra = self._master.hydra
            typed: Any = OmegaConf.to_container(hydra.overrides.hydra)  # as they are written
            found = self._loader.get_group_options(key, None, hydra.job.config_name, typed)
            self._groups[key] = bool(found)
        return self._groups[key] and not isinstance(override.value(), dict)

    def _resolved(self, composed: Composed) -> dict[str, Any]:
        """The job's own keys with the values that its interpolations stand for."""
        if not _interpolates(composed.task):
            return composed.task
        task = OmegaConf.create(composed.task)
        with self._resolving(task, composed):
            found: Any = OmegaConf.to_container(task, resolve=True, throw_on_missing=True)
        return found

    def _files(self, composed: Composed, run: Path) -> HydraFiles:
        """What goes into the job's ``.hydra``, and where: beside the run, or as asked for."""
        task, hydra = composed.task, composed.hydra
        output = run
        if (hydra["sweep"]["dir"], hydra["sweep"]["subdir"]) != (FOLDER, SUBDIR):
            config = OmegaConf.create({**task, "hydra": hydra})
            with self._resolving(config, composed):
                output = Path(str(config.hydra.sweep.dir), str(config.hydra.sweep.subdir))
        folder = Path(os.path.abspath(output))
        runtime = {**hydra["runtime"], "output_dir": str(folder)}
        subdir = hydra["output_subdir"]
        return HydraFiles(
            None if subdir is None else folder / subdir,
            task,
            {**hydra, "runtime": runtime},
            hydra["overrides"]["task"],
        )

    @contextmanager
    def _resolving(self, config: DictConfig, composed: Composed) -> Generator[None]:
        """``${hydra:…}`` is this job's, and ``${now:…}`` the same for all of them."""
        there = HydraConfig.instance()
        before = there.cfg
        whole = OmegaConf.create({**composed.task, "hydra": composed.hydra})
        there.cfg = whole  # pyright: ignore[reportAttributeAccessIssue]
        OmegaConf.copy_cache(self._master, config)
        try:
            yield
        finally:
            OmegaConf.copy_cache(config, self._master)
            there.cfg = before


def _is_simple(override: Override) -> bool:
    """Whether it gives a key that is there a value that means itself, and does nothing else."""
    return (
        override.type in (OverrideType.CHANGE, OverrideType.FORCE_ADD)
        and override.package is None
        and not override.is_hydra_override()
        and not override.is_sweep_override()
        and _is_plain(override.value())
    )


def _path(override: Override) -> list[str]:
    """From the root to the key."""
    return override.key_or_group.split(".")


def _with(node: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """Another one that has this value; what does not change is shared."""
    name, *within = path
    return {**node, name: _with(node[name], within, value) if within else value}


def _overlap(overrides: Sequence[Override]) -> bool:
    """Whether one of the keys lies within another, or comes twice: their order matters then."""
    paths = sorted(map(_path, overrides))
    return any(after[: len(path)] == path for path, after in pairwise(paths))


def _is_plain(value: Any) -> bool:
    """Whether it means itself, wherever it stands."""
    if isinstance(value, str):
        return "${" not in value and value != "???"
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float))


def _fits(task: Mapping[str, Any], override: Override) -> bool:
    """Whether there is such a key, which holds no group of keys.

    Raises:
        ConfigError: there is none, nor in any other configuration.
    """
    node: Any = task
    for key in _path(override):
        if not isinstance(node, dict):
            return False
        if key not in node:
            known = list(faults.keys())
            if override.type is OverrideType.CHANGE and override.key_or_group not in known:
                raise ConfigError(unknown_key(override.key_or_group, known))
            return False
        node = node[key]
    return not isinstance(node, dict)


def _interpolates(node: Any) -> bool:
    if isinstance(node, dict):
        return any(map(_interpolates, node.values()))
    if isinstance(node, list):
        return any(map(_interpolates, node))
    return isinstance(node, str) and ("${" in node or node == "???")


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
