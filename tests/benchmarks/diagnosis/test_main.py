"""The command, on a few families."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.diagnosis.cases import Case
from benchmarks.diagnosis.label import Labelled
from benchmarks.diagnosis.main import dropped, fixes
from tests.benchmarks.diagnosis.made import record, trained

ROOT = Path(__file__).parents[3]


def case(label: str, why: str = "") -> Labelled:
    of = Case("dev", label, label, "family", trained(), trained())
    return Labelled(of, record(), why, 3.0, 2.0)


def test_what_was_left_out_is_counted_by_its_reason():
    cases = [case("dead"), case("dead", "the fault does not matter"), case("healthy")]
    assert dropped(cases) == {
        "dead": {"kept": 1, "the fault does not matter": 1},
        "healthy": {"kept": 1},
    }


def test_fixes_are_counted_of_sick_runs_and_by_class():
    cases = [case("healthy"), case("dead"), case("dead"), case("stalled")]
    found = fixes(cases, [None, True, False, True])
    assert (found["hits"], found["of"]) == (2, 3)
    assert found["classes"] == {"dead": [1, 2], "stalled": [1, 1]}


@pytest.mark.slow
def test_the_quick_benchmark_prints_every_detector(tmp_path: Path):
    pytest.importorskip("ninja.diagnosis")
    command = [sys.executable, str(ROOT / "benchmarks" / "diagnosis.py"), "--quick", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    names = list(found["detectors"])
    assert names[0] == "ninja.diagnosis"
    assert len(names) == 9
    assert all(0 <= of["macro F1"] <= 1 for of in found["detectors"].values())
    assert found["cases"]["healthy"]["kept"] > 10
