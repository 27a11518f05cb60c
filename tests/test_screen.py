"""What a user sees: lines in a file, a view in a terminal of any size, a summary in the end."""

import fcntl
import io
import json
import math
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ninja import screen
from ninja.config import (
    CheckpointConfig,
    DataConfig,
    InitConfig,
    ModelConfig,
    NormConfig,
    ProbeConfig,
    RunConfig,
)
from ninja.diagnosis import About, diagnose, gather, verdict
from ninja.diagnosis import read as read_history
from ninja.parts import Part, parts
from ninja.result import Result
from ninja.screen.layers import OUTSIDE, layers_table
from ninja.screen.lines import Lines
from ninja.screen.live import View, next_row
from ninja.screen.losses import shown_loss
from ninja.screen.summary import summary

ROOT = Path(__file__).parents[1]
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A short list, so that evaluating takes no time."""
    path = tmp_path / "words.txt"
    path.write_text("\n".join(f"{a}{b}{c}" for a in "abc" for b in "xyzu" for c in "no" * 5))
    return path


@pytest.fixture
def config(words: Path) -> RunConfig:
    return RunConfig(
        steps=60,
        data=DataConfig(path=str(words)),
        model=ModelConfig(n_hidden=16),
        probe=ProbeConfig(early=(0, 1, 5), every=10, gap_every=20),
        checkpoint=CheckpointConfig(every=15),
    )


def network(depth: int, **numbers: float) -> list[dict[str, Any]]:
    """The layers of a row: linear and tanh so many times, between embedding and output."""
    found = [
        {"node": "000.embedding", "tensor": "y", "delta_rms": 1e-3},
        {"node": "000.embedding", "tensor": "C", "grad_norm": 0.3, "update_ratio": -3.0},
        {"node": "001.flatten", "tensor": "y", "delta_rms": 1e-3},
    ]
    for i in range(2, 2 * depth + 2, 2):
        linear = f"{i:03d}.linear"
        found += [
            {"node": linear, "tensor": "y", "delta_rms": 1e-3, "gap": 3e-8},
            {"node": linear, "tensor": "W", "grad_norm": 0.3, "update_ratio": -2.5},
            {"node": linear, "tensor": "b", "grad_norm": 0.4},
            {"node": f"{i + 1:03d}.tanh", "tensor": "y", "saturated": 0.03, "dead": 0.0},
        ]
        found[-1] |= {name: value for name, value in numbers.items() if name in found[-1]}
    output = f"{2 * depth + 2:03d}.linear"
    found += [
        {"node": output, "tensor": "y", "delta_rms": 5e-3},
        {"node": output, "tensor": "W", "grad_norm": 0.3, "update_ratio": -2.0},
    ]
    for of in found:
        of["layer"], of["rule"] = int(of["node"][:3]), of["node"][4:]
    return found


def row(step: int, depth: int = 2, **more: Any) -> dict[str, Any]:
    made = {"step": step, "loss": 2.5, "lr": 0.1, "grad_norm": 0.5, "gap": 1e-7, "train_us": 500.0}
    return made | {"layers": network(depth)} | more


def terminal(width: int = 80, height: int = 24, **options: Any) -> Console:
    file = io.StringIO()
    given = {"force_terminal": True, "color_system": "truecolor", "highlight": False} | options
    return Console(file=file, width=width, height=height, **given)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def drawn(view: View) -> list[str]:
    """What the view shows, without colours."""
    with view.console.capture() as capture:
        view.console.print(view, end="")
    return ESCAPES.sub("", capture.get()).splitlines()


# --- the layers ----------------------------------------------------------------------------------


def test_a_part_is_a_matrix_and_what_follows_it() -> None:
    found = parts(network(2))
    assert [part.name for part in found] == [
        "000.embedding",
        "002.linear … 003.tanh",
        "004.linear … 005.tanh",
        "006.linear",
    ]
    assert found[1].numbers == pytest.approx(
        {
            "grad": 0.5,  # of W and b together
            "gap": 3e-8,
            "update": -2.5,
            "saturated": 0.03,
            "dead": 0.0,
            "delta": 1e-3,
            "profile": 0.0,
        }
    )
    assert found[0].numbers == {"grad": 0.3, "update": -3.0, "delta": 1e-3}
    assert found[3].numbers["delta"] == 5e-3


def test_a_row_without_layers_has_no_parts() -> None:
    assert parts([]) == []
    assert layers_table([], 80, 24) is None


def coloured(part: Part) -> str:
    console = terminal(120)
    table = layers_table([part], 120, 24)
    assert table is not None
    console.print(table)
    return printed(console)


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("update", -3.0, -4.5),
        ("update", -3.0, -math.inf),
        ("saturated", 0.4, 0.6),
        ("dead", 0.65, 0.66),
        ("gap", 1e-7, 1e-3),
        ("profile", -1.1, -1.3),
        ("profile", 0.0, math.nan),
        ("delta", 1e-9, math.nan),
        ("grad", 1e9, math.inf),
    ],
)
def test_what_is_outside_is_red(name: str, inside: float, outside: float) -> None:
    red = "\x1b[1;31m"
    assert OUTSIDE == "bold red"
    assert red not in coloured(Part("00.linear", {name: inside}))
    assert coloured(Part("00.linear", {name: outside})).count(red) == 2  # its name and its number


def test_a_lowered_learning_rate_makes_small_updates_that_are_meant() -> None:
    layers = [at | {"update_ratio": -4.5} for at in network(1) if "update_ratio" in at]
    console = terminal(120)
    for eased in (False, True):
        table = layers_table(parts(layers, eased=eased), 120, 24)
        assert table is not None
        console.print(table)
        assert "-4.5" in printed(console)
        assert ("\x1b[1;31m" in printed(console)) is not eased
        console = terminal(120)


def test_fifty_layers_in_little_height_keep_the_ends_and_the_worst() -> None:
    found = parts(network(50))
    bad = replace(found[25], numbers={**found[25].numbers, "dead": 0.9})
    table = layers_table([*found[:25], bad, *found[26:]], 80, 10)
    assert table is not None
    console = terminal(80)
    console.print(table)
    lines = ESCAPES.sub("", printed(console)).splitlines()
    assert len(lines) == 10
    names = [line.split()[0] for line in lines[1:-1]]
    assert (names[0], names[-1]) == ("000.embedding", "102.linear")
    assert bad.name.split()[0] in names
    assert names == sorted(names)
    assert lines[-1].strip() == "44 more, 0 outside"


# --- the view ------------------------------------------------------------------------------------


@pytest.mark.parametrize("height", [3, 8, 24, 40])
@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
@pytest.mark.parametrize("depth", [1, 5, 50])
def test_the_view_never_overflows(width: int, height: int, depth: int) -> None:
    view = View(RunConfig(), terminal(width, height))
    view.tell(row(4000, depth, val_loss=2.4))
    lines = drawn(view)
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert "loss 2.5" in lines[1]
    if height >= 24 and width >= 60:
        assert any("000.embedding" in line for line in lines)


def test_columns_leave_a_narrow_terminal() -> None:
    titles = {}
    for width in (60, 80, 120):
        view = View(RunConfig(), terminal(width, 24))
        view.tell(row(4000))
        titles[width] = drawn(view)[3]
    assert "explode" in titles[120]
    assert "gap" in titles[80]
    assert "explode" not in titles[80]
    assert "gap" not in titles[60]
    assert all("delta RMS" in title for title in titles.values())


def test_the_view_before_the_first_row() -> None:
    assert "0/10,000 steps" in drawn(View(RunConfig(), terminal()))[0]


def test_loss_mean_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    view = View(RunConfig(), terminal())
    view.tell(row(0, loss=3.0))
    now[0] = 102.0
    view.tell(row(2000, loss=2.0))
    first, second, *_ = drawn(view)
    assert "2,001/10,000 steps  1,000 steps/s  0:00:08 left" in first
    assert second.startswith("loss 2.0000  mean 2.5000  lr 0.1  gap 1.0e-07")
    now[0] = 104.0  # nothing was told for a while: reckoned, to the next row at most
    assert "~2,100/10,000" in drawn(view)[0]


def test_layers_are_read_only_when_they_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    class Row(dict[str, Any]):
        reads = 0

        def get(self, key: str, default: Any = None) -> Any:
            Row.reads += key == "layers"
            return super().get(key, default)

    view = View(RunConfig(), terminal())
    for step in range(3000):  # three seconds
        now[0] += 1e-3
        view.tell(Row(row(step)))
    assert 3 <= Row.reads <= 4


def test_a_row_that_was_not_looked_at_keeps_the_layers() -> None:
    view = View(RunConfig(), terminal())
    view.tell(row(100))
    view.tell({"step": 110, "loss": 2.4, "lr": 0.1, "gap": 2e-7, "train_us": 500.0, "layers": []})
    lines = drawn(view)
    assert "2.0e-07" in lines[1]
    assert any("000.embedding" in line for line in lines)


@pytest.mark.parametrize(
    ("probe", "after", "expected"),
    [
        (ProbeConfig(early=(0, 3), every=100, gap_every=0, val_every=0), 0, 3),
        (ProbeConfig(early=(0, 3), every=100, gap_every=0, val_every=0), 3, 100),
        (ProbeConfig(early=(), every=100, gap_every=70, val_every=0), 100, 140),
        (ProbeConfig(early=(), every=0, gap_every=0, val_every=300), 0, 300),
        (ProbeConfig(early=(), every=0, gap_every=0, val_every=0), 5, 1000),
    ],
)
def test_the_next_row(probe: ProbeConfig, after: int, expected: int) -> None:
    assert next_row(probe, after, 1000) == expected


def test_a_warning_stands_above_the_view_and_stays() -> None:
    console = terminal()
    with View(RunConfig(), console) as view:
        view.tell(row(100))
        view.warn("checkpoint.pt: [damaged]")
        view.live.refresh()
    shown = printed(console)
    assert "warning: checkpoint.pt: [damaged]\x1b[0m\n" in shown
    assert shown.count(HIDE) == 1
    assert shown.index(HIDE) < shown.index("warning") < shown.rindex(SHOW)


def test_an_exception_gives_the_cursor_back() -> None:
    console = terminal()
    with pytest.raises(KeyboardInterrupt), View(RunConfig(), console):
        raise KeyboardInterrupt
    assert printed(console).rindex(SHOW) > printed(console).rindex(HIDE)


def test_no_color_keeps_what_is_outside_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = terminal(120)
    table = layers_table([Part("00.linear", {"dead": 0.9})], 120, 24)
    assert table is not None
    console.print(table)
    assert "\x1b[1m" in printed(console)
    assert "31" not in printed(console)


# --- lines ---------------------------------------------------------------------------------------


def test_lines_come_every_two_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines = Lines(10_000)
    for step in range(0, 500, 100):
        lines.tell(row(step))
        now[0] += 1.0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in out] == ["0/10,000", "200/10,000", "400/10,000"]
    assert out[1].endswith("loss 2.5000  grad 5.00e-01  gap 1.0e-07  500 µs a step")


# --- the summary ---------------------------------------------------------------------------------


def ended(**changes: Any) -> Result:
    losses = {"train": 2.1, "validation": 2.2, "test": 2.3, "by_batch": 2.05}
    made = Result(
        "id", "done", 1000, losses, None, 27, "sha", {}, 2.0, "eager", "", [], [], "", {}, None
    )
    return replace(made, **changes)


def summed(of: Result, folder: Path, width: int = 100, **options: Any) -> list[str]:
    console = terminal(width, force_terminal=False, color_system=None)
    rows = [row(100 * i) for i in range(8)]
    history = read_history(rows)
    items = gather(history, of.losses, of.diverged)
    found = diagnose(history, About(of.classes, of.losses, of.diverged))
    plain = [json.loads(json.dumps([asdict(one) for one in many])) for many in (found, items)]
    of = replace(of, verdict=verdict(found), findings=plain[0], evidence=plain[1])
    summary(console, of, folder, **options)
    return printed(console).splitlines()


def test_the_summary_of_a_run_that_is_done(tmp_path: Path) -> None:
    for name in ("metrics.jsonl", "checkpoint.pt", "result.json"):
        (tmp_path / name).touch()
    lines = summed(ended(), tmp_path, notes=["see it: wandb leet"])
    text = "\n".join(lines)
    assert lines[0] == "done  1,000 steps, 2.0 s, 500 steps/s"
    assert "train 2.1000  validation 2.2000  test 2.3000" in lines[1]
    assert lines[2].endswith("statistics 2.0500")
    assert "mismatch" in text
    assert f"folder        {tmp_path}" in text
    assert "metrics.jsonl" in text
    assert "parquet" not in text  # there is none
    assert f"python -m ninja sample {tmp_path}" in text
    assert lines[-1] == "see it: wandb leet"
    assert "\x1b" not in text


def test_the_summary_names_the_finding_its_place_and_its_step(tmp_path: Path) -> None:
    lines = summed(ended(losses={**ended().losses, "train": 3.0}), tmp_path)
    assert "verdict: mismatch" in lines
    at = lines.index("verdict: mismatch")
    assert lines[at + 1].strip() == "mismatch"
    assert "0.95 higher than by each batch's own" in lines[at + 2]
    assert lines[at + 3].startswith("    fix: ")
    *_, line = (line for line in lines if line.startswith("  mismatch  "))
    assert line.split()[:5] == ["mismatch", "+0.950", "-0.1", "to", "0.1"]
    assert line.endswith("mismatch  of the final losses")


def test_the_summary_of_a_run_that_diverged(tmp_path: Path) -> None:
    where = {"step": 7, "node": "05.loss", "tensor": "probs"}
    lines = summed(ended(status="diverged", losses={}, diverged=where, steps=8), tmp_path)
    assert lines[0].startswith("diverged at step 7: the first value that is not finite is in")
    assert "05.loss.probs" in lines[0]
    assert "verdict: diverged" in lines
    assert not any("sample" in line for line in lines)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_summary_fits(width: int, tmp_path: Path) -> None:
    lines = summed(ended(), tmp_path, width)
    table = lines[lines.index("") + 2 : lines.index("", lines.index("") + 1)]
    assert len(table) >= 10
    assert max(map(len, table)) <= width


def test_a_folder_with_a_space_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    (line,) = (line for line in summed(ended(), folder) if line.startswith("sample"))
    assert line.endswith(f"python -m ninja sample '{folder}'")


# --- a whole run, told to a file -----------------------------------------------------------------


def test_a_run_and_the_same_again(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert screen.watch(config, tmp_path / "run") == 0
    first = capsys.readouterr().out
    assert "step       0/60" in first
    assert "verdict: " in first
    assert "done already" not in first
    assert screen.watch(config, tmp_path / "run") == 0
    again = capsys.readouterr().out.splitlines()
    assert again[0] == "this run is done already; its result:"
    assert again[1:] == first.splitlines()[1:]


def test_a_result_outlives_its_record(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert screen.watch(config, tmp_path) == 0
    (tmp_path / "metrics.jsonl").unlink()
    first = capsys.readouterr().out
    (verdict,) = (line for line in first.splitlines() if line.startswith("verdict"))
    assert screen.watch(config, tmp_path) == 0
    assert verdict in capsys.readouterr().out


def test_divergence_is_exit_code_1(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = replace(
        config,
        model=ModelConfig(n_hidden=16, activation="relu"),
        norm=NormConfig(name="none"),
        init=InitConfig(gain=1e30),
    )
    assert screen.watch(bad, tmp_path) == 1
    assert "verdict: exploding" in capsys.readouterr().out


# --- real terminals ------------------------------------------------------------------------------


def in_terminal(
    command: list[str], width: int, height: int, stop: int | None = None, **environment: str
) -> tuple[int, str]:
    """Run it in a terminal of this size, and stop it once its layers are drawn, if asked."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    hidden = ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR")
    clean = {name: value for name, value in os.environ.items() if name not in hidden}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean | {"TERM": "xterm-256color"} | environment,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        seen += part
        if stop is not None and b"delta RMS" in seen:
            process.send_signal(stop)
            stop = None
    os.close(ours)
    return process.wait(timeout=60), seen.decode()


def typed(words: Path, tmp_path: Path, *more: str) -> list[str]:
    keys = (f"data.path={words}", f"output={tmp_path}/out", "tracker=disabled", *more)
    return [sys.executable, "run.py", *keys]


def assert_drawn_within(seen: str, width: int, height: int) -> None:
    """No line of a drawing is wider, and none reaches higher, than the terminal."""
    begun, ended_ = seen.index(HIDE), seen.rindex(SHOW)
    assert ended_ > seen.rindex(HIDE)
    for line in ESCAPES.sub("", seen[begun:ended_]).replace("\r", "\n").split("\n"):
        assert len(line) <= width, line
    climbs = re.findall(r"(?:\x1b\[1A\x1b\[2K)+", seen)
    assert climbs
    assert max(climb.count("\x1b[1A") for climb in climbs) < height


@pytest.mark.slow
def test_a_run_in_a_terminal(words: Path, tmp_path: Path) -> None:
    command = typed(words, tmp_path, "steps=700", "model.n_layers=30", "model.n_hidden=8")
    code, seen = in_terminal(command, 80, 24)
    assert code == 0
    assert_drawn_within(seen, 80, 24)
    after = ESCAPES.sub("", seen[seen.rindex(SHOW) :])
    assert "done  700 steps" in after
    assert "verdict: " in after


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_terminal_clean(
    number: signal.Signals, words: Path, tmp_path: Path
) -> None:
    command = typed(words, tmp_path, "steps=2000000", "model.n_hidden=8")
    code, seen = in_terminal(command, 120, 40, stop=number)
    assert code == 128 + number
    assert_drawn_within(seen, 120, 40)
    after = ESCAPES.sub("", seen[seen.rindex(SHOW) :])
    assert f"{number.name}: stopped before step" in after


@pytest.mark.slow
def test_a_dumb_terminal_gets_lines(words: Path, tmp_path: Path) -> None:
    command = typed(words, tmp_path, "steps=200", "model.n_hidden=8")
    code, seen = in_terminal(command, 80, 24, TERM="dumb")
    assert code == 0
    assert "\x1b" not in seen
    assert "step       0/200" in seen


# --- numbers of any size --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((2.5, "2.5000"), (-0.00004, "-0.0000"), (99999.0, "99999.0000")),
        *((2229595392.0, "2.230e+09"), (-1e308, "-1.000e+308"), (1e5, "1.000e+05")),
        *((math.inf, "inf"), (-math.inf, "-inf"), (math.nan, "nan")),
    ],
)
def test_a_large_loss_is_shown_by_its_power_of_ten(value: float, shown: str) -> None:
    assert shown_loss(value) == shown


@pytest.mark.parametrize("value", [-1e308, -1.0, 1e-300, 1e308, math.inf, math.nan])
@pytest.mark.parametrize("shuffled", [False, True])
def test_layers_of_any_number_in_any_order_are_shown(value: float, shuffled: bool) -> None:
    names = ("delta_rms", "grad_norm", "update_ratio", "saturated", "dead", "gap")
    layers = [{**of, **{name: value for name in names if name in of}} for of in network(3)]
    found = parts(layers[::2] + layers[1::2] if shuffled else layers)
    table = layers_table(found, 100, 50)
    assert table is not None
    console = Console(file=io.StringIO(), width=100)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == len(found) + 1
    assert all(len(line) <= 100 for line in lines)
