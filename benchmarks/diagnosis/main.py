"""The command: makes or reads the records of a part, lets every detector look, prints the table."""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.diagnosis import detectors
from benchmarks.diagnosis.cases import HEALTHY
from benchmarks.diagnosis.label import Labelled
from benchmarks.diagnosis.load import load
from benchmarks.diagnosis.score import flagged, interval, macro_f1, scores


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("dev", "unseen"), default="dev")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cases = load(options.part)
    found = {"part": options.part, "cases": dropped(cases)}
    kept = [case for case in cases if not case.why]
    found["detectors"] = {name: judge(of, kept) for name, of in all_detectors().items()}
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)


def all_detectors() -> dict[str, detectors.Detector]:
    """By name."""
    return {"ninja.diagnosis": detectors.ours, "ninja.evidence": detectors.evidence}


def dropped(cases: Sequence[Labelled]) -> dict[str, dict[str, int]]:
    """How many cases of each class there are, and why some are left out."""
    counts: dict[str, Counter[str]] = {}
    for case in cases:
        counts.setdefault(case.case.label, Counter())[case.why or "kept"] += 1
    return {label: dict(of) for label, of in sorted(counts.items())}


def judge(detector: detectors.Detector, kept: Sequence[Labelled]) -> dict[str, Any]:
    """Everything that is counted of one detector."""
    alarms = detectors.run(detector, kept)
    truth = [case.case.label for case in kept]
    said = [of[0].kind if of else HEALTHY for of in alarms]
    found = scores(truth, said)
    hits, of = flagged(truth, said)
    return {
        "classes": {
            name: {
                "runs": one.runs,
                "precision": one.precision,
                "recall": one.recall,
                "f1": one.f1,
                "called": dict(Counter(b for a, b in zip(truth, said) if a == name != b)),
            }
            for name, one in sorted(found.items())
        },
        "macro F1": macro_f1(found),
        "healthy flagged": [hits, of, *interval(hits, of)],
    }


def show(found: dict[str, Any]) -> None:
    """As tables."""
    print(f"{found['part']}: cases by construction, and what intervention left of them")
    for label, of in found["cases"].items():
        print(f"  {label:<16}", ", ".join(f"{why}: {count}" for why, count in of.items()))
    for name, of in found["detectors"].items():
        hits, healthy, low, high = of["healthy flagged"]
        print(
            f"\n{name}: macro-F1 {of['macro F1']:.3f}; healthy runs flagged {hits} of {healthy}",
            end="",
        )
        print(f" (95 % interval {low:.1%} to {high:.1%})")
        for label, one in of["classes"].items():
            called = ", ".join(f"{kind} {count}" for kind, count in one["called"].items())
            print(
                f"  {label:<16}{one['runs']:>5}  precision {one['precision']:.2f}"
                f"  recall {one['recall']:.2f}  F1 {one['f1']:.2f}  {called}"
            )
