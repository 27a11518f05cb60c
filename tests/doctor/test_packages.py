"""Python, torch, and whose the name `ninja` is."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ninja.doctor import packages

ROOT = Path(__file__).parents[2]


def test_this_python_will_do() -> None:
    found = packages.python()
    assert (found.state, found.advice) == ("ok", "")
    assert sys.executable in found.found


def test_an_old_python() -> None:
    found = packages.python((3, 10, 14))
    assert (found.state, found.found.split(",")[0]) == ("mend", "3.10.14")
    assert "3.11 or newer is needed" in found.advice


def test_the_oldest_are_the_project_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, packages.OLDEST_PYTHON))
    assert "torch>=" + ".".join(map(str, packages.OLDEST_TORCH)) in project["dependencies"]


def torch_of(folder: Path, source: str | None) -> str:
    """What is said in a process whose torch is this one, or none: lines of a report."""
    if source is not None:
        (folder / "torch").mkdir()
        (folder / "torch" / "__init__.py").write_text(source)
    code = (
        "import sys\n"
        f"sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]\n"
        f"if {source is None}: sys.modules['torch'] = None\n"
        "from ninja.commands.doctor import line\n"
        "from ninja.doctor import packages\n"
        "print(line(packages.torch()))"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "cannot be loaded: import of torch halted"),
        (
            "import ctypes\nctypes.CDLL('libtorch_cpu.so.none')",
            "cannot be loaded: libtorch_cpu.so.none: cannot open shared object",
        ),
        ("raise ImportError('first line\\nsecond')", "cannot be loaded: first line second: "),
        ("__version__ = '2.5.1+cpu'", "2.5.1+cpu is too old: pip install 'torch>=2.6'"),
    ],
    ids=["missing", "broken library", "broken", "old"],
)
def test_no_torch(source: str | None, said: str, tmp_path: Path) -> None:
    found = torch_of(tmp_path, source)
    assert found.startswith("mend  torch")
    assert said in found
    assert found.count("\n") == 1


def test_this_torch_will_do() -> None:
    assert packages.torch().state == "ok"


def installed(folder: Path, name: str, *, recorded: bool = True) -> Path:
    """A folder of packages in which a distribution has a package `ninja`."""
    package, about = folder / "ninja", folder / f"{name.replace('-', '_')}-1.13.2.dist-info"
    for made in (package, about):
        made.mkdir(parents=True)
    (package / "__init__.py").write_text("BIN_DIR = 'bin'\n")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.13.2\n")
    (about / "RECORD").write_text("ninja/__init__.py,,\n" if recorded else "")
    return folder


def test_the_name_is_ours() -> None:
    assert packages.other_ninja([str(ROOT)]).found == "this package"


@pytest.mark.parametrize("name", ["ninja", "django-ninja"])
def test_another_ninja_comes_first(name: str, tmp_path: Path) -> None:
    found = packages.other_ninja([str(installed(tmp_path, name)), str(ROOT)])
    assert found.state == "mend"
    assert found.found.startswith(f"{name} 1.13.2 has a package 'ninja' too")
    assert found.advice.startswith(f"pip uninstall {name}, then install gradient-ninja again")


def test_another_ninja_was_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it lies in our place we run, but to remove it takes our files along."""
    installed(tmp_path, "ninja")
    there = tmp_path / "ninja" / "doctor"
    there.mkdir()
    monkeypatch.setattr(packages, "__file__", str(there / "packages.py"))
    assert packages.other_ninja([str(tmp_path)]).state == "mend"


def test_another_ninja_comes_after_ours(tmp_path: Path) -> None:
    found = packages.other_ninja([str(ROOT), str(installed(tmp_path, "ninja"))])
    assert found.state == "ok"
    assert "ninja 1.13.2 is installed too, and comes after it" in found.found


def test_a_distribution_of_that_name_without_the_package(tmp_path: Path) -> None:
    """conda's ninja is a program and no package."""
    path = installed(tmp_path / "there", "ninja", recorded=False)
    assert packages.other_ninja([str(ROOT), str(path)]).found == "this package"


def test_a_folder_named_ninja_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "ninja").mkdir()
    (tmp_path / "ninja" / "__init__.py").touch()
    found = packages.other_ninja([str(tmp_path), str(ROOT)])
    assert found.state == "mend"
    assert f"elsewhere `import ninja` reads {str(tmp_path / 'ninja' / '__init__.py')!r}" in (
        found.found
    )
