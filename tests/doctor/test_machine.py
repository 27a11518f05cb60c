"""Cores, compilers and GPUs, real ones where there are some."""

import os
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ninja import compiler
from ninja.doctor import machine
from tests.needs import needs_compiler


def test_the_cores_of_this_process() -> None:
    found = machine.threads(quota=Path("/nowhere"))
    assert found.state == "ok"
    assert found.found.startswith(f"{len(os.sched_getaffinity(0))} cores")


@pytest.mark.parametrize(
    ("limit", "state", "advice"),
    [
        ("max 100000\n", "ok", ""),
        ("150000 100000\n", "note", "sweep with hydra.launcher.workers=1"),
        ("250000 100000\n", "note", "sweep with hydra.launcher.workers=2"),
        ("50000 100000\n", "note", "sweep with hydra.launcher.workers=1"),
        ("400000 100000\n", "ok", ""),
        ("what is this", "ok", ""),
    ],
)
def test_a_container_s_share(
    limit: str, state: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    (tmp_path / "cpu.max").write_text(limit)
    found = machine.threads(tmp_path / "cpu.max")
    assert (found.state, found.advice) == (state, advice)


@pytest.mark.parametrize(
    ("given", "state"), [("", "ok"), ("1", "ok"), ("4,2", "ok"), ("many", "mend"), ("-1", "mend")]
)
def test_the_threads_that_openmp_is_told(
    given: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    found = machine.threads()
    assert (found.state == "mend") == (state == "mend")
    if state == "mend":
        assert f"OMP_NUM_THREADS={given!r}" in found.found


@pytest.fixture
def forgotten_compiler() -> Iterator[None]:
    compiler.version.cache_clear()
    yield
    compiler.version.cache_clear()


@needs_compiler
@pytest.mark.usefixtures("forgotten_compiler")
def test_this_compiler_works() -> None:
    found = machine.cxx()
    assert (found.state, found.advice) == ("ok", "")
    assert found.found == compiler.version()


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = machine.cxx()
    assert found.state == "note"  # no run needs one that was not asked for
    assert found.found.startswith("there is no C++ compiler '")
    assert "only compile=true needs it" in found.found
    assert found.advice.startswith("install it, name another in the variable CXX")


def test_a_compiler_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    found = machine.cxx()
    assert found.state == "note"
    assert "false does not work" in found.found


def test_a_compiler_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setenv("CXX", str(slow))
    monkeypatch.setattr(machine, "PATIENCE", 0.2)
    assert "no answer within 0.2 s" in machine.cxx().found


@needs_compiler
def test_a_compiler_without_python_s_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    found = machine.cxx()
    assert found.state == "note"
    assert "tried.cpp:1:10: fatal error: " in found.found
    assert "Python.h" in found.found
    assert "python3-dev" in found.advice


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without one, whatever this one has."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("no_cuda")
def test_no_gpu(tmp_path: Path) -> None:
    found = machine.gpu(tmp_path / "driver")
    assert (found.state, found.found, found.advice) == ("ok", "none: device=cpu", "")


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize(
    ("cuda", "hidden", "found", "advice"),
    [
        (None, None, "is built without CUDA", "install torch as pytorch.org says"),
        ("13.0", "", "CUDA_VISIBLE_DEVICES='' lets torch see none", "unset it"),
        ("13.0", None, "cannot use it: the driver is too old", "a driver for CUDA 13.0"),
    ],
    ids=["cpu build", "hidden", "old driver"],
)
def test_a_gpu_that_torch_cannot_use(
    cuda: str | None,
    hidden: str | None,
    found: str,
    advice: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_available() -> bool:
        if hidden is None and cuda is not None:
            warnings.warn("the driver\nis too old", stacklevel=1)
        return False

    (tmp_path / "driver").touch()
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    check = machine.gpu(tmp_path / "driver")
    assert check.state == "note"
    assert found in check.found
    assert advice in check.advice


def test_a_gpu_that_is_seen_and_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one whose kernels this torch has not: it fails on the first that is wanted."""

    def ones(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available\nCompile with …")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", ones)
    found = machine.gpu()
    assert found.found == "it does not work: CUDA error: no kernel image is available"
    assert (found.state, found.advice) == ("note", "use device=cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_this_gpu_works() -> None:
    found = machine.gpu()
    assert found.state == "ok"
    assert found.found.startswith(torch.cuda.get_device_name())
