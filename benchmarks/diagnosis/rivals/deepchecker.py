"""TheDeepChecker (Ben Braiek & Khomh, TOSEM 2022).

Source: ``deep_checker/checkers.py`` and ``deep_checker/hooks.py`` of
github.com/thedeepchecker/thedeepchecker for the checks; their thresholds stand in
``config/settings.yaml``, kept as ``debugger/utils/config/settings.yaml`` (commit caebd9d) of
github.com/rached1997/RLDebugger, which builds on it.

It checks a network before training, while it overfits a single batch, and afterwards. Our runs
see many batches: the checks of the second phase are asked at our looks from step `START` on.

- Saturation: ρ_B (Rakitianskaia & Engelbrecht 2015) over the activation's own range. In the code
  the range is 0 to 1 for tanh too, which calls every tanh layer saturated: taken as it was meant.
- Gradients are compared with central differences there; here with the other engine.
- Similarity of activations and losses between training and evaluation: at the end of a run.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

from benchmarks.diagnosis.rivals.look import Layer, Look, Seen, bad, name
from benchmarks.diagnosis.rivals.rule import Found, Rival, Rule, at_looks

START = 10
F_CRITICAL = 2.70554
"""`pure_f_test` with f_test_alpha 0.1: two variances differ by more than this factor."""
INITIAL_LOSS = 1.0
"""Initial_Loss dev_ratio: the first loss is off by so much of ln C."""
GRADIENT = 0.01
"""Gradient relative_err_max_thresh: ‖a − b‖/(‖a‖ + ‖b‖)."""
DEAD_UNITS, SATURATED_UNITS = 0.5, 0.5
"""neurons_ratio_max_thresh of Dead (95th percentile of abs(y) < 1e-5), Saturation (ρ_B > .85)."""
DEVIATION = (0.5, 2.0)
"""Distribution std_acts_min_thresh and std_acts_max_thresh, by an F test."""
DEAD_WEIGHTS, NEGATIVE = 0.95, 0.95
"""ratio_max_thresh of weights below 1e-5, and of negative ones."""
WINDOW, TWICE, HALF = 5, 2.0, 0.5
"""window_size; inc_rate_max_thresh; dec_rate_min_thresh."""
LARGEST_WEIGHT, LARGEST, SMALLEST = 1e8, 1e6, 1e-6
"""mav_max_thresh of weights, of gradients, mav_min_thresh of gradients: mean absolute values."""
FAST, SLOW = -1.0, -4.0
"""Unstable_Learning: log10 of the mean size of the updates over that of the weights."""
DECREASE, SMOOTH, PERIOD = 0.05, 0.5, 10
"""NonDecreasing decr_percentage; Fluctuating smoothness_ratio_min_thresh, over 50; the period."""
MODES, SIMILAR = 0.5, 0.75
"""relative_loss_diff_max_thresh and sim_after_switch_mode_min_thresh."""

Small = ("vanishing", "linear")
Large = ("exploding", "saturated")


def initial_weights(seen: Seen) -> Iterator[Found]:
    """Constant weights; or another variance than He's (ReLU), Glorot's (tanh) or LeCun's."""
    for look in seen.looks[:1]:
        for of in look.matrices:
            if math.isclose(of["before_var"], 0.0, abs_tol=1e-8):
                yield look.step, name(of), ("symmetric", "linear", "vanishing")
                continue
            sizes = _fans(of)
            wanted = {"relu": sizes[0], "tanh": sizes[1], "sigmoid": sizes[2]}
            of_kind = wanted.get(seen.run.activation)
            allowed = sizes if of_kind is None else (of_kind,)
            if not any(_alike(of["before_var"], variance) for variance in allowed):
                small = of["before_var"] < min(allowed)
                last = of is look.matrices[-1]
                yield look.step, name(of), Small if small else (*Large, *_only(last))


def _fans(of: Layer) -> tuple[float, float, float]:
    """The variances of He, Glorot and LeCun."""
    fan_in, fan_out = of["fan_in"], of["size"] / of["fan_in"]
    return 2 / fan_in, 2 / (fan_in + fan_out), 1 / fan_in


def _only(last: bool) -> tuple[str, ...]:
    return ("overconfident",) if last else ()


def _alike(first: float, second: float) -> bool:
    return max(first, second) <= F_CRITICAL * min(first, second)


def initial_biases(seen: Seen) -> Iterator[Found]:
    """Biases that do not begin at zero."""
    for look in seen.looks[:1]:
        for of in look.having("before_abs"):
            if of["tensor"] == "b" and of["before_abs"] > 0:
                yield look.step, name(of), ("dead", "saturated")


def initial_loss(seen: Seen) -> Iterator[Found]:
    """A first loss far from ln C."""
    expected = math.log(seen.run.classes)
    if not abs(seen.history[0] - expected) < INITIAL_LOSS * expected:
        yield 0, "", ("overconfident", "exploding")


def wrong_gradient(seen: Seen) -> Iterator[Found]:
    """A layer's gradient differs from the numerical one."""
    for look in seen.looks:
        total = math.sqrt(sum(of["grad_norm"] ** 2 for of in look.having("grad_norm")))
        for of in look.having("gap"):
            own = [
                one["grad_norm"] for one in look.having("grad_norm") if one["node"] == of["node"]
            ]
            size = 2 * math.sqrt(sum(norm**2 for norm in own))
            if size and math.isfinite(total) and of["gap"] * total / size > GRADIENT:
                yield look.step, of["node"], ("wrong gradient",)


def numerical(seen: Seen) -> Iterator[Found]:
    """Loss, weights, gradients or activations are not finite."""
    for step, loss in enumerate(seen.history):
        if bad(loss):
            yield step, "", ("diverged", "exploding", "overconfident")
    for look in seen.looks:
        for of in look.layers:
            if bad(*(of[key] for key in ("w_mean", "g_mean", "y_mean") if key in of)):
                yield look.step, name(of), ("diverged", "exploding", "overconfident")
                return


def _trained(check: Callable[[Look], Iterator[Found]]) -> Callable[[Seen], Iterator[Found]]:
    def of(seen: Seen, at: int) -> Iterator[Found]:
        if seen.looks[at].step >= START:
            yield from check(seen.looks[at])

    return at_looks(of)


def dead_units(look: Look) -> Iterator[Found]:
    """Most units of a layer hardly ever say anything; not asked of tanh and sigmoid."""
    for of in look.units:
        if of["rule"] not in ("tanh", "sigmoid") and of["y_dead"] > DEAD_UNITS:
            yield look.step, name(of), ("dead", "symmetric")


def saturated_units(look: Look) -> Iterator[Found]:
    """Most units of a layer are at the ends of their range."""
    for of in look.units:
        if of["rule"] in ("tanh", "sigmoid") and of["y_edge"] > SATURATED_UNITS:
            yield look.step, name(of), ("saturated",)


def distribution(look: Look) -> Iterator[Found]:
    """Activations of hardly any deviation, or of far too much."""
    low, high = DEVIATION
    for of in look.having("y_mean", "act_std"):
        if of["act_std"] ** 2 * F_CRITICAL < low**2:
            yield look.step, name(of), Small
        if of["act_std"] ** 2 > F_CRITICAL * high**2:
            yield look.step, name(of), Large


def dead_weights(look: Look) -> Iterator[Found]:
    """Nearly all weights of a layer are nearly zero."""
    for of in look.matrices:
        if of["w_small"] > DEAD_WEIGHTS:
            yield look.step, name(of), ("symmetric", "vanishing", "linear")


def negative_weights(look: Look) -> Iterator[Found]:
    """Nearly all weights of a layer are negative."""
    for of in look.matrices:
        if of["w_neg"] > NEGATIVE:
            yield look.step, name(of), ("dead",)


def diverging_weights(seen: Seen, at: int) -> Iterator[Found]:
    """Weights that are enormous, or that double from look to look."""
    for of in seen.looks[at].matrices:
        if of["w_abs"] > LARGEST_WEIGHT or _rates(seen, at, of, "w_abs", lambda r: r >= TWICE):
            yield seen.looks[at].step, name(of), ("diverged", "unstable", "exploding")


def vanishing_gradient(seen: Seen, at: int) -> Iterator[Found]:
    """A gradient that is tiny, or that halves from look to look."""
    if seen.looks[at].step < START:
        return
    for of in seen.looks[at].matrices:
        if of["g_abs"] < SMALLEST or _rates(seen, at, of, "g_abs", lambda r: r <= HALF):
            yield seen.looks[at].step, name(of), ("vanishing", "dead", "symmetric")


def exploding_gradient(seen: Seen, at: int) -> Iterator[Found]:
    """A gradient that is enormous, or that doubles from look to look."""
    for of in seen.looks[at].matrices:
        if of["g_abs"] > LARGEST or _rates(seen, at, of, "g_abs", lambda r: r >= TWICE):
            yield seen.looks[at].step, name(of), ("exploding", "diverged")


def _rates(seen: Seen, at: int, of: Layer, column: str, holds: Callable[[float], bool]) -> bool:
    """Whether something holds of all growth rates over the window."""
    last = seen.looks[at + 1 - WINDOW : at + 1] if at + 1 >= WINDOW else []
    values = [
        one[column]
        for look in last
        for one in look.matrices
        if (one["node"], one["tensor"]) == (of["node"], of["tensor"])
    ]
    return len(values) == WINDOW and all(a > 0 and holds(b / a) for a, b in pairwise(values))


def fast(look: Look) -> Iterator[Found]:
    """Updates that are large against the weights."""
    for of in look.matrices:
        if of["moved"] > 10**FAST:
            yield look.step, name(of), ("unstable", "diverged")


def slow(look: Look) -> Iterator[Found]:
    """Updates that are small against the weights, or none."""
    for of in look.matrices:
        if of["moved"] < 10**SLOW:
            yield look.step, name(of), ("stalled",)


def stagnated(seen: Seen) -> Iterator[Found]:
    """A loss that no period lowers by a twentieth."""
    losses = seen.windows(seen.history, PERIOD)
    for end in range(WINDOW, len(losses) + 1):
        of = losses[end - WINDOW : end]
        if all((a - b) / a < DECREASE for a, b in pairwise(of) if a):
            yield end * PERIOD - 1, "", ("stalled", "vanishing", "dead", "symmetric")


def diverging_loss(seen: Seen) -> Iterator[Found]:
    """A loss that doubles from period to period."""
    losses = seen.windows(seen.history, PERIOD)
    for end in range(WINDOW, len(losses) + 1):
        if all(b >= TWICE * a for a, b in pairwise(losses[end - WINDOW : end])):
            yield end * PERIOD - 1, "", ("diverged", "unstable")


def fluctuating(seen: Seen) -> Iterator[Found]:
    """A loss that goes up and down from period to period."""
    losses = seen.windows(seen.history, PERIOD)
    for end in range(1, len(losses) + 1):
        of = losses[max(0, end - 50) : end]
        up = [b > a for a, b in pairwise(of)]
        turns = sum(a != b for a, b in pairwise(up))
        if (len(of) - turns) / len(of) < SMOOTH:
            yield end * PERIOD - 1, "", ("unstable",)


def modes(seen: Seen) -> Iterator[Found]:
    """Training and evaluation disagree, in the loss or in the activations."""
    train, own = (seen.losses.get(key, math.nan) for key in ("train", "by_batch"))
    apart = abs(train - own) / max(train, own) > MODES
    if apart or seen.losses.get("similarity", 1.0) <= SIMILAR:
        yield seen.run.steps - 1, "", ("mismatch",)


DEEPCHECKER = Rival(
    "TheDeepChecker",
    (
        *("diverged", "wrong gradient", "symmetric", "dead", "saturated", "vanishing", "exploding"),
        *("linear", "unstable", "stalled", "overconfident", "mismatch"),
    ),
    (
        Rule("initial weights", initial_weights),
        Rule("initial biases", initial_biases),
        Rule("initial loss", initial_loss),
        Rule("gradient check", wrong_gradient),
        Rule("numerical instability", numerical),
        Rule("dead activations", _trained(dead_units)),
        Rule("saturated activations", _trained(saturated_units)),
        Rule("activations' distribution", _trained(distribution)),
        Rule("dead weights", _trained(dead_weights)),
        Rule("negative weights", _trained(negative_weights)),
        Rule("diverging weights", at_looks(diverging_weights)),
        Rule("vanishing gradient", at_looks(vanishing_gradient)),
        Rule("exploding gradient", at_looks(exploding_gradient)),
        Rule("fast updates", _trained(fast)),
        Rule("slow updates", _trained(slow)),
        Rule("stagnated loss", stagnated),
        Rule("diverging loss", diverging_loss),
        Rule("fluctuating loss", fluctuating),
        Rule("switch of modes", modes),
    ),
)
