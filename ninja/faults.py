"""A fault of the command line, of a file or of the system, in one line that says what to do."""

import errno
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from hydra.errors import OverrideParseException
from omegaconf.errors import InterpolationResolutionError

from ninja.config import RunConfig
from ninja.errors import NinjaError, nearest, unknown_key

CONF = Path(__file__).resolve().parents[1] / "conf"


def line(error: BaseException, folder: Path | None = None) -> str:
    """What a user needs of an error: our own words where there are some, else all in one line.

    Args:
        error: of our own, Hydra's, OmegaConf's or the system's.
        folder: of the run, for an error of the system that names no file.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NinjaError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, OSError) and error.strerror:
        place = error.filename or folder
        advice = _ADVICE.get(error.errno or 0, "")
        shown = repr(str(place)) if place else "the run's folder"  # where Hydra writes
        return f"{shown}: {error.strerror}{advice}"
    if isinstance(error, InterpolationResolutionError):
        where = error.full_key or ""  # one of Hydra's own only reads what was typed
        place = f"{where}: " if where and not where.startswith("hydra.") else ""
        why = str(error).splitlines()[0]
        return f"{place}{why}: give a value, or ${{…}} with a key that has one"
    said = str(error)
    unknown = re.search(r"Could not override '([^']+)'", said)
    if unknown and unknown[1] not in (known := list(keys())):
        return unknown_key(unknown[1], known)
    if unknown := re.search(r"Could not find '([^']+)/([^'/]*)'", said):
        there = re.search(r"Available options in '[^']+':\s+(.*?)\s*(Config search|$)", said, re.S)
        return nearest(unknown[1], unknown[2], there[1].split() if there else [])
    if there := re.match(r"Multiple values for (\S+)\.", said):
        return f"+{there[1]}: it is there already, give {there[1]}=… without the +"
    if (merged := said.partition("Error merging override ")[2]) and error.__cause__ is not None:
        why = str(error.__cause__).splitlines()[0]
        return f"{merged}: {why} (--cfg hydra and --cfg job show what belongs where)"
    shown = " ".join(_NOTHING_TO_ACT_ON.split(said)[0].split())
    if "LexerNoViableAlt" in shown:  # Hydra's grammar is ASCII
        typed = shown.partition(": ")[2].removesuffix(" ^")
        key = typed.partition("=")[0].lstrip("+~")
        if not _KEY.fullmatch(key):
            return unknown_key(key, list(keys()))
        return f"{typed}: quote such a value twice, as in \"output='…'\""
    if isinstance(error, OverrideParseException) and error.override not in shown:
        return f"{error.override}: {shown.replace(_ENDS, 'it ends too early')}"
    return shown


_KEY = re.compile(r"\w+([./]\w+)*(@[\w.:]+)?", re.ASCII)
_ENDS = "mismatched input '<EOF>'"


# where Hydra looked, a page about its grammar, tokens of it, the place in its own tree
_NOTHING_TO_ACT_ON = re.compile("Config search path:|See https:|expecting {|full_key:")
_ROOM = ": free some room; the same command goes on"
_PLACE = ": choose another output"
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST), _PLACE),
}


def told(line: str) -> int:
    """Tell of a fault; returns the exit code that goes with it."""
    print(f"ninja: {line}", file=sys.stderr)
    return 2


def is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Python's own, or torch's, which has no type of its own on the CPU."""
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))


_NO_MEMORY = re.compile("can't allocate memory|out of memory")  # torch's words, CPU and CUDA


def out_of_memory(folder: Path | None) -> str:
    """What to do then.

    Args:
        folder: of the run.
    """
    return (
        "out of memory: give a smaller model, batch_size or data.block_size; what is computed "
        f"is kept in {str(folder)!r}"
    )


def is_no_name(error: ValueError) -> bool:
    """Whether it is Hydra's of a group that was given null, or a number."""
    return str(error).startswith("Config group override must be")


def no_name(given: list[str]) -> str:
    """Which group was given null, or a number, where Hydra wants an option's name."""
    for override in given:
        group, equals, value = override.lstrip("+").partition("=")
        if not equals or (group and group != "hydra" and not (CONF / group).is_dir()):
            continue
        if not group or group == "hydra":
            return f"{override}: give key=value, as --cfg job shows them"
        options = [path.stem for path in (CONF / group).glob("*.yaml")]
        if wrong := set(value.split(",")).difference(options):
            return nearest(group, min(wrong), options)
    return "a group of keys needs the name of an option: --help shows all there are"


def keys(config: type = RunConfig, prefix: str = "") -> Iterator[str]:
    """Every key that can be overridden, dotted."""
    hints: Mapping[str, Any] = get_type_hints(config)
    for item in fields(config):
        hint = hints[item.name]
        if is_dataclass(hint) and isinstance(hint, type):
            yield from keys(hint, f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}"
