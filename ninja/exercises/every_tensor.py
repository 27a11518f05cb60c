"""Exercise 1: back through every intermediate, one line of the forward pass after the other."""

from functools import cache

from ninja.exercises import lecture
from ninja.exercises.every_tensor_blanks import BLANKS
from ninja.exercises.exercise import Exercise, Reference, named

TITLE = "every intermediate of the lecture's network"

TASK = """\
The forward pass is written out in steps so small that each has a derivative you know. Go through
it from its last line to its first. For every tensor t write dt, the derivative of loss with respect
to t: it has exactly the shape of t. What is used twice gets two contributions, which add up."""

FORWARD = lecture.TO_HIDDEN + lecture.TO_LOSS

GIVEN = (
    *lecture.PARAMETERS,
    *("emb", "embcat", "hprebn", "bnmeani", "bndiff", "bndiff2", "bnvar", "bnvar_inv", "bnraw"),
    *("hpreact", "h", "logits", "logit_maxes", "norm_logits", "counts", "counts_sum"),
    *("counts_sum_inv", "probs", "logprobs"),
)

ROWS = {blank.name: blank.name for blank in BLANKS}

MARKS = "\n".join(f"«{name}»" for name in ROWS)

TEXT = f"""\
{lecture.HEADER.format(number=1, title=TITLE, task=TASK)}
{lecture.SETUP}{lecture.BATCH}
# --- forward -------------------------------------------------------------------------------------

{FORWARD}
# --- backward: yours, from the last line of the forward pass to the first ------------------------

{MARKS}
"""


@cache
def reference() -> Reference:
    """All 26, by autograd."""
    return lecture.pulled_back(FORWARD, tuple(ROWS), GIVEN)


EXERCISE = Exercise(
    1,
    TITLE,
    TEXT,
    BLANKS,
    (named(ROWS),),
    reference,
    beside={"dlogit_maxes": "dnorm_logits", "db1": "dhprebn"},  # both truly 0
)
