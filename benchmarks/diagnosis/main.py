"""The command: makes or reads the records of a part, lets every detector look, prints the table."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.diagnosis import detectors, table
from benchmarks.diagnosis.cache import FOLDER
from benchmarks.diagnosis.cases import CLASSES, HEALTHY
from benchmarks.diagnosis.detectors import Alarm
from benchmarks.diagnosis.fixing import helped
from benchmarks.diagnosis.judge import judge, share
from benchmarks.diagnosis.label import Labelled
from benchmarks.diagnosis.load import load
from benchmarks.diagnosis.rivals import RIVALS, Rival
from benchmarks.diagnosis.rivals.choice import CHOICES, choose
from benchmarks.diagnosis.when import alarmed_at, found_at

OURS = "ninja.diagnosis"


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("dev", "unseen"), default="dev")
    parser.add_argument("--quick", action="store_true", help="few families, and no fix is tried")
    parser.add_argument("--choose", action="store_true", help="the rivals' best rules on this part")
    parser.add_argument("--mutants", action="store_true", help="only the wrong engines")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.mutants:
        from benchmarks.diagnosis import silent

        found: dict[str, Any] = silent.report()
    elif options.choose:
        found = choices(load(options.part, quick=options.quick))
    else:
        found = report(options.part, quick=options.quick)
    if options.json:
        print(json.dumps(found, indent=1))
    elif options.mutants or options.choose:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        table.show(found)


def report(part: Any, *, quick: bool) -> dict[str, Any]:
    """Everything of a part, as plain data."""
    cases = load(part, quick=quick)
    kept = [case for case in cases if not case.why]
    harmless = [case for case in cases if case.why == "the fault does not matter"]
    found: dict[str, Any] = {"part": part, "cases": dropped(cases), "detectors": {}}
    found["detectors"][OURS] = ours(kept, harmless, quick=quick)
    for rival in RIVALS:
        found["detectors"] |= rivals(rival, kept)
    return found


def dropped(cases: Sequence[Labelled]) -> dict[str, dict[str, int]]:
    """How many cases of each class there are, and why some are left out."""
    counts: dict[str, Counter[str]] = {}
    for case in cases:
        counts.setdefault(case.case.label, Counter())[case.why or "kept"] += 1
    return {label: dict(of) for label, of in sorted(counts.items())}


def ours(kept: Sequence[Labelled], harmless: Sequence[Labelled], *, quick: bool) -> dict[str, Any]:
    """Of `ninja.diagnosis`: asked again and again while a run goes on, and its fixes tried."""
    began = time.perf_counter()
    alarms = [detectors.ours(case.record, case.case.sick) for case in kept]
    each = (time.perf_counter() - began) / max(len(kept), 1) * 1e3

    def when(case: Labelled, _: Sequence[Alarm]) -> int | None:
        return found_at(detectors.ours, case.record, case.case.sick, case.case.label)

    found = judge(kept, alarms, CLASSES, when) | {"ms a record": each}
    healthy = [case for case in kept if case.case.label == HEALTHY]
    ever = [alarmed_at(detectors.ours, case.record, case.case.sick) for case in healthy]
    found["healthy flagged at any step"] = share(
        sum(step is not None for step in ever), len(healthy)
    )
    called = [detectors.ours(case.record, case.case.sick) for case in harmless]
    found["harmless faults flagged"] = share(sum(map(bool, called)), len(called))
    if not quick:
        found["fix"] = fixes(kept, helped(kept, alarms, FOLDER))
    return found


def fixes(kept: Sequence[Labelled], results: Sequence[bool | None]) -> dict[str, Any]:
    """Of all sick runs of the product, and by class."""
    tried = [(case.case.label, one) for case, one in zip(kept, results, strict=True)]
    by_class: dict[str, list[bool]] = {}
    for label, one in tried:
        if one is not None:
            by_class.setdefault(label, []).append(one)
    every = [one for of in by_class.values() for one in of]
    return {
        **share(sum(every), len(every)),
        "classes": {label: [sum(of), len(of)] for label, of in sorted(by_class.items())},
    }


def rivals(rival: Rival, kept: Sequence[Labelled]) -> dict[str, Any]:
    """Of a rival: as documented, and at its best."""
    found = [rival.alarms(case.record, case.case.sick) for case in kept]

    def when(case: Labelled, of: Sequence[Alarm]) -> int | None:
        return next((one.step for one in of if case.case.label in one.kinds), None)

    documented = [rival.as_documented(of) for of in found]
    best = [rival.in_order(of, CHOICES[rival.name]) for of in found]
    return {
        f"{rival.name}, as documented": judge(kept, documented, rival.covers, when),
        f"{rival.name}, at its best": judge(kept, best, rival.covers, when),
    }


def choices(cases: Sequence[Labelled]) -> dict[str, Any]:
    """Which rules serve each rival best on these cases."""
    kept = [case for case in cases if not case.why]
    truth = [case.case.label for case in kept]
    return {
        rival.name: choose(
            [rule.name for rule in rival.rules],
            [rival.alarms(case.record, case.case.sick) for case in kept],
            truth,
        )
        for rival in RIVALS
    }
