"""How far a learner is outlives the process."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.errors import RecordError
from ninja.exercises import progress
from ninja.exercises.progress import NAME, Progress
from tests.faults import fault_of

NAMES = st.text('aé."', min_size=1, max_size=5)
WORDS = st.lists(NAMES, max_size=3, unique=True).map(tuple)
ANY = st.builds(
    Progress,
    exercise=st.integers(1, 5),
    right=st.integers(0, 30),
    rows=st.integers(0, 30),
    checks=st.integers(0, 99),
    done=st.booleans(),
    told=WORDS,
    solutions=WORDS,
)


@given(kept=st.dictionaries(NAMES, ANY, max_size=3))
def test_what_is_written_is_read(kept: dict[str, Progress]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        progress.write(Path(folder), kept)
        assert progress.read(Path(folder)) == kept


def test_nothing_yet(tmp_path: Path) -> None:
    assert progress.read(tmp_path) == {}


def test_done_once_is_done() -> None:
    assert Progress(1).checked(26, 26, done=True).checked(3, 26, done=False).done


def test_hints_are_remembered_once() -> None:
    after = Progress(1).hinted("a").hinted("a").hinted("b", solved="dh")
    assert (after.told, after.solutions) == (("a", "b"), ("dh",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"exercise_1.py": 3}',
        b'{"a": {"exercise": 1}}',
        b'{"a": {"exercise": 9, "right": 0, "rows": 1, "checks": 0, "done": false, "told": [],'
        b' "solutions": []}}',
        b'{"a": {"exercise": 1, "right": "x", "rows": 1, "checks": 0, "done": false, "told": [],'
        b' "solutions": []}}',
    ],
)
def test_a_damaged_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(content)
    message = fault_of(lambda: progress.read(tmp_path), RecordError)
    assert NAME in message
    assert "remove it" in message


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    message = fault_of(lambda: progress.write(tmp_path / "none", {}), RecordError)
    assert "progress is not kept" in message
