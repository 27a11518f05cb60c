"""``python run.py`` as it is typed: real processes, presets, faults in one line.

What is refused is refused in this process (`here`), which has loaded everything; a process of its
own (`run`) is for one of each kind, and for what only a process can have: signals, streams, limits.
"""

import io
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from ninja import allocator, app, records, runs
from ninja.config import NetworkConfig, RunConfig
from ninja.faults import CONF, keys
from ninja.networks import PRESETS
from ninja.schema import config_of
from ninja.tracking import client

ROOT = Path(__file__).parents[1]
LECTURE_LIST = Path(__file__).parents[2] / "shared/data/names.txt"
"""The lecture's own list, when it lies beside the checkout."""


Done = subprocess.CompletedProcess[str]


def run(*overrides: str) -> Done:
    """As it is typed."""
    command = [sys.executable, "run.py", *overrides]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def coded(code: str, *overrides: str, seconds: float | None = None) -> Done:
    """With this program in place of run.py."""
    command = [sys.executable, "-c", code, *overrides]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds
    )


def here(*overrides: str) -> Done:
    """The same in this process, which is left as it was. Nothing may start W&B's mirror."""
    out, err = io.StringIO(), io.StringIO()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    handlers = {number: signal.getsignal(number) for number in numbers}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["run.py", *overrides])
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        patch.setattr(sys, "unraisablehook", sys.unraisablehook)
        patch.setenv("HYDRA_FULL_ERROR", "1")
        patch.setattr(allocator, "keep_freed_memory", lambda: None)
        patch.setattr(client, "Process", lambda _: pytest.fail("a mirror was started"))
        try:
            with pytest.raises(SystemExit) as end:
                app.main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            GlobalHydra.instance().clear()
            for resolver in ("run_id", "study_folder"):
                OmegaConf.clear_resolver(resolver)
    assert isinstance(end.value.code, int)
    return subprocess.CompletedProcess(overrides, end.value.code, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A process inherits that SIGINT is ignored, and a shell ignores it for what it starts with &.

    What is handled here instead has its default disposition there.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def composed(*overrides: str) -> RunConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    assert isinstance(plain, dict)
    return config_of(RunConfig, plain)


def word_list(place: Path) -> Path:
    path = place / "words.txt"
    path.write_text("\n".join(f"{a}{b}{c}" for a in "abc" for b in "xyzu" for c in "no" * 5))
    return path


@pytest.fixture
def words(tmp_path: Path) -> str:
    return f"data.path={word_list(tmp_path)}"


def small(tmp_path: Path, words: str, *more: str) -> list[str]:
    always = [words, f"output={tmp_path}/out", "tracker=disabled"]
    return [*always, "model.n_hidden=16", "steps=50", *more]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `small` leaves behind when it is done."""
    place = tmp_path_factory.mktemp("trained")
    assert run(*small(place, f"data.path={word_list(place)}")).returncode == 0
    return place / "out"


@pytest.fixture
def done_run(trained: Path, tmp_path: Path) -> Path:
    """The folder of a run that is done: its very own copy."""
    shutil.copytree(trained, tmp_path / "out")
    return only_folder(tmp_path)


def only_folder(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "out/default").iterdir()
    return folder


# --- what the configuration says -----------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_the_network_of_its_name(preset: str) -> None:
    """The one difference: how part 4 evaluates, which is no matter of the network."""
    network = composed(f"experiment={preset}").network
    calibrate = network.norm.calibrate
    assert calibrate == (preset == "lecture_manual")
    assert replace(network, norm=replace(network.norm, calibrate=False)) == PRESETS[preset]


def test_the_default_network_is_the_lectures() -> None:
    assert composed().network == PRESETS["lecture_manual"]


@pytest.mark.parametrize("norm", ["none", "batchnorm", "layernorm", "rmsnorm"])
@pytest.mark.parametrize("init", ["lecture", "kaiming"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_every_choice_of_groups_is_typed(norm: str, init: str, optimizer: str) -> None:
    config = composed(f"norm={norm}", f"init={init}", f"optimizer={optimizer}")
    assert (config.norm.name, config.optimizer.name) == (norm, optimizer)


def test_every_key_is_in_the_yaml() -> None:
    """So that --cfg job shows all there are, and each can be overridden without a +."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        made = compose("config")
    for key in keys():
        assert OmegaConf.select(made, key, default="missing") != "missing", key


def test_schedules_and_fractions_can_be_typed() -> None:
    config = composed("optimizer.lr_schedule=[[100,0.1],[200,0.01]]", "init.gain=5/3", "seed=7")
    assert config.optimizer.lr_schedule == ((100, 0.1), (200, 0.01))
    assert (config.init.gain, config.seed) == ("5/3", 7)


def test_what_does_not_matter_does_not_change_the_run() -> None:
    first = runs.run_id(RunConfig())
    assert runs.run_id(RunConfig(study="x", output="y")) == first
    others = [
        RunConfig(seed=1),
        RunConfig(steps=1),
        RunConfig(threads=2),
        RunConfig(dtype="float64"),
        RunConfig(compile=True),
    ]
    assert len({first, *map(runs.run_id, others)}) == 6


def test_equal_numbers_are_one_run_however_they_are_typed() -> None:
    for same in (("5/3", "1.6666666666666667"), ("1", "1.0")):
        assert len({runs.run_id(composed(f"init.gain={gain}")) for gain in same}) == 1
    lrs = ("optimizer.lr=1", "optimizer.lr=1.0", "optimizer.lr=1e0")
    assert len({runs.run_id(composed(override)) for override in lrs}) == 1


def test_the_words_matter_and_not_their_place(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path, text in zip(paths, ("x\ny", "x\ny", "x\nz"), strict=True):
        path.write_text(text)
    base = RunConfig()
    ids = [runs.run_id(replace(base, data=replace(base.data, path=str(p)))) for p in paths]
    assert ids[0] == ids[1] != ids[2]
    assert isinstance(base.network, NetworkConfig)


# --- as it is typed ------------------------------------------------------------------------------


def test_a_run_and_the_same_again(tmp_path: Path, words: str) -> None:
    done = run(*small(tmp_path, words))
    assert (done.returncode, done.stderr) == (0, "")
    folder = only_folder(tmp_path)
    assert done.stdout.splitlines()[0].startswith(f"{folder}: manual_fused, 50 steps")
    found = json.loads((folder / "result.json").read_text())
    assert f"train {found['losses']['train']:.4f}" in done.stdout
    assert {path.name for path in folder.iterdir()} >= {
        ".hydra",
        "checkpoint.pt",
        "layers.parquet",
        "steps.parquet",
        "result.json",
    }
    again = here(*small(tmp_path, words))
    assert again.returncode == 0
    assert "done already" in again.stdout
    assert f"train {found['losses']['train']:.4f}" in again.stdout


def test_several_runs_one_after_the_other(tmp_path: Path, words: str) -> None:
    """Hydra's own launcher: each run lies where it lies alone, and one that diverges stops none."""
    several = small(tmp_path, words, "init.gain=1e30,1.0", "norm=none", "model.activation=relu")
    done = run("-m", "hydra/launcher=basic", *several)
    assert (done.returncode, done.stderr) == (1, "")
    folders = {path.parent for path in (tmp_path / "out/default").glob("*/result.json")}
    assert len(folders) == 2
    assert all((folder / ".hydra/config.yaml").exists() for folder in folders)
    alone = here(*small(tmp_path, words, "init.gain=1.0", "norm=none", "model.activation=relu"))
    assert alone.returncode == 0
    assert "done already" in alone.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [(), ("-m", "seed=1,2", "hydra/launcher=basic")], ids=["one", "several"]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_clean_stop(
    tmp_path: Path, words: str, number: signal.Signals, more: tuple[str, ...]
) -> None:
    overrides = [*more, *small(tmp_path, words, "steps=2000000")]
    process = subprocess.Popen(
        [sys.executable, "run.py", *overrides],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    waited = time.monotonic() + 60
    while not list((tmp_path / "out").glob("*/*/checkpoint.pt")):
        assert time.monotonic() < waited
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err == ""
    assert out.count(f"{number.name}: stopped before step") == 1
    assert len(list((tmp_path / "out/default").glob("*/checkpoint.pt"))) == 1


def test_divergence_is_exit_code_1(tmp_path: Path, words: str) -> None:
    done = here(*small(tmp_path, words, "init.gain=1e30", "norm=none", "model.activation=relu"))
    assert done.returncode == 1
    assert "diverged at step 0" in done.stdout


def test_help_and_config_do_not_wait_for_torch() -> None:
    code = (
        "import sys\n"
        "from ninja.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules"
    )
    for option in ("--help", "--cfg=job"):
        done = coded(code, option)
        assert done.returncode == 0, done.stderr
        assert "batch_size" in done.stdout


def test_a_run_does_not_wait_for_pandas(tmp_path: Path, words: str) -> None:
    """Nor for anything that only other commands need."""
    code = (
        "import gc, sys\n"
        "from ninja.app import main\n"
        "main()\n"
        "assert 'torch' in sys.modules\n"
        "assert 'pyarrow' in sys.modules\n"
        "others = {'pandas', 'scipy', 'wandb', 'torch._dynamo', 'matplotlib'}\n"
        "assert not others & set(sys.modules)\n"
        "assert gc.isenabled()"
    )
    done = coded(code, *small(tmp_path, words))
    assert done.returncode == 0, done.stderr


def refusal(*overrides: str, by: Callable[..., Done] = here) -> str:
    done = by(*overrides)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("ninja: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stdout
    return done.stderr


BAD = [
    ("sed=1", "did you mean seed"),
    ("optimizer.lrr=1", "did you mean optimizer.lr"),
    ("+model.width=3", "model.width: there is no such key"),
    ("seed=abc", "seed: 'abc' is not of type int"),
    ("seed=-1", "seed: -1 is out of range"),
    ("seed=4294967296", "seed: 4294967296 is out of range"),
    ("steps=1.5", "steps: 1.5 is not of type int"),
    ("steps=0", "steps: 0 is out of range"),
    ("steps=true", "steps: True is not of type int"),
    ("batch_size=0", "batch_size: 0 is out of range"),
    ("batch_size=1", "batch_size: 1 row has no variance for norm.name=batchnorm"),
    ("threads=0", "threads: 0 is out of range"),
    ("dtype=float16", "dtype: unknown name 'float16'"),
    ("device=tpu", "device: unknown name 'tpu'"),
    ("norm=yes", "norm: unknown name 'yes', choose from batchnorm"),
    ("norm=batchnrm", "did you mean batchnorm?"),
    ("norm.name=batch", "norm.name: unknown name 'batch'"),
    ("norm.eps=-1", "norm.eps: -1 is out of range"),
    ("norm.momentum=2", "norm.momentum: 2 is out of range"),
    ("norm.running=mean", "norm.running: unknown name 'mean'"),
    ("norm.affine=1", "norm.affine: 1 is not of type bool"),
    ("backward=auto", "did you mean autograd?"),
    ("experiment=lecture_dep", "did you mean lecture_deep?"),
    ("model.activation=tahn", "did you mean tanh?"),
    ("model.n_hidden=0", "model.n_hidden: 0 is out of range"),
    ("model.n_hidden=[64]", "model.n_hidden"),
    ("model.consecutive=2", "model.consecutive: 2 positions fused"),
    ("model=none", "model: unknown name 'none'"),
    ("init.gain=five", "init.gain: 'five' is not a gain"),
    ("init.gain=-1", "init.gain"),
    ("init.gain=null", "init.gain: None is not a gain, give a number"),
    ("init.gain=[1,2]", "init.gain: (1, 2) is not a gain, give a number"),
    ("init.scheme=he", "init.scheme: unknown name 'he'"),
    ("optimizer=adam", "did you mean adamw?"),
    ("optimizer.lr=-0.1", "optimizer.lr: -0.1 is out of range"),
    ("optimizer.lr=nan", "optimizer.lr: nan is out of range"),
    ("optimizer.momentum=1.5", "optimizer.momentum: 1.5 is out of range"),
    ("optimizer.betas=[0.9]", "optimizer.betas"),
    ("optimizer.betas=[1,1]", "optimizer.betas: 1 would never forget"),
    ("threads=100000", "threads: 100000 is out of range"),
    ("compile=1", "compile: 1 is not of type bool"),
    ("optimizer.clip=-1", "optimizer.clip: -1 is out of range"),
    ("optimizer.lr_schedule=[[-5,0.1]]", "optimizer.lr_schedule: -5 is out of range"),
    ("optimizer.lr_schedule=[[a,0.1]]", "optimizer.lr_schedule: (('a', 0.1),) is not of type"),
    ("probe.on_gap=shout", "probe.on_gap: unknown name 'shout'"),
    ("probe.every=-1", "probe.every: -1 is out of range"),
    ("checkpoint.every=-1", "checkpoint.every: -1 is out of range"),
    ("data.path=/nowhere/names.txt", "no such file"),
    ("data.path=/", "a directory"),
    ("data.block_size=0", "data.block_size: 0 is out of range"),
    ("study=a/b", "study: 'a/b' is no folder's name"),
    ("study=null", "study: None is not of type str"),
    ("output=/dev/null/x", "Not a directory: choose another output"),
    ("output=null", "output: None is not of type str"),
    ("model.n_hidden=[1", "no viable alternative"),
    ("model=null", "model: unknown name 'null', choose from deep, lecture"),
    ("norm=null", "norm: unknown name 'null', choose from batchnorm"),
    ("norm=3", "norm: unknown name '3', choose from batchnorm"),
    ("norm=", "norm: unknown name '', choose from batchnorm"),
    ("hydra=null", "hydra=null: give key=value"),
    ("=1", "=1: give key=value"),
    ("seed", "missing EQUAL"),
    ("seed=1,", "seed=1,: it ends too early"),
    ("seed==1", "extraneous input '='"),
    ("seed=", "seed: '' is not of type int"),
    ("seed=1e3", "seed: 1000.0 is not of type int, give 1000"),
    ("seed=???", "Missing mandatory value: seed"),
    ("seed=${nope}", "Interpolation key 'nope' not found"),
    ("seed=1,2", "To sweep over it, add --multirun"),
    ("+seed=1", "already at 'seed'"),
    ("+x=1", "x: there is no such key"),
    ("nogroup=nope", "nogroup: there is no such key"),
    ("wandb=null", "wandb: None is no group of keys, set wandb.project"),
    ("hydra/launcher=nosuch", "hydra/launcher: unknown name 'nosuch', choose from basic"),
    ("hydra.nonsense=1", "hydra.nonsense: there is no such key"),
    ("-cn=nonsense", "Cannot find primary config 'nonsense'"),
    ("--config-dir=/nonsense", "config directory '/nonsense' not found"),
    ("--seed=3", "--seed=3: a key goes without dashes: seed=3"),
    ("--bogus", "unrecognized arguments: --bogus (--help shows all there are)"),
    ("+model=deep", "ninja: +model: it is there already, give model=… without the +"),
    ("model..n_hidden=5", "model..n_hidden: there is no such key"),
    ("hydra.sweeper.zip={seed:model}", "zip={seed:model}: Cannot merge DictConfig with ListConfig"),
    ("seed=${seed}", "ninja: seed: Recursive interpolation detected: give a value"),
    ("study=${nope}", "ninja: Interpolation key 'nope' not found: give a value"),
    ("--cfg=bogus", "invalid choice: 'bogus'"),
    ("--resolve", "--resolve: it goes with --cfg"),
    ("data.path=''", "data.path: '' is no file"),
]


@pytest.mark.parametrize(("override", "said"), BAD, ids=[override for override, _ in BAD])
def test_bad_input(override: str, said: str, tmp_path: Path) -> None:
    where = () if override.startswith("output") else (f"output={tmp_path}",)
    assert said in refusal(override, *where)


def test_keys_on_both_sides_of_an_option() -> None:
    said = "ninja: steps=1: give all keys in one row, before the options or behind them\n"
    assert refusal("seed=1", "-m", "steps=1") == said


TYPED = {
    *("sed=1", "seed=abc", "norm=", "seed", "seed=${nope}", "-cn=nonsense", "--bogus"),
    *("data.path=/nowhere/names.txt", "output=/dev/null/x"),
}
"""One of each kind: of key, value, group, grammar, composition, file, option, data, place."""


@pytest.mark.parametrize(
    ("override", "said"), [bad for bad in BAD if bad[0] in TYPED], ids=lambda text: text
)
def test_bad_input_as_it_is_typed(override: str, said: str, tmp_path: Path) -> None:
    where = () if override.startswith("output") else (f"output={tmp_path}",)
    assert said in refusal(override, *where, by=run)


def test_no_device(tmp_path: Path) -> None:
    """Told when torch is there, which comes after the first line."""
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a CUDA device")
    given = ("device=cuda", f"output={tmp_path}")
    assert "there is no CUDA device here" in refusal(*given, by=run)


@pytest.mark.parametrize(
    "override",
    [
        *("study=..", "study=.hidden/x", "study=.hidden", "study=", "study=' '", "study='a\nb'"),
        *("output=", "output=' '", "output='a\nb'", "data.path=''", "data.path='a\nb'"),
        *("optimizer.lr=-1", "steps=0", "model.n_hidden=0", "wandb.project=a/b", "seed=-1"),
        "model.n_hidden=65536 model.n_layers=4096",
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_printed_or_made(
    override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = override.split(" ") if "model" in override else [override]
    where = [] if override.startswith("output") else [f"output={tmp_path}/out"]
    done = here(*where, *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"ninja: {given[0].partition('=')[0].partition('.n_')[0]}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_output_of_several_runs_that_cannot_be(tmp_path: Path) -> None:
    """Each is refused, and nothing is written."""
    study_folder = "hydra.sweep.dir=${study_folder:}"
    done = here("-m", "seed=1,2", "study=..", f"output={tmp_path}/out", study_folder)
    assert done.returncode == 1
    assert done.stderr.count("study: '..' is no folder's name") == 2
    assert done.stderr.count("\n") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("swept", "said"),
    [
        ("seed=abc,1", "seed: 'abc' is not of type int"),
        ("optimizer.lr=-1,0.1", "optimizer.lr: -1 is out of range"),
        ("data.path=/nowhere,{words}", "'/nowhere': no such file"),
        ("study=..,default", "study: '..' is no folder's name"),
        ("model.activation=tahn,tanh", "did you mean tanh?"),
    ],
)
def test_one_of_several_runs_is_at_fault_and_the_others_run(
    swept: str, said: str, tmp_path: Path, words: str
) -> None:
    several = small(tmp_path, words, swept.format(words=words.partition("=")[2]))
    done = here("-m", *several)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    (right,) = tmp_path.glob("out/*/*/result.json")
    assert right.parent.parent == tmp_path / "out/default"


@pytest.mark.parametrize("swept", ["norm=batchnorm,nonsense", "model=lecture,null"])
def test_a_name_that_one_of_several_runs_cannot_have(
    tmp_path: Path, words: str, swept: str
) -> None:
    """What Hydra cannot compose is told before the others start."""
    done = here("-m", *small(tmp_path, words, swept))
    assert done.returncode == 1
    assert "unknown name 'n" in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(list(tmp_path.glob("out/*/*/result.json"))) == 1


def test_a_contradiction_of_two_keys(tmp_path: Path) -> None:
    both = ("optimizer=adamw", "optimizer.momentum=0.9", f"output={tmp_path}")
    assert "AdamW has betas in its place" in refusal(*both)
    both = ("backward=autograd", "compile=true", f"output={tmp_path}")
    assert "compile: autograd's graph is not compiled, give backward=manual" in refusal(*both)


def test_a_damaged_result(tmp_path: Path, words: str, done_run: Path) -> None:
    (done_run / "result.json").write_text("{")
    assert "result.json': damaged" in refusal(*small(tmp_path, words))


def test_a_damaged_record(tmp_path: Path, words: str, done_run: Path) -> None:
    (done_run / "result.json").unlink()
    (done_run / "metrics.jsonl").write_text("not a record\n")
    assert "metrics.jsonl" in refusal(*small(tmp_path, words), by=run)


@pytest.mark.parametrize("name", ["checkpoint.pt", "result.json", "metrics.jsonl", ".lock"])
def test_a_folder_in_a_files_place(name: str, tmp_path: Path, words: str, done_run: Path) -> None:
    folder = done_run
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    for path in {folder / name, folder / "result.json"}:
        path.unlink()
    (folder / name).mkdir()
    assert f"{name}': " in refusal(*small(tmp_path, words))
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert kept == {key: before[key] for key in kept}
    assert "checkpoint.pt" in kept or name == "checkpoint.pt"


def test_a_file_in_the_place_of_the_runs_folder(tmp_path: Path, words: str) -> None:
    (tmp_path / "out").write_text("")
    assert f"'{tmp_path}/out/default/" in refusal(*small(tmp_path, words))


def in_shell(line: str) -> Done:
    line = f"set -o pipefail; {line}"
    return subprocess.run(
        ["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_full_disk(tmp_path: Path, words: str) -> None:
    """A limit on the size of a file, which binds root too, stands for it."""
    given = small(tmp_path, words, "checkpoint.every=10", "model.n_hidden=200")
    full = in_shell(f"ulimit -f 20; {shlex.join([sys.executable, 'run.py', *given])}")
    assert full.returncode == 2
    assert f"'{only_folder(tmp_path)}" in full.stderr
    assert full.stderr.endswith("File too large: free some room; the same command goes on\n")
    assert full.stderr.count("\n") == 1
    assert not list(only_folder(tmp_path).glob(".*.partial"))
    assert here(*given).returncode == 0


def test_memory_that_is_refused(tmp_path: Path, words: str) -> None:
    code = (
        "import resource\n"
        "from pathlib import Path\n"
        "from ninja import app, screen\n"  # torch comes with it
        "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "limit = pages * resource.getpagesize() + 10**9\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "app.main()"
    )
    large = small(tmp_path, words, "model.n_hidden=20000", "model.n_layers=2")  # 1.6 GB
    done = coded(code, *large)
    assert done.returncode == 2
    assert done.stderr.startswith("ninja: out of memory: give a smaller model")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("screen", ["| head -n 1", ">&-", ">&- 2>&-", "> /dev/full"])
def test_a_screen_that_goes_away_ends_no_run(screen: str, tmp_path: Path, words: str) -> None:
    if "full" in screen and not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    command = shlex.join([sys.executable, "run.py", *small(tmp_path, words)])
    done = in_shell(f"{command} {screen}")
    told = "ninja: the output cannot be written (No space left on device); going on without\n"
    assert (done.returncode, done.stderr) == (0, told if "full" in screen else "")
    assert (only_folder(tmp_path) / "result.json").exists()


@pytest.mark.parametrize("screen", ["2>&-", "2> /dev/full"])
def test_a_fault_that_nobody_reads(screen: str) -> None:
    done = in_shell(f"{sys.executable} run.py steps=0 {screen}")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGTERM, "SIGTERM: stopped"), (signal.SIGINT, "interrupted")],
    ids=["SIGTERM", "SIGINT"],
)
def test_a_signal_before_the_first_step(
    tmp_path: Path, words: str, number: signal.Signals, said: str
) -> None:
    """While torch is loaded, which takes longer than all before it."""
    process = subprocess.Popen(
        [sys.executable, "run.py", *small(tmp_path, words, "steps=2000000")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(str(tmp_path))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err == f"ninja: {said}; the same command goes on\n"


@pytest.mark.slow
def test_an_interrupt_that_is_ignored_from_outside_stays_so(tmp_path: Path, words: str) -> None:
    """A script's `run.py … &` is not stopped by the Ctrl-C of what runs in front of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited; `interruptible` undoes it
    process = subprocess.Popen(
        [sys.executable, "run.py", *small(tmp_path, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(str(tmp_path))
    process.send_signal(signal.SIGINT)  # while torch is loaded
    assert process.stdout.readline().startswith("step")
    process.send_signal(signal.SIGINT)  # and while it trains
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGTERM, "SIGTERM: stopped"), (signal.SIGINT, "interrupted")],
    ids=["SIGTERM", "SIGINT"],
)
def test_a_signal_where_python_drops_exceptions(
    tmp_path: Path, words: str, number: signal.Signals, said: str
) -> None:
    """In a weakref's callback."""
    code = (
        "import signal, time, weakref\n"
        "from ninja import app, runs\n"
        "class Thing: pass\n"
        "def folder(_):\n"
        "    thing = Thing()\n"
        f"    weak = weakref.ref(thing, lambda _: signal.raise_signal({number.value}))\n"
        "    del thing\n"
        "    time.sleep(30)\n"
        "runs.folder = folder\n"
        "app.main()"
    )
    done = coded(code, *small(tmp_path, words), seconds=20)
    assert done.returncode == 128 + number
    assert done.stderr == f"ninja: {said}; the same command goes on\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_whose_exception_an_import_drops(
    tmp_path: Path, words: str, number: signal.Signals
) -> None:
    """As torch's C++ does, where it imports numpy and goes on with half of it."""
    (tmp_path / "dropping.py").write_text(
        f"import signal\ntry: signal.raise_signal({number.value})\nexcept BaseException: pass\n"
    )
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from ninja import app, runs\n"
        "def folder(_): import dropping\n"
        "runs.folder = folder\n"
        "app.main()"
    )
    done = coded(code, *small(tmp_path, words))
    said = "interrupted" if number == signal.SIGINT else "SIGTERM: stopped"
    assert done.stderr == f"ninja: {said}; the same command goes on\n"
    assert done.returncode == 128 + number


REPLACED = """
from ninja import app
from omegaconf.errors import ConfigAttributeError
def replaced(*_, **__):
    try:
        signal.raise_signal(NUMBER)
    finally:
        raise AttributeError('what was put back is not there')
def wrapped(*_, **__):
    try:
        replaced()
    except Exception as error:
        raise ConfigAttributeError(str(error)) from error
from hydra._internal.hydra import Hydra
composed = Hydra.compose_config
def once(*_, **__):
    Hydra.compose_config = composed
    replaced()
"""


PARSING = "hydra.core.override_parser.overrides_parser.OverridesParser.parse_overrides"
COMPOSING = "hydra._internal.config_loader_impl.ConfigLoaderImpl.load_sweep_config"
MODE = "hydra._internal.hydra.Hydra.compose_config"


@pytest.mark.parametrize(
    ("place", "by", "number", "sweep"),
    [
        (PARSING, "replaced", signal.SIGINT, ()),
        ("ninja.runs.folder", "wrapped", signal.SIGTERM, ()),
        ("ninja.runs.folder", "wrapped", signal.SIGINT, ("-m", "seed=1,2")),
        ("ninja.runs.run_id", "wrapped", signal.SIGTERM, ("-m", "hydra/launcher=basic")),
        (COMPOSING, "wrapped", signal.SIGINT, ("-m",)),
        (MODE, "once", signal.SIGINT, ()),
        (MODE, "once", signal.SIGTERM, ("-m", "seed=1,2")),
    ],
    ids=["parsing", "one", "jobs", "resolver", "composing", "mode", "mode of a sweep"],
)
def test_a_signal_whose_exception_another_one_replaces(
    tmp_path: Path, words: str, place: str, by: str, number: signal.Signals, sweep: tuple[str, ...]
) -> None:
    """As where OmegaConf is stopped while it puts something back, and then fails to."""
    said = "interrupted" if number == signal.SIGINT else "SIGTERM: stopped"
    owner, _, name = place.rpartition(".")
    code = (
        "import importlib, pkgutil, signal\n"
        + REPLACED.replace("NUMBER", str(number.value))
        + f"setattr(pkgutil.resolve_name({owner!r}), {name!r}, {by})\n"
        "app.main()"
    )
    done = coded(code, *sweep, *small(tmp_path, words), seconds=60)
    assert done.stderr == f"ninja: {said}; the same command goes on\n"
    assert done.returncode == 128 + number


# --- the lecture's own numbers -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.long
def test_the_lectures_losses(tmp_path: Path) -> None:
    """Part 3, logged every 10,000 steps, and its final losses."""
    if not LECTURE_LIST.exists():
        pytest.skip("needs the lecture's own list, which does not lie beside the checkout")
    done = run("experiment=lecture_batchnorm", f"data.path={LECTURE_LIST}", f"output={tmp_path}")
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "lecture_batchnorm").iterdir()
    losses = json.loads((folder / "result.json").read_text())["losses"]
    assert losses["train"] == pytest.approx(2.0674, abs=2e-4)
    assert losses["validation"] == pytest.approx(2.1057, abs=2e-4)
    by_step = {row["step"]: row["loss"] for row in records.rows(folder)}
    logged = [by_step[step] for step in (0, 10_000, 20_000)]
    assert logged == pytest.approx([3.3239, 2.0322, 2.5675], abs=2e-4)
