"""What belongs into the blanks of exercise 5, and what people put there."""

from ninja.exercises.exercise import Blank, Mistake

_TODO = "pass  # your code"

WARM_UP = (
    Blank(
        "dx",
        (
            "x11 appears in two lines, those of y11 and y12. What is it multiplied by in each?",
            "dx11 = dy11 * w11 + dy12 * w12. The others alike; then look at where each w stands.",
        ),
        "dx11 = dy11 * w11 + dy12 * w12\n"
        "dx12 = dy11 * w21 + dy12 * w22\n"
        "dx21 = dy21 * w11 + dy22 * w12\n"
        "dx22 = dy21 * w21 + dy22 * w22",
        "Each number of x gets a share from every y of its row. In one: dx = dy @ w.T, for in "
        "dx11 w11 and w12 meet, a row of w.",
        (
            Mistake(
                "dx11 = dy11 * w11 + dy12 * w21\n"
                "dx12 = dy11 * w12 + dy12 * w22\n"
                "dx21 = dy21 * w11 + dy22 * w21\n"
                "dx22 = dy21 * w12 + dy22 * w22",
                "That is dy @ w; it must be dy @ w.T. x11 is multiplied by w11 in y11 and by w12 "
                "in y12: a row of w.",
            ),
            Mistake(
                "dx11 = dy11 * w11\ndx12 = dy11 * w21\ndx21 = dy21 * w11\ndx22 = dy21 * w21",
                "Half is missing: x11 appears in y11 and in y12. What comes back by both adds up.",
            ),
            Mistake(
                "dx11 = w11 + w12\ndx12 = w21 + w22\ndx21 = w11 + w12\ndx22 = w21 + w22",
                "The chain rule: each share is multiplied by what comes from above, dy.",
            ),
        ),
        "dx11 = None\ndx12 = None\ndx21 = None\ndx22 = None",
    ),
    Blank(
        "dw",
        (
            "w11 appears in y11 and in y21, once a row. What is it multiplied by in each?",
            "dw11 = dy11 * x11 + dy21 * x21.",
        ),
        "dw11 = dy11 * x11 + dy21 * x21\n"
        "dw12 = dy12 * x11 + dy22 * x21\n"
        "dw21 = dy11 * x12 + dy21 * x22\n"
        "dw22 = dy12 * x12 + dy22 * x22",
        "Each weight gets a share from every row. In one: dw = x.T @ dy.",
        (
            Mistake(
                "dw11 = dy11 * x11 + dy21 * x12\n"
                "dw12 = dy12 * x11 + dy22 * x12\n"
                "dw21 = dy11 * x21 + dy21 * x22\n"
                "dw22 = dy12 * x21 + dy22 * x22",
                "That is x @ dy; it must be x.T @ dy. w11 is multiplied by x11 in y11 and by x21 "
                "in y21.",
            ),
            Mistake(
                "dw11 = dy11 * x11\ndw12 = dy12 * x11\ndw21 = dy11 * x12\ndw22 = dy12 * x12",
                "Only the first row is there: w11 appears in y11 and in y21.",
            ),
        ),
        "dw11 = None\ndw12 = None\ndw21 = None\ndw22 = None",
    ),
    Blank(
        "db",
        ("In which two lines does b1 stand?", "db1 = dy11 + dy21: it is added to every row."),
        "db1 = dy11 + dy21\ndb2 = dy12 + dy22",
        "b is added to every row, so its gradient is the sum over the rows: db = dy.sum(0).",
        (
            Mistake(
                "db1 = dy11 + dy12\ndb2 = dy21 + dy22",
                "Summed over the wrong dimension: b1 stands in y11 and y21, the first output of "
                "each row.",
            ),
            Mistake(
                "db1 = dy11\ndb2 = dy12",
                "Only the first row is there: b1 stands in y11 and in y21.",
            ),
            Mistake(
                "db1 = (dy11 + dy21) / 2\ndb2 = (dy12 + dy22) / 2",
                "A mean in place of a sum: what is copied to two rows is summed over them.",
            ),
        ),
        "db1 = None\ndb2 = None",
    ),
)

LINEAR_TANH = Blank(
    "linear_tanh_backward",
    (
        "loss = a.sum(): what is da? Then dz through tanh, and then the linear layer.",
        "da is 1 everywhere, so dz = 1 − a**2. Then dW, db and dx by their shapes.",
    ),
    "dz = 1 - a**2\nreturn x.T @ dz, dz.sum(0), dz @ W.T",
    "da = 1; dz = (1 − a²) da; dW = x.T @ dz, db = dz.sum(0), dx = dz @ W.T.",
    (
        Mistake(
            "dz = 1 - z**2\nreturn x.T @ dz, dz.sum(0), dz @ W.T",
            "The slope of tanh is 1 − a², with its output a, and not with its input z.",
        ),
        Mistake(
            "dz = torch.ones_like(a)\nreturn x.T @ dz, dz.sum(0), dz @ W.T",
            "tanh is left out: dz is its slope, 1 − a**2, times da, which is 1.",
        ),
        Mistake(
            "dz = 1 - a\nreturn x.T @ dz, dz.sum(0), dz @ W.T",
            "The square is missing: the slope of tanh is 1 − a**2.",
        ),
        Mistake(
            "dz = (1 - a**2) * a\nreturn x.T @ dz, dz.sum(0), dz @ W.T",
            "da is not a: loss = a.sum(), whose derivative by each a is 1.",
        ),
        Mistake(
            "dz = (1 - a**2) / len(x)\nreturn x.T @ dz, dz.sum(0), dz @ W.T",
            "Divided by n: this loss is the sum of a, and not its mean. da is 1.",
        ),
        Mistake(
            "dz = 1 - a**2\nreturn dz.T @ x, dz.sum(0), dz @ W.T",
            "dW is transposed: x.T @ dz has W's shape.",
        ),
        Mistake(
            "dz = 1 - a**2\nreturn x.T @ dz, dz, dz @ W.T",
            "db is not summed: b was added to every row, so dz.sum(0).",
        ),
        Mistake(
            "dz = 1 - a**2\nreturn x.T @ dz, dz.mean(0), dz @ W.T",
            "A mean in place of a sum in db: b was copied to n rows, and what comes back is "
            "summed.",
        ),
    ),
    _TODO,
)

CROSS_ENTROPY = Blank(
    "cross_entropy_backward",
    (
        "Exercise 2 once more, as a function; and the logits may be large. What becomes of "
        "torch.exp(1000)?",
        "(softmax(logits) − one-hot)/n, with a softmax that subtracts each row's maximum first, as "
        "torch.softmax does; on a copy.",
    ),
    "dlogits = torch.softmax(logits, 1)\n"
    "dlogits[range(len(targets)), targets] -= 1\n"
    "return dlogits / len(targets)",
    "∂/∂logits = (softmax − one-hot)/n. torch.softmax subtracts the maximum of each row, which "
    "changes no probability, and makes a new tensor, which may be changed.",
    (
        Mistake(
            "dlogits = torch.softmax(logits, 1)\n"
            "dlogits[range(len(targets)), targets] -= 1\nreturn dlogits",
            "1/n is missing: F.cross_entropy is the mean over the rows.",
        ),
        Mistake(
            "return torch.softmax(logits, 1) / len(targets)",
            "The targets are missing: subtract 1 at [range(n), targets] before the division by n.",
        ),
        Mistake(
            "dlogits = torch.softmax(logits, 0)\n"
            "dlogits[range(len(targets)), targets] -= 1\nreturn dlogits / len(targets)",
            "Softmax over the wrong dimension: over the classes of a row, 1.",
        ),
        Mistake(
            "dlogits = -torch.softmax(logits, 1)\n"
            "dlogits[range(len(targets)), targets] += 1\nreturn dlogits / len(targets)",
            "All signs are turned round: probabilities minus one-hot.",
        ),
        Mistake(
            "counts = logits.exp()\ndlogits = counts / counts.sum(1, keepdim=True)\n"
            "dlogits[range(len(targets)), targets] -= 1\nreturn dlogits / len(targets)",
            "Right for small logits; with large ones exp overflows to infinity, and inf/inf is "
            "not a number. Subtract the row's maximum before exp, or use torch.softmax.",
            shows="dlogits of large logits",
        ),
        Mistake(
            "answer = torch.softmax(logits, 1)\nanswer[range(len(targets)), targets] -= 1\n"
            "logits.copy_(answer / len(targets))\nreturn logits",
            "The answer is right, and the caller's logits are overwritten: work on a new tensor, "
            "and leave what you are given as it was.",
            shows="logits afterwards",
        ),
    ),
    _TODO,
)

_FORWARD = """\
if training:
    mean = x.mean(0)
    var = x.var(0, unbiased=False)
    n = len(x)
    self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
    self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)
else:
    mean, var = self.running_mean, self.running_var
self.inv = (var + self.eps) ** -0.5
self.raw = (x - mean) * self.inv
return self.gamma * self.raw + self.beta
"""

_BACKWARD = """\
dbeta = dout.sum(0)
dgamma = (dout * self.raw).sum(0)
n = len(dout)
dx = self.gamma * self.inv * (dout - dbeta / n - self.raw * dgamma / n)
return dx, dgamma, dbeta
"""


def _with(code: str, before: str, after: str) -> str:
    assert code.count(before) == 1, before
    return code.replace(before, after)


NORM = (
    Blank(
        "BatchNorm1d.forward",
        (
            "Two cases: in training, the batch's own mean and variance, and the running ones move "
            "towards them; in evaluation, the running ones, and nothing moves.",
            "Normalise by x.var(0, unbiased=False), divided by n; but let running_var move "
            "towards the one that is divided by n − 1. Keep the standardised x and 1/sqrt(var + "
            "eps) for backward.",
        ),
        _FORWARD,
        "As torch does: the batch is divided by its own spread, Σ(x − mean)²/n; running_var "
        "estimates that of the data, for which n − 1 is unbiased (Bessel).",
        (
            Mistake(
                _with(_FORWARD, "x.var(0, unbiased=False)", "x.var(0)"),
                "n − 1 for n: x.var(0) is divided by n − 1. A training batch is normalised by the "
                "variance that is divided by n, unbiased=False.",
            ),
            Mistake(
                _with(_FORWARD, "(var + self.eps) ** -0.5", "1 / (var + self.eps)"),
                "The root is missing: divide by the deviation, sqrt(var + eps), and not by the "
                "variance.",
            ),
            Mistake(
                _with(_FORWARD, "self.gamma * self.raw + self.beta", "self.raw"),
                "gamma and beta are missing: y = gamma * raw + beta.",
            ),
            Mistake(
                _with(_FORWARD, " * n / (n - 1)", ""),
                "n for n − 1 in running_var: it keeps the unbiased variance, though the batch is "
                "normalised by the other.",
                shows="running_var",
            ),
            Mistake(
                _FORWARD.replace(
                    "(1 - self.momentum) * self.running", "self.momentum * self.running"
                )
                .replace("+ self.momentum * mean", "+ (1 - self.momentum) * mean")
                .replace("+ self.momentum * var", "+ (1 - self.momentum) * var"),
                "The momentum is on the wrong side: it is the weight of the new batch, 0.1, and "
                "the old value keeps 0.9.",
                shows="running_mean",
            ),
            Mistake(
                _with(
                    _FORWARD,
                    "mean, var = self.running_mean, self.running_var",
                    "mean, var = x.mean(0), x.var(0, unbiased=False)",
                ),
                "In evaluation the running statistics are used, and not the batch's: what is said "
                "of one row must not depend on the others.",
                shows="y in evaluation",
            ),
            Mistake(
                _FORWARD.replace("    self.running_mean =", "    mean_ =").replace(
                    "    self.running_var =", "    var_ ="
                ),
                "The running statistics do not move: in training they are mixed with those of the "
                "batch.",
                shows="running_mean",
            ),
        ),
        _TODO,
    ),
    Blank(
        "BatchNorm1d.backward",
        (
            "dbeta and dgamma are sums over the rows. dx is exercise 3; which of n and n − 1 is "
            "it here?",
            "dbeta = Σ dout, dgamma = Σ dout · raw. dx = gamma · inv · (dout − dbeta/n − raw · "
            "dgamma/n), with n twice, as this variance is divided by n.",
        ),
        _BACKWARD,
        "As in exercise 3, with n for n − 1: dx = gamma · inv · (dout − mean(dout) − raw · "
        "mean(dout · raw)).",
        (
            Mistake(
                _with(_BACKWARD, "(dout - dbeta / n - self.raw * dgamma / n)", "dout"),
                "Mean and variance are treated as constants. In training each row moves both: "
                "minus dbeta/n, minus raw · dgamma/n.",
            ),
            Mistake(
                _with(_BACKWARD, "self.raw * dgamma / n", "self.raw * dgamma / (n - 1)"),
                "n − 1 for n: this variance is divided by n, other than in exercise 3.",
            ),
            Mistake(
                _with(_BACKWARD, "self.gamma * self.inv", "self.inv"),
                "gamma is missing in dx: it multiplies all that comes back.",
            ),
            Mistake(
                _with(_BACKWARD, "(dout * self.raw).sum(0)", "dout.sum(0)"),
                "raw is missing in dgamma: the derivative of gamma · raw by gamma is raw.",
                shows="dgamma",
            ),
            Mistake(
                _with(_BACKWARD, "dbeta = dout.sum(0)", "dbeta = dout.mean(0)"),
                "A mean in place of a sum: beta was added to every row.",
            ),
            Mistake(
                _with(_BACKWARD, "return dx, dgamma, dbeta", "return dx, dbeta, dgamma"),
                "dgamma and dbeta are swapped: return dx, dgamma, dbeta.",
            ),
        ),
        _TODO,
    ),
)

_CHECK = """\
x = x.copy()
dx_numerical = np.zeros_like(x)
for index in np.ndindex(x.shape):
    here = x[index]
    x[index] = here + eps
    above = f(x)
    x[index] = here - eps
    below = f(x)
    x[index] = here
    dx_numerical[index] = (above - below) / (2 * eps)
return dx_numerical, np.allclose(dx_numerical, dx_analytical, rtol=1e-5, atol=1e-6)
"""

GRADIENT_CHECK = Blank(
    "gradient_check",
    (
        "One element after the other: a little up, a little down, and back. np.ndindex(x.shape) "
        "gives every index, however many dimensions there are.",
        "(f above − f below)/(2 eps), on a copy of x. Then compare all elements, by absolute "
        "value and with a tolerance: np.allclose.",
    ),
    _CHECK,
    "The central difference is wrong by eps² only, a one-sided one by eps. Every element has to "
    "agree, in absolute value.",
    (
        Mistake(
            _with(_with(_CHECK, "x[index] = here - eps", "x[index] = here"), "(2 * eps)", "eps"),
            "A one-sided difference: its error is of the size of eps, that of the central one of "
            "eps². Take f(x − eps) too, and divide by 2 eps.",
        ),
        Mistake(
            _with(_CHECK, "(2 * eps)", "eps"),
            "2 is missing: from x − eps to x + eps the way is 2 eps.",
        ),
        Mistake(
            _with(_CHECK, "    x[index] = here\n", ""),
            "x is not put back: each element must be as it was before the next one is moved.",
        ),
        Mistake(
            """\
dx_numerical = np.zeros_like(x)
for i in range(len(x)):
    step = np.zeros_like(x)
    step[i] = eps
    dx_numerical[i] = (f(x + step) - f(x - step)) / (2 * eps)
return dx_numerical, np.allclose(dx_numerical, dx_analytical, rtol=1e-5, atol=1e-6)
""",
            "A whole row is moved at once: x[i] of a matrix is a row. Go through all indices, "
            "np.ndindex(x.shape).",
        ),
        Mistake(
            """\
dx_numerical = (f(x + eps) - f(x - eps)) / (2 * eps) * np.ones_like(x)
return dx_numerical, np.allclose(dx_numerical, dx_analytical, rtol=1e-5, atol=1e-6)
""",
            "All elements are moved at once: that is the sum of all derivatives. Move one at a "
            "time.",
        ),
        Mistake(
            _with(
                _CHECK,
                "np.allclose(dx_numerical, dx_analytical, rtol=1e-5, atol=1e-6)",
                "(dx_analytical - dx_numerical).max() < 1e-5",
            ),
            "The absolute value is missing: a gradient that is far too small has a negative "
            "difference, and passes. np.abs(...).max().",
            shows="refuses one that is too small",
        ),
        Mistake(
            _with(_CHECK, "np.allclose(dx_numerical, dx_analytical, rtol=1e-5, atol=1e-6)", "True"),
            "It says yes to everything: compare dx_numerical with dx_analytical.",
            shows="refuses a wrong sign",
        ),
        Mistake(
            _with(
                _CHECK,
                "np.allclose(dx_numerical, dx_analytical, rtol=1e-5, atol=1e-6)",
                "bool((dx_numerical == dx_analytical).all())",
            ),
            "Exactly equal they will never be: a difference has an error of its own. Give it a "
            "tolerance, as np.allclose does.",
            shows="passes a right gradient",
        ),
        Mistake(
            _CHECK.replace("x = x.copy()\n", "").replace("    x[index] = here\n    dx", "    dx"),
            "The caller's x is moved and not put back: it must be afterwards as it was.",
        ),
    ),
    _TODO,
)

BLANKS = (*WARM_UP, LINEAR_TANH, CROSS_ENTROPY, *NORM, GRADIENT_CHECK)
