"""Which file is meant, and which exercise it is."""

import re
from pathlib import Path

from ninja.errors import ConfigError
from ninja.exercises import progress
from ninja.exercises.catalogue import EXERCISES
from ninja.exercises.exercise import Exercise

_MARK = re.compile(r"gradient-ninja, exercise (\d)\b")


def find(given: str) -> Path:
    """The file of that name, or of the exercise of that number in this folder.

    Raises:
        ConfigError: there is none, or there are several.
    """
    if not given.isdecimal() or Path(given).exists():
        return Path(given)
    if int(given) not in EXERCISES:
        raise ConfigError(f"{given!r} is no exercise, give 1 to 5 or a file")
    usual = Path(f"exercise_{given}.py")
    if usual.exists():
        return usual
    kept = progress.read(Path())
    of = [name for name, one in kept.items() if one.exercise == int(given)]
    started = [name for name in of if Path(name).exists()]
    if len(started) == 1:
        return Path(started[0])
    if started:
        raise ConfigError(f"{given}: several files, give one: {', '.join(sorted(started))}")
    raise ConfigError(
        f"{given}: there is no {usual} here; python -m ninja exercise start {given} writes it"
    )


def exercise_of(path: Path, source: str) -> Exercise:
    """Which one a file says it is, in its first lines.

    Raises:
        ConfigError: it does not say.
    """
    found = _MARK.search(source[:1000])
    if found is None or int(found[1]) not in EXERCISES:
        raise ConfigError(
            f"{str(path)!r}: is no exercise; its first line must say “gradient-ninja, exercise N”"
        )
    return EXERCISES[int(found[1])]
