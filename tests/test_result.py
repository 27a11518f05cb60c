"""A run's last word: what was written comes back, and nothing else passes for it."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ninja.errors import RecordError
from ninja.result import RESULT, Result, read, write
from tests.faults import fault_of

DONE = Result(
    run_id="abc",
    status="done",
    steps=50,
    losses={"train": 2.0, "validation": 2.1, "test": 2.2, "by_batch": 2.0},
    diverged=None,
    classes=27,
    data_sha256="0" * 64,
    config={"seed": 1},
    seconds=1.5,
    execution="eager",
    verdict="healthy",
    findings=[{"kind": "stalled"}],
    evidence=[{"about": "loss", "step": 3, "value": 2.0, "says": None}],
)
DIVERGED = replace(
    DONE, status="diverged", losses={}, diverged={"step": 3, "node": "03.tanh", "tensor": "y"}
)


def refusal(folder: Path, plain: object) -> str:
    (folder / RESULT).write_text(json.dumps(plain))
    message = fault_of(lambda: read(folder, "abc"), RecordError)
    assert message.startswith(f"{str(folder / RESULT)!r}: ")
    assert message.endswith(": remove it to finish the run again")
    return message


def test_nothing_there(tmp_path: Path) -> None:
    assert read(tmp_path, "abc") is None


@pytest.mark.parametrize(
    "result",
    [DONE, DIVERGED, replace(DONE, git_revision=None, seconds=2), replace(DONE, evidence=[])],
    ids=["done", "diverged", "no revision", "no evidence"],
)
def test_round_trip(tmp_path: Path, result: Result) -> None:
    write(tmp_path, result)
    assert read(tmp_path, "abc") == result
    assert read(tmp_path) == result


def test_it_says_when_it_was_finished_and_keeps_to_it(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    fresh = Result(**{key: value for key, value in vars(DONE).items() if key != "finished"})
    at = datetime.fromisoformat(fresh.finished)
    assert at.utcoffset() == timedelta(0)
    assert before <= at <= datetime.now(UTC)
    old = replace(fresh, finished="2020-02-03T04:05:06+00:00")
    write(tmp_path, old)
    found = read(tmp_path)
    assert found is not None
    assert found.finished == "2020-02-03T04:05:06+00:00"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "damaged (Expecting value"),
        ("{", "damaged (Expecting property name"),
        ("\udcff", "damaged ('utf-8' codec"),
        ("[" * 100_000, "damaged (maximum recursion"),
        ("[]", "damaged (it holds no object)"),
        ("null", "damaged (it holds no object)"),
        ("{}", "damaged (it has no 'classes')"),
        ('{"losses": 3}', "damaged (it has no 'classes')"),
    ],
    ids=ascii,
)
def test_what_is_no_result(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / RESULT).write_bytes(content.encode(errors="surrogateescape"))
    message = fault_of(lambda: read(tmp_path, "abc"), RecordError)
    assert f"{RESULT}': {said}" in message
    assert message.endswith(": remove it to finish the run again")


@pytest.mark.parametrize("name", vars(DONE))
def test_every_key_is_needed(tmp_path: Path, name: str) -> None:
    plain = {key: value for key, value in vars(DONE).items() if key != name}
    assert f"damaged (it has no {name!r})" in refusal(tmp_path, plain)


def test_a_key_that_no_result_has(tmp_path: Path) -> None:
    assert "damaged (it has a 'more')" in refusal(tmp_path, {**vars(DONE), "more": 1})


def test_another_version(tmp_path: Path) -> None:
    other = {**vars(DONE), "versions": {"gradient-ninja": "9.9"}}
    assert "of gradient-ninja 9.9, this is " in refusal(tmp_path, {**other, "more": 1})
    del other["classes"]
    assert "it has no 'classes'" in refusal(tmp_path, other)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"run_id": "xyz"}, "it is of the run xyz"),
        ({"run_id": 3}, "run_id: 3 is not of type str"),
        ({"status": "finished"}, "status: unknown name 'finished', choose from diverged, done"),
        ({"status": []}, "status: unknown name '[]'"),
        ({"steps": 1.5}, "steps: 1.5 is not of type int"),
        ({"steps": None}, "steps: None is not of type int"),
        ({"losses": 3}, "losses: 3 is not of type dict"),
        ({"losses": []}, "losses: [] is not of type dict"),
        ({"losses": {}}, "losses: {} are not those of a run that is done"),
        ({"losses": {**DONE.losses, "train": "2.0"}}, "is not of type dict[str, float]"),
        ({"losses": {**DONE.losses, "train": None}}, "is not of type dict[str, float]"),
        ({"losses": {**DONE.losses, "more": 1.0}}, "are not those of a run that is done"),
        ({"losses": {"train": 1.0}}, "are not those of a run that is done"),
        ({"diverged": DIVERGED.diverged}, "are not those of a run that is done"),
        ({"diverged": 3}, "diverged: 3 is not of type"),
        ({"status": "diverged"}, "diverged: None says not where"),
        ({"status": "diverged", "diverged": {}}, "diverged: {} says not where"),
        ({"status": "diverged", "diverged": {"step": "x"}}, "says not where"),
        ({"config": []}, "config: [] is not of type dict"),
        ({"seconds": "long"}, "seconds: 'long' is not of type float"),
        ({"verdict": None}, "verdict: None is not of type str"),
        ({"verdict": ["healthy"]}, "is not of type str"),
        ({"evidence": {}}, "evidence: {} is not of type list"),
        ({"evidence": ["a loss"]}, "evidence: ['a loss'] is not of type list"),
        ({"evidence": [DONE.evidence]}, "is not of type list"),
        ({"finished": 3}, "finished: 3 is not of type str"),
        ({"finished": None}, "finished: None is not of type str"),
        ({"versions": None}, "versions: None is not of type dict"),
        ({"versions": {"torch": 2}}, "versions: {'torch': 2} is not of type dict"),
        ({"git_revision": 3}, "git_revision: 3 is not of type"),
        ({"seconds": 10**400}, "too large to convert to float"),
        ({"losses": {**DONE.losses, "train": 10**400}}, "too large to convert to float"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_no_run_ends_with(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    message = refusal(tmp_path, {**vars(DONE), **changed})
    assert f"{RESULT}': damaged (" in message
    assert said in message


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / RESULT).mkdir()
    message = fault_of(lambda: read(tmp_path, "abc"), RecordError)
    assert f"{RESULT}': cannot be read (Is a directory)" in message


def test_a_pipe_in_its_place(tmp_path: Path) -> None:
    """Is not waited for."""
    os.mkfifo(tmp_path / RESULT)
    message = fault_of(lambda: read(tmp_path, "abc"), RecordError)
    assert f"{RESULT}': cannot be read (no regular file)" in message
