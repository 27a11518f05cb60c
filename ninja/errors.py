"""The faults that a user can mend, each told in one line."""

import difflib
from collections.abc import Iterable


class NinjaError(ValueError):
    """A fault of the input, told to the user in one line."""


class DataError(NinjaError):
    """A fault of the word list, or of words that do not fit the vocabulary."""


class ShapeError(NinjaError):
    """Tensors whose shapes do not fit; nothing is broadcast to make them."""


class RecordError(NinjaError):
    """A record, checkpoint or result on disk that cannot be used."""


class NoRunError(RecordError):
    """A folder that is not there, or in which no run lies."""


class RunError(NinjaError):
    """A run that cannot start, or must not go on."""


class ConfigError(NinjaError):
    """A fault of a configuration value; the message names its key."""


class TheoryError(NinjaError):
    """A prediction asked for where its theory does not apply."""


def nearest(key: str, given: object, known: Iterable[str]) -> str:
    """The refusal of an unknown name: what there is, and which was probably meant."""
    names = sorted(known)
    close = difflib.get_close_matches(str(given), names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{key}: unknown name {str(given)!r}, choose from {', '.join(names)}{hint}"


def unknown_key(given: str, known: Iterable[str]) -> str:
    """The refusal of an unknown key: the nearest ones that there are."""
    close = difflib.get_close_matches(given, list(known), n=3)
    hint = f", did you mean {' or '.join(close)}?" if close else ": --cfg job shows all there are"
    return f"{given}: there is no such key{hint}"
