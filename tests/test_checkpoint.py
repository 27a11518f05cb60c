"""Checkpoints: what was saved comes back; a damaged one is named and the previous one used."""

import errno
import hashlib
import io
import os
from pathlib import Path

import pytest
import torch

from ninja import durable
from ninja.checkpoint import TrainState, load, save
from ninja.durable import CURRENT, PREVIOUS
from ninja.errors import RecordError
from tests.faults import fault_of


def state(step: int) -> TrainState:
    weights = {
        "00.linear": {"W": torch.full((2, 3), float(step)), "b": torch.zeros(3)},
        "01.tanh": {},
    }
    return TrainState(
        step,
        weights,
        {},
        {"momentum": weights},
        weights,
        [torch.arange(9, dtype=torch.uint8)],
        3,
        77,
        1.5,
    )


def steps(folder: Path, run_id: str = "abc") -> tuple[int | None, int]:
    """The step of what is loaded, and how many were damaged."""
    found, damaged = load(folder, run_id)
    assert all(line.isprintable() for line in damaged)
    return found.step if found else None, len(damaged)


def test_nothing_there(tmp_path: Path) -> None:
    assert steps(tmp_path) == (None, 0)


def test_round_trip(tmp_path: Path) -> None:
    save(tmp_path, "abc", state(5))
    found, damaged = load(tmp_path, "abc")
    assert damaged == []
    assert found is not None
    assert (found.step, found.used, found.record, found.seconds) == (5, 3, 77, 1.5)
    assert torch.equal(found.params["00.linear"]["W"], state(5).params["00.linear"]["W"])
    assert torch.equal(found.optimizer["momentum"]["00.linear"]["b"], torch.zeros(3))
    assert torch.equal(found.generators[0], state(5).generators[0])


def test_the_one_before_is_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, "abc", state(step))
    assert steps(tmp_path) == (3, 0)
    (tmp_path / CURRENT).unlink()  # as a crash between the two renames leaves it
    assert steps(tmp_path) == (2, 0)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04" + b"\0" * 100])
def test_a_damaged_one_is_named_and_the_one_before_used(tmp_path: Path, content: bytes) -> None:
    save(tmp_path, "abc", state(1))
    save(tmp_path, "abc", state(2))
    (tmp_path / CURRENT).write_bytes(content)
    assert steps(tmp_path) == (1, 1)
    assert CURRENT in load(tmp_path, "abc")[1][0]
    (tmp_path / PREVIOUS).write_bytes(content)
    assert steps(tmp_path) == (None, 2)


@pytest.mark.parametrize("cut", [1, 100, 1000])
def test_a_torn_one(tmp_path: Path, cut: int) -> None:
    save(tmp_path, "abc", state(1))
    save(tmp_path, "abc", state(2))
    path = tmp_path / CURRENT
    path.write_bytes(path.read_bytes()[:-cut])
    assert steps(tmp_path) == (1, 1)


@pytest.mark.parametrize("place", [0, 31, 32, 500, -1])
def test_one_changed_byte_is_noticed(tmp_path: Path, place: int) -> None:
    save(tmp_path, "abc", state(1))
    save(tmp_path, "abc", state(2))
    content = bytearray((tmp_path / CURRENT).read_bytes())
    content[place] ^= 255
    (tmp_path / CURRENT).write_bytes(content)
    assert steps(tmp_path) == (1, 1)


def test_a_damaged_one_does_not_push_out_the_one_before(tmp_path: Path) -> None:
    save(tmp_path, "abc", state(1))
    save(tmp_path, "abc", state(2))
    (tmp_path / CURRENT).write_bytes(b"torn")
    save(tmp_path, "abc", state(3))
    (tmp_path / CURRENT).unlink()
    assert steps(tmp_path) == (1, 0)


def test_another_runs_checkpoint_is_none(tmp_path: Path) -> None:
    save(tmp_path, "abc", state(1))
    assert steps(tmp_path, "xyz") == (None, 1)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "exploded",))  # pyright: ignore

    buffer = io.BytesIO()
    torch.save({"version": 1, "run_id": "abc", "step": Bomb()}, buffer)
    content = buffer.getvalue()
    (tmp_path / CURRENT).write_bytes(hashlib.sha256(content).digest() + content)
    assert steps(tmp_path) == (None, 1)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", [CURRENT, PREVIOUS])
def test_one_that_is_a_folder_is_not_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    message = fault_of(lambda: load(tmp_path, "abc"), RecordError)
    assert message.startswith(f"{str(tmp_path / name)!r}: cannot be read (Is a directory)")


def test_one_that_may_not_be_read_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is forbidden to root: the system's refusal is played."""
    save(tmp_path, "abc", state(1))

    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    message = fault_of(lambda: load(tmp_path, "abc"), RecordError)
    assert f"{CURRENT}': cannot be read (Permission denied): make it a readable file" in message


def test_a_disk_that_is_full_costs_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, "abc", state(1))
    save(tmp_path, "abc", state(2))

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left on device") as caught:
            save(tmp_path, "abc", state(3))
        assert caught.value.filename == str(tmp_path / CURRENT)
        assert steps(tmp_path) == (2, 0)
        assert {path.name for path in tmp_path.iterdir()} == {PREVIOUS}
    monkeypatch.undo()
    save(tmp_path, "abc", state(3))
    assert steps(tmp_path) == (3, 0)


def test_a_file_in_a_place_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        durable.write(tmp_path / "none" / "x", b"")
    assert caught.value.filename == str(tmp_path / "none" / "x")
