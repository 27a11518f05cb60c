"""What their sources leave to the user, chosen for each rival as serves it best.

Nobody need listen to all rules of a set, and hardly a source says which of two alarms counts more.
So beside the rules as documented (all of them, the earliest alarm first) each rival is also scored
with some of its rules, in an order, such that its macro-F1 on the development part is as large as
a search makes it (`choose`). It is frozen here before the unseen part is scored.
"""

import random
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.diagnosis.cases import HEALTHY
from benchmarks.diagnosis.detectors import Alarm, answer

CHOICES: dict[str, tuple[str, ...]] = {
    "TheDeepChecker": (
        "dead weights",
        "gradient check",
        "numerical instability",
        "saturated activations",
        "initial loss",
        "vanishing gradient",
        "fast updates",
        "activations' distribution",
        "negative weights",
        "diverging weights",
        "exploding gradient",
        "slow updates",
        "diverging loss",
        "switch of modes",
    ),
    "DeepDiagnosis": (
        "Unchange Tensor (forward)",
        "Numerical Error (forward)",
        "Invalid Loss",
        "Numerical Error (weights)",
        "Saturated Activation",
        "Unchange Tensor (weights)",
        "Vanishing Gradient",
    ),
    "AutoTrainer": (
        "oscillating",
        "dying relu",
        "vanish",
        "slow convergence",
        "explode (not finite)",
    ),
    "SageMaker Debugger": (
        "AllZero",
        "ExplodingTensor",
        "TensorVariance",
        "SaturatedActivation",
        "PoorWeightInitialization",
        "LossNotDecreasing",
        "UnchangedTensor",
    ),
}
"""The rules of each rival that count, the weightiest first."""

Alarms = Sequence[dict[str, Alarm]]
"""Of every run, the first alarm of each rule that held."""


STARTS = 8
"""Orders from which the search begins: none of the rules, all of them, and random ones."""

Order = tuple[str, ...]


def choose(rules: Sequence[str], alarms: Alarms, truth: Sequence[str]) -> Order:
    """The best order that is found by adding, moving and leaving out one rule at a time."""
    rng, value = random.Random(0), Value(rules, alarms, truth)
    starts = [(), tuple(rules), *(tuple(rng.sample(rules, len(rules))) for _ in range(STARTS - 2))]
    ends = [_climb(start, rules, value) for start in starts]
    return max(ends, key=value)


def _climb(order: Order, rules: Sequence[str], value: "Value") -> Order:
    while True:
        better = max(_neighbours(order, rules), key=value)
        if value(better) <= value(order) + 1e-9:
            return order
        order = better


def _neighbours(order: Order, rules: Sequence[str]) -> Iterator[Order]:
    for rule in rules:
        without = tuple(one for one in order if one != rule)
        if without != order:
            yield without
        for at in range(len(without) + 1):
            yield (*without[:at], rule, *without[at:])


class Value:
    """The macro-F1 of an order: `score.macro_f1`, for thousands of orders."""

    def __init__(self, rules: Sequence[str], alarms: Alarms, truth: Sequence[str]) -> None:
        """What each rule would answer of each run, if it were the first; -1 where it is silent."""
        answers = {
            rule: [
                answer([of[rule]], label) if rule in of else "" for of, label in zip(alarms, truth)
            ]
            for rule in rules
        }
        names = sorted({*truth, HEALTHY, *(name for of in answers.values() for name in of)} - {""})
        number = {name: at for at, name in enumerate(names)} | {"": -1}
        self.size, self.healthy = len(names), number[HEALTHY]
        self.truth = np.array([number[label] for label in truth])
        self.said = {rule: np.array([number[name] for name in of]) for rule, of in answers.items()}
        self.there = np.bincount(self.truth, minlength=self.size)

    def __call__(self, order: Order) -> float:
        """Of all classes that are in the truth."""
        said = np.full(len(self.truth), self.healthy)
        for rule in reversed(order):
            said = np.where(self.said[rule] >= 0, self.said[rule], said)
        right = np.bincount(self.truth[said == self.truth], minlength=self.size)
        called = np.bincount(said, minlength=self.size)
        f1 = 2 * right / np.maximum(self.there + called, 1)  # of precision and recall, in one step
        return float(f1[self.there > 0].mean())
