"""``python run.py``: composed by Hydra, and answered before anything heavy is loaded."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ninja import runs
from ninja.config import RunConfig
from ninja.errors import NinjaError, nearest, unknown_key
from ninja.schema import config_of

CONF = Path(__file__).resolve().parents[1] / "conf"


def main() -> None:
    """Run what the command line says. Exit code 2 for bad input, 1 for a run that diverged."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # faults come here, and are told in one line
    OmegaConf.register_new_resolver("run_id", _run_id, replace=True)
    codes = [0]

    def job(composed: DictConfig) -> None:
        codes.append(_job(composed))  # Hydra would drop it
        if codes[-1] > 128:  # a signal is meant for the whole command, not for one of its runs
            sys.exit(codes[-1])

    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
    except (NinjaError, HydraException, OmegaConfBaseException, OSError) as error:
        codes.append(_fault(error))
    except KeyboardInterrupt:  # outside of the training loop, which stops by itself
        print("ninja: interrupted; the same command goes on", file=sys.stderr)
        codes.append(130)
    sys.exit(max(codes))


def _run_id(*, _root_: DictConfig) -> str:
    """``${run_id:}``: of the run that is being composed."""
    return runs.run_id(config_of(RunConfig, _plain(_root_)))


def _plain(composed: DictConfig) -> dict[str, Any]:
    """The job's own keys, resolved, without Hydra's."""
    job = {str(key): composed._get_node(key) for key in composed if key != "hydra"}
    return {
        key: OmegaConf.to_container(node, resolve=True)
        if OmegaConf.is_config(node)
        else composed[key]
        for key, node in job.items()
    }


def _job(composed: DictConfig) -> int:
    """Train one run; its exit code. A fault is told here: Hydra would add a line of its own."""
    try:
        config = config_of(RunConfig, _plain(composed))
        folder = runs.folder(config)
        first = f"{folder}: {config.backward}, {config.steps:,} steps, seed {config.seed}"
        print(first, flush=True)

        from ninja import screen  # torch comes with it, after the first line

        return screen.watch(config, folder)
    except (NinjaError, OSError) as error:
        return _fault(error)


def _fault(error: Exception) -> int:
    print(f"ninja: {_line(error)}", file=sys.stderr)
    return 2


def _line(error: BaseException) -> str:
    """What a user needs of an error: our own words where there are some, else all in one line."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NinjaError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename!r}: {error.strerror}" if error.filename else error.strerror
    said = str(error)
    if unknown := re.search(r"Could not override '([^']+)'", said):
        return unknown_key(unknown[1], keys())
    if unknown := re.search(r"Could not find '([^']+)/([^'/]+)'", said):
        options = [path.stem for path in (CONF / unknown[1]).glob("*.yaml")]
        return nearest(unknown[1], unknown[2], options)
    return " ".join(said.split())


def keys(config: type = RunConfig, prefix: str = "") -> Iterator[str]:
    """Every key that can be overridden, dotted."""
    hints: Mapping[str, Any] = get_type_hints(config)
    for item in fields(config):
        hint = hints[item.name]
        if is_dataclass(hint) and isinstance(hint, type):
            yield from keys(hint, f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}"
