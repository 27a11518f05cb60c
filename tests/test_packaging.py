"""What is built from a fresh clone, and what of it works in an environment without one."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ninja.version import __version__

ROOT = Path(__file__).parents[1]
PACKAGES = Path(sysconfig.get_path("purelib"))

pytestmark = pytest.mark.slow


def done(
    *command: str | Path, cwd: Path | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """A process that knows nothing of this checkout."""
    names = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    made = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or made.returncode == 0, made.stdout + made.stderr
    return made


# --- what is built ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed, without a user's files around it."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git, and a clone of the project")
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    done("git", "clone", "--quiet", ROOT, folder)
    return folder


def tracked(clone: Path) -> set[str]:
    return set(done("git", "ls-files", cwd=clone).stdout.splitlines())


@pytest.fixture(scope="module")
def built(clone: Path) -> Path:
    """The folder with the source distribution, and the wheel that is made from it."""
    done(sys.executable, "-m", "build", "--no-isolation", cwd=clone)
    return clone / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


def test_the_wheel_is_the_package_its_word_list_and_the_script(clone: Path, wheel: Path) -> None:
    """So nothing named conf, data or analysis lands beside other people's packages."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = f"gradient_ninja-{__version__}.dist-info"
        package = {name for name in tracked(clone) if name.startswith("ninja/")}
        described = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
        expected = package | {"gradninja.py", "ninja/names.txt"}
        assert names == expected | {f"{about}/{name}" for name in described}
        shipped = archive.read("ninja/names.txt")
    assert shipped == (clone / "data" / "names.txt").read_bytes()


def test_the_source_distribution_is_what_git_tracks(clone: Path, built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == tracked(clone) | {"PKG-INFO"}


def test_what_make_needs_is_there(clone: Path) -> None:
    """Every file and module that a line of the Makefile names."""
    text = (clone / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w/]+\.(?:py|txt|toml|sh)\b", text)) - {"words.txt"}
    assert named >= {"run.py", "pyproject.toml", "constraints.txt"}
    for name in named:
        assert (clone / name).exists(), name
    own = set(re.findall(r"python -m (\w+)", text)) - {"mkdocs", "pip", "pytest", "venv"}
    assert "ninja" in own
    for module in own:
        assert (clone / module).is_dir() or (clone / f"{module}.py").exists(), module


def needed(project: str, extras: Sequence[str]) -> Iterator[str]:
    """Every distribution that it needs here, directly or not."""
    waiting, seen = [(project, extra) for extra in ("", *extras)], set[tuple[str, str]]()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        yield name
        for line in metadata.requires(name) or ():
            one = Requirement(line)
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                wanted = canonicalize_name(one.name)
                waiting += [(wanted, more) for more in ("", *one.extras)]


def test_all_that_setup_installs_is_pinned(clone: Path) -> None:
    project = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (clone / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    pinned = {canonicalize_name(one.name) for one in pins}
    assert all(re.fullmatch(r"==[^*,]+", str(one.specifier)) for one in pins)
    extras = project["optional-dependencies"]
    direct = [Requirement(line) for lines in extras.values() for line in lines]
    direct += map(Requirement, project["dependencies"])
    own = canonicalize_name(project["name"])
    for one in direct:
        assert canonicalize_name(one.name) in pinned | {own}, one
        (version, *_) = [pin.specifier for pin in pins if same(pin, one)] or [None]
        if version is not None:
            assert one.specifier.contains(str(version).removeprefix("=="), prereleases=True), one
    (dev,) = [one for one in map(Requirement, extras["dev"]) if canonicalize_name(one.name) == own]
    assert dev.extras == set(extras) - {"dev"}
    for one in direct:
        if canonicalize_name(one.name) != own:
            assert set(needed(canonicalize_name(one.name), sorted(one.extras))) <= pinned, one


def same(one: Requirement, other: Requirement) -> bool:
    return canonicalize_name(one.name) == canonicalize_name(other.name)


# --- what of it works -------------------------------------------------------------------------


class Environment:
    """A virtual environment that has our dependencies, and nothing of this checkout.

    The dependencies are read from where the tests have them: a folder named in a ``.pth`` is
    searched, and no ``.pth`` in it is read, so that our editable installation is not seen.
    """

    def __init__(self, folder: Path) -> None:
        """In a folder that is not there yet."""
        done(sys.executable, "-m", "venv", "--without-pip", folder)
        self.bin = folder / "bin"
        (self.packages,) = folder.glob("lib/python*/site-packages")
        (self.packages / "dependencies.pth").write_text(f"{PACKAGES}\n")

    def pip(self, *arguments: str | Path) -> None:
        """Install or remove something in it."""
        done(sys.executable, "-m", "pip", "--quiet", "--python", self.bin / "python", *arguments)

    def install(self, what: str | Path, *options: str) -> None:
        """Without what it depends on."""
        self.pip("install", "--no-deps", *options, what)

    def editable(self, clone: Path) -> None:
        """As make setup installs it."""
        self.pip("install", "--no-deps", "--no-build-isolation", "--editable", clone)

    def gradninja(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Of this environment, started elsewhere."""
        return done(self.bin / "gradninja", *arguments, cwd=self.bin, check=False)

    def python(self, code: str) -> str:
        """What this code prints; a fault of it is one of the test."""
        return done(self.bin / "python", "-W", "error", "-c", code, cwd=self.bin).stdout


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment")


def test_the_commands_of_the_wheel(environment: Environment, wheel: Path, tmp_path: Path) -> None:
    environment.install(wheel, "--no-index")
    there = {path.name for path in environment.packages.iterdir()} - {"__pycache__"}
    about = f"gradient_ninja-{__version__}.dist-info"
    assert there == {"ninja", "gradninja.py", about, "dependencies.pth"}
    version = environment.gradninja("--version")
    assert (version.returncode, version.stdout) == (0, f"gradient-ninja {__version__}\n")
    assert environment.python("import ninja.cli as c; c.main(['--version'])") == version.stdout
    for command, said in (
        (["verify"], "26 of 26 rows exact, 26 right"),
        (["gradcheck"], "46 of 46 pass"),
        (["theory", "--depth", "3"], "3 layers of tanh"),
        (["doctor", "--output", str(tmp_path)], "ok    the name ninja  this package"),
        (["diagnose", "--help"], "usage: gradninja diagnose"),
    ):
        ran = environment.gradninja(*command)
        assert said in ran.stdout, ran.stdout + ran.stderr
        assert ran.returncode == 0
    ran = environment.gradninja("sweep")
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "in a clone of the project: python run.py -m" in ran.stderr


def test_the_wheel_in_python(environment: Environment, wheel: Path, tmp_path: Path) -> None:
    """Rules, watch, preflight, diagnosis, theory; and a record that the command can read."""
    environment.install(wheel, "--no-index")
    code = f"""
import torch, ninja
from pathlib import Path
from ninja import diagnosis, theory
from ninja.rules import Tanh
from ninja.words import NAMES
assert Path(ninja.__file__).parents[1] == Path({str(environment.packages)!r})
assert NAMES.parent == Path(ninja.__file__).parent
x = torch.randn(4, 3)
assert Tanh().forward({{}}, x)["y"].equal(x.tanh())
model = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.Tanh(), torch.nn.Linear(32, 3))
batch = torch.randn(16, 4), torch.randint(3, (16,))
print(ninja.preflight(model, batch, torch.nn.functional.cross_entropy).gains)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with ninja.watch(model, optimizer, every=1) as health:
    for _ in range(5):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        health.step(loss)
health.save({str(tmp_path / "watched")!r})
print(diagnosis.__name__, theory.fixed_point(1.5, 0.0, theory.activation("tanh")))
"""
    assert "ninja.diagnosis 0." in environment.python(code)
    ran = environment.gradninja("diagnose", str(tmp_path / "watched"))
    assert ran.returncode in (0, 1), ran.stderr
    assert "watched: " in ran.stdout


def test_hydra_programs_beside_it_see_nothing_of_ours(
    environment: Environment, wheel: Path
) -> None:
    """Hydra loads every plugin of an environment into every program there; ours stays in clones."""
    environment.install(wheel, "--no-index")
    code = (
        "from hydra.core.config_store import ConfigStore\n"
        "from hydra.core.plugins import Plugins\n"
        "Plugins.instance()\n"
        "print(sorted(ConfigStore.instance().list('hydra/launcher')))"
    )
    assert "packed" not in environment.python(code)


def test_an_editable_installation_is_the_clone(environment: Environment, clone: Path) -> None:
    """Commands of the environment run the clone's files."""
    environment.editable(clone)
    found = environment.python("import ninja, gradninja; print(ninja.__file__)")
    assert found.strip() == str(clone / "ninja" / "__init__.py")
    assert environment.gradninja("--version").stdout == f"gradient-ninja {__version__}\n"
    code = "from hydra_plugins.ninja_packed import launcher; print(launcher.__file__)"
    assert environment.python(code).startswith(str(clone))


# --- the build tool of the same name ----------------------------------------------------------


@pytest.fixture(scope="module")
def build_tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PyPI's ninja."""
    folder = tmp_path_factory.mktemp("tool")
    command = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder)
    got = done(*command, "ninja>=1.11", check=False)
    if got.returncode:
        pytest.skip(f"needs PyPI's ninja: {got.stderr.strip().splitlines()[-1]}")
    (wheel,) = folder.glob("ninja-*.whl")
    return wheel


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "theirs first"])
def test_the_build_tool_of_the_same_name(
    ours_first: bool, environment: Environment, wheel: Path, build_tool: Path
) -> None:
    for one in (wheel, build_tool) if ours_first else (build_tool, wheel):
        environment.install(one, "--no-index")
    for command in (["--version"], ["verify"], ["doctor"]):
        ran = environment.gradninja(*command)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr.count("\n") == 1
        assert re.match(r"gradninja: ninja 1\.[\d.]+ has a package 'ninja' too", ran.stderr)
        assert "pip uninstall ninja, then install gradient-ninja again" in ran.stderr

    environment.pip("uninstall", "--yes", "ninja")  # the first half of what it says
    ran = environment.gradninja("--version")
    assert ran.returncode == 2
    assert ran.stderr.startswith("gradninja: the package 'ninja' is not there, or not whole")

    environment.install(wheel, "--no-index", "--force-reinstall")
    ran = environment.gradninja("theory", "--depth", "2")
    assert ran.returncode == 0, ran.stderr
    assert "2 layers of tanh" in ran.stdout


def test_the_build_tool_beside_a_clone(
    environment: Environment, clone: Path, build_tool: Path
) -> None:
    """It hides an editable installation outside the clone; in the clone doctor says so."""
    environment.editable(clone)
    environment.install(build_tool, "--no-index")
    assert environment.gradninja("--version").returncode == 2
    ran = done(environment.bin / "python", "-m", "ninja", "doctor", cwd=clone, check=False)
    assert ran.returncode == 1
    assert re.search(r"^mend  the name ninja  ninja 1\.[\d.]+ has a package", ran.stdout, re.M)
