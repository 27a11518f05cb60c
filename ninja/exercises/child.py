"""The process in which a learner's file runs: ``-m ninja.exercises.child N FILE OUT SECONDS``.

It writes what it found to OUT. When the time is up, or the interpreter crashes, Python writes to
stderr in which line that was, even where the file waits within a library.
"""

import faulthandler
import os
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from ninja.exercises.catalogue import EXERCISES
from ninja.exercises.execute import execute


def main(number: str, file: str, out: str, seconds: str) -> None:
    """Run the file, and leave the result in OUT."""
    torch.set_num_threads(1)  # bits are promised for one
    exercise = EXERCISES[int(number)]
    given = tuple(exercise.reference().given)
    source = Path(file).read_text(encoding="utf-8-sig")
    sys.path.append(str(Path(file).resolve().parent))  # modules of theirs, after all others
    sys.argv = [file]
    faulthandler.enable()
    faulthandler.dump_traceback_later(float(seconds), exit=True)
    ran = execute(exercise, source, file, given)
    faulthandler.cancel_dump_traceback_later()
    fault = asdict(ran.fault) if ran.fault is not None else None
    torch.save(
        {
            "values": dict(ran.values),
            "given": dict(ran.given),
            "fault": fault,
            "printed": ran.printed,
        },
        out,
    )
    os._exit(0)  # a thread that the file has left behind would keep the process


if __name__ == "__main__":
    main(*sys.argv[1:])
