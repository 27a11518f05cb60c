"""Whether a fix was tried."""

import pandas as pd
import pytest

from analysis.report.fixes import Tried, tried

RUNS = pd.DataFrame(
    [
        (gain, norm, seed, gain != "0.5" or norm == "batchnorm")
        for gain in ("0.5", "5/3", "1")
        for norm in ("none", "batchnorm")
        for seed in (1, 2)
    ],
    columns=["init.gain", "norm.name", "seed", "healthy"],
).astype({"healthy": "boolean"})
RUNS["status"] = "done"
SICK = RUNS[~RUNS["healthy"]]


@pytest.mark.parametrize(
    ("fix", "found"),
    [
        ("init.gain=tanh", Tried(2, 2)),
        ("norm=batchnorm", Tried(2, 2)),
        ("init.gain=1", Tried(2, 2)),
        ("init.gain=3", None),
        ("optimizer.lr=0.1", None),
        ("model.apply(torch.nn.init.zeros_)", None),
        ("", None),
    ],
)
def test_only_runs_that_differ_by_the_fix_alone_count(fix: str, found: Tried | None) -> None:
    assert tried(fix, SICK, RUNS) == found


def test_a_fix_that_did_not_help_is_told() -> None:
    runs = RUNS.assign(healthy=RUNS["healthy"].where(RUNS["init.gain"] != "5/3", False))
    assert tried("init.gain=tanh", SICK, runs) == Tried(0, 2)
