"""The word list: a UTF-8 file, one word a line. Nothing heavy is imported to read it."""

import hashlib
import reprlib
import unicodedata
from pathlib import Path

from ninja.errors import DataError

END = "."  # the token before the first and after the last character of a word; its index is 0


def _shipped(package: Path) -> Path:
    """Return the shipped word list: inside an installed `package`, else beside it in a clone."""
    # The package's own file comes first: site-packages/data could be anybody's.
    inside = package / "names.txt"
    return inside if inside.exists() else package.parent / "data" / "names.txt"


NAMES: Path = _shipped(Path(__file__).resolve().parent)
"""The shipped word list (see data/README.md)."""


def read_words(path: str | Path) -> tuple[str, ...]:
    """Read the words of a UTF-8 text file, one a line, in the file's order.

    A byte order mark, CRLF line ends and blank lines are tolerated. Raises DataError, in one line
    that names the file, when it cannot be read, is not such text, holds no word, or holds a word
    with a `.` (reserved for the start/end token), whitespace or a control character.
    """
    return parse(read_bytes(path), path)


def read_bytes(path: str | Path) -> bytes:
    """The file's bytes. DataError, in one line, when it cannot be read."""
    name = repr(str(path))
    try:
        if Path(path).is_char_device() or Path(path).is_block_device():  # /dev/zero never ends
            raise DataError(f"{name}: a device: give a UTF-8 text file with one word a line")
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{name}: no such file: give a UTF-8 text file with one word a line"
        ) from None
    except IsADirectoryError:
        raise DataError(f"{name}: a directory: give the word list inside it") from None
    except DataError:
        raise
    except (OSError, ValueError) as error:  # ValueError: no path at all, such as one with a NUL
        why = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{name}: cannot be read ({why}): give a readable text file") from None


def parse(raw: bytes, path: str | Path) -> tuple[str, ...]:
    """The words in the bytes of the file of that name; see `read_words`."""
    name = repr(str(path))
    if (nul := raw.find(b"\0")) >= 0:
        raise DataError(
            f"{name}, line {_line(raw, nul)}: a NUL character, so binary or UTF-16: "
            "give plain UTF-8 text with one word a line"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from after the mark, and names in `object` the bytes it counts in.
        raise DataError(
            f"{name}, line {_line(error.object, error.start)}: not UTF-8 "
            f"(byte 0x{error.object[error.start]:02x}): save the file as UTF-8"
        ) from None
    words = [line for line in text.split("\n") if line]
    if words and _fault("".join(words)) is None:
        return tuple(words)  # nearly every file, told at the speed of C
    return _one_by_one(raw, text, name)


def _one_by_one(raw: bytes, text: str, name: str) -> tuple[str, ...]:
    """The same, where lines are to be left out or mended, or one is to be named."""
    words: list[str] = []
    # Not splitlines(), which also splits at form feeds and other characters that are faults here.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip(" \t\r"):
            continue
        word = line.removesuffix("\r")
        if fault := _fault(word):
            raise DataError(f"{name}, line {number}: the word {reprlib.repr(word)} {fault}")
        words.append(word)
    if not words:
        what = "holds only blank lines" if raw else "is empty"
        raise DataError(f"{name}: {what}: give a file with one word a line")
    return tuple(words)


def _line(raw: bytes, position: int) -> int:
    return raw.count(b"\n", 0, position) + 1


def _fault(word: str) -> str | None:
    """Say what is wrong with a word and what would be right, or None."""
    if word.isprintable() and END not in word and " " not in word:
        return None
    for character in word:
        if character == END:
            return "has a '.', which is reserved for the start/end token: remove it"
        if character.isspace():
            return f"has whitespace ({character!a}): write one word a line, nothing around it"
        # A byte order mark inside the text comes from joining files and would be a letter unseen.
        if unicodedata.category(character) == "Cc" or character == "\ufeff":
            return f"has a control character ({character!a}): remove it"
    return None


def sha256(path: str | Path) -> str:
    """Of the file's bytes, as hexadecimal digits."""
    return hashlib.sha256(read_bytes(path)).hexdigest()
