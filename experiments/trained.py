"""Training runs of a study: typed as a user types them, and read from what they leave on disk."""

import contextlib
import io
import multiprocessing
import sys
from pathlib import Path

from experiments import cache
from ninja.errors import RunError
from ninja.folders import Diagnosed, diagnosed, runs_in
from ninja.mutants import Mutant, planted
from ninja.words import sha256


def trained(
    *overrides: str, words: Path | None = None, mistake: Mutant | None = None
) -> list[Diagnosed]:
    """Sweep, and read every run, in the order of the folders' names.

    What was trained before is not trained again; it lies beside the digest of the code, the words
    and the mistake, so that others train anew.

    Args:
        overrides: of ``python run.py -m``.
        words: the list to learn; none for the shipped one.
        mistake: planted in the product's own code while it trains.

    Raises:
        DataError: the list cannot be read.
        RunError: a run failed.
    """
    beside = [repr(mistake)] if mistake else []
    if words is not None:
        beside.append(sha256(words))
        overrides = (f'data.path="{words.resolve()}"', *overrides)
    place = cache.PLACE / f"runs-{cache.sources(*beside)}"
    typed = ["hydra/launcher=packed_inline", "tracker=disabled", f"output={place}", *overrides]
    # a fork: what is planted in this process's code is planted there too
    process = multiprocessing.get_context("fork").Process(target=_run, args=(typed, mistake))
    process.start()
    process.join()
    if process.exitcode not in (0, 1):  # 1: a run has diverged, which a study may want
        raise RunError(f"run.py -m {' '.join(overrides)}: ended with {process.exitcode}")
    study = next((of.partition("=")[2] for of in overrides if of.startswith("study=")), "")
    return [diagnosed(folder) for folder in runs_in(place / study)]


def _run(typed: list[str], mistake: Mutant | None) -> None:
    from ninja.app import main

    sys.argv = ["run.py", "-m", *typed]
    wrong = planted(mistake) if mistake else contextlib.nullcontext()
    with wrong, contextlib.redirect_stdout(io.StringIO()):  # its table; faults go to stderr
        main()
