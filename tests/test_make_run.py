"""`make run`, as a newcomer types it: interrupted, gone on with, done; and of other words."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import analysis
from tests.clones import clone

pytestmark = pytest.mark.slow

LECTURE_LIST = Path(__file__).parents[2] / "shared/data/names.txt"
RUNS = 120


def made(here: Path, *arguments: str, stop_after: float | None = None) -> tuple[int, str, str]:
    """The exit code and what was printed; all of it is interrupted, as by a Ctrl-C, if asked."""
    process = subprocess.Popen(
        ["make", "run", *arguments],
        cwd=here,
        env=os.environ | {"PYTHONPATH": str(here)},
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
    return {str(path): path.stat().st_mtime_ns for path in study.glob("*/result.json")}


def verdicts(study: Path) -> pd.Series:
    """By setting and seed."""
    runs = analysis.load(study).runs
    keys = ["model.n_layers", "init.gain", "norm.name", "backward", "seed"]
    return runs.assign(**{"init.gain": runs["init.gain"].astype(str)}).set_index(keys)["verdict"]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("fresh") / "clone")


@pytest.fixture(scope="module")
def whole(here: Path) -> str:
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
    return out


def test_interrupted_at_any_moment_it_goes_on(here: Path, whole: str) -> None:
    study = here / "outputs/gradient_health"
    assert len(trained(study)) == RUNS
    assert not (study / "failures.json").exists()
    assert re.search(r"^\d+ claims pass$", whole, re.MULTILINE)


def test_the_answer_is_that_of_the_report_and_of_the_records(here: Path, whole: str) -> None:
    said = answer(whole)
    assert len(said) <= 10
    assert said[-1] == "report: reports/index.html"
    runs = analysis.load(here / "outputs/gradient_health").runs
    healthy = int(runs["healthy"].sum())
    assert f"{healthy} of {RUNS} runs are healthy" in said
    report = (here / "reports/report.md").read_text()
    page = (here / "reports/index.html").read_text()
    summary = pd.read_csv(here / "reports/summary.csv")
    assert f"{healthy} of {RUNS} runs are healthy" in report
    assert f"{healthy} of {RUNS} runs are healthy" in page
    assert int((summary["verdict"] == "healthy").sum()) == healthy
    for kind, count in runs.loc[~runs["healthy"].astype(bool), "finding"].value_counts().items():
        (line,) = [line for line in said if line.startswith(f"{kind}: ")]
        assert f"({count} runs)" in line or f"({count} run)" in line
    loss = runs.groupby(["model.n_layers", "init.gain", "norm.name"])["loss_validation"].mean()
    (lowest,) = [line for line in said if line.startswith("lowest validation loss: ")]
    assert float(lowest.split()[3]) >= round(loss.min(), 3) - 5e-4


def test_a_second_time_it_only_prints(here: Path, whole: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in (here / "reports").rglob("*")}
    runs = trained(here / "outputs/gradient_health")
    code, out, err = made(here)
    assert code == 0, err
    said = [line.removesuffix(" (nothing is new)") for line in answer(out)]
    assert said == [line.removesuffix(" (nothing is new)") for line in answer(whole)]
    assert trained(here / "outputs/gradient_health") == runs
    assert {path: path.stat().st_mtime_ns for path in (here / "reports").rglob("*")} == before


def test_other_words_have_the_same_verdicts(here: Path, whole: str) -> None:
    if not LECTURE_LIST.exists():
        pytest.skip("needs the lecture's own word list")
    assert whole
    code, out, err = made(here, f"DATA={LECTURE_LIST}")
    assert code == 0, out + err
    assert answer(out)[-1] == "report: reports/names/index.html"
    own, other = (here / "outputs" / name for name in ("gradient_health", "gradient_health-names"))
    pd.testing.assert_series_equal(
        verdicts(own).sort_index(), verdicts(other).sort_index(), check_names=False
    )


def test_words_that_are_not_there_are_one_line(here: Path) -> None:
    code, out, err = made(here, "DATA=gone.txt")
    assert code
    assert "gone.txt" in out + err
    assert "Traceback" not in out + err
