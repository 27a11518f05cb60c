"""``gradninja COMMAND``: the commands of the package `ninja`, once it is certain that it is ours.

PyPI's build tool ninja, and django-ninja, install a package of that name too. Whichever is
installed last has its files in the place of the other's, and whichever is removed takes them along.
So this script lies beside the package, and looks before it imports anything of it.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

OTHERS = ("ninja", "django-ninja")
"""Distributions with a package `ninja` of their own."""

IN_A_CLONE = {
    "run": "python run.py",
    "sweep": "python run.py -m",
    "analysis": "make analysis",
    "reproduce": "make reproduce",
}
"""What somebody may ask of this script, and how it is started in a clone, which has conf/."""

AGAIN = "install gradient-ninja again (pip install --force-reinstall --no-deps …)"

_MARK = b"from ninja.version import __version__"
"""Stands in our package's ``__init__.py``, and in nobody else's."""


@dataclass(frozen=True)
class Other:
    """Another distribution with a package `ninja`.

    Attributes:
        name: on PyPI.
        version: of it.
        file: its ``ninja/__init__.py``.
    """

    name: str
    version: str
    file: Path


def found(path: Sequence[str]) -> Path | None:
    """The file that ``import ninja`` reads, if modules are looked for in these folders."""
    spec = PathFinder.find_spec("ninja", list(path))
    return None if spec is None or spec.origin is None else Path(spec.origin).resolve()


def others(path: Sequence[str]) -> Iterator[Other]:
    """All that is installed in these folders and has a package `ninja`."""
    for name in OTHERS:
        for one in metadata.distributions(name=name, path=list(path)):
            if any(str(file) == "ninja/__init__.py" for file in one.files or ()):
                file = Path(str(one.locate_file("ninja/__init__.py"))).resolve()
                yield Other(name, one.version, file)


def fault(path: Sequence[str]) -> str | None:
    """Why ``import ninja`` is not our package, or soon will not be, and what to do: one line.

    Args:
        path: folders in which modules are looked for, as `sys.path`.
    """
    here = found(path)
    for other in others(path):
        if here in (None, other.file):
            return f"{overwrites(other)}: {remove(other)}"
    if here is None:
        return f"the package 'ninja' is not there, or not whole: {AGAIN}"
    if _MARK not in here.read_bytes():
        return (
            f"{str(here)!r} is another package 'ninja', and comes before ours: remove it, or "
            f"its folder from PYTHONPATH; if it lies in ours, {AGAIN}"
        )
    return None


def overwrites(other: Other) -> str:
    """What is wrong."""
    return (
        f"{other.name} {other.version} has a package 'ninja' too, {str(other.file.parent)!r}, "
        "which overwrites or hides this one"
    )


def remove(other: Other) -> str:
    """What to do then."""
    return f"pip uninstall {other.name}, then {AGAIN}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of `ninja`; return its exit code, 2 when the package is not ours."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    said = fault(sys.path)
    if said is None and given and given[0] in IN_A_CLONE:
        said = (
            f"{given[0]}: runs, sweeps and their analysis are started in a clone of the project: "
            f"{IN_A_CLONE[given[0]]}"
        )
    if said is not None:
        print(f"gradninja: {said}", file=sys.stderr)
        return 2
    from ninja.cli import main as run

    return run(given, program="gradninja")


if __name__ == "__main__":
    sys.exit(main())
