"""Amazon SageMaker Debugger's built-in rules.

Source: the page "List of Debugger built-in rules" of its Developer Guide, for each rule its
description and the default values of its parameters. Rules for images, text, trees, over-fitting
and imbalance are left out: none of our faults is theirs. `TensorVariance` has no defaults; the
values are those of its example.
"""

from collections.abc import Iterator

from benchmarks.diagnosis.rivals.look import Seen, bad, name
from benchmarks.diagnosis.rivals.rule import Found, Rival, Rule, at_looks

VANISHING = 1e-7
"""VanishingGradient, threshold: the mean of the absolute gradients below it."""
DEAD_LAYER = 0.5
"""DeadRelu, threshold_layer 50 %: of ReLUs active on less than threshold_inactivity, 1 %."""
SATURATED_LAYER = 0.5
"""SaturatedActivation, threshold_layer 50 %: of nodes beyond ±9.4999 (tanh) or outside
(−23, 16.99999) (sigmoid) on all but threshold_inactivity, 1 %, of the rows."""
LARGE, SMALL = 10.0, 1e-8
"""WeightUpdateRatio, large_threshold and small_threshold: of updates to weights."""
SPREAD, RANGE, STEPS = 10.0, 0.001, 10
"""PoorWeightInitialization: threshold (ratio of the largest to the smallest variance of the
activations' inputs), distribution_range (5th to 95th percentile of the gradients), steps."""
EVERY, LESS, MORE = 100, 0.001, 0.05
"""LossNotDecreasing: diff_percent 0.1 %, increase_threshold_percent 5 %. Losses are compared that
are num_steps, 10, or more apart, at the steps that the user has saved: every hundredth serves it
best on the development part, of 10, 25, 50 and 100."""
VARIANCE = (1e-5, 10.0)
"""TensorVariance: min_threshold and max_threshold of its example, for the weights."""
UNCHANGED, TIMES = 1e-5, 3
"""UnchangedTensor: rtol, num_steps."""


def exploding_tensor(seen: Seen) -> Iterator[Found]:
    """Any tensor is infinite or not a number."""
    for step, loss in enumerate(seen.history):
        if bad(loss):
            yield step, "", ("diverged", "exploding")
    for look in seen.looks:
        for of in look.layers:
            if bad(*(of[key] for key in ("w_mean", "g_mean", "y_mean", "x_mean") if key in of)):
                yield look.step, name(of), ("diverged", "exploding")
                return


def vanishing_gradient(seen: Seen, at: int) -> Iterator[Found]:
    """Mean of absolute values of a gradient below the threshold."""
    look = seen.looks[at]
    for of in look.having("g_abs"):
        if of["g_abs"] < VANISHING:
            yield look.step, name(of), ("vanishing",)


def dead_relu(seen: Seen, at: int) -> Iterator[Found]:
    """Too many ReLUs of a layer never active."""
    look = seen.looks[at]
    for of in look.units:
        if of["rule"] == "relu" and of["y_silent"] > DEAD_LAYER:
            yield look.step, name(of), ("dead",)


def saturated_activation(seen: Seen, at: int) -> Iterator[Found]:
    """Too many nodes of a layer at the ends of tanh or sigmoid."""
    look = seen.looks[at]
    column = {"tanh": "x_9", "sigmoid": "x_23"}.get(seen.run.activation)
    for of in look.having("x_9") if column else ():
        if of[column] > SATURATED_LAYER:
            yield look.step, name(of), ("saturated",)


def weight_update_ratio(seen: Seen, at: int) -> Iterator[Found]:
    """Updates out of proportion to the weights."""
    look = seen.looks[at]
    for of in look.matrices:
        if of["moved"] > LARGE:
            yield look.step, name(of), ("unstable", "diverged")
        if of["moved"] < SMALL:
            yield look.step, name(of), ("stalled",)


def poor_weight_initialization(seen: Seen, at: int) -> Iterator[Found]:
    """In the first steps: variances that differ from layer to layer, or gradients of no width."""
    look = seen.looks[at]
    if look.step >= STEPS:
        return
    read = list(look.having("x_var"))[:-1]
    variances = [of["x_var"] for of in read]
    if variances and max(variances) > SPREAD * min(variances):
        grows = variances[-1] > variances[0]
        yield look.step, name(read[0]), ("exploding", "saturated") if grows else ("vanishing",)
    for of in look.matrices:
        if of["g_p95"] - of["g_p5"] < RANGE:
            yield look.step, name(of), ("vanishing", "symmetric", "dead")


def loss_not_decreasing(seen: Seen) -> Iterator[Found]:
    """A loss that was saved against the one before."""
    losses = seen.history[::EVERY]
    for at in range(1, len(losses)):
        change = (losses[at] - losses[at - 1]) / losses[at - 1] if losses[at - 1] else 0.0
        if change > MORE:
            yield at * EVERY, "", ("unstable", "stalled")
        elif -LESS < change <= 0:
            yield at * EVERY, "", ("stalled",)


def tensor_variance(seen: Seen, at: int) -> Iterator[Found]:
    """Weights of hardly any variance, or of far too much."""
    look, (low, high) = seen.looks[at], VARIANCE
    for of in look.matrices:
        if of["w_var"] < low:
            yield look.step, name(of), ("symmetric", "vanishing", "linear")
        if of["w_var"] > high:
            yield look.step, name(of), ("exploding", "saturated", "overconfident", "unstable")


def all_zero(seen: Seen, at: int) -> Iterator[Found]:
    """A tensor of nothing but zeros."""
    look = seen.looks[at]
    for of in look.layers:
        if of.get("weight_norm") == 0 and of["tensor"] == "W":
            yield look.step, name(of), ("symmetric",)
        if of.get("y_silent") == 1 and of["rule"] == "relu":
            yield look.step, name(of), ("dead",)
        if of.get("g_zero") == 1 and of["tensor"] == "W":
            yield look.step, name(of), ("vanishing", "dead", "symmetric")


def unchanged_tensor(seen: Seen, at: int) -> Iterator[Found]:
    """Weights that have not moved over the last steps that were saved."""
    if at + 1 < TIMES:
        return
    look = seen.looks[at]
    for of in zip(*(one.matrices for one in seen.looks[at + 1 - TIMES : at + 1]), strict=True):
        if all(one["moved"] < UNCHANGED for one in of):
            yield look.step, name(of[-1]), ("stalled",)


SAGEMAKER = Rival(
    "SageMaker Debugger",
    (
        *("diverged", "exploding", "vanishing", "dead", "saturated", "unstable", "stalled"),
        "symmetric",
    ),
    (
        Rule("DeadRelu", at_looks(dead_relu)),
        Rule("ExplodingTensor", exploding_tensor),
        Rule("PoorWeightInitialization", at_looks(poor_weight_initialization)),
        Rule("SaturatedActivation", at_looks(saturated_activation)),
        Rule("VanishingGradient", at_looks(vanishing_gradient)),
        Rule("WeightUpdateRatio", at_looks(weight_update_ratio)),
        Rule("AllZero", at_looks(all_zero)),
        Rule("LossNotDecreasing", loss_not_decreasing),
        Rule("TensorVariance", at_looks(tensor_variance)),
        Rule("UnchangedTensor", at_looks(unchanged_tensor)),
    ),
)
