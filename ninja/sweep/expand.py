"""From what was typed, and what a preset carries, to the overrides of every job."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, cast

from hydra.core.override_parser.types import Override, RangeSweep

from ninja.errors import ConfigError

Axes = dict[str, list[str]]
"""By key, in order: the overrides that are tried, one for what is not swept."""

MOST = 100_000
"""Jobs of a sweep: as many are composed in some minutes."""


def axes(overrides: Sequence[Override]) -> Axes:
    """Every key's overrides. A key that comes twice has its last value, and its first place.

    So the command line, which comes last, replaces what a preset sweeps.

    Args:
        overrides: of the preset and of the command line, parsed.

    Raises:
        ConfigError: an interval, which has no end of values, or a sweep over none, or over more
            than anybody trains.
    """
    found: Axes = {}
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            found[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            _check_count(override.input_line or key, _length(override.value()))
            try:
                found[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
            except ValueError as error:  # a range whose step is 0
                raise ConfigError(f"{override.input_line}: {error}") from None
            if not found[key]:
                raise ConfigError(f"{override.input_line}: no value to try, give one or more")
        else:
            raise ConfigError(
                f"{override.input_line}: an interval has no list of values, give choice(…) or "
                "range(…), or a sweeper that searches, such as hydra/sweeper=optuna"
            )
    return found


def _length(swept: Any) -> float:
    """How many values a range has; of a list, which somebody has typed, one."""
    if isinstance(swept, RangeSweep) and swept.step and None not in (swept.start, swept.stop):
        return (cast("float", swept.stop) - cast("float", swept.start)) / swept.step
    return 1


def _check_count(what: str, count: float) -> None:
    if count > MOST:
        raise ConfigError(f"{what}: {count:,.0f} jobs, a sweep has at most {MOST:,}")


def replaced(own: Sequence[Override], given: Sequence[Override]) -> list[Override]:
    """What a preset carries, without what was typed, and then that.

    A key that is typed in the same way, without ``++`` or ``~``, keeps its place: see `axes`.

    Args:
        own: of the preset.
        given: on the command line.
    """
    typed = {(one.key_or_group, one.package): one.get_key_element() for one in given}

    def stays(one: Override) -> bool:
        key = one.get_key_element()
        return typed.get((one.key_or_group, one.package), key) == key

    return [*filter(stays, own), *given]


def jobs(found: Axes, paired: Any = ()) -> Iterator[list[str]]:
    """The overrides of every job: all combinations, the last key varying fastest.

    Args:
        found: of every key.
        paired: groups of keys that vary together: the first values of all of them, the second
            values, and so on. A group stands where its first key does.

    Raises:
        ConfigError: what is no list of lists of keys, a group of one, a key that is not swept or in
            two groups, lists of different lengths, or too many combinations.
    """
    groups = _groups(found, _lists(paired))
    swept = [key for key, values in found.items() if len(values) > 1]
    _check_count(", ".join(swept), math.prod(map(len, groups)))
    for chosen in product(*groups):
        by_key = {one.partition("=")[0]: one for part in chosen for one in part}
        yield [by_key[key] for key in found]


def _lists(paired: Any) -> Sequence[Sequence[str]]:
    """As it was typed, if it is what it must be."""
    if paired is None:
        return ()
    groups: Sequence[Any] = paired if isinstance(paired, (list, tuple)) else [paired]
    for keys in groups:
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise ConfigError(
                f"hydra.sweeper.zip: {keys} is no list of keys, give a list of lists, such as "
                "[[init.gain,optimizer.lr]]"
            )
    return groups


def _groups(found: Axes, paired: Sequence[Sequence[str]]) -> list[list[tuple[str, ...]]]:
    """What varies by itself: a key, or a group of keys."""
    member: dict[str, int] = {}
    for number, keys in enumerate(paired):
        if len(keys) < 2:
            raise ConfigError(f"hydra.sweeper.zip: {list(keys)} has one key, give two or more")
        for key in keys:
            if key not in found:
                there = ", ".join(name for name, values in found.items() if len(values) > 1)
                raise ConfigError(
                    f"hydra.sweeper.zip: {key} is not swept; swept are: {there or 'none'}"
                )
            if key in member:
                raise ConfigError(f"hydra.sweeper.zip: {key} is there twice, give it once")
            member[key] = number
        _check_lengths({key: len(found[key]) for key in keys})
    groups: list[list[tuple[str, ...]]] = []
    for key, values in found.items():
        if key not in member:
            groups.append([(value,) for value in values])
        elif key == next(name for name in found if member.get(name) == member[key]):
            together = [found[name] for name in found if member.get(name) == member[key]]
            groups.append(list(zip(*together, strict=True)))
    return groups


def _check_lengths(lengths: Mapping[str, int]) -> None:
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key} has {count}" for key, count in lengths.items())
        raise ConfigError(f"hydra.sweeper.zip: {said} values, give them equally many")
