"""Clusters of this machine, for the tests that need one."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HAS_SLURM = (
    shutil.which("sinfo") is not None
    and not subprocess.run(["sinfo", "--noheader"], capture_output=True, check=False).returncode
)
SLURM = [
    pytest.mark.engines,
    pytest.mark.skipif(not HAS_SLURM, reason="no Slurm here: tests/slurm.sh starts one"),
]
CLUSTERS = [
    pytest.param("dask", marks=pytest.mark.slow),
    pytest.param("ray", marks=pytest.mark.engines),
    pytest.param("slurm", marks=SLURM),
]


def until(said: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def dask_cluster(folder: Path) -> Iterator[str]:
    """A scheduler and two workers that were there before; its address."""
    place = folder / "scheduler.json"
    env = os.environ | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3"}

    def start(module: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard"]
        return subprocess.Popen(
            [*command, "--scheduler-file", str(place), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
        )

    started = [start("dask_scheduler", "--port", "0")]
    try:
        until(place.exists)
        started += [start("dask_worker", "--nthreads", "1") for _ in range(2)]
        yield json.loads(place.read_text())["address"]
    finally:
        for process in started:
            process.kill()
            process.wait()
