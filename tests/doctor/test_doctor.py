"""``python -m ninja doctor`` as a user meets it."""

import json
import socket
import sys
from pathlib import Path

import pytest

from ninja.cli import main
from ninja.doctor import Check, machine
from tests.wandb_server import KEY

ALL = [
    "Python",
    "torch",
    "the name ninja",
    "threads",
    "GPU",
    "compiler",
    "disk",
    "results",
    "temporary",
    "W&B",
    "W&B's key",
    "W&B's folder",
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/doctor/test_machine.py tries the compiler."""
    monkeypatch.setattr(machine, "cxx", lambda: Check("compiler", "ok", "one"))


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection can be made, nor a name looked up."""

    def refuse(*_: object) -> None:
        pytest.fail("it asked somebody")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("nobody")
def test_a_line_each_and_nothing_is_sent(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["doctor", "--output", str(tmp_path / "outputs")]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line[6:20].strip() for line in lines] == ALL
    assert {line[:6].strip() for line in lines} <= {"ok", "note"}
    assert last == "nothing to mend"
    assert not (tmp_path / "outputs").exists()
    assert not any(KEY in line for line in lines)


def test_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["doctor", "--json", "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    found = json.loads(out)
    assert [check["name"] for check in found] == ALL
    assert all(set(check) == {"name", "state", "found", "advice"} for check in found)
    assert KEY not in out


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_exit_code_1_when_something_must_be_mended(
    option: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    in_the_way = tmp_path / "a\nb"
    in_the_way.touch()
    assert main(["doctor", "--output", str(in_the_way), *option]) == 1
    out = capsys.readouterr().out
    if option:
        (bad,) = (check for check in json.loads(out) if check["state"] == "mend")
        assert (bad["name"], bad["advice"]) == ("results", "choose another folder with output=…")
    else:
        assert out.splitlines()[-1] == "1 to mend"
        assert len(out.splitlines()) == len(ALL) + 1
        assert f"mend  results         {str(in_the_way)!r} cannot be written: Not a" in out


def test_no_gpu_is_asked_of_a_torch_that_cannot_be_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["doctor", "--output", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "mend  torch           cannot be loaded: " in out
    assert "GPU" not in out
