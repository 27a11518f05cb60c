import math

from ninja.tracking import metrics
from tests.tracking.made import NAN, histogram, row


def test_every_number_of_a_row_has_its_name() -> None:
    assert metrics.metrics(row(7)) == {
        "train/step": 7,
        "loss/train": 3.43,
        "train/lr": 0.1,
        "grad/norm": 0.9,
        "gap/total": 1e-7,
        "time/train_us": 400.0,
        "time/probe_us": 300.0,
        "delta/rms/04.tanh": 0.01,
        "act/mean/04.tanh": 0.1,
        "act/std/04.tanh": 0.6,
        "act/saturated/04.tanh": 0.2,
        "grad/norm/05.linear.W": 0.5,
        "update/log10/05.linear.W": -2.9,
        "gap/05.linear.W": 1e-8,
    }


def test_a_column_that_is_new_is_shown_too() -> None:
    layer = {"layer": 0, "node": "00.embedding", "rule": "embedding", "tensor": "C", "odd": 1.5}
    found = metrics.metrics({"step": 1, "val_loss": 2.0, "speed": 3.0, "layers": [layer]})
    assert found == {
        "train/step": 1,
        "loss/val": 2.0,
        "train/speed": 3.0,
        "layer/odd/00.embedding.C": 1.5,
    }


def test_what_is_no_number_stays_what_it_is() -> None:
    found = metrics.metrics(row(3, loss=NAN, grad_norm=math.inf))
    assert math.isnan(found["loss/train"])
    assert found["grad/norm"] == math.inf


def test_every_name_is_on_the_axis_of_training_steps() -> None:
    patterns = [name for name in metrics.SUMMARIES if name.endswith("*")]
    assert patterns == ["*"], "of two that fit, W&B takes any"
    names = set(metrics.metrics(row(0, val_loss=1.0, gap_float64=0.0)))
    assert names >= set(metrics.SUMMARIES) - {"*"}


def test_a_histogram_is_named_by_what_it_is_of() -> None:
    assert list(metrics.histograms(histogram(0))) == [
        ("hist/value/04.tanh", [1, 2], [-1, 0, 1]),
    ]
    assert list(metrics.histograms(row(0))) == []


def test_a_summary_has_the_verdict_when_there_is_one() -> None:
    result = {"status": "done", "steps": 5, "seconds": 1.0, "losses": {"train": 2.0}}
    plain = {"status": "done", "steps": 5, "seconds": 1.0, "final/train": 2.0}
    assert metrics.summary(result | {"diverged": None}) == plain
    found = {"kind": "dead", "severity": "sick", "layer": "02.linear", "step": 0, "evidence": []}
    found |= {"reason": "why", "fix": "what"}
    assert metrics.findings({"findings": [found]}) == [
        ["dead", "sick", "02.linear", 0, "why", "what"]
    ]
    judged = result | {"verdict": "vanishing", "evidence": {"profile": -3.0}}
    assert metrics.summary(judged) == plain | {
        "verdict": "vanishing",
        "evidence": {"profile": -3.0},
    }
