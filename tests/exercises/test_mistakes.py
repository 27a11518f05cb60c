"""The ten most common mistakes in each exercise, written as learners write them.

Each in other words than the catalogue's own code has, and with words that its hint must have.
"""

import pytest

from ninja.exercises.catalogue import EXERCISES
from tests.exercises.answers import answer

# exercise, blank, what was written, the first wrong row, words of the hint
MISTAKES = [
    # 1: every intermediate
    (1, "dlogprobs", "dlogprobs = -F.one_hot(Yb, 27).float()", "dlogprobs", "counts 1/n"),
    (1, "dlogprobs", "dlogprobs = F.one_hot(Yb, 27) / n", "dlogprobs", "The sign"),
    (1, "dprobs", "dprobs = dlogprobs * probs", "dprobs", "1/x: divide"),
    (
        1,
        "dcounts_sum_inv",
        "dcounts_sum_inv = dprobs * counts",
        "dcounts_sum_inv",
        "the sum is missing",
    ),
    (1, "dcounts", "dcounts = dprobs / counts_sum", "dcounts", "used a second time"),
    (1, "dh", "dh = torch.matmul(dlogits, W2)", "dh", "W2 must be transposed"),
    (1, "dW2", "dW2 = (h.T @ dlogits).T", "dW2", "transposed"),
    (1, "db2", "db2 = torch.mean(dlogits, dim=0)", "db2", "A mean in place of a sum"),
    (1, "dhpreact", "dhpreact = dh - dh * hpreact.square()", "dhpreact", "that of its output"),
    (1, "dbnbias", "dbnbias = torch.sum(dhpreact, 0)", "dbnbias", "keepdim=True"),
    (1, "dbngain", "dbngain = dhpreact * bnraw", "dbngain", "broadcast over n rows"),
    (1, "dbnvar", "dbnvar = -dbnvar_inv * bnvar_inv**3", "dbnvar", "½ is missing"),
    (
        1,
        "dbndiff2",
        "dbndiff2 = dbnvar.expand(n, -1) / n",
        "dbndiff2",
        "Bessel's correction",
    ),
    (1, "dbndiff", "dbndiff = dbnraw * bnvar_inv", "dbndiff", "used a second time"),
    (1, "dhprebn", "dhprebn = dbndiff\ndhprebn += dbnmeani / n", "dbndiff", "clone()"),
    (1, "dC", "dC = torch.zeros_like(C)\ndC[Xb] = demb", "dC", "have to add up"),
    # 2: cross-entropy in one go
    (2, "dlogits", "dlogits = probs - F.one_hot(Yb, 27)", "dlogits", "1/n is missing"),
    (2, "dlogits", "dlogits = probs / len(Yb)", "dlogits", "The target is missing"),
    (2, "dlogits", "dlogits = (probs + F.one_hot(Yb, 27)) / n", "dlogits", "must be subtracted"),
    (2, "dlogits", "dlogits = (F.one_hot(Yb, 27) - probs) / n", "dlogits", "signs are turned"),
    (2, "dlogits", "dlogits = probs / n - F.one_hot(Yb, 27)", "dlogits", "Only the probabilities"),
    (2, "dlogits", "dlogits = probs - F.one_hot(Yb, 27) / n", "dlogits", "Only the −1"),
    (
        2,
        "dlogits",
        "dlogits = (logits.softmax(dim=0) - F.one_hot(Yb, 27)) / n",
        "dlogits",
        "wrong dimension",
    ),
    (2, "dlogits", "dlogits = (probs - F.one_hot(Yb, 27)) / 27", "dlogits", "number of classes"),
    (
        2,
        "dlogits",
        "dlogits = probs.clone()\ndlogits[:, Yb] -= 1\ndlogits = dlogits / 32",
        "dlogits",
        "One place a row",
    ),
    (2, "dlogits", "dlogits = (logits - F.one_hot(Yb, 27)) / n", "dlogits", "Softmax is missing"),
    (
        2,
        "dlogits",
        "dlogits = probs\nfor i in range(n): dlogits[i, Yb[i]] -= 1\ndlogits *= 1 / n",
        "probs",
        "makes no copy",
    ),
    # 3: BatchNorm in one go, d for dhpreact * bngain
    *(
        (3, "dhprebn", f"d = dhpreact * bngain\ndhprebn = {code}", "dhprebn", words)
        for code, words in (
            (
                "bnvar_inv * (d / bngain - (d / bngain).mean(0)"
                " - bnraw * (dhpreact * bnraw).sum(0) / 31)",
                "bngain is missing",
            ),
            ("d - d.mean(0) - bnraw * (d * bnraw).sum(0) / (n - 1)", "bnvar_inv is missing"),
            ("d * bnvar_inv", "treated as constants"),
            ("bnvar_inv * (d - bnraw * (d * bnraw).sum(0) / 31)", "through the mean is missing"),
            ("bnvar_inv * (d - d.mean(0))", "through the variance is missing"),
            ("bnvar_inv * (d - d.mean(0) - bnraw * (d * bnraw).mean(0))", "n for n − 1"),
            (
                "bnvar_inv * (d - d.sum(0) / 31 - bnraw * (d * bnraw).sum(0) / 31)",
                "n − 1 for n: the mean",
            ),
            (
                "bnvar_inv * (d - d.mean(0) + bnraw * (d * bnraw).sum(0) / 31)",
                "sign of the last term",
            ),
            (
                "bnvar_inv * (d + d.mean(0) - bnraw * (d * bnraw).sum(0) / 31)",
                "sign of the second",
            ),
            (
                "bnvar_inv * (d - d.sum(0) - bnraw * (d * bnraw).sum(0) * 32 / 31)",
                "The sums are not divided",
            ),
            (
                "bnvar * (d - d.mean(0) - bnraw * (d * bnraw).sum(0) / 31)",
                "bnvar in place of bnvar_inv",
            ),
        )
    ),
    # 4: the whole loop
    (
        4,
        "dlogits",
        "dlogits = F.softmax(logits, 1) - F.one_hot(Yb, 27)",
        "dlogits",
        "1/n is missing",
    ),
    (4, "dh", "dh = dlogits.matmul(W2)", "dh", "must be transposed"),
    (4, "dW2", "dW2 = (h.T @ dlogits) / len(h)", "dW2", "1/n twice"),
    (4, "dhpreact", "dhpreact = dh * (1 - hpreact * hpreact)", "dhpreact", "with its output h"),
    (
        4,
        "dhprebn",
        "dhprebn = dhpreact * bngain * bnvar_inv",
        "dhprebn",
        "treated as constants",
    ),
    (4, "dbnbias", "dbnbias = dhpreact.sum(dim=0)", "dbnbias", "keepdim=True"),
    (
        4,
        "dC",
        "dC = torch.zeros_like(C)\nfor k in range(n):\n  for j in range(3):\n"
        "    dC[Xb[k, j]] = demb[k, j]",
        "dC",
        "have to add up",
    ),
    (
        4,
        "update",
        "C += lr * dC; W1 += lr * dW1; b1 += lr * db1; W2 += lr * dW2; b2 += lr * db2\n"
        "bngain += lr * dbngain; bnbias += lr * dbnbias",
        "C after step 1",
        "Subtract it",
    ),
    (
        4,
        "update",
        "for p, d in zip(parameters, [dC, dW1, db1, dW2, db2, dbngain, dbnbias]): p = p - lr * d",
        "C after step 1",
        "have not moved",
    ),
    (
        4,
        "update",
        "for p, d in zip(parameters, [dC, dW1, db1, dW2, db2]): p -= lr * d",
        "bngain after step 1",
        "Seven, not five",
    ),
    (
        4,
        "update",
        "for p, d in zip(parameters, [dC, dW1, db1, dW2, db2, dbngain, dbnbias]): p -= d",
        "C after step 1",
        "lr is missing",
    ),
    # 5: the challenges
    (
        5,
        "dx",
        "w = np.array([[w11, w12], [w21, w22]])\ndy = np.array([[dy11, dy12], [dy21, dy22]])\n"
        "(dx11, dx12), (dx21, dx22) = dy @ w",
        "dx11",
        "a row of w",
    ),
    (5, "db", "db1, db2 = dy11 + dy12, dy21 + dy22", "db1", "wrong dimension"),
    (
        5,
        "linear_tanh_backward",
        "g = 1 - z.square()\nreturn x.T @ g, g.sum(0), g @ W.T",
        "dW",
        "and not with its input z",
    ),
    (
        5,
        "linear_tanh_backward",
        "g = 1 - a * a\nreturn x.T @ g, g, g @ W.T",
        "db",
        "db is not summed",
    ),
    (
        5,
        "cross_entropy_backward",
        "return torch.softmax(logits, 1) - torch.nn.functional.one_hot(targets, 5)",
        "dlogits",
        "1/n is missing",
    ),
    (
        5,
        "cross_entropy_backward",
        "p = torch.exp(logits) / torch.exp(logits).sum(1)[:, None]\n"
        "return (p - torch.nn.functional.one_hot(targets, 5)) / 6",
        "dlogits of large logits",
        "overflows",
    ),
    (
        5,
        "BatchNorm1d.forward",
        "m, v = (x.mean(0), x.var(0)) if training else (self.running_mean, self.running_var)\n"
        "if training:\n"
        "    self.running_mean = 0.9 * self.running_mean + 0.1 * m\n"
        "    self.running_var = 0.9 * self.running_var + 0.1 * v * 8 / 7\n"
        "self.inv = 1 / (v + self.eps).sqrt()\nself.raw = (x - m) * self.inv\n"
        "return self.raw * self.gamma + self.beta",
        "y",
        "unbiased=False",
    ),
    (
        5,
        "BatchNorm1d.forward",
        "m, v = x.mean(0), x.var(0, unbiased=False)\n"
        "if training:\n"
        "    self.running_mean = 0.9 * self.running_mean + 0.1 * m\n"
        "    self.running_var = 0.9 * self.running_var + 0.1 * v * 8 / 7\n"
        "self.inv = 1 / (v + self.eps).sqrt()\nself.raw = (x - m) * self.inv\n"
        "return self.raw * self.gamma + self.beta",
        "y in evaluation",
        "running statistics are used",
    ),
    (
        5,
        "BatchNorm1d.backward",
        "return dout * self.gamma * self.inv, (dout * self.raw).sum(0), dout.sum(0)",
        "dx of BatchNorm1d",
        "treated as constants",
    ),
    (
        5,
        "BatchNorm1d.backward",
        "g = self.gamma * dout\ndgamma = (dout * self.raw).sum(0)\n"
        "dx = self.inv * (g - g.mean(0) - self.raw * (g * self.raw).sum(0) / 7)\n"
        "return dx, dgamma, dout.sum(0)",
        "dx of BatchNorm1d",
        "n − 1 for n",
    ),
    (
        5,
        "gradient_check",
        "made = np.zeros(x.shape)\nfor i in np.ndindex(*x.shape):\n    up = x.copy()\n"
        "    up[i] += eps\n    made[i] = (f(up) - f(x)) / eps\n"
        "return made, np.abs(made - dx_analytical).max() < 1e-4",
        "dx_numerical",
        "one-sided",
    ),
    (
        5,
        "gradient_check",
        "made = np.zeros(x.shape)\nfor i in np.ndindex(*x.shape):\n    d = np.zeros(x.shape)\n"
        "    d[i] = eps\n    made[i] = (f(x + d) - f(x - d)) / (2 * eps)\n"
        "return made, np.max(dx_analytical - made) < 1e-6",
        "refuses one that is too small",
        "absolute value is missing",
    ),
]


@pytest.mark.parametrize(
    ("number", "blank", "code", "row", "words"), MISTAKES, ids=lambda value: str(value)[:24]
)
def test_the_right_hint(number: int, blank: str, code: str, row: str, words: str) -> None:
    found = answer(number, **{blank: code})
    first = found.hints[0]
    assert first.about == row
    assert words in first.text
    assert not found.judged.done
    own = [mistake.hint for of in EXERCISES[number].blanks for mistake in of.mistakes]
    assert first.text in own  # that of the mistake, and not a general one


def test_ten_or_more_an_exercise() -> None:
    for number in EXERCISES:
        assert len({entry[2:3] for entry in MISTAKES if entry[0] == number}) >= 10


SLOW = [pytest.param(number, marks=pytest.mark.slow) for number in (1, 4, 5)]


@pytest.mark.parametrize("number", [2, 3, *SLOW])
def test_every_known_mistake_is_told_from_all_others(number: int) -> None:
    for blank in EXERCISES[number].blanks:
        for mistake in blank.mistakes:
            found = answer(number, **{blank.name: mistake.code})
            assert found.hints[0].text == mistake.hint
            assert not found.judged.done


@pytest.mark.parametrize("number", EXERCISES)
def test_no_two_mistakes_have_the_same_hint(number: int) -> None:
    for blank in EXERCISES[number].blanks:
        told = [mistake.hint for mistake in blank.mistakes]
        assert len(set(told)) == len(told)
