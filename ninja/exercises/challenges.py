"""Exercise 5: the lecture's coding challenges, after a 2×2 linear layer by hand."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ninja.errors import ConfigError
from ninja.exercises import lecture
from ninja.exercises.challenges_blanks import BLANKS
from ninja.exercises.exercise import Exercise, Names, Part, Reference, named

TITLE = "the coding challenges"

TASK = """\
First a linear layer of two rows, two inputs and two outputs, number by number. Then four functions,
each of which is called with tensors that you do not see: linear + tanh, cross_entropy_backward,
BatchNorm1d and gradient_check. Leave what you are given as it was."""

WARM_UP = """\
x11, x12, x21, x22 = 1.0, -2.0, 0.5, 3.0
w11, w12, w21, w22 = 0.7, -0.4, 1.5, 0.2
b1, b2 = 0.1, -0.3

y11 = x11 * w11 + x12 * w21 + b1
y12 = x11 * w12 + x12 * w22 + b2
y21 = x21 * w11 + x22 * w21 + b1
y22 = x21 * w12 + x22 * w22 + b2

# what comes from above: the derivatives of some loss by y11, y12, y21, y22
dy11, dy12, dy21, dy22 = 0.3, -0.7, 1.1, 0.25
"""

TEXT = f'''\
{lecture.HEADER.format(number=5, title=TITLE, task=TASK)}
import numpy as np
import torch

# --- warm-up: y = x @ w + b, written out ---------------------------------------------------------

{WARM_UP}
# yours, in x, w and dy; which y does each number appear in?
«dx»
«dw»
«db»


# --- challenge 1 ---------------------------------------------------------------------------------


def linear_tanh_backward(x, W, b, a, z):
    """Backward of z = x @ W + b; a = tanh(z); loss = a.sum().

    x is (n, i), W (i, o), b (o,), z and a (n, o). Returns dW, db, dx.
    """
    «linear_tanh_backward»


# --- challenge 2 ---------------------------------------------------------------------------------


def cross_entropy_backward(logits, targets):
    """Backward of F.cross_entropy(logits, targets), the mean over the rows.

    logits are (n, classes), of any size, targets (n,). Returns dlogits.
    """
    «cross_entropy_backward»


# --- challenge 3 ---------------------------------------------------------------------------------


class BatchNorm1d:
    """As torch.nn.BatchNorm1d: y = gamma (x - mean) / sqrt(var + eps) + beta.

    A training batch is normalised by its own variance, divided by n. The running variance keeps the
    one that is divided by n - 1: running <- (1 - momentum) running + momentum batch.
    """

    def __init__(self, features, eps=1e-5, momentum=0.1):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = torch.ones(features), torch.zeros(features)
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)

    def forward(self, x, training=True):
        """x is (n, features); returns y. Keep what backward needs."""
        «BatchNorm1d.forward»

    def backward(self, dout):
        """dout is (n, features), after a training forward. Returns dx, dgamma, dbeta."""
        «BatchNorm1d.backward»


# --- challenge 4 ---------------------------------------------------------------------------------


def gradient_check(f, x, dx_analytical, eps=1e-5):
    """Compare a gradient with central differences, (f(x + eps) - f(x - eps)) / (2 eps).

    f takes a float64 array of x's shape, any number of dimensions, and returns a number. Returns
    the numerical gradient, of x's shape, and whether the analytical one agrees (True or False).
    """
    «gradient_check»
'''

# --- what the functions are given ----------------------------------------------------------------


def _normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _linear() -> dict[str, Tensor]:
    x, W, b = _normal(1, 6, 4), _normal(2, 4, 3), _normal(3, 3)
    return {"x": x, "W": W, "b": b}


def _scores() -> tuple[Tensor, Tensor]:
    return _normal(4, 6, 5), torch.tensor([0, 3, 3, 4, 1, 2])


def _rows() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, gamma, beta, dout."""
    return _normal(5, 8, 5) * 2 + 1, _normal(6, 5) + 1, _normal(7, 5), _normal(8, 8, 5)


def _f(x: NDArray[np.float64]) -> float:
    return float((x**3).sum() + x[0, 0] * x[1, 2])


def _df(x: NDArray[np.float64]) -> NDArray[np.float64]:
    dx = 3 * x**2
    dx[0, 0] += x[1, 2]
    dx[1, 2] += x[0, 0]
    return dx


def _point() -> NDArray[np.float64]:
    return np.array([[0.5, -1.2, 2.0], [1.4, 0.7, -0.8]])


COARSE = 1e-2
"""A step so large that a one-sided difference shows."""

# --- the learner's functions are called ----------------------------------------------------------


def _function(names: Names, name: str) -> Callable[..., Any]:
    if not callable(names.get(name)):
        raise ConfigError(f"there is no {name} in the file any more")
    return names[name]


def _several(name: str, made: Any, parts: tuple[str, ...]) -> dict[str, Any]:
    """What a function has returned, by name; nothing if it has not been written yet."""
    if made is None:
        return {}
    if not isinstance(made, tuple | list) or len(made) != len(parts):
        raise ConfigError(f"{name} must return {', '.join(parts)}, in this order")
    return dict(zip(parts, made, strict=True))


def _take_linear_tanh(names: Names) -> Mapping[str, Any]:
    given = _linear()
    z = given["x"] @ given["W"] + given["b"]
    made = _function(names, "linear_tanh_backward")(**given, a=torch.tanh(z), z=z)
    return _several("linear_tanh_backward", made, ("dW", "db", "dx"))


def _take_cross_entropy(names: Names) -> Mapping[str, Any]:
    backward = _function(names, "cross_entropy_backward")
    logits, targets = _scores()
    dlogits = backward(logits, targets)
    if dlogits is None:
        return {}
    large = backward(_scores()[0] * 1000, targets)
    return {"dlogits": dlogits, "dlogits of large logits": large, "logits afterwards": logits}


def _norm(names: Names) -> Any:
    norm = _function(names, "BatchNorm1d")(5)
    _, norm.gamma, norm.beta, _ = _rows()
    return norm


def _take_forward(names: Names) -> Mapping[str, Any]:
    norm = _norm(names)
    x, *_ = _rows()
    y = norm.forward(x)
    if y is None:
        return {}
    found = {"y": y, "running_mean": norm.running_mean, "running_var": norm.running_var}
    return found | {"y in evaluation": norm.forward(_rows()[0], training=False)}


def _take_backward(names: Names) -> Mapping[str, Any]:
    norm = _norm(names)
    x, _, _, dout = _rows()
    if norm.forward(x) is None:
        return {}
    found = _several("BatchNorm1d.backward", norm.backward(dout), ("dx", "dgamma", "dbeta"))
    return {"dx of BatchNorm1d" if name == "dx" else name: found[name] for name in found}


CHECKS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "passes a right gradient": lambda dx: dx,
    "refuses a wrong sign": lambda dx: -dx,
    "refuses one that is too small": lambda dx: dx - 0.1,
    "refuses one that is too large": lambda dx: dx + 0.1,
    "refuses one wrong element": lambda dx: dx + np.array([[0, 0, 0], [0, 0, 0.1]]),
}


def _take_gradient_check(names: Names) -> Mapping[str, Any]:
    check = _function(names, "gradient_check")

    def asked(x: NDArray[np.float64], dx: NDArray[np.float64], eps: float) -> dict[str, Any]:
        made = check(_f, x, dx, eps)
        return _several("gradient_check", made, ("dx_numerical", "agrees"))

    x = _point()
    found = asked(x, _df(_point()), COARSE)
    if not found:
        return {}
    rows: dict[str, Any] = {"dx_numerical": found["dx_numerical"], "x afterwards": x}
    for row, changed in CHECKS.items():
        agrees = asked(_point(), changed(_df(_point())), 1e-5)["agrees"]
        rows[row] = agrees if agrees is None else bool(agrees)
    return rows


WARM = {
    **dict.fromkeys(("dx11", "dx12", "dx21", "dx22"), "dx"),
    **dict.fromkeys(("dw11", "dw12", "dw21", "dw22"), "dw"),
    **dict.fromkeys(("db1", "db2"), "db"),
}

PARTS = (
    named(WARM),
    Part(dict.fromkeys(("dW", "db", "dx"), "linear_tanh_backward"), _take_linear_tanh),
    Part(
        dict.fromkeys(
            ("dlogits", "dlogits of large logits", "logits afterwards"), "cross_entropy_backward"
        ),
        _take_cross_entropy,
    ),
    Part(
        dict.fromkeys(
            ("y", "running_mean", "running_var", "y in evaluation"), "BatchNorm1d.forward"
        ),
        _take_forward,
    ),
    Part(
        dict.fromkeys(("dbeta", "dgamma", "dx of BatchNorm1d"), "BatchNorm1d.backward"),
        _take_backward,
    ),
    Part(
        dict.fromkeys(("dx_numerical", "x afterwards", *CHECKS), "gradient_check"),
        _take_gradient_check,
    ),
)


# --- what is right -------------------------------------------------------------------------------


@cache
def reference() -> Reference:
    """By autograd and torch's own layers; the differences by their definition."""
    return Reference(_right_warm_up() | _right_layers() | _right_norm() | _right_check())


def _right_warm_up() -> dict[str, Tensor]:
    names = lecture.made(WARM_UP)
    free = {
        name: torch.tensor(names[name], dtype=torch.float64, requires_grad=True)
        for name in (row.removeprefix("d") for row in WARM)
    }
    written = "\n".join(line for line in WARM_UP.splitlines() if line.startswith("y"))
    exec(written, names | free, outputs := dict[str, Any]())
    shares = [outputs[f"y{ij}"] * names[f"dy{ij}"] for ij in ("11", "12", "21", "22")]
    deltas = torch.autograd.grad(torch.stack(shares).sum(), list(free.values()))
    return dict(zip(WARM, deltas, strict=True))


def _right_layers() -> dict[str, Tensor]:
    given = {name: tensor.requires_grad_() for name, tensor in _linear().items()}
    loss = torch.tanh(given["x"] @ given["W"] + given["b"]).sum()
    dW, db, dx = torch.autograd.grad(loss, [given["W"], given["b"], given["x"]])
    rows = {"dW": dW, "db": db, "dx": dx}
    logits, targets = _scores()
    for row, scores in (("dlogits", logits), ("dlogits of large logits", logits * 1000)):
        leaf = scores.clone().requires_grad_()
        (rows[row],) = torch.autograd.grad(functional.cross_entropy(leaf, targets), leaf)
    return rows | {"logits afterwards": logits}


def _right_norm() -> dict[str, Tensor]:
    norm = torch.nn.BatchNorm1d(5)
    x, gamma, beta, dout = _rows()
    norm.weight.data, norm.bias.data = gamma, beta
    y = norm(x.requires_grad_())
    dx, dgamma, dbeta = torch.autograd.grad((y * dout).sum(), [x, norm.weight, norm.bias])
    running = {"running_mean": norm.running_mean, "running_var": norm.running_var}
    rows = {"y": y.detach()} | {name: t.clone() for name, t in running.items() if t is not None}
    rows["y in evaluation"] = norm.eval()(x.detach()).detach()
    return rows | {"dbeta": dbeta, "dgamma": dgamma, "dx of BatchNorm1d": dx}


def _right_check() -> dict[str, Tensor]:
    x = _point()
    numerical = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = COARSE
        numerical[index] = (_f(x + step) - _f(x - step)) / (2 * COARSE)
    rows = {"dx_numerical": torch.tensor(numerical), "x afterwards": torch.tensor(x)}
    right = {row: float(row.startswith("passes")) for row in CHECKS}
    return rows | {row: torch.tensor(value, dtype=torch.float64) for row, value in right.items()}


EXERCISE = Exercise(5, TITLE, TEXT, BLANKS, PARTS, reference)
