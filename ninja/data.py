"""From words to examples: vocabulary, splits and sliding contexts as in makemore."""

import hashlib
import random
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ninja.errors import ConfigError, DataError
from ninja.words import END, NAMES, parse, read_bytes

# --- vocabulary and splits ----------------------------------------------------------------------


@dataclass(frozen=True)
class Vocabulary:
    """The characters of the words, sorted, after the start/end token `.` at index 0.

    Raises DataError when `characters` does not begin with `.`, or holds something twice or
    something that is not one character.
    """

    characters: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse characters that would not make `encode` and `decode` each other's inverse."""
        single = all(len(character) == 1 for character in self.characters)
        distinct = len(set(self.characters)) == len(self.characters)
        if self.characters[:1] != (END,) or not single or not distinct:
            raise DataError(
                f"a vocabulary of {reprlib.repr(self.characters)}: "
                "give '.' first, then single characters, each once"
            )

    @classmethod
    def of(cls, words: Iterable[str]) -> "Vocabulary":
        """Return the vocabulary of `words`. Raises DataError for a word with a `.`."""
        seen = set("".join(words))
        if END in seen:
            raise DataError(
                "a word has a '.', which is reserved for the start/end token: remove it"
            )
        return cls((END, *sorted(seen)))

    @property
    def size(self) -> int:
        """How many characters there are, the start/end token included."""
        return len(self.characters)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {character: index for index, character in enumerate(self.characters)}

    def encode(self, word: str) -> list[int]:
        """Return one index per character. Raises DataError for one outside the vocabulary."""
        try:
            return [self._index[character] for character in word]
        except KeyError as error:
            raise _outside(str(error.args[0]), self) from None

    def decode(self, indices: Iterable[int]) -> str:
        """Return the characters at `indices`. Raises DataError for one outside 0 to size - 1."""
        chosen = list(indices)
        for index in chosen:
            if not 0 <= index < self.size:
                raise DataError(
                    f"index {index} is outside the vocabulary: give 0 to {self.size - 1}"
                )
        return "".join(self.characters[index] for index in chosen)


def _outside(character: str, vocabulary: Vocabulary) -> DataError:
    return DataError(
        f"the character {character!a} is outside the vocabulary of {vocabulary.size} "
        "characters: use only characters that occur in the word list"
    )


def split(
    words: Sequence[str], seed: int = 42
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the training (80 %), validation (10 %) and test (10 %) words of a shuffled copy.

    The order is the lecture's `random.seed(seed); random.shuffle(words)`. Raises DataError when
    one of the three would be empty.
    """
    shuffled = list(words)
    random.Random(seed).shuffle(shuffled)
    bounds = (0, int(0.8 * len(shuffled)), int(0.9 * len(shuffled)), len(shuffled))
    train, validation, test = (tuple(shuffled[low:high]) for low, high in pairwise(bounds))
    if not (train and validation and test):
        raise DataError(
            f"too few words to split into training, validation and test: {len(shuffled)} given; "
            "10 words are always enough"
        )
    return train, validation, test


# --- examples -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)  # tensors have no truth value, so two of these have no ==
class Examples:
    """What the network sees and what it should say next.

    `contexts` is int64 (N, block_size), the characters before; `targets` is int64 (N,).
    """

    contexts: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        """Return N."""
        return len(self.targets)

    def to(self, device: str) -> "Examples":
        """Where a network lies that reads them; without a copy if they lie there already."""
        return Examples(self.contexts.to(device), self.targets.to(device))


def examples(words: Sequence[str], vocabulary: Vocabulary, block_size: int) -> Examples:
    """Return makemore's sliding contexts: one example per character and one per end of word.

    N is the number of characters plus the number of words; contexts are int64 (N, block_size),
    filled with 0 before a word's first character, and targets int64 (N,). Raises ConfigError for
    a `block_size` below 1, DataError for a character outside the vocabulary.
    """
    _check_block_size(block_size)
    lengths = np.fromiter((len(word) + 1 for word in words), np.int64, len(words))
    starts = np.cumsum(lengths) - lengths
    text = "".join(word + END for word in words)
    targets = _indices(text, vocabulary)
    position = np.arange(len(text)) - np.repeat(starts, lengths)  # within its word
    contexts = np.zeros((len(text), block_size), np.int64)
    for back in range(1, min(block_size, len(text)) + 1):  # the character `back` places before
        inside = position[back:] >= back
        contexts[back:, block_size - back] = np.where(inside, targets[:-back], 0)
    return Examples(torch.as_tensor(contexts), torch.as_tensor(targets))


def _check_block_size(block_size: int) -> None:
    if block_size < 1:
        raise ConfigError(f"data.block_size={block_size}: give a whole number, 1 or more")


def _indices(text: str, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the vocabulary's index of each character of `text`, int64 (len(text),)."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    known = [ord(character) for character in vocabulary.characters]
    index = np.full(max(known) + 2, -1, np.int64)  # by code, and of all that is beyond
    index[known] = np.arange(len(known))
    found = index[np.minimum(codes, len(index) - 1)]
    if found.size and found.min() < 0:
        raise _outside(text[found.argmin()], vocabulary)
    return found


@dataclass(frozen=True, eq=False)
class Dataset:
    """The examples of a word list; `sha256` is that of the file's bytes."""

    vocabulary: Vocabulary
    train: Examples
    validation: Examples
    test: Examples
    sha256: str

    def to(self, device: str) -> "Dataset":
        """With all examples on this device."""
        train, validation, test = (
            part.to(device) for part in (self.train, self.validation, self.test)
        )
        return Dataset(self.vocabulary, train, validation, test, self.sha256)


def load(path: str | Path = NAMES, block_size: int = 3) -> Dataset:
    """Read a word list and return its vocabulary (of all words) and split, as in the lecture.

    Raises DataError as `read_words` and `split` do, always naming the file, and ConfigError for a
    `block_size` below 1.
    """
    _check_block_size(block_size)
    raw = read_bytes(path)  # once, so that the hash is that of the words
    words = parse(raw, path)
    vocabulary = Vocabulary.of(words)
    try:
        parts = split(words)
    except DataError as error:
        raise DataError(f"{str(path)!r}: {error}") from None
    train, validation, test = (examples(part, vocabulary, block_size) for part in parts)
    return Dataset(vocabulary, train, validation, test, hashlib.sha256(raw).hexdigest())
