"""The lecture's coding challenges, answered by the rules: nothing is derived twice.

`gradient_check`, the fourth of them, is in `ninja.gradcheck`.
"""

import torch
from torch import Tensor

from ninja.errors import ShapeError
from ninja.rules import BatchNorm, CrossEntropy, Linear, Tanh
from ninja.types import Tensors


def linear_tanh_backward(
    x: Tensor, W: Tensor, b: Tensor, a: Tensor, z: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Backward of ``z = x @ W + b; a = tanh(z); loss = a.sum()``.

    Args:
        x: (..., N, I).
        W: (..., I, O).
        b: (..., O), or a row (..., 1, O).
        a: (..., N, O), the output.
        z: (..., N, O), before tanh; the rule needs a alone.

    Returns:
        dW, db, dx, each of exactly its tensor's shape.

    Raises:
        ShapeError: a shape that is none of these.
    """
    lead, fan_out = x.shape[:-2], W.shape[-1:]
    if x.dim() < 2 or W.shape[:-1] != (*lead, x.shape[-1]):
        raise ShapeError(f"x: shape {tuple(x.shape)} does not fit W, {tuple(W.shape)}")
    if b.shape not in ((*lead, *fan_out), (*lead, 1, *fan_out)):
        raise ShapeError(f"b: shape {tuple(b.shape)}, expected {(*lead, *fan_out)}")
    expected = (*x.shape[:-1], *fan_out)
    for name, tensor in (("a", a), ("z", z)):
        if tensor.shape != expected:
            raise ShapeError(f"{name}: shape {tuple(tensor.shape)}, but x @ W has {expected}")
    dz, _ = Tanh().backward({}, {"y": a}, torch.ones_like(a))
    linear = Linear(W.shape[-2], W.shape[-1])
    dx, deltas = linear.backward({"W": W, "b": b}, {"x": x}, dz)
    return deltas["W"], deltas["b"].reshape(b.shape), dx


def cross_entropy_backward(logits: Tensor, targets: Tensor) -> Tensor:
    """(softmax(logits) − one-hot(targets))/N: dlogits of the mean cross-entropy.

    Args:
        logits: (..., N, V).
        targets: (..., N) int64.

    Raises:
        DataError: a target outside 0 … V − 1.
        ShapeError: targets of another shape, or no rows, or no classes.
    """
    if logits.dim() < 2 or 0 in logits.shape:
        raise ShapeError(
            f"logits: shape {tuple(logits.shape)}, expected (..., N, V), none of them 0"
        )
    rule = CrossEntropy()
    with torch.no_grad():
        saved = rule.forward({}, logits, targets)
        return rule.backward_fused({}, saved, torch.ones_like(saved["y"]))[0]


class BatchNorm1d:
    """`torch.nn.BatchNorm1d` by hand: it keeps what the backward needs, and running statistics.

    The variance of a training batch is divided by n, the running variance by n − 1, as torch does.

    Attributes:
        gamma: (features,), ones.
        beta: (features,), zeros.
        running_mean: (features,), zeros.
        running_var: (features,), ones.
    """

    def __init__(self, features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.rule = BatchNorm(features, eps, momentum, bessel=False)
        self.gamma, self.beta = torch.ones(features), torch.zeros(features)
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)
        self._saved: Tensors | None = None
        self._training = True

    def _params(self, dtype: torch.dtype) -> Tensors:
        """What the rule reads: rows (1, features), in the dtype of the data."""
        named = {
            "gain": self.gamma,
            "bias": self.beta,
            "running_mean": self.running_mean,
            "running_var": self.running_var,
        }
        return {name: tensor.to(dtype).unsqueeze(0) for name, tensor in named.items()}

    def forward(self, x: Tensor, training: bool = True) -> Tensor:
        """Normalise x (N, features) by the batch's statistics, or by the running ones.

        Raises:
            ConfigError: a training batch of one row.
            ShapeError: x is not (N, features).
        """
        if x.dim() != 2 or x.shape[-1] != self.rule.features:
            raise ShapeError(f"x: shape {tuple(x.shape)}, expected (N, {self.rule.features})")
        params = self._params(x.dtype)
        rule = self.rule if training else self.rule.evaluation()
        with torch.no_grad():
            saved = rule.forward(params, x)
            if training:
                running = rule.running(params, saved)
                # half precision is not enough to average in
                wide = torch.promote_types(x.dtype, self.running_mean.dtype)
                self.running_mean = running["running_mean"].squeeze(0).to(wide)
                self.running_var = running["running_var"].squeeze(0).to(wide)
        self._saved, self._training = saved, training
        return saved["y"]

    def backward(self, dout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """dx, dgamma, dbeta of the last forward, for dout = ∂loss/∂y (N, features).

        Raises:
            ShapeError: dout has not the shape of the last output, or there was no forward yet.
        """
        if self._saved is None or dout.shape != self._saved["y"].shape:
            what = "no forward before it" if self._saved is None else "another shape than y"
            raise ShapeError(f"dout: {what}; call backward with the delta of the last output")
        rule = self.rule if self._training else self.rule.evaluation()
        params = self._params(dout.dtype)
        with torch.no_grad():
            dx, deltas = rule.backward_fused(params, self._saved, dout)
        assert isinstance(dx, Tensor)
        return dx, deltas["gain"].squeeze(0), deltas["bias"].squeeze(0)
