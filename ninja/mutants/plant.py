"""Put a mutant in the place of the right code, for a while."""

import inspect
import textwrap
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ninja import rules
from ninja.engines import Manual
from ninja.errors import ConfigError
from ninja.mutants.catalogue import Mutant
from ninja.rules import affine, batchnorm, layernorm, standardize

_MODULES: tuple[ModuleType, ...] = (affine, standardize, batchnorm, layernorm)


def owner(mutant: Mutant) -> tuple[type | None, str]:
    """The class that has the mutant's target, or None for a function, and the target's name."""
    *path, name = mutant.target.split(".")
    if not path:
        return None, name
    return Manual if path[0] == "Manual" else getattr(rules, path[0]), name


@contextmanager
def planted(mutant: Mutant) -> Generator[None]:
    """Within, the target is the mutant, wherever it is called from. Not for several threads.

    Raises:
        ConfigError: the code to replace does not stand exactly once in the target's source.
    """
    cls, name = owner(mutant)
    places: list[Any] = [cls] if cls else [m for m in _MODULES if hasattr(m, name)]
    right = getattr(places[0], name)
    wrong = _mutate(right, mutant)
    try:
        for place in places:
            setattr(place, name, wrong)
        yield
    finally:
        for place in places:
            setattr(place, name, right)


def _mutate(function: Callable[..., Any], mutant: Mutant) -> Callable[..., Any]:
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(mutant.before) != 1:
        raise ConfigError(
            f"{mutant.name}: {mutant.before!r} stands {source.count(mutant.before)} times "
            f"in {mutant.target}, it must stand once"
        )
    namespace = dict(function.__globals__)
    exec(compile(source.replace(mutant.before, mutant.after), mutant.name, "exec"), namespace)
    return namespace[function.__name__]
