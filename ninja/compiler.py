"""The C++ compiler that `torch.compile` uses."""

import os
import shutil
import subprocess
import sys
from functools import cache

from ninja.errors import RunError


def find() -> str:
    """Its path.

    Raises:
        RunError: there is none.
    """
    name = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    found = shutil.which(name)
    if found is None:
        raise RunError(
            f"compile: there is no C++ compiler {name!r} here: install it, name another in the "
            "variable CXX, or give compile=false"
        )
    return found


@cache
def version() -> str:
    """Its name and version, in its own words."""
    command = [find(), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return said.partition("\n")[0]


def fault(error: BaseException) -> str:
    """What it says of a fault, in a line: the innermost of many that torch wraps around it."""
    while inner := getattr(error, "inner_exception", None) or error.__cause__:
        error = inner
    said = getattr(error, "output", None) or str(error)  # of a command that failed
    said = said.decode(errors="replace") if isinstance(said, bytes) else said
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if "error:" in line]
    return (told or lines or [type(error).__name__])[0]
