"""What a report costs: seconds, memory and the page's size, of runs made by the product's writer.

Every run has 20 layers and 100 probes. `python -m analysis report` is typed as a user types it, in
a folder of its own, and then once more with nothing new. The exit code is 1 when a limit is missed.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from ninja.result import RESULT  # noqa: E402
from tests.analysis import made  # noqa: E402
from tests.analysis.made import Shape  # noqa: E402

SHAPE = Shape(hidden=20, looks=100, every=10)
WRITTEN = 1_000
"""Runs that the writer makes; more are copies of them, with seeds of their own, as each takes it a
third of a second."""

GAINS, NORMS, ENGINES = (
    ("0.5", "1", "5/3", "10"),
    ("none", "batchnorm"),
    ("manual_fused", "autograd"),
)
SECONDS = {1_000: 30.0, 10_000: 240.0}
GIBIBYTES = {1_000: 1.0, 10_000: 3.0}
AGAIN, PAGE = 5.0, 5_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        make(Path(place), options.runs)
        found: dict[str, float] = {"runs": options.runs, "made": time.perf_counter() - began}
        before = _processor()
        found["seconds"] = report(Path(place))
        found["processor"] = _processor() - before
        # the largest of all children that have ended: of the command, or of a worker of its own
        found["gibibytes"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        found["again"] = report(Path(place))
        found["page"] = (Path(place) / "reports" / "index.html").stat().st_size
    limits = {"again": AGAIN, "page": PAGE}
    if options.runs in SECONDS:
        limits |= {"seconds": SECONDS[options.runs], "gibibytes": GIBIBYTES[options.runs]}
    missed = [name for name, limit in limits.items() if found[name] > limit]
    if options.json:
        print(json.dumps(found | {"missed": missed}))
    else:
        print(f"{options.runs:,} runs × {SHAPE.hidden} layers × {SHAPE.looks} probes")
        for name, unit in (
            ("seconds", "s"),
            ("processor", "s"),
            ("gibibytes", "GiB"),
            ("again", "s"),
            ("page", "B"),
        ):
            bound = f", limit {limits[name]:,g}" if name in limits else ""
            print(f"{name:10} {found[name]:,.2f} {unit}{bound}{' MISSED' * (name in missed)}")
    return int(bool(missed))


def report(place: Path) -> float:
    """Seconds of the command."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "analysis", "report"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=place, env=environment, check=True, stdout=sys.stderr)
    return time.perf_counter() - began


def _processor() -> float:
    """Seconds of all children that have ended: where others work too, those of a clock say less."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make(place: Path, runs: int) -> None:
    """A study: gain × norm × engine, and as many seeds as there must be."""
    with ProcessPoolExecutor() as pool:
        list(pool.map(one, [place] * runs, range(min(runs, WRITTEN)), chunksize=8))
        list(pool.map(again, [place] * runs, range(WRITTEN, runs), chunksize=64))


def folder(place: Path, number: int) -> Path:
    """Of a run."""
    return place / "outputs" / "study" / f"{number:012x}"


def again(place: Path, number: int) -> None:
    """Copy a run that was written; its seed is larger, its losses and numbers are the same."""
    rounds, of = divmod(number, WRITTEN)
    here = folder(place, number)
    shutil.copytree(folder(place, of), here)
    plain = json.loads((here / RESULT).read_text())
    plain["run_id"] = here.name
    plain["config"]["seed"] += rounds * WRITTEN
    (here / RESULT).write_text(json.dumps(plain, indent=1))


def one(place: Path, number: int) -> None:
    """Write a run; those without a norm vanish, explode or are healthy by their gain."""
    seed, setting = divmod(number, len(GAINS) * len(NORMS) * len(ENGINES))
    rest, gain = divmod(setting, len(GAINS))
    engine, norm = divmod(rest, len(NORMS))
    growth = (0.8, 1.0, 1.0, 1.3)[gain] if norm == 0 else 1.0
    made.run(
        folder(place, number),
        SHAPE,
        growth=growth,
        seed=seed,
        losses=made.DONE | {"validation": 2.2 + seed % 7 / 100 + gain / 50},
        config={
            "init": {"gain": GAINS[gain]},
            "norm": {"name": NORMS[norm]},
            "backward": ENGINES[engine],
        },
    )


if __name__ == "__main__":
    sys.exit(main())
