"""Training runs of a study: typed as a user types them, and read from what they leave on disk."""

import contextlib
import io
import multiprocessing
import sys

from experiments import cache
from ninja.errors import RunError
from ninja.folders import Diagnosed, diagnosed, runs_in


def trained(*overrides: str) -> list[Diagnosed]:
    """Sweep, and read every run, in the order of the folders' names.

    What was trained before is not trained again; it lies beside the code's digest, so that other
    code trains anew.

    Args:
        overrides: of ``python run.py -m``.

    Raises:
        RunError: a run failed.
    """
    place = cache.PLACE / f"runs-{cache.sources()}"
    typed = ["hydra/launcher=packed_inline", "tracker=disabled", f"output={place}", *overrides]
    # a fork: what is planted in this process's code is planted there too
    process = multiprocessing.get_context("fork").Process(target=_run, args=(typed,))
    process.start()
    process.join()
    if process.exitcode not in (0, 1):  # 1: a run has diverged, which a study may want
        raise RunError(f"run.py -m {' '.join(overrides)}: ended with {process.exitcode}")
    study = next((of.partition("=")[2] for of in overrides if of.startswith("study=")), "")
    return [diagnosed(folder) for folder in runs_in(place / study)]


def _run(typed: list[str]) -> None:
    from ninja.app import main

    sys.argv = ["run.py", "-m", *typed]
    with contextlib.redirect_stdout(io.StringIO()):  # its table; faults go to stderr
        main()
