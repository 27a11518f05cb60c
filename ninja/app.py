"""``python run.py``: composed by Hydra, and answered before anything heavy is loaded."""

import os
import re
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from ninja import faults, runs, streams
from ninja.checks import check_keys, check_place, check_run
from ninja.config import RunConfig
from ninja.errors import ConfigError, NinjaError
from ninja.schema import config_of
from ninja.tracking import Mirror, mode_of


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM, where no training loop is there to stop between two steps."""


def main() -> None:
    """Run what the command line says. Exit code 2 for bad input, 1 for a run that diverged."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # faults come here, and are told in one line
    signal.signal(signal.SIGTERM, _terminated)
    sys.unraisablehook = _once_more
    sys.stdout, sys.stderr = streams.outliving(sys.stdout, 1), streams.outliving(sys.stderr, 2)
    OmegaConf.register_new_resolver("run_id", _run_id, replace=True)
    OmegaConf.register_new_resolver("study_folder", _study_folder, replace=True)
    codes = [0]
    mirror = Mirror(lambda line: print(f"warning: {line}", flush=True))

    def job(composed: DictConfig) -> None:
        codes.append(_job(composed, mirror))  # Hydra would drop it
        if codes[-1] > 128:  # a signal is meant for the whole command, not for one of its runs
            sys.exit(codes[-1])

    try:
        _check_options(sys.argv[1:])
        with mirror:
            conf = str(faults.CONF)
            hydra.main(version_base="1.3", config_path=conf, config_name="config")(job)()
    except (NinjaError, HydraException, OmegaConfBaseException, OSError) as error:
        codes.append(_fault(faults.line(error)))
    except ValueError as error:  # which Hydra raises for a group that is given no name
        if not str(error).startswith("Config group override must be"):
            raise
        codes.append(_fault(faults.no_name(sys.argv[1:])))
    except _TerminatedError:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends what is left at once
        print("ninja: SIGTERM: stopped; the same command goes on", file=sys.stderr)
        codes.append(128 + signal.SIGTERM)
    except KeyboardInterrupt:  # outside of the training loop, which stops by itself
        print("ninja: interrupted; the same command goes on", file=sys.stderr)
        codes.append(128 + signal.SIGINT)
    sys.exit(max(codes))


def _terminated(number: int, _: FrameType | None) -> NoReturn:
    raise _TerminatedError(signal.Signals(number).name)


def _once_more(dropped: "sys.UnraisableHookArgs") -> None:
    """A signal whose exception Python has dropped is sent again, a moment later.

    In a weakref's callback none can be raised, and while torch is imported many of those run.
    """
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return
    terminated = issubclass(dropped.exc_type, _TerminatedError)
    number = signal.SIGTERM if terminated else signal.SIGINT
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(number))  # pyright: ignore
    signal.setitimer(signal.ITIMER_REAL, 0.05)


# --- from the command line to a run ---------------------------------------------------------------


def _check_options(given: list[str]) -> None:
    """Refuse an option that is none in one line, in place of a page about Hydra's options.

    Raises:
        ConfigError: it is none.
    """
    known = set(faults.keys())
    for option in given:
        key, _, value = option.lstrip("-").partition("=")
        if option.startswith("-") and key in known:
            raise ConfigError(f"{option}: a key goes without dashes: {key}={value or '…'}")

    def refuse(message: str) -> NoReturn:
        raise ConfigError(f"{message} (--help shows all there are)")

    parser = get_args_parser()
    parser.error = refuse
    parser.parse_args(given)


def _run_id(*, _root_: DictConfig) -> str:
    """``${run_id:}``: of the run that is being composed, once it is known to be one."""
    try:
        config = config_of(RunConfig, _plain(_root_))
        check_keys(config)
        return runs.run_id(config)
    except (NinjaError, OmegaConfBaseException):
        return _nowhere(_root_)


def _study_folder(*, _root_: DictConfig) -> str:
    """``${study_folder:}``: of the run or the runs that are being composed."""
    try:
        config = config_of(RunConfig, _plain(_root_))
        check_place(config)
        return str(Path(config.output, config.study))
    except (NinjaError, OmegaConfBaseException):
        return _nowhere(_root_)


def _nowhere(root: DictConfig) -> str:
    """One of several runs is at fault: `_job` tells of it, and the others go on.

    It gets a folder that exists, in which Hydra writes nothing. To raise here would end them all,
    which is right where there is one run, or where it is their common folder that is at fault.
    """
    if OmegaConf.is_missing(root.hydra.job, "num"):
        raise  # the fault that the caller has caught
    with read_write(root.hydra):
        root.hydra.output_subdir = None
    return "."


def _plain(composed: DictConfig) -> dict[str, Any]:
    """The job's own keys, resolved, without Hydra's."""
    job = {str(key): composed._get_node(key) for key in composed if key != "hydra"}
    return {
        key: OmegaConf.to_container(node, resolve=True)
        if OmegaConf.is_config(node)
        else composed[key]
        for key, node in job.items()
    }


def _job(composed: DictConfig, mirror: Mirror) -> int:
    """Train one run; its exit code. A fault is told here: Hydra would add a line of its own."""
    folder = None
    try:
        config = config_of(RunConfig, _plain(composed))
        check_keys(config)
        folder = runs.folder(config)
        first = f"{folder}: {config.backward}, {config.steps:,} steps, seed {config.seed}"
        print(first, flush=True)

        return _watched(config, folder, mirror)
    except (NinjaError, OmegaConfBaseException, OSError) as error:
        return _fault(faults.line(error, folder))
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _NO_MEMORY.search(str(error)):
            raise
        return _fault(
            "out of memory: give a smaller model, batch_size or data.block_size; what is computed "
            f"is kept in {str(folder)!r}"
        )


_NO_MEMORY = re.compile("can't allocate memory|out of memory")  # torch's words, CPU and CUDA


def _watched(config: RunConfig, folder: Path, mirror: Mirror) -> int:
    from ninja import screen  # torch comes with it, after the first line
    from ninja.allocator import keep_freed_memory

    check_run(config)  # what only torch knows, before anybody is told of this run
    keep_freed_memory()
    notes = {
        "offline": ["W&B           offline, in its folder wandb; make sync sends it to the server"],
        "online": [f"W&B           project {config.wandb.project}; told below if it has not all"],
        "disabled": list[str](),
    }
    try:
        return screen.watch(
            config, folder, notes[mode_of(config)], lambda _: mirror.follow(config, folder)
        )
    finally:
        mirror.ended(folder)


def _fault(line: str) -> int:
    print(f"ninja: {line}", file=sys.stderr)
    return 2
