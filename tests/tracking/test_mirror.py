"""The mirror with the real `wandb`: into its own files, and to a server on the loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ninja.config import WandbConfig
from ninja.lock import Lock
from ninja.result import RESULT
from ninja.tracking import Mirror, client, curves, identity, metrics
from ninja.tracking.server import GRACE
from tests.tracking.made import (
    NAN,
    SHORT,
    STEPS,
    TIMEOUT,
    config,
    histogram,
    history,
    logged,
    record,
    result,
    row,
)
from tests.wandb_server import Faults, Run, WandbServer


class Timed(Mirror):
    """Knows when its process was ready: what that takes is no server's fault."""

    ready = float("inf")

    def _hear(self, answer: dict[str, Any], mode: str) -> None:
        if "loaded" in answer:
            self.ready = time.monotonic()
        super()._hear(answer, mode)


def mirrored(
    folders: list[Path], tracker: str, timeout: float = TIMEOUT, at_most: float = float("inf")
) -> list[str]:
    """Mirror runs that are there, in so many seconds at most; returns the warnings."""
    warned: list[str] = []
    with Timed(warned.append) as mirror:
        for folder in folders:
            mirror.follow(config(tracker, timeout), folder)
            mirror.ended(folder)
    assert time.monotonic() - mirror.ready < at_most
    return warned


def state(folder: Path) -> str:
    found = identity.read(folder)
    assert found is not None
    return found.state


def shown(server: WandbServer, folder: Path) -> Run:
    """What the server has of a run."""
    found = identity.read(folder)
    assert found is not None
    return server.runs[found.id]


def steps(server: WandbServer, folder: Path) -> list[int]:
    """The training steps that it shows, the row after the last one included."""
    return [one["train/step"] for one in shown(server, folder).history]


def ended_run(folder: Path, status: str = "done") -> Path:
    record(folder, [histogram(0), *map(row, STEPS[1:])])
    result(folder, status)
    return folder


def children(name: str) -> list[str]:
    """Processes of that name that are of these tests: their home is the test's."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            home = f"HOME={os.environ['HOME']}".encode() in (process / "environ").read_bytes()
        except OSError:  # gone, or not ours
            continue
        if home and any(part.endswith(name.encode()) for part in command[:4]):
            found.append(process.name)
    return found


def gone(name: str, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while children(name) and time.monotonic() < until:
        time.sleep(0.02)
    return not children(name)


# --- offline -------------------------------------------------------------------------------------


def test_offline_everything_is_in_the_runs_own_folder(tmp_path: Path) -> None:
    folder = ended_run(tmp_path / "c0ffee")
    record(folder, [row(21, loss=NAN, grad_norm=float("inf"))])
    finding = dict.fromkeys(metrics.FINDING, "") | {"kind": "dead", "step": 0, "evidence": []}
    result(folder, findings=[finding])
    assert mirrored([folder], "offline") == []
    assert state(folder) == "offline"
    rows = history(folder)
    assert [one["train/step"] for one in rows] == [*STEPS, 21, 21]
    assert rows[1]["loss/train"] == 3.49
    assert rows[0]["hist/value/04.tanh"]["values"] == [1, 2]
    assert rows[-2]["loss/train"] != rows[-2]["loss/train"]
    assert rows[-2]["grad/norm"] == float("inf")
    assert (rows[-1]["loss/val"], rows[-1]["loss/train_split"]) == (2.2, 2.1)
    assert (rows[-1]["health/findings"]["ncols"], rows[-1]["health/findings"]["nrows"]) == (6, 1)
    (run,) = [one.run for one in logged(folder) if one.WhichOneof("record_type") == "run"]
    assert (run.display_name, run.job_type, run.run_group) == ("c0ffee", "a study", "a study")
    assert set(run.tags) == {"manual_fused", "norm=batchnorm"}
    assert (tmp_path / "c0ffee/wandb").exists()
    assert list((tmp_path / "home").rglob("*.wandb")) == []
    assert gone("wandb-core")
    assert gone("ninja.tracking.mirror")


@pytest.mark.slow
def test_offline_the_last_rows_are_written_however_busy_the_machine_is(tmp_path: Path) -> None:
    """`wandb-core` still has them when a run's `finish` returns."""
    folders = [tmp_path / f"run{n}" for n in range(8)]
    for folder in folders:
        record(folder, [row(step) for step in range(40)])
    with ThreadPoolExecutor(4) as pool:  # a command each
        assert list(pool.map(lambda folder: mirrored([folder], "offline"), folders)) == [[]] * 8
    assert [len(history(folder)) for folder in folders] == [40] * 8


@pytest.mark.slow
def test_a_folder_of_wandb_s_own_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`wandb` raises an OSError of its own, with words and without the system's."""
    monkeypatch.setenv("WANDB_DATA_DIR", "/proc/self/wandb")
    (said,) = mirrored([ended_run(tmp_path / "c0ffee")], "offline")
    assert "Unable to write staging files to /proc/self/wandb" in said


@pytest.mark.slow
def test_offline_a_killed_attempt_is_rebuilt(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    record(folder, [row(step) for step in STEPS[:3]])
    assert mirrored([folder], "offline") == []
    assert state(folder) == "open"
    assert [one["train/step"] for one in history(folder)] == [0, 1, 2]
    (exit_code,) = [one.exit.exit_code for one in logged(folder) if one.HasField("exit")]
    assert exit_code == 255
    before = identity.read(folder)
    record(folder, [row(step) for step in STEPS[3:]])
    result(folder)
    assert mirrored([folder], "offline") == []
    assert [one["train/step"] for one in history(folder)] == [*STEPS, 21]
    after = identity.read(folder)
    assert before is not None
    assert after is not None
    assert after.id == before.id


def test_what_is_handed_over_is_not_handed_over_again(tmp_path: Path) -> None:
    folder = ended_run(tmp_path / "run")
    known = identity.identify(config(), folder)
    for done, tracker in (("offline", "offline"), ("complete", "offline"), ("complete", "online")):
        identity.write(folder, identity.Identity(**vars(known) | {"state": done}))
        mirror = Mirror(pytest.fail)
        mirror.follow(config(tracker), folder)
        assert mirror._process is None
        assert state(folder) == done


@pytest.mark.parametrize(
    ("asked", "tracker", "mode"),
    [
        ("", "offline", "offline"),
        ("", "online", "online"),
        ("", "disabled", "disabled"),
        ("disabled", "online", "disabled"),
        ("offline", "online", "offline"),
        ("dryrun", "online", "offline"),
        ("online", "offline", "offline"),
        ("offline", "disabled", "disabled"),
    ],
)
def test_the_environment_holds_back(
    asked: str, tracker: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", asked)
    assert client.mode_of(config(tracker)) == mode


def test_disabled_leaves_nothing(tmp_path: Path) -> None:
    assert mirrored([tmp_path / "run"], "disabled") == []
    assert not (tmp_path / "run").exists()


def test_neither_training_nor_the_client_imports_wandb() -> None:
    code = "import sys, ninja.tracking; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_damaged_identity_is_told_and_training_goes_on(tmp_path: Path) -> None:
    (tmp_path / identity.FILE).write_text("{")
    (said,) = mirrored([tmp_path], "offline")
    assert identity.FILE in said


@pytest.mark.slow
def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    folder = ended_run(tmp_path / "run")
    path = folder / "metrics.jsonl"
    path.write_bytes(b"{}\n" + path.read_bytes())
    (said,) = mirrored([folder], "offline")
    assert "line 1" in said
    assert state(folder) == "open"


def test_what_is_wrong_with_one_run_costs_the_others_nothing(tmp_path: Path) -> None:
    names = ("broken", "bare", "edited", "lock", "wandb", "good")
    broken, bare, edited, lock, wandb, good = (ended_run(tmp_path / name) for name in names)
    (broken / RESULT).write_text("{broken")
    (bare / RESULT).write_text("{}")
    record(edited, [row(21, histograms=[histogram(0)["histograms"][0] | {"counts": [1]}])])
    (lock / ".wandb.lock").mkdir()
    (wandb / "wandb").write_text("a file")
    warned = mirrored([broken, bare, edited, lock, wandb, good], "offline")
    assert state(good) == "offline"
    for folder, said in zip((broken, bare, edited, lock, wandb), warned, strict=True):
        assert str(folder) in said
        assert said.isprintable()
        assert state(folder) == "open"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (said,) = mirrored([tmp_path / "file/run"], "offline")
    assert "file/run" in said


def test_the_state_is_of_the_run_that_was_opened(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    record(folder, [row(0)])
    with Mirror(pytest.fail) as mirror:
        mirror.follow(config("offline"), folder)
        until = time.monotonic() + 20
        while not any(of.stat().st_size > 100 for of in folder.glob("wandb/*/run-*.wandb")):
            assert time.monotonic() < until  # its head has been written, then
            time.sleep(0.02)
        identity.write(folder, identity.identify(config(project="another"), folder))
        result(folder)
        mirror.ended(folder)
    assert state(folder) == "open"
    (run,) = [one.run for one in logged(folder) if one.WhichOneof("record_type") == "run"]
    assert run.project == "gradient-ninja"
    assert [one["train/step"] for one in history(folder)] == [0, 21]


# --- online --------------------------------------------------------------------------------------


def test_online_the_server_has_every_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = ended_run(tmp_path / "good"), tmp_path / "bad"
    record(bad, [row(0), row(1, loss=NAN)])
    result(bad, "diverged", diverged={"step": 1, "node": "04.tanh", "tensor": "y"}, verdict="nan")
    with WandbServer(Faults(key=os.environ["WANDB_API_KEY"])) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert mirrored([good, bad], "online") == []
    assert server.unknown == []
    assert [state(good), state(bad)] == ["complete", "complete"]
    assert steps(server, good) == [*STEPS, 21]
    run = shown(server, good)
    assert run.exit_code == 0
    assert run.about["displayName"] == "good"
    assert run.config["model"]["n_hidden"] == 200
    assert run.summary["loss/train"] == {"min": 3.3, "last": 3.3}
    assert (run.summary["status"], run.summary["final/train"]) == ("done", 2.1)
    assert any(name.startswith("media/table/profile") for name in run.files), run.files
    told = run.config["_wandb"]["m"]  # 1: a name, 2: a pattern, 5: which of these is its axis
    axes = {m.get("1") or m["2"]: told[m["5"] - 1]["1"] for m in told if "5" in m}
    assert axes == dict.fromkeys(metrics.SUMMARIES, "train/step")
    (chart,) = (
        json.loads(content)
        for name, content in run.files.items()
        if name.startswith("media/table/profile")
    )
    assert chart["columns"] == list(curves.CURVES)
    assert {one[chart["columns"].index("activations")] for one in chart["data"]} == {"04.tanh"}
    run = shown(server, bad)
    assert run.exit_code == 1
    assert (run.summary["status"], run.summary["verdict"]) == ("diverged", "nan")
    assert steps(server, bad) == [0, 1, 21]


def test_online_a_resumed_run_goes_on_where_the_server_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    record(folder, [row(step) for step in STEPS[:4]])
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert mirrored([folder], "online") == []
        assert shown(server, folder).exit_code == 255
        assert state(folder) == "open"
        (folder / "metrics.jsonl").unlink()  # cut back further than the server is
        record(folder, [row(step) for step in STEPS])
        result(folder)
        assert mirrored([folder], "online") == []
    assert steps(server, folder) == [*STEPS, 21]
    assert shown(server, folder).lines_sent == len(STEPS) + 1
    assert shown(server, folder).exit_code == 0


@pytest.mark.slow
def test_a_run_is_shown_while_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        with Mirror(pytest.fail) as mirror:
            mirror.follow(config(), folder)
            record(folder, [row(0)])
            until = time.monotonic() + 20
            while "RunResumeStatus" not in server.asked and time.monotonic() < until:
                time.sleep(0.05)
            assert server.asked
            record(folder, [row(1)])
            result(folder)
            mirror.ended(folder)
    assert steps(server, folder) == [0, 1, 21]


@pytest.mark.slow
def test_a_run_that_another_process_mirrors_is_left_to_it(tmp_path: Path) -> None:
    folder = ended_run(tmp_path / "run")
    lock = Lock(folder / ".wandb.lock")
    assert lock.take()
    assert mirrored([folder], "offline") == []
    assert not (folder / "wandb").exists()
    lock.release()


@pytest.fixture
def busy() -> Iterator[None]:
    """Nobody leaves a core to the mirror."""
    loop = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(loop) for _ in range(2 * (os.cpu_count() or 1))]
    yield
    for one in loops:
        one.kill()
        one.wait()


@pytest.mark.slow
@pytest.mark.usefixtures("busy")
def test_a_busy_machine_is_not_taken_for_a_silent_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither while it is trained, nor at the end, when there is nothing left to go first."""
    if not Path("/proc/self/autogroup").exists():
        pytest.skip("needs Linux with autogroups, without which the mirror lets nothing go")
    folder, default = tmp_path / "run", WandbConfig().timeout
    warned: list[str] = []
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        with Mirror(warned.append) as mirror:
            mirror.follow(config(timeout=default), folder)
            record(folder, [row(0)])
            until = time.monotonic() + 60
            while "RunResumeStatus" not in server.asked and time.monotonic() < until:
                time.sleep(0.05)
            record(folder, [row(1)])
            result(folder)
            mirror.ended(folder)
    assert warned == []
    assert steps(server, folder) == [0, 1, 21]


# --- faults --------------------------------------------------------------------------------------


def fault(server: WandbServer, tmp_path: Path, runs: int = 6, timeout: float = SHORT) -> str:
    """Mirror runs to a server that fails, in less than a time-out each; returns the one warning."""
    folders = [ended_run(tmp_path / f"run{n}") for n in range(runs)]
    (said,) = mirrored(folders, "online", timeout, at_most=5 * (timeout + GRACE))
    assert said.isprintable()
    for word in ("tracker=online", "WANDB_BASE_URL", "make sync", server.url):
        assert word in said
    assert "complete" not in {state(folder) for folder in folders}
    assert gone("wandb-core")
    return said


@pytest.mark.slow
def test_a_closed_port_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
    fault(server, tmp_path)
    assert state(tmp_path / "run5") == "offline"
    assert [one["train/step"] for one in history(tmp_path / "run5")] == [*STEPS, 21]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "word"),
    [
        (Faults(hang=True), "did not answer within 2 s"),
        (Faults(fail_first=10**6), "HTTP 500"),
        (Faults(key="another"), "401"),
        (Faults(hang=True, only="file_stream"), "did not answer within 2 s"),
        (Faults(fail_first=10**6, status=404, only="file_stream"), "failed for good"),
        (Faults(die_after=1), "did not answer"),
        (Faults(die_after=4), "did not answer"),
        (Faults(die_after=9), "did not answer"),
    ],
    ids=str,
)
def test_a_server_that_fails_costs_one_time_out(
    faults: Faults, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WandbServer(faults) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        timeout = SHORT if faults.status == 500 else 8.0  # an answer is there at once
        assert word in fault(server, tmp_path, timeout=timeout)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["", "short"])
def test_without_a_key_nobody_is_asked_for_one(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", key)
        assert "API key" in fault(server, tmp_path, runs=1)
    assert server.asked == []


@pytest.mark.slow
def test_a_few_failures_are_ridden_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`wandb` asks again after two seconds."""
    folder = ended_run(tmp_path / "run")
    with WandbServer(Faults(fail_first=1)) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert mirrored([folder], "online") == []
    assert steps(server, folder) == [*STEPS, 21]


@pytest.mark.slow
def test_a_mirror_that_dies_is_told_once(tmp_path: Path) -> None:
    warned: list[str] = []
    with Mirror(warned.append) as mirror:
        mirror.follow(config("offline"), tmp_path / "run")
        assert mirror._process is not None
        mirror._process._process.kill()
        mirror._process._process.wait()
        mirror.follow(config("offline"), tmp_path / "other")
        mirror.ended(tmp_path / "run")
    (said,) = warned
    assert "ended" in said
    assert state(tmp_path / "run") == "open"


@pytest.mark.slow
def test_a_mirror_that_cannot_start_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/wandb.py").write_text("raise ImportError('no wandb here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    folder = ended_run(tmp_path / "run")
    (said,) = mirrored([folder], "offline")
    assert "no wandb here" in said
    assert state(folder) == "open"


def test_a_mirror_that_hangs_took_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.2)
    warned: list[str] = []
    with Mirror(warned.append) as mirror:
        mirror.follow(config("offline", 0.2), tmp_path / "run")
        assert mirror._process is not None
        os.kill(mirror._process._process.pid, signal.SIGSTOP)
    (said,) = warned
    assert "took too long" in said


TRAINER = """
import sys, time
from pathlib import Path
from ninja.tracking import Mirror
from tests.tracking.made import config, record, row
folder = Path(sys.argv[1])
with Mirror(print) as mirror:
    mirror.follow(config("offline"), folder)
    record(folder, [row(0)])
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_trainer(tmp_path: Path, number: signal.Signals) -> None:
    """A Ctrl-C goes to the whole group, and the mirror leaves the answer to the trainer."""
    command = [sys.executable, "-c", TRAINER, str(tmp_path / "run")]
    trainer = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with trainer:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == b"ready\n"
        until = time.monotonic() + 20
        while not (tmp_path / "run/wandb").exists() and time.monotonic() < until:
            time.sleep(0.02)
        assert len(children("ninja.tracking.mirror")) == 1
        os.killpg(trainer.pid, number)
    assert gone("ninja.tracking.mirror")
    assert gone("wandb-core")
    assert state(tmp_path / "run") == "open"


CLOSING = """
import sys
from pathlib import Path
from ninja.tracking import Mirror
from tests.tracking.made import config
with Mirror(print) as mirror:
    mirror.follow(config("online", 60), Path(sys.argv[1]))
    mirror.ended(Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_no_process_outlives_a_trainer_that_was_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ended_run(tmp_path / "run")
    with WandbServer(Faults(hang=True)) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        with subprocess.Popen([sys.executable, "-c", CLOSING, str(folder)]) as trainer:
            until = time.monotonic() + 20
            while not server.asked and time.monotonic() < until:
                time.sleep(0.02)
            assert server.asked
            trainer.kill()
        assert gone("ninja.tracking.mirror", 3.0)
        assert gone("wandb-core", 3.0)
    assert state(folder) == "open"
