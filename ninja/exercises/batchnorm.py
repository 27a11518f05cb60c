"""Exercise 3: back through the standardisation of a BatchNorm in one go."""

from functools import cache

from ninja.exercises import lecture
from ninja.exercises.exercise import Blank, Exercise, Mistake, Reference, named

TITLE = "BatchNorm in one go"

TASK = """\
Exercise 1 went from hpreact to hprebn through seven tensors. Take the formula for one unit,
derive it with pen and paper, and simplify: a row reaches the loss directly, through the mean, and
through the variance. One line is enough for all units. dhpreact is what comes from above; here it
is drawn, as the formula must hold for any. It agrees but for rounding: approx is right."""

FORWARD = """\
emb = C[Xb]
embcat = emb.view(n, -1)
hprebn = embcat @ W1 + b1  # (n, n_hidden)
bnmean = hprebn.mean(0, keepdim=True)  # (1, n_hidden)
bnvar = hprebn.var(0, keepdim=True, unbiased=True)  # divided by n - 1
bnvar_inv = (bnvar + 1e-5) ** -0.5
bnraw = (hprebn - bnmean) * bnvar_inv
hpreact = bngain * bnraw + bnbias

dhpreact = torch.randn((n, n_hidden), generator=g) / n
"""

GIVEN = (
    *lecture.PARAMETERS,
    *("hprebn", "bnmean", "bnvar", "bnvar_inv", "bnraw"),
    "hpreact",
    "dhpreact",
)


def _answer(direct: str = "n * dhpreact", mean: str = "", along: str = "", scale: str = "") -> str:
    mean = mean or " - dhpreact.sum(0, keepdim=True)"
    along = along or " - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0, keepdim=True)"
    scale = scale or "bngain * bnvar_inv / n"
    return f"dhprebn = {scale} * (\n    {direct}{mean}\n   {along}\n)"


_LEFT = " + 0 * bnraw"

BLANK = Blank(
    "dhprebn",
    (
        "Write bnraw as r and what comes from above, dhpreact · bngain, as d. Were mean and "
        "variance constants, dhprebn would be d · bnvar_inv. They are not: which rows do they "
        "bind together?",
        "Three ways. Directly: d. Through the mean, every row counts 1/n: minus the mean of d "
        "over the rows. Through the variance, divided by n − 1: minus r Σ(d r)/(n − 1). And "
        "bnvar_inv before it all.",
        "dhprebn = bngain * bnvar_inv * (dhpreact − Σ dhpreact / n − bnraw * Σ(dhpreact * bnraw) / "
        "(n − 1)), each Σ over dimension 0 with keepdim=True.",
    ),
    "dhprebn = bngain * bnvar_inv / n * (\n"
    "    n * dhpreact\n"
    "    - dhpreact.sum(0, keepdim=True)\n"
    "    - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0, keepdim=True)\n"
    ")",
    "With s = bnvar_inv, r = (x − μ) s and d = dhpreact · bngain: ∂μ/∂x_i = 1/n, ∂s/∂x_i = −½ s³ "
    "· 2(x_i − μ)/(n − 1) = −s² r_i/(n − 1). dx_i = s d_i − s Σd/n + Σ_j d_j (x_j − μ) ∂s/∂x_i, "
    "and the last is −s r_i Σ(d r)/(n − 1). What goes through μ within the variance is 0, as Σ(x "
    "− μ) is.",
    (
        Mistake(
            _answer(scale="bnvar_inv / n"),
            "bngain is missing: it multiplies bnraw, and so everything that comes back to it.",
        ),
        Mistake(
            _answer(scale="bngain / n"),
            "bnvar_inv is missing: bnraw = (hprebn − mean) · bnvar_inv, whose slope it is.",
        ),
        Mistake(
            _answer(mean=_LEFT, along=_LEFT),
            "Mean and variance are treated as constants, as in evaluation. In training each row "
            "moves both: two terms are missing.",
        ),
        Mistake(
            _answer(mean=_LEFT),
            "The way through the mean is missing: minus the mean of dhpreact over the rows. The "
            "result must sum to 0 over dimension 0.",
        ),
        Mistake(
            _answer(along=_LEFT),
            "The way through the variance is missing: minus bnraw · Σ(dhpreact · bnraw)/(n − 1).",
        ),
        Mistake(
            _answer(along=" - bnraw * (dhpreact * bnraw).sum(0, keepdim=True)"),
            "n for n − 1: this variance is divided by n − 1 (Bessel's correction), so the last "
            "term is, too. With n it would be torch's own BatchNorm.",
        ),
        Mistake(
            _answer(mean=" - n / (n - 1) * dhpreact.sum(0, keepdim=True)"),
            "n − 1 for n: the mean is divided by n. Only the variance has n − 1.",
        ),
        Mistake(
            _answer(along=" + n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0, keepdim=True)"),
            "The sign of the last term: a row that lies far out makes the variance larger, and "
            "bnraw smaller. Minus.",
        ),
        Mistake(
            _answer(mean=" + dhpreact.sum(0, keepdim=True)"),
            "The sign of the second term: the mean is subtracted, and so is what comes back "
            "through it.",
        ),
        Mistake(
            _answer(direct="dhpreact"),
            "1/n is missing before the sums, or n before the first term: the direct way counts 1, "
            "each sum over the rows 1/n or 1/(n − 1).",
        ),
        Mistake(
            _answer(direct="dhpreact", scale="bngain * bnvar_inv"),
            "The sums are not divided: a mean over the rows goes back as Σ/n, the variance as "
            "Σ/(n − 1).",
        ),
        Mistake(
            _answer(
                mean=" - dhpreact.sum(1, keepdim=True)",
                along=" - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(1, keepdim=True)",
            ),
            "Summed over the wrong dimension: BatchNorm binds the rows of a batch together, "
            "dimension 0. Over dimension 1 it would be a LayerNorm.",
        ),
        Mistake(
            _answer(along=" - n / (n - 1) * hprebn * (dhpreact * hprebn).sum(0, keepdim=True)"),
            "The last term is made of bnraw, the standardised rows, and not of hprebn.",
        ),
        Mistake(
            _answer(
                along=" - n / (n - 1) * (hprebn - bnmean)"
                " * (dhpreact * (hprebn - bnmean)).sum(0, keepdim=True)"
            ),
            "The last term is made of bnraw, the standardised rows, and not of hprebn − bnmean: "
            "bnvar_inv² is missing.",
        ),
        Mistake(
            _answer(scale="bngain * bnvar / n"),
            "bnvar in place of bnvar_inv: the slope is 1/√(variance + eps).",
        ),
    ),
)

ROWS = {"dhprebn": "dhprebn"}

TEXT = f"""\
{lecture.HEADER.format(number=3, title=TITLE, task=TASK)}
{lecture.SETUP}{lecture.BATCH}
# --- forward -------------------------------------------------------------------------------------

{FORWARD}
# --- backward: yours, in closed form -------------------------------------------------------------

«dhprebn»
"""


@cache
def reference() -> Reference:
    """By autograd, with dhpreact coming from above."""
    forward = FORWARD + "loss = (hpreact * dhpreact).sum()\n"
    return lecture.pulled_back(forward, tuple(ROWS), GIVEN)


EXERCISE = Exercise(3, TITLE, TEXT, (BLANK,), (named(ROWS),), reference)
