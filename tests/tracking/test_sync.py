"""``python -m ninja sync``: what W&B has missed is sent, once."""

import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ninja.cli import main
from ninja.tracking import identity
from ninja.tracking.send import send
from tests.tracking.made import SHORT, STEPS, TIMEOUT, config, record, result, row
from tests.tracking.test_mirror import mirrored, shown, state, steps
from tests.wandb_server import Faults, WandbServer


def waiting(folder: Path, number: int = len(STEPS), *, done: bool = True) -> Path:
    """A run that W&B knows nothing of yet."""
    record(folder, [row(step) for step in STEPS[:number]])
    identity.write(folder, identity.identify(config(), folder))
    if done:
        result(folder)
    return folder


def test_every_kind_of_run_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "outputs"
    done, begun = waiting(out / "study/done"), waiting(out / "study/begun", 3, done=False)
    trained = waiting(out / "study/trained", 3, done=False)
    empty = out / "study/empty"
    empty.mkdir()
    identity.write(empty, identity.identify(config(), empty))
    record(out / "study/untracked", [row(0)])
    with WandbServer() as server, (trained / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert main(["sync", str(out), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said == {
            "sent": [str(done)],
            "begun": [str(begun)],
            "complete": [],
            "training": [str(trained)],
            "refused": {},
            "failed": None,
        }
        assert server.unknown == []
        assert len(server.runs) == 2
        assert steps(server, done) == [*STEPS, 21]
        assert steps(server, begun) == [0, 1, 2]
        assert (shown(server, done).exit_code, shown(server, begun).exit_code) == (0, 255)
        assert [state(done), state(begun), state(trained)] == ["complete", "open", "open"]
        assert main(["sync", str(done)]) == 0
        assert capsys.readouterr().out == "0 runs sent; 1 were complete already\n"
        assert steps(server, done) == [*STEPS, 21]


def patient(folder: Path) -> None:
    """Wait as long as for a server that answers, however busy the machine is."""
    found = identity.read(folder)
    assert found is not None
    wandb = found.config["wandb"] | {"timeout": TIMEOUT}
    identity.write(folder, replace(found, config=found.config | {"wandb": wandb}))


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults",
    [
        Faults(hang=True),
        Faults(hang=True, only="file_stream"),
        Faults(fail_first=10**6, status=404, only="file_stream"),
        *(Faults(die_after=n) for n in (2, 5, 8, 11, 14, 20)),
    ],
    ids=str,
)
def test_nothing_is_lost_when_the_server_comes_back(
    faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it had taken before it fell silent, each row is there once in the end."""
    folders = [tmp_path / f"out/study/run{n}" for n in range(3)]
    for folder in folders:
        record(folder, [row(step) for step in STEPS])
        result(folder)
    with WandbServer(faults) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert len(mirrored(folders, "online", SHORT)) == 1
        server.faults = Faults()
        for folder in folders:
            patient(folder)
        report = send(tmp_path / "out")
        assert report.failed is None
        assert len(report.sent) + len(report.complete) == 3
        for folder in folders:
            assert state(folder) == "complete"
            assert steps(server, folder) == [*STEPS, 21]
            assert shown(server, folder).exit_code == 0


def test_a_server_that_cannot_be_reached_is_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = waiting(tmp_path / "run")
    monkeypatch.setenv("WANDB_API_KEY", "")
    assert main(["sync", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("ninja: W&B at http://127.0.0.1:9")
    assert said.count("\n") == 1
    assert os.environ["WANDB_API_KEY"] == ""
    assert state(folder) == "open"


@pytest.mark.slow
def test_what_was_written_offline_stays_until_the_server_has_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = waiting(tmp_path / "run")
    offline = folder / "wandb/offline-run-20260101_000000-abc"
    offline.mkdir(parents=True)
    (offline / "run-abc.wandb").write_bytes(b"rows")
    assert main(["sync", str(folder)]) == 2  # nobody listens
    assert (offline / "run-abc.wandb").read_bytes() == b"rows"
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert main(["sync", str(folder)]) == 0
    assert not offline.exists()


@pytest.mark.parametrize("made", [True, False])
def test_nothing_there_is_exit_code_2(
    made: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "outputs"
    if made:
        path.mkdir()
    assert main(["sync", str(path)]) == 2
    said = capsys.readouterr().err
    assert repr(str(path)) in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_a_damaged_identity_is_named_and_the_others_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = waiting(tmp_path / "out/good"), waiting(tmp_path / "out/bad")
    (bad / identity.FILE).write_text("{")
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        report = send(tmp_path / "out")
    assert report.sent == [good]
    assert list(report.refused) == [bad]
    assert identity.FILE in report.refused[bad]


def test_a_folder_that_cannot_be_locked_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = waiting(tmp_path / "run")
    (folder / ".lock").mkdir()
    assert main(["sync", str(folder)]) == 2
    assert str(folder / ".lock") in capsys.readouterr().out
