"""What their sources leave to the user, chosen for each rival as serves it best.

Nobody need listen to all rules of a set, and hardly a source says which of two alarms counts more.
So beside the rules as documented (all of them, the earliest alarm first) each rival is also scored
with some of its rules, in an order, such that its macro-F1 on the development part is as large as
a search makes it (`choose`). It is frozen here before the unseen part is scored.
"""

import random
from collections.abc import Iterator, Sequence

from benchmarks.diagnosis.detectors import Alarm, answer
from benchmarks.diagnosis.score import macro_f1, scores

CHOICES: dict[str, tuple[str, ...]] = {
    "TheDeepChecker": (
        *("dead weights", "gradient check", "numerical instability", "saturated activations"),
        *("vanishing gradient", "initial loss", "activations' distribution", "diverging weights"),
        *("exploding gradient", "negative weights", "switch of modes", "slow updates"),
        "diverging loss",
    ),
    "DeepDiagnosis": (
        *("Unchange Tensor (forward)", "Numerical Error (forward)", "Numerical Error (weights)"),
        *("Unchange Tensor (delta weights)", "Invalid Loss", "Saturated Activation"),
        *("Unchange Tensor (weights)", "Vanishing Gradient"),
    ),
    "AutoTrainer": ("dying relu", "explode (not finite)", "vanish", "slow convergence"),
    "SageMaker Debugger": (
        *("ExplodingTensor", "AllZero", "SaturatedActivation", "TensorVariance"),
        *("PoorWeightInitialization", "LossNotDecreasing", "UnchangedTensor"),
    ),
}
"""The rules of each rival that count, the weightiest first."""

Alarms = Sequence[dict[str, Alarm]]
"""Of every run, the first alarm of each rule that held."""


STARTS = 8
"""Orders from which the search begins: none of the rules, all of them, and random ones."""


def choose(rules: Sequence[str], alarms: Alarms, truth: Sequence[str]) -> tuple[str, ...]:
    """The best order that is found by adding, moving and leaving out one rule at a time."""
    rng = random.Random(0)
    starts = [(), tuple(rules), *(tuple(rng.sample(rules, len(rules))) for _ in range(STARTS - 2))]
    values = [_climb(start, rules, alarms, truth) for start in starts]
    return max(values, key=lambda of: of[0])[1]


def _climb(
    order: tuple[str, ...], rules: Sequence[str], alarms: Alarms, truth: Sequence[str]
) -> tuple[float, tuple[str, ...]]:
    best = _value(order, alarms, truth)
    while True:
        value, better = max(
            ((_value(one, alarms, truth), one) for one in _neighbours(order, rules)),
            key=lambda of: of[0],
            default=(best, order),
        )
        if value <= best + 1e-9:
            return best, order
        best, order = value, better


def _neighbours(order: tuple[str, ...], rules: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for rule in rules:
        without = tuple(one for one in order if one != rule)
        if without != order:
            yield without
        for at in range(len(without) + 1):
            yield (*without[:at], rule, *without[at:])


def _value(order: tuple[str, ...], alarms: Alarms, truth: Sequence[str]) -> float:
    said = [
        answer([of[name] for name in order if name in of], label)
        for of, label in zip(alarms, truth, strict=True)
    ]
    return macro_f1(scores(truth, said))
