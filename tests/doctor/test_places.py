"""Folders that are full, read-only, in the way: real ones, mounted where that is allowed."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninja import durable
from ninja.doctor import places
from ninja.lock import Lock

ROOT = Path(__file__).parents[2]
MAY_MOUNT = not subprocess.run(
    ["sh", "-c", "unshare -rm mount -t tmpfs none /tmp"], capture_output=True, check=False
).returncode
needs_mount = pytest.mark.skipif(not MAY_MOUNT, reason="needs leave to mount in a namespace")


def mounted(folder: Path, options: str, then: str = "true") -> list[str]:
    """A report's lines on this folder, in a process that sees another disk there."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ninja.commands.doctor import line\n"
        "from ninja.doctor import places\n"
        "folder = Path(sys.argv[1])\n"
        "print(line(places.disk(folder)))\n"
        "print(line(places.writable('results', folder, 'choose another')))"
    )
    script = f'mount -t tmpfs -o {options} none "$1" && cd "$1" && {then}; exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(folder), sys.executable, code]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.splitlines()


@needs_mount
def test_a_full_disk(tmp_path: Path) -> None:
    disk, results = mounted(tmp_path, "size=64k", "head -c 65536 /dev/zero > full")
    assert disk == (
        f"mend  disk            0 MiB free in '{tmp_path}': free some room, or choose another "
        "folder with output=…"
    )
    assert results.startswith(f"mend  results         '{tmp_path}' cannot be written: No space")


@needs_mount
def test_a_disk_for_few_files(tmp_path: Path) -> None:
    disk, results = mounted(tmp_path, "size=512m,nr_inodes=20")
    assert disk.startswith("mend  disk            0.5 GiB free")
    assert "but room for 19 files only: remove some files" in disk
    assert results.startswith("ok    results")


@needs_mount
def test_a_read_only_disk(tmp_path: Path) -> None:
    disk, results = mounted(tmp_path, "size=512m", 'mount -o remount,ro "$1"')
    assert disk.startswith("ok    disk            0.5 GiB free")
    assert results == (
        f"mend  results         '{tmp_path}' cannot be written: Read-only file system: "
        "choose another"
    )


@pytest.fixture
def small_files() -> Iterator[None]:
    """A quota: no file may be larger than half of what is tried."""
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.SIGXFSZ
    handler = signal.signal(ignored, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (places.TRIED // 2, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(ignored, handler)


@pytest.mark.usefixtures("small_files")
def test_a_quota(tmp_path: Path) -> None:
    found = places.writable("results", tmp_path, "choose another")
    assert found.state == "mend"
    assert os.strerror(errno.EFBIG) in found.found
    assert not list(tmp_path.glob(".doctor*"))


def test_a_folder_that_takes_no_file() -> None:
    found = places.writable("results", Path("/proc/self/outputs"), "choose another")
    assert (found.state, found.advice) == ("mend", "choose another")
    assert "'/proc/self/outputs' cannot be written: " in found.found


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "outputs").touch()
    for place in (tmp_path / "outputs", tmp_path / "outputs" / "study"):
        found = places.writable("results", place, "choose another")
        assert found.state == "mend"
        assert os.strerror(errno.ENOTDIR) in found.found


def test_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "outputs").symlink_to(tmp_path / "gone")
    assert places.writable("results", tmp_path / "outputs", "choose another").state == "mend"
    assert places.disk(tmp_path / "outputs").state == "mend"


@pytest.mark.parametrize("fault", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(
    fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(_: Lock) -> bool:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(Lock, "take", take)
    assert os.strerror(fault) in places.writable("results", tmp_path, "choose another").found


def test_it_tries_what_a_run_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is there, and one that a run would make; nothing is left behind."""
    written: list[Path] = []
    monkeypatch.setattr(durable, "write", lambda path, _: written.append(path))
    for folder in (tmp_path, tmp_path / "a" / "b"):
        found = places.writable("results", folder, "choose another")
        assert (found.state, found.found) == ("ok", f"{str(folder)!r} can be written")
        assert [path.name for path in tmp_path.iterdir()] == ["home"]  # W&B's, of the test
    assert {path.parents[1] for path in written} == {tmp_path}


def test_no_folder_for_what_is_temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def gettempdir() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(places.tempfile, "gettempdir", gettempdir)
    *_, found = places.folders(tmp_path)
    assert (found.name, found.state) == ("temporary", "mend")
    assert found.found.startswith("No usable temporary directory")
    assert "TMPDIR" in found.advice
