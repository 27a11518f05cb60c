"""AutoTrainer (Zhang, Zhai, Ma & Shen, ICSE 2021).

Source: ``AutoTrainer/utils/monitor.py`` (the checks, `IssueMonitor.determine` their order) and
``AutoTrainer/utils/utils.py`` (`default_param`) of github.com/shiningrain/AUTOTRAINER.

It judges by epochs, of which our runs have none: some steps stand for one. A run has not converged
while its accuracy is below Theta, by default .7, a number that the user is to set for the task: .7
is out of reach for the next letter of a name. What serves it best on the development part is taken
for both (`TASK`). Validation accuracy is not recorded: the training batches' stands for it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from benchmarks.diagnosis.rivals.look import Look, Seen, bad
from benchmarks.diagnosis.rivals.rule import Found, Rival, Rule

BETA_1, BETA_2, BETA_3 = 1e-3, 1e-4, 70.0
"""Vanishing: first kernel's gradient over the last one's below β₁, and itself below β₂. Exploding:
the same ratio above β₃."""
GAMMA = 0.7
"""Dying ReLU: share of zeros in all gradients."""
ZETA, ETA = 0.03, 0.2
"""Oscillating loss: a maximum of the accuracy ζ above a minimum, as often as η of the epochs."""
DELTA = 0.01
"""Slow convergence: no epoch gained more accuracy than this."""
JUDGEMENT = 0.3
"""Share of all epochs before which nothing is said of the accuracy."""
LARGEST_LOSS = 1e5


@dataclass(frozen=True)
class Task:
    """What its user would set.

    Attributes:
        theta: accuracy of a run that has converged.
        epoch: steps of an epoch.
    """

    theta: float
    epoch: int


TASK = Task(0.2, 25)


def explode_by_numbers(seen: Seen) -> Iterator[Found]:
    """Loss, weights or gradients are not finite, or the loss is enormous."""
    for step, loss in enumerate(seen.history):
        if bad(loss) or loss >= LARGEST_LOSS:
            yield step, "", ("diverged", "exploding")
    for look in seen.looks:
        for of in look.layers:
            if bad(*(of[key] for key in ("w_mean", "g_mean") if key in of)):
                yield look.step, "", ("diverged", "exploding")
                return


def dying_relu(seen: Seen, task: Task) -> Iterator[Found]:
    """Most gradients are exactly zero."""
    for look in _judged(seen, task):
        parts = [of for of in look.having("g_zero") if of["rule"] != "embedding"]
        total = sum(of["size"] for of in parts)
        if sum(of["g_zero"] * of["size"] for of in parts) >= GAMMA * total:
            yield look.step, "", ("dead", "symmetric")


def exploding_gradient(seen: Seen, task: Task) -> Iterator[Found]:
    """The first kernel's gradient is far above the last one's."""
    for look in _judged(seen, task):
        if _ratio(look) > BETA_3:
            yield look.step, _first(look), ("exploding",)


def vanishing_gradient(seen: Seen, task: Task) -> Iterator[Found]:
    """The first kernel's gradient is far below the last one's, and small."""
    for look in _judged(seen, task):
        if _ratio(look) < BETA_1 and look.matrices[0]["grad_norm"] < BETA_2:
            yield look.step, _first(look), ("vanishing",)


def slow_convergence(seen: Seen, task: Task) -> Iterator[Found]:
    """No epoch gained any accuracy worth the name."""
    for epochs in _epochs(seen, task):
        if max((b - a for a, b in pairwise(epochs)), default=0.0) < DELTA:
            yield len(epochs) * task.epoch - 1, "", ("stalled",)


def oscillating(seen: Seen, task: Task) -> Iterator[Found]:
    """A run that has converged, whose accuracy goes up and down."""
    for epochs in _epochs(seen, task):
        if max(epochs) >= task.theta and _swings(epochs) >= ETA * len(epochs):
            yield len(epochs) * task.epoch - 1, "", ("unstable",)


def _epochs(seen: Seen, task: Task) -> Iterator[list[float]]:
    """The accuracies of all epochs so far, from the first on that is judged."""
    accuracies = seen.windows(seen.accuracy, task.epoch)
    first = math.ceil(JUDGEMENT * seen.run.steps / task.epoch)
    return (accuracies[:end] for end in range(max(first, 2), len(accuracies) + 1))


def _judged(seen: Seen, task: Task) -> Iterator[Look]:
    """The looks at which the run has not converged yet; before, nothing is said of gradients."""
    accuracies = seen.windows(seen.accuracy, task.epoch)
    for look in seen.looks:
        so_far = accuracies[: (look.step + 1) // task.epoch]
        if look.step + 1 >= JUDGEMENT * seen.run.steps and max(so_far, default=0.0) < task.theta:
            yield look


def _swings(values: Sequence[float]) -> int:
    """How often a maximum lies ζ above the minimum of the same number."""
    inner = [(values[at - 1], values[at], values[at + 1]) for at in range(1, len(values) - 1)]
    tops = [b for a, b, c in inner if b >= a and b >= c]
    bottoms = [b for a, b, c in inner if b <= a and b <= c]
    return sum(top - bottom >= ZETA for top, bottom in zip(tops, bottoms))


def _ratio(look: Look) -> float:
    first, last = look.matrices[0]["grad_norm"], look.matrices[-1]["grad_norm"]
    return first / last if last else math.nan


def _first(look: Look) -> str:
    return f"{look.matrices[0]['node']}.W"


def autotrainer(task: Task) -> Rival:
    """The rule set, for a task."""
    checks: dict[str, Callable[[Seen, Task], Iterator[Found]]] = {
        "dying relu": dying_relu,
        "explode": exploding_gradient,
        "vanish": vanishing_gradient,
        "slow convergence": slow_convergence,
        "oscillating": oscillating,
    }
    rules = (Rule(name, partial(check, task=task)) for name, check in checks.items())
    finite = Rule("explode (not finite)", explode_by_numbers)
    covers = ("diverged", "exploding", "vanishing", "dead", "stalled", "unstable")
    return Rival("AutoTrainer", covers, (finite, *rules))


AUTOTRAINER = autotrainer(TASK)
