"""The report as tables."""

from typing import Any


def show(found: dict[str, Any]) -> None:
    """Cases, the detectors side by side, and each by class."""
    print(f"{found['part']}: cases by construction, and what intervention left of them")
    for label, of in found["cases"].items():
        counts = ", ".join(f"{why}: {count}" for why, count in sorted(of.items()))
        print(f"  {label:<16}{counts}")
    names = list(found["detectors"])
    print(f"\n{'':<34}macro-F1   its classes   not MLPs   healthy flagged         steps    layer")
    for name in names:
        _line(name, found["detectors"][name])
    for name in names:
        _ours(found["detectors"][name])
    print("\nF1 by class")
    labels = list(found["detectors"][names[0]]["classes"])
    print(" " * 34 + "".join(f"{label[:9]:>10}" for label in labels))
    for name in names:
        classes = found["detectors"][name]["classes"]
        print(f"{name:<34}" + "".join(f"{classes[label]['f1']:>10.2f}" for label in labels))
    _classes(names[0], found["detectors"][names[0]]["classes"])


def _line(name: str, of: dict[str, Any]) -> None:
    flagged, layer, steps = of["healthy flagged"], of["layer"], of["steps"]
    low, high = flagged["interval"]
    median = "-" if steps["median"] is None else f"{steps['median']:g}"
    healthy = f"{flagged['hits']}/{flagged['of']} ({low:.1%} to {high:.1%})"
    print(
        f"{name:<34}{of['macro F1']:>8.3f}{of['macro F1, classes it covers']:>14.3f}"
        f"{of['macro F1, not MLPs']:>11.3f}   "
        f"{healthy:<24}{median:>6}{layer['hits']:>6}/{layer['of']}"
    )


def _ours(of: dict[str, Any]) -> None:
    for key in ("healthy flagged at any step", "harmless faults flagged", "fix"):
        if key in of:
            low, high = of[key]["interval"]
            print(f"  {key}: {of[key]['hits']} of {of[key]['of']} ({low:.1%} to {high:.1%})")
            for label, (hits, count) in of[key].get("classes", {}).items():
                print(f"    {label:<16}{hits} of {count}")


def _classes(name: str, classes: dict[str, Any]) -> None:
    print(f"\n{name}, by class")
    for label, one in classes.items():
        called = ", ".join(f"{kind} {count}" for kind, count in one["called"].items())
        print(
            f"  {label:<16}{one['runs']:>5}  precision {one['precision']:.2f}"
            f"  recall {one['recall']:.2f}  F1 {one['f1']:.2f}  {called}"
        )
