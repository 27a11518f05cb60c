"""DeepDiagnosis (Wardat, Cruz, Le & Rajan, ICSE 2022).

Source: ``callback/callbacks.py`` of github.com/DeepDiagnosis/ICSE2022: `mapFaluireToFix` for the
symptoms and their order, the functions ``identify…`` for the thresholds. A look is an epoch here.

What it traces a symptom back to (poor weights, the learning rate) is not asked: an alarm is given
every class that its symptom can come of. Neither is the range of the last layer: ours is a softmax,
which it accepts.
"""

from collections.abc import Iterator

from benchmarks.diagnosis.rivals.look import Seen, bad, name
from benchmarks.diagnosis.rivals.rule import Found, Rival, Rule, at_looks

DEAD = 0.7
"""`threshold_layer_1`: share of outputs at or below zero."""
SATURATED = 0.5
"""`threshold_layer`: share of inputs of tanh and sigmoid at or beyond ±5."""
VANISHING = 1e-7
"""`threshold_VG`: mean of the absolute gradients."""
N, FREQUENT = 5, 20
"""Epochs over which a tensor or the loss, and the accuracy, must change at all."""


def numerical_forward(seen: Seen, at: int) -> Iterator[Found]:
    """A layer's mean output is infinite, not a number, or zero."""
    look = seen.looks[at]
    for of in look.units:
        if bad(of["y_mean"]):
            yield look.step, name(of), ("diverged", "exploding")
        elif of["y_mean"] == 0:
            yield look.step, name(of), ("dead", "symmetric")


def dead_node(seen: Seen) -> Iterator[Found]:
    """Most outputs of a ReLU are zero, at the last epoch."""
    for look in seen.looks[-1:]:
        for of in look.units:
            if of["rule"] == "relu" and of["y_off"] >= DEAD:
                yield look.step, name(of), ("dead",)


def saturated(seen: Seen, at: int) -> Iterator[Found]:
    """Most inputs of tanh or sigmoid are far out; asked every fifth epoch."""
    look = seen.looks[at]
    if (at + 1) % N or seen.run.activation not in ("tanh", "sigmoid"):
        return
    for of in list(look.having("x_5"))[:-1]:
        if of["x_5"] > SATURATED:
            yield look.step, name(of), ("saturated",)


def unchanged_forward(seen: Seen, at: int) -> Iterator[Found]:
    """A layer's mean output was the same for five epochs."""
    yield from _unchanged(seen, at, "y_mean", ("stalled", "symmetric", "dead"))


def invalid_loss(seen: Seen) -> Iterator[Found]:
    """The loss is infinite or not a number."""
    for step, loss in enumerate(seen.history):
        if bad(loss):
            yield step, "", ("diverged", "exploding")


def loss_not_decreasing(seen: Seen) -> Iterator[Found]:
    """The loss was the same for five epochs."""
    losses = [seen.history[look.step] for look in seen.looks]
    for end in range(N, len(losses) + 1, N):
        if _same(losses[end - N : end]):
            yield seen.looks[end - 1].step, "", ("stalled",)


def accuracy_not_increasing(seen: Seen) -> Iterator[Found]:
    """The accuracy was the same for twenty epochs."""
    values = [seen.accuracy[look.step] for look in seen.looks]
    for end in range(FREQUENT, len(values) + 1, FREQUENT):
        if _same(values[end - FREQUENT : end]):
            yield seen.looks[end - 1].step, "", ("stalled",)


def numerical_gradient(seen: Seen, at: int) -> Iterator[Found]:
    """A layer's mean gradient is infinite, not a number, or zero."""
    look = seen.looks[at]
    for of in reversed(look.matrices):
        if bad(of["g_mean"]):
            yield look.step, name(of), ("diverged", "exploding")
        elif of["g_mean"] == 0:
            yield look.step, name(of), ("vanishing", "dead", "symmetric")


def vanishing_gradient(seen: Seen, at: int) -> Iterator[Found]:
    """A layer's gradients are tiny."""
    look = seen.looks[at]
    for of in reversed(look.matrices):
        if of["g_abs"] < VANISHING:
            yield look.step, name(of), ("vanishing",)


def numerical_weights(seen: Seen, at: int) -> Iterator[Found]:
    """A layer's mean weight is infinite, not a number, or zero."""
    look = seen.looks[at]
    for of in reversed(look.matrices):
        if bad(of["w_mean"]):
            yield look.step, name(of), ("diverged", "exploding")
        elif of["w_mean"] == 0:
            yield look.step, name(of), ("symmetric",)


def unchanged_gradient(seen: Seen, at: int) -> Iterator[Found]:
    """A layer's mean gradient was the same for five epochs."""
    yield from _unchanged(seen, at, "g_mean", ("vanishing", "dead", "symmetric"))


def unchanged_weights(seen: Seen, at: int) -> Iterator[Found]:
    """A layer's mean weight was the same for five epochs."""
    yield from _unchanged(seen, at, "w_mean", ("stalled", "symmetric"))


def _unchanged(seen: Seen, at: int, column: str, kinds: tuple[str, ...]) -> Iterator[Found]:
    if (at + 1) % N:
        return
    last = [look.units if column == "y_mean" else look.matrices for look in seen.looks]
    for of in zip(*last[at + 1 - N : at + 1], strict=True):
        if _same([one[column] for one in of]):
            yield seen.looks[at].step, name(of[-1]), kinds


def _same(values: list[float]) -> bool:
    """`meanResult`: the mean is the maximum."""
    return len(set(values)) == 1


DEEPDIAGNOSIS = Rival(
    "DeepDiagnosis",
    (
        *("diverged", "exploding", "vanishing", "dead", "saturated", "stalled"),
        "symmetric",
    ),
    (
        Rule("Numerical Error (forward)", at_looks(numerical_forward)),
        Rule("Dead Node", dead_node),
        Rule("Saturated Activation", at_looks(saturated)),
        Rule("Unchange Tensor (forward)", at_looks(unchanged_forward)),
        Rule("Invalid Loss", invalid_loss),
        Rule("Loss Not Decreasing", loss_not_decreasing),
        Rule("Accuracy Not Increasing", accuracy_not_increasing),
        Rule("Numerical Error (delta weights)", at_looks(numerical_gradient)),
        Rule("Vanishing Gradient", at_looks(vanishing_gradient)),
        Rule("Numerical Error (weights)", at_looks(numerical_weights)),
        Rule("Unchange Tensor (delta weights)", at_looks(unchanged_gradient)),
        Rule("Unchange Tensor (weights)", at_looks(unchanged_weights)),
    ),
)
