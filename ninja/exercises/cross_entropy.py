"""Exercise 2: back through softmax, logarithm and mean in one go."""

from functools import cache

from ninja.exercises import lecture
from ninja.exercises.exercise import Blank, Exercise, Mistake, Reference, named

TITLE = "cross-entropy in one go"

TASK = """\
Exercise 1 went through eight tensors from the loss to the logits. Most of it cancels. Take the
formula of the loss for one row, loss = -log(e^logit_target / sum of e^logit_c), derive it by
logit_c with pen and paper, once for c = target and once for the others, and write dlogits in three
lines or less. It agrees but for rounding: approx is right."""

FORWARD = f"""\
{lecture.TO_HIDDEN}probs = F.softmax(logits, 1)
loss = F.cross_entropy(logits, Yb)
"""

GIVEN = (*lecture.PARAMETERS, "h", "logits", "probs")

BLANK = Blank(
    "dlogits",
    (
        "For one row, loss = −logit_t + log Σ_c e^logit_c. The derivative of the first term is "
        "easy. And that of log Σ e^logit_c by one logit_c: do you know the name of what comes "
        "out?",
        "It is softmax: e^logit_c/Σ e^logit = probs[c]. The first term adds −1 at the target "
        "alone. And the batch's loss is the mean of n rows.",
        "Three lines: take a copy of probs; subtract 1 at [range(n), Yb]; divide all by n.",
    ),
    "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1\ndlogits /= n",
    "loss_i = −logit_t + log Σ_c e^logit_c, so ∂loss_i/∂logit_c = probs[c] − [c = t], and 1/n for "
    "the mean. Each row sums to 0: what pulls the target up pushes the others down, by as much as "
    "each is believed.",
    (
        Mistake(
            "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1",
            "1/n is missing: this is the gradient of the sum over the rows, and the loss is their "
            "mean. dlogits /= n.",
        ),
        Mistake(
            "dlogits = F.softmax(logits, 1)\ndlogits /= n",
            "The target is missing: this is only the push. −logit_t adds −1 at [range(n), Yb], "
            "before the division by n.",
        ),
        Mistake(
            "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] += 1\ndlogits /= n",
            "1 is added at the target, and must be subtracted: the target's logit stands in the "
            "loss with a minus, and is pulled up.",
        ),
        Mistake(
            "dlogits = -F.softmax(logits, 1)\ndlogits[range(n), Yb] += 1\ndlogits /= n",
            "All signs are turned round: it is probs − one-hot. This one would climb the loss.",
        ),
        Mistake(
            "dlogits = F.softmax(logits, 1) / n\ndlogits[range(n), Yb] -= 1",
            "Only the probabilities are divided by n: the −1 at the target must be, too. First "
            "subtract, then divide.",
        ),
        Mistake(
            "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1 / n",
            "Only the −1 is divided by n: the probabilities must be, too. First subtract 1, then "
            "divide everything.",
        ),
        Mistake(
            "dlogits = F.softmax(logits, 0)\ndlogits[range(n), Yb] -= 1\ndlogits /= n",
            "Softmax over the wrong dimension: the probabilities of one row sum to 1 over its "
            "classes, F.softmax(logits, 1). With 0 they sum over the batch.",
        ),
        Mistake(
            "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1\ndlogits /= vocab_size",
            "It is divided by the number of classes. The mean is over the n rows of the batch.",
        ),
        Mistake(
            "dlogits = F.softmax(logits, 1)\ndlogits[:, Yb] -= 1\ndlogits /= n",
            "[:, Yb] takes the columns of all targets in every row. One place a row is meant: "
            "[range(n), Yb].",
        ),
        Mistake(
            "dlogits = logits.clone()\ndlogits[range(n), Yb] -= 1\ndlogits /= n",
            "Softmax is missing: it is the probabilities minus one-hot, and not the logits.",
        ),
        Mistake(
            "dlogits = F.log_softmax(logits, 1)\ndlogits[range(n), Yb] -= 1\ndlogits /= n",
            "These are log-probabilities. The derivative of log Σ e^logit is softmax itself.",
        ),
        Mistake(
            "dlogits = probs\ndlogits[range(n), Yb] -= 1\ndlogits /= n",
            "dlogits = probs makes no copy: -= and /= change probs itself, which the forward pass "
            "made and others may read. Write probs.clone().",
            shows="probs",
        ),
        Mistake(
            "dlogits = (probs[range(n), Yb] - 1) / n",
            "Only the targets' places are left, (n,). All classes get a gradient, (n, 27): the "
            "others are pushed down. Take a copy of all of probs, and subtract at the targets.",
        ),
    ),
)

ROWS = {"dlogits": "dlogits"}

TEXT = f"""\
{lecture.HEADER.format(number=2, title=TITLE, task=TASK)}
{lecture.SETUP}{lecture.BATCH}
# --- forward -------------------------------------------------------------------------------------

{FORWARD}
# --- backward: yours, in closed form -------------------------------------------------------------

«dlogits»
"""


@cache
def reference() -> Reference:
    """By autograd through torch's own cross-entropy."""
    return lecture.pulled_back(FORWARD, tuple(ROWS), GIVEN)


EXERCISE = Exercise(2, TITLE, TEXT, (BLANK,), (named(ROWS),), reference)
