"""The compiled step: the eager one's numbers, one code for every stack, kept on disk."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import torch

from ninja import compiled, compiler, data, fit, result, runs
from ninja.config import (
    DataConfig,
    InitConfig,
    ModelConfig,
    NormConfig,
    OptimizerConfig,
    RunConfig,
)
from ninja.errors import RunError
from ninja.probes import NOTHING, Due, due
from ninja.result import Result
from ninja.train import Training, begin_together, params_of, train_step
from tests.faults import fault_of
from tests.needs import needs_compiler
from tests.test_fit_together import PROBE, WORDS, place, tables, together

ROOT = Path(__file__).parents[1]
BASE = RunConfig(model=ModelConfig(n_hidden=16), compile=True)
WAVENET = replace(
    BASE,
    data=DataConfig(block_size=4),
    model=ModelConfig(n_hidden=16, n_layers=2, consecutive=2, activation="gelu"),
)
SHAPES = {
    "sgd": BASE,
    "clipped": replace(BASE, optimizer=OptimizerConfig(clip=0.1)),
    "momentum": replace(
        BASE, optimizer=OptimizerConfig(momentum=0.9, lr_schedule=((3, 0.1), (5, 0.01)))
    ),
    "adamw": replace(BASE, optimizer=OptimizerConfig(name="adamw", lr=0.01, clip=1.0)),
    "step by step": replace(BASE, backward="manual_atomic", norm=NormConfig(running="std")),
    "layernorm": replace(
        BASE,
        norm=NormConfig(name="layernorm"),
        model=ModelConfig(n_hidden=16, n_layers=3, residual=True, activation="relu"),
    ),
    "rmsnorm": replace(BASE, norm=NormConfig(name="rmsnorm"), dtype="float64"),
    "none": replace(BASE, norm=NormConfig(name="none"), model=ModelConfig(activation="sigmoid")),
    "wavenet": WAVENET,
}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What was compiled is nobody else's."""
    yield
    if "torch._dynamo" in sys.modules:
        compiled._compiled.cache_clear()
        torch.compiler.reset()


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step that would be compiled, as it stands; so no compiler is asked for its name."""
    monkeypatch.setattr(compiler, "version", lambda: "none")
    monkeypatch.setattr(compiled, "prepare", lambda *_: None)
    monkeypatch.setattr(compiled, "_compiled", lambda: compiled.plain_step)


def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by torch as it would be for the compiler, which takes a second, and run as it stands."""
    monkeypatch.setattr(compiler, "find", lambda: "none")
    made = torch.compile(compiled.plain_step, fullgraph=True, dynamic=False, backend="eager")
    monkeypatch.setattr(compiled, "_compiled", lambda: made)


def begun(config: RunConfig, count: int) -> Training:
    words = data.load(block_size=config.data.block_size)
    optimizer = config.optimizer
    return begin_together(
        [
            replace(config, seed=seed, optimizer=replace(optimizer, lr=optimizer.lr * (1 + seed)))
            for seed in range(count)
        ],
        words,
    )


def made(run: Training, steps: int = 8) -> torch.Tensor:
    """Losses of the first run, in the first steps."""
    return torch.stack([train_step(run, NOTHING).trace.loss.reshape(-1)[0] for _ in range(steps)])


def tensors(run: Training) -> dict[str, torch.Tensor]:
    kinds = {"params": run.params, "buffers": run.buffers} | run.optimizer
    return {
        f"{kind}.{node}.{name}": tensor
        for kind, of in kinds.items()
        for node, named in of.items()
        for name, tensor in named.items()
    }


# --- the step itself -----------------------------------------------------------------------------


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 3])
def test_it_is_the_eager_step(shape: str, count: int) -> None:
    """Before it is compiled it has its very bits: a single run as half of a stack of two."""
    ours, eager = begun(SHAPES[shape], count), begun(replace(SHAPES[shape], compile=False), count)
    assert torch.equal(made(ours), made(eager))
    assert ours.step == eager.step == 8
    theirs = tensors(eager)
    assert theirs.keys() == tensors(ours).keys()
    for name, tensor in tensors(ours).items():
        assert tensor.shape == theirs[name].shape
        assert torch.equal(tensor, theirs[name]), name


@pytest.mark.usefixtures("uncompiled")
def test_steps_that_are_looked_at_are_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    step = compiled.step
    monkeypatch.setattr(compiled, "step", lambda *of: calls.append(of[-1]) or step(*of))
    run = begun(BASE, 2)
    dues = [Due(look=True), NOTHING, Due(keep=True), Due(look=True, close=True), NOTHING]
    dues += [Due(compare=True), Due(validate=True), NOTHING]
    for owed in dues:
        made_ = train_step(run, owed)
        assert bool(made_.trace.saved) == bool(made_.deltas) == (owed != NOTHING)
    assert calls == [1, 4, 7]


@pytest.mark.usefixtures("uncompiled")
def test_nothing_that_it_is_given_changes() -> None:
    run = begun(SHAPES["adamw"], 2)
    train_step(run, NOTHING)
    before = {name: tensor.clone() for name, tensor in tensors(run).items()}
    held = tensors(run)
    train_step(run, NOTHING)
    assert all(torch.equal(held[name], tensor) for name, tensor in before.items())


def test_it_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not again for another step, learning rate, clip, stack, seed or run alone."""
    traced(monkeypatch)
    optimizer = OptimizerConfig(name="adamw", clip=1.0, lr_schedule=((2, 0.1), (4, 0.3)))
    config = replace(BASE, optimizer=optimizer)
    run = begun(config, 3)
    with torch.compiler.set_stance("fail_on_recompile"):
        for _ in range(3):
            train_step(run, NOTHING)
        train_step(run, Due(look=True))
        train_step(run, NOTHING)
        for count in (1, 2, 5):
            others = replace(config, optimizer=replace(optimizer, lr=0.02 * count, clip=0.1))
            made(begun(replace(others, init=InitConfig(gain=0.5)), count), 3)


@pytest.mark.usefixtures("uncompiled")
def test_it_says_what_diverged_first(tmp_path: Path) -> None:
    """Where the eager step does, though it keeps nothing; the others of the stack go on."""
    plain = replace(
        short(tmp_path),
        norm=NormConfig(name="none"),
        model=ModelConfig(n_hidden=16, activation="relu", n_layers=2),
        probe=replace(PROBE, early=(0,)),
    )
    rates = [0.1, 1e4, 0.2]
    configs = [replace(plain, optimizer=OptimizerConfig(lr=lr)) for lr in rates]
    eager = [replace(config, compile=False) for config in configs]
    ends, others = together(configs, tmp_path / "a"), together(eager, tmp_path / "b")
    for one, other in zip(ends, others, strict=True):
        assert isinstance(one, Result)
        assert isinstance(other, Result)
        assert (one.status, one.diverged, one.losses) == (
            other.status,
            other.diverged,
            other.losses,
        )
    diverged = [end.diverged for end in ends if isinstance(end, Result)]
    assert [where is None for where in diverged] == [True, False, True]
    assert diverged[1] is not None
    assert due(plain.probe, diverged[1]["step"]) == NOTHING
    assert diverged[1]["node"] != "loss"


def short(tmp_path: Path) -> RunConfig:
    words = tmp_path / "words.txt"
    words.write_text(WORDS)
    return replace(
        BASE,
        steps=60,
        output=str(tmp_path),
        data=DataConfig(path=str(words)),
        probe=PROBE,
        checkpoint=replace(BASE.checkpoint, every=15),
    )


@pytest.mark.usefixtures("uncompiled")
def test_the_result_says_which_was_used(tmp_path: Path) -> None:
    config = short(tmp_path)
    for one, said in ((config, "compiled"), (replace(config, compile=False), "eager")):
        found = fit.fit(one, runs.folder(one))
        assert isinstance(found, Result)
        assert found.execution == said
        assert result.read(runs.folder(one)) == found
        assert ("c++" in found.versions) == (said == "compiled")


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = short(tmp_path)
    for name, value in (("PATH", ""), ("CXX", "/nonexistent")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            message = fault_of(lambda: fit.fit(config, tmp_path / "run"), RunError)
        assert message.startswith("compile: there is no C++ compiler '")
        assert message.endswith("or give compile=false")
    assert not (tmp_path / "run/result.json").exists()


# --- as it is compiled ---------------------------------------------------------------------------

TORCHS_OWN = pytest.mark.filterwarnings("ignore:.*is deprecated.*:DeprecationWarning:torch")


WRAPPER = """#!/bin/sh
case "$*" in *--version*) ;; *) echo "$*" >> {log} ;; esac
exec g++ "$@"
"""


class Kept(NamedTuple):
    """What one process has left for others.

    Attributes:
        environment: names the code that it has compiled, and a compiler that writes a log.
        log: of the compiler's calls.
        calls: those of the first process, for code.
        out: where its runs lie.
    """

    environment: dict[str, str]
    log: Path
    calls: list[str]
    out: Path


FEW = ("steps=10", "model.n_hidden=8", "hydra.launcher.workers=1")


def left_by_one_process(here: Path) -> Kept:
    """By one with a stack of two."""
    here.mkdir()
    log, wrapper, out = here / "log", here / "g++", here / "out"
    wrapper.write_text(WRAPPER.format(log=log))
    wrapper.chmod(0o755)
    environment = {"TORCHINDUCTOR_CACHE_DIR": str(here / "cache"), "CXX": str(wrapper)}
    done = typed(environment, "-m", "seed=1,2", *FEW, f"output={out}")
    assert done.returncode == 0, done.stdout + done.stderr
    return Kept(environment, log, calls(log), out)


def calls(log: Path) -> list[str]:
    """Of a compiler, for code."""
    lines = log.read_text().splitlines()
    return [line for line in lines if "cpp_fused" in line or ".main." in line]


def typed(environment: dict[str, str], *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*overrides),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def command(*overrides: str) -> list[str]:
    return [sys.executable, str(ROOT / "run.py"), *overrides, "compile=true", "tracker=disabled"]


def assert_same(one: Path, other: Path) -> None:
    """Losses, evidence and records, to the bit; the cosine is a probe's, made eagerly."""
    first, second = result.read(one), result.read(other)
    assert first is not None
    assert second is not None
    for name in ("status", "steps", "losses", "diverged", "execution"):
        assert getattr(first, name) == getattr(second, name), name
    for left, right in zip(tables(one), tables(other), strict=True):
        left, right = (of.drop(columns="cosine", errors="ignore") for of in (left, right))
        pd.testing.assert_frame_equal(left, right, check_exact=True)


@TORCHS_OWN
@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(
    "shape", ["clipped", "adamw", "step by step", "layernorm", "rmsnorm", "wavenet"]
)
def test_one_code_for_every_stack(shape: str) -> None:
    """The run alone, with another, and with four others: the same bits. Eagerly: nearly."""
    config = SHAPES[shape]
    alone, pair, five = (begun(config, count) for count in (1, 2, 5))
    losses = made(alone, 40)
    assert torch.equal(losses, made(pair, 40))
    assert torch.equal(losses, made(five, 40))
    for run in (pair, five):
        for node, named in params_of(run, 0).items():
            for name, tensor in named.items():
                assert torch.equal(tensor, alone.params[node][name]), (node, name)
    eager = made(begun(replace(config, compile=False), 1), 40)
    tolerance = 1e-12 if config.dtype == "float64" else 1e-4
    torch.testing.assert_close(losses, eager, rtol=tolerance, atol=0)


@TORCHS_OWN
@pytest.mark.slow
@needs_compiler
def test_runs_of_a_stack_are_the_runs_alone(tmp_path: Path) -> None:
    """Also when one leaves it."""
    rates = [0.1, 1e8, 0.2, 0.3]
    config = short(tmp_path)
    configs = [replace(config, optimizer=OptimizerConfig(lr=lr, clip=1e9)) for lr in rates]
    ends = together(configs, tmp_path / "stack")
    statuses = [end.status for end in ends if isinstance(end, Result)]
    assert statuses == ["done", "diverged", "done", "done"]
    for one in configs:
        fit.fit(one, place(one, tmp_path / "alone"))
        assert_same(place(one, tmp_path / "stack"), place(one, tmp_path / "alone"))


@pytest.mark.slow
@pytest.mark.long
@needs_compiler
def test_the_code_is_kept(tmp_path: Path) -> None:
    """One test, as to compile takes long: the code is there for other processes, killed or not."""
    kept = left_by_one_process(tmp_path / "kept")
    assert_others_compile_nothing(kept)
    assert_a_kill_changes_nothing(kept, tmp_path)


def assert_others_compile_nothing(kept: Kept) -> None:
    """The second process, with another stack, calls the compiler for no code."""
    assert kept.calls
    kept.log.write_text("")
    done = typed(kept.environment, "-m", "seed=3,4,5", *FEW, f"output={kept.out}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert calls(kept.log) == []
    assert len(list((kept.out / "default").glob("*/result.json"))) == 5


def killed(
    environment: dict[str, str], overrides: Sequence[str], folder: Path, after: float
) -> bool:
    """Start it, and kill it so long after it saved a run; whether it was still at work."""
    began = time.time()
    run = subprocess.Popen(
        command(*overrides),
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while run.poll() is None:
        saved = [path.stat().st_mtime for path in folder.glob("*/checkpoint.pt")]
        if max(saved, default=0.0) > began:
            break
        time.sleep(0.02)
    time.sleep(after)
    run.send_signal(signal.SIGKILL)
    return run.wait() == -signal.SIGKILL


def assert_a_kill_changes_nothing(kept: Kept, here: Path) -> None:
    """At a random moment, in a stack or alone: it ends with the bits of the run without."""
    draw, whole = random.Random(7), here / "whole"
    few = ("steps=12000", "model.n_hidden=8", "checkpoint.every=100", "probe.val_every=0")
    several = ("-m", "seed=1,2,3", "hydra.launcher.workers=2", *few)
    done = typed(kept.environment, *several, f"output={whole}")
    assert done.returncode == 0, done.stdout + done.stderr
    for args, count in (several, 3), (("seed=1", *few), 1):
        again = here / f"again{count}"
        for _ in range(2):  # each start loads the compiled code, which takes longest
            after = draw.uniform(0, 0.3)
            assert killed(kept.environment, (*args, f"output={again}"), again / "default", after)
        done = typed(kept.environment, *args, f"output={again}")
        assert done.returncode == 0, done.stdout + done.stderr
        found = sorted((again / "default").glob("*/result.json"))
        assert len(found) == count
        for path in found:
            assert_same(path.parent, whole / "default" / path.parent.name)


BROKEN = """#!/bin/sh
case "$*" in *--version*) exec g++ --version ;; esac
echo 'x.cpp:1:10: fatal error: Python.h: No such file or directory' >&2
exit 1
"""


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PATH", "", "there is no C++ compiler 'g++' here: install it, name another"),
        ("CXX", "/bin/false", "No working C++ compiler found"),
        ("CXX", "{here}/broken", "x.cpp:1:10: fatal error: Python.h: No such file or directory;"),
        ("TORCHINDUCTOR_CACHE_DIR", "{here}/broken", "[Errno 17] File exists"),
    ],
)
def test_what_stops_the_compiler(name: str, value: str, said: str, tmp_path: Path) -> None:
    """One line, and not a traceback; what is missing is missed by every run of a sweep."""
    broken = tmp_path / "broken"
    broken.write_text(BROKEN)
    broken.chmod(0o755)
    given = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    given |= {name: value.format(here=tmp_path)}
    args = ("steps=10", "model.n_hidden=8", f"output={tmp_path}/out")
    done = typed(given, *args)
    assert done.returncode == 2
    assert done.stderr.startswith(f"ninja: compile: {said}")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stdout
    if name == "PATH":
        done = typed(given, "-m", "seed=1,2", *args)
        assert done.returncode == 1
        assert "2 failed  (2 jobs" in done.stdout
        assert done.stdout.count(f"compile: {said[:20]}") == 4  # as it happens, and in the table
        assert "Traceback" not in done.stdout + done.stderr
