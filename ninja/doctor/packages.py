"""The interpreter, torch, and whether the name `ninja` is ours alone."""

import sys
from collections.abc import Sequence
from pathlib import Path

import gradninja
from ninja.doctor.check import Check

OLDEST_PYTHON = (3, 11)
OLDEST_TORCH = (2, 6)


def python(version: tuple[int, ...] | None = None) -> Check:
    """The interpreter; ``version`` is its own unless told."""
    given = version or tuple(sys.version_info[:3])
    said = f"{_dotted(given)}, {sys.executable}"
    if given < OLDEST_PYTHON:
        advice = f"{_dotted(OLDEST_PYTHON)} or newer is needed: make PYTHON=python3.11, or newer"
        return Check("Python", "mend", said, advice)
    return Check("Python", "ok", said)


def torch() -> Check:
    """Whether it can be loaded, and is new enough."""
    try:
        import torch
    except (ImportError, OSError) as error:  # not there, or a library that it is made of
        why = " ".join(str(error).split()) or type(error).__name__
        advice = "install it again: make clean setup in a clone, else pip install torch"
        return Check("torch", "mend", f"cannot be loaded: {why}", advice)
    found = torch.__version__
    if tuple(map(int, found.split(".")[:2])) < OLDEST_TORCH:
        wanted = f"torch>={_dotted(OLDEST_TORCH)}"
        return Check("torch", "mend", f"{found} is too old", f"pip install '{wanted}'")
    return Check("torch", "ok", found)


def other_ninja(path: Sequence[str] | None = None) -> Check:
    """Whether another package of this name is installed where it overwrites or hides this one.

    Args:
        path: folders in which modules are looked for; none for this program's, without the first,
            which is the folder that it was started in and only hides what is found elsewhere.
    """
    searched = list(sys.path[0 if sys.flags.safe_path else 1 :]) if path is None else list(path)
    name = "the name ninja"
    others = list(gradninja.others(searched))
    here = Path(__file__).resolve().parents[1] / "__init__.py"
    found = gradninja.found(searched)
    for other in others:
        if other.file in (found, here):
            return Check(name, "mend", gradninja.overwrites(other), gradninja.remove(other))
    if found not in (None, here):
        what = f"elsewhere `import ninja` reads {str(found)!r}, and not {str(here)!r}"
        return Check(name, "mend", what, "remove it, or its folder from PYTHONPATH")
    if others:
        there = ", ".join(f"{one.name} {one.version}" for one in others)
        return Check(name, "ok", f"this package; {there} is installed too, and comes after it")
    return Check(name, "ok", "this package")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
