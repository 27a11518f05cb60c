"""The script beside the package: whose `ninja` it finds, and what it says of a foreign one.

tests/test_packaging.py does the same with real environments and PyPI's ninja.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gradninja
from tests.doctor.test_packages import installed

ROOT = Path(__file__).parents[1]


def script(*arguments: str, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The script as it is installed, from elsewhere; ``first`` comes before our package."""
    path = os.pathsep.join(map(str, filter(None, (first, ROOT))))
    command = [sys.executable, "-c", "import sys, gradninja; sys.exit(gradninja.main())"]
    return subprocess.run(
        [*command, *arguments],
        cwd="/",
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_our_package_is_known_by_its_mark() -> None:
    assert gradninja.found([str(ROOT)]) == ROOT / "ninja" / "__init__.py"
    assert gradninja.fault([str(ROOT)]) is None


@pytest.mark.parametrize("name", gradninja.OTHERS)
def test_one_that_overwrites_or_hides_ours(name: str, tmp_path: Path) -> None:
    done = script("verify", first=installed(tmp_path, name))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"gradninja: {name} 1.13.2 has a package 'ninja' too, ")
    assert f"pip uninstall {name}, then install gradient-ninja again" in done.stderr
    assert done.stderr.count("\n") == 1


def test_one_that_comes_after_ours_is_no_fault(tmp_path: Path) -> None:
    assert gradninja.fault([str(ROOT), str(installed(tmp_path, "ninja"))]) is None


def test_a_package_that_nobody_has_installed(tmp_path: Path) -> None:
    (tmp_path / "ninja").mkdir()
    (tmp_path / "ninja" / "__init__.py").write_text("raise SystemExit('imported')")
    done = script("verify", first=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"gradninja: {str(tmp_path / 'ninja' / '__init__.py')!r} is ano")


@pytest.mark.parametrize("remains", [True, False])
def test_what_is_left_when_the_other_one_was_removed(remains: bool, tmp_path: Path) -> None:
    """Our ``__init__`` goes with it, and a folder without one is a package to Python."""
    if remains:
        (tmp_path / "ninja").mkdir()
    said = gradninja.fault([str(tmp_path)])
    assert said is not None
    assert said.startswith("the package 'ninja' is not there, or not whole: install gradient-ninja")


def test_the_commands_are_ninja_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert gradninja.main(["theory", "--depth", "2"]) == 0
    assert "2 layers of tanh" in capsys.readouterr().out
    assert gradninja.main(["theory", "--activation", "tan"]) == 2
    assert "did you mean tanh?" in capsys.readouterr().err
    done = script("nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "(see gradninja --help)" in done.stderr


@pytest.mark.parametrize("command", gradninja.IN_A_CLONE)
def test_what_needs_a_clone_says_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert gradninja.main([command, "seed=1"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"gradninja: {command}: runs, sweeps and their analysis are started in a")
    assert err.endswith(f": {gradninja.IN_A_CLONE[command]}\n")


def test_version_and_help_load_nothing_heavy() -> None:
    code = (
        "import sys, gradninja\n"
        "try: gradninja.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'hydra', 'wandb', 'pandas', 'scipy', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    for option, said in (("--version", "gradient-ninja 0."), ("--help", "usage: gradninja ")):
        done = subprocess.run(
            [sys.executable, "-c", code, option],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(said)
