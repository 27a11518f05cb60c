"""From plain data (YAML, the command line) to a typed configuration, and no further than types."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ninja.errors import ConfigError, nearest, unknown_key

Config = TypeVar("Config")


def config_of(kind: type[Config], plain: Mapping[Any, Any], prefix: str = "") -> Config:
    """A config dataclass, and those within it, from nested mappings; what is missing is default.

    Raises:
        ConfigError: an unknown key, with the nearest one, or a value of another type.
    """
    hints = _hints(kind)
    for key in plain:
        if key not in hints:
            raise ConfigError(unknown_key(f"{prefix}{key}", [f"{prefix}{name}" for name in hints]))
    made: dict[str, Any] = {}
    for name, value in plain.items():
        hint = hints[name]
        if is_dataclass(hint) and isinstance(hint, type):
            if not isinstance(value, Mapping):
                within = ", ".join(f"{prefix}{name}.{item.name}" for item in fields(hint))
                raise ConfigError(f"{prefix}{name}: {value!r} is no group of keys, set {within}")
            made[name] = config_of(hint, value, f"{prefix}{name}.")
        else:
            made[name] = _tuples(value)
    config = kind(**made)
    _check_own(config, prefix)  # those within it were checked when they were made
    return config


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    """Of a dataclass; to evaluate them takes most of the time of a check."""
    return get_type_hints(kind)


def _tuples(value: Any) -> Any:
    """Lists as tuples, all the way down: a configuration cannot be changed."""
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


def check_types(config: Any, prefix: str = "") -> None:
    """Every field has its declared type; an int is a good float, a bool is neither.

    Raises:
        ConfigError: one has not.
    """
    _check_own(config, prefix)
    for declared in _declared(type(config)):
        if declared.within:
            key = declared.key or prefix + declared.name
            check_types(getattr(config, declared.name), f"{key}.")


def _check_own(config: Any, prefix: str) -> None:
    """Every field has its declared type, but for the fields of the dataclasses within it."""
    for declared in _declared(type(config)):
        value = getattr(config, declared.name)
        if type(value) in declared.kinds:
            continue
        key, hint = declared.key or prefix + declared.name, declared.hint
        if get_origin(hint) is Literal and value not in get_args(hint):
            raise ConfigError(nearest(key, value, get_args(hint)))
        if key != "init.gain" and not _fits(value, hint):  # a number or a word: see `gain_value`
            whole = isinstance(value, float) and value.is_integer()  # 1e3 is how YAML writes one
            hint_at = f", give {int(value)}" if hint is int and whole else ""
            raise ConfigError(f"{key}: {value!r} is not of type {_kind(hint)}{hint_at}")


@dataclass(frozen=True)
class _Declared:
    """A field.

    Attributes:
        name: of it.
        key: by which users know it, if it is another one.
        hint: its type.
        kinds: classes of which every value is of that type: of most, there is no more to ask.
        within: whether it is a dataclass itself.
    """

    name: str
    key: str | None
    hint: Any
    kinds: frozenset[type]
    within: bool


@cache
def _declared(kind: type) -> tuple[_Declared, ...]:
    """Of a dataclass; worked out once, as a sweep checks thousands."""
    found: list[_Declared] = []
    for one in fields(kind):
        hint = _hints(kind)[one.name]
        key = one.metadata.get("key")
        found.append(_Declared(one.name, key, hint, _kinds(hint), is_dataclass(hint)))
    return tuple(found)


def _kinds(hint: Any) -> frozenset[type]:
    if get_origin(hint) in (Union, UnionType):
        return frozenset[type]().union(*map(_kinds, get_args(hint)))
    if hint is float:
        return frozenset((float, int))
    if isinstance(hint, type) and (hint in (int, str, bool, NoneType) or is_dataclass(hint)):
        return frozenset((hint,))
    return frozenset()


@cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Of a type: what it is of, and of which; taken apart once, as many results are read."""
    return get_origin(hint), get_args(hint)


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    origin, args = _parts(hint)
    if origin is Literal:
        return value in args
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in args)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = (args[0],) * len(value) if args[-1] is Ellipsis else args
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    if origin is list:
        return isinstance(value, list) and all(_fits(one, args[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(key, args[0]) and _fits(one, args[1]) for key, one in value.items()
        )
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _kind(hint: Any) -> str:
    if hint is NoneType:
        return "null"
    if get_origin(hint) is Literal:
        return " | ".join(get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return " | ".join(map(_kind, get_args(hint)))
    return getattr(hint, "__name__", "") if not get_args(hint) else str(hint)


def check_seed(seed: int) -> None:
    """Refuse what a generator cannot be seeded with.

    Raises:
        ConfigError: the seed is not from 0 to 2^32 - 1. Torch's CPU generator drops higher bits, so
            that two seeds would be one.
    """
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed: {seed} is out of range, it must be from 0 to {2**32 - 1}")
