"""``python run.py``: composed by Hydra, and answered before anything heavy is loaded."""

import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ninja import faults, streams, task
from ninja.errors import ConfigError, NinjaError


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM, where no training loop is there to stop between two steps."""


_STOPPED: Mapping[int, str] = {
    signal.SIGTERM: "ninja: SIGTERM: stopped; the same command goes on",
    signal.SIGINT: "ninja: interrupted; the same command goes on",
}


def main() -> None:
    """Run what the command line says. Exit code 2 for bad input, 1 for a run that diverged."""
    run = task.Task()
    codes = run.codes  # Hydra would drop them
    try:
        _composed(run)
    except (NinjaError, HydraException, OmegaConfBaseException, OSError) as error:
        codes.append(faults.told(faults.line(error)))
    except ValueError as error:
        if not faults.is_no_name(error):
            raise
        codes.append(faults.told(faults.no_name(sys.argv[1:])))
    except _TerminatedError:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends what is left at once
        print(_STOPPED[signal.SIGTERM], file=sys.stderr)
        codes.append(128 + signal.SIGTERM)
    except KeyboardInterrupt:  # outside of the training loop, which stops by itself
        print(_STOPPED[signal.SIGINT], file=sys.stderr)
        codes.append(128 + signal.SIGINT)
    sys.exit(max(codes))


def _composed(run: task.Task) -> None:
    """Let Hydra compose what the command line says, and call the task with it."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # faults come to `main`, told in one line
    _heed(run)
    sys.unraisablehook = _once_more
    sys.stdout, sys.stderr = streams.outliving(sys.stdout, 1), streams.outliving(sys.stderr, 2)
    try:
        task.register()
        _check_options(sys.argv[1:])
        with run.mirror:
            conf = str(faults.CONF)
            hydra.main(version_base="1.3", config_path=conf, config_name="config")(run)()
    except Exception:
        run.give_way()
        raise


def _heed(run: task.Task) -> None:
    """Raise at SIGTERM and SIGINT, and have the task know: see `Task.give_way`.

    Torch's C++ drops all that is raised while it imports numpy, and goes on with half of it: while
    a module is imported the process ends at once. What was computed is on disk, or is made again.
    """

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        if _imports(frame):
            with suppress(OSError):
                os.write(2, f"{_STOPPED[number]}\n".encode())
            os._exit(128 + number)
        kind = _TerminatedError if number == signal.SIGTERM else KeyboardInterrupt
        run.stopped = kind(signal.Signals(number).name)
        raise run.stopped

    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored
        signal.signal(signal.SIGINT, stop)


def _imports(frame: FrameType | None) -> bool:
    """Whether an import is among its callers."""
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def _once_more(dropped: "sys.UnraisableHookArgs") -> None:
    """A signal whose exception Python has dropped is sent again, a moment later.

    In a weakref's callback none can be raised.
    """
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return
    terminated = issubclass(dropped.exc_type, _TerminatedError)
    number = signal.SIGTERM if terminated else signal.SIGINT
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(number))  # pyright: ignore
    signal.setitimer(signal.ITIMER_REAL, 0.05)


def _check_options(given: list[str]) -> None:
    """Refuse an option that is none in one line, in place of a page about Hydra's options.

    Raises:
        ConfigError: it is none, or does not go with another one.
    """
    known = set(faults.keys())
    for option in given:
        key, _, value = option.lstrip("-").partition("=")
        if option.startswith("-") and key in known:
            raise ConfigError(f"{option}: a key goes without dashes: {key}={value or '…'}")

    def refuse(message: str) -> NoReturn:
        _, unrecognized, rest = message.partition("unrecognized arguments: ")
        if unrecognized and not re.search(r"(^| )-", rest):
            raise ConfigError(
                f"{rest}: give all keys in one row, before the options or behind them"
            )
        raise ConfigError(f"{message} (--help shows all there are)")

    parser = get_args_parser()
    parser.error = refuse
    options = parser.parse_args(given)
    if options.help or options.hydra_help:
        return
    names = ("run", "multirun", "cfg", "info", "shell_completion")
    if len(modes := [name for name in names if getattr(options, name)]) > 1:
        raise ConfigError(f"--{' and --'.join(modes)}: give one of them")
    if options.resolve and not options.cfg:
        raise ConfigError("--resolve: it goes with --cfg")
