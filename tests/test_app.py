"""``python run.py`` as it is typed: real processes, presets, faults in one line."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ninja import runs
from ninja.app import CONF, keys
from ninja.config import NetworkConfig, RunConfig
from ninja.networks import PRESETS
from ninja.schema import config_of

ROOT = Path(__file__).parents[1]
LECTURE_LIST = Path(__file__).parents[2] / "shared/data/names.txt"
"""The lecture's own list, when it lies beside the checkout."""


def run(*overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "run.py", *overrides]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def composed(*overrides: str) -> RunConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    assert isinstance(plain, dict)
    return config_of(RunConfig, plain)


@pytest.fixture
def words(tmp_path: Path) -> str:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(f"{a}{b}{c}" for a in "abc" for b in "xyzu" for c in "no" * 5))
    return f"data.path={path}"


def small(tmp_path: Path, words: str, *more: str) -> list[str]:
    return [words, f"output={tmp_path}/out", "model.n_hidden=16", "steps=50", *more]


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
    ]
    assert len({first, *map(runs.run_id, others)}) == 5


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
    again = run(*small(tmp_path, words))
    assert again.returncode == 0
    assert "done already" in again.stdout
    assert f"train {found['losses']['train']:.4f}" in again.stdout


def test_several_runs_one_after_the_other(tmp_path: Path, words: str) -> None:
    """Hydra's own launcher: each run lies where it lies alone, and one that diverges stops none."""
    several = small(tmp_path, words, "init.gain=1e30,1.0", "norm=none", "model.activation=relu")
    done = run("-m", *several)
    assert (done.returncode, done.stderr) == (1, "")
    folders = {path.parent for path in (tmp_path / "out/default").glob("*/result.json")}
    assert len(folders) == 2
    assert all((folder / ".hydra/config.yaml").exists() for folder in folders)
    alone = run(*small(tmp_path, words, "init.gain=1.0", "norm=none", "model.activation=relu"))
    assert alone.returncode == 0
    assert "done already" in alone.stdout


@pytest.mark.parametrize("more", [(), ("-m", "seed=1,2")], ids=["one", "several"])
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
    done = run(*small(tmp_path, words, "init.gain=1e30", "norm=none", "model.activation=relu"))
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
        command = [sys.executable, "-c", code, option]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "batch_size" in done.stdout


def refusal(*overrides: str) -> str:
    done = run(*overrides)
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
    ("init.scheme=he", "init.scheme: unknown name 'he'"),
    ("optimizer=adam", "did you mean adamw?"),
    ("optimizer.lr=-0.1", "optimizer.lr: -0.1 is out of range"),
    ("optimizer.lr=nan", "optimizer.lr: nan is out of range"),
    ("optimizer.momentum=1.5", "optimizer.momentum: 1.5 is out of range"),
    ("optimizer.betas=[0.9]", "optimizer.betas"),
    ("optimizer.betas=[1,1]", "optimizer.betas: 1 would never forget"),
    ("threads=100000", "threads: 100000 is out of range"),
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
    ("output=/dev/null/x", "Not a directory"),
    ("model.n_hidden=[1", "no viable alternative"),
]


@pytest.mark.parametrize(("override", "said"), BAD, ids=[override for override, _ in BAD])
def test_bad_input(override: str, said: str, tmp_path: Path) -> None:
    where = () if override.startswith("output") else (f"output={tmp_path}",)
    assert said in refusal(override, *where)


def test_a_contradiction_of_two_keys() -> None:
    both = ("optimizer=adamw", "optimizer.momentum=0.9")
    assert "AdamW has betas in its place" in refusal(*both)


def test_a_damaged_result(tmp_path: Path, words: str) -> None:
    assert run(*small(tmp_path, words)).returncode == 0
    path = only_folder(tmp_path) / "result.json"
    path.write_text("{")
    assert "result.json': damaged" in refusal(*small(tmp_path, words))


def test_a_damaged_record(tmp_path: Path, words: str) -> None:
    assert run(*small(tmp_path, words)).returncode == 0
    folder = only_folder(tmp_path)
    (folder / "result.json").unlink()
    (folder / "metrics.jsonl").write_text("not a record\n")
    assert "metrics.jsonl" in refusal(*small(tmp_path, words))


# --- the lecture's own numbers -------------------------------------------------------------------


@pytest.mark.slow
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
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    by_step = {row["step"]: row["loss"] for row in map(json.loads, lines)}
    logged = [by_step[step] for step in (0, 10_000, 20_000)]
    assert logged == pytest.approx([3.3239, 2.0322, 2.5675], abs=2e-4)
