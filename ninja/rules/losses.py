"""Losses: one number per replica, the mean over the rows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ninja.errors import DataError, ShapeError
from ninja.rules.base import Rule
from ninja.types import Tensors


@dataclass(frozen=True)
class CrossEntropy(Rule):
    """loss = −mean over the rows of log softmax(logits)[target].  ``(..., N, V)`` → ``(...)``.

    The maximum of each row is subtracted first: it changes no probability, since
    e^(a−m)/Σe^(b−m) = e^a/Σe^b, and keeps every exponential at or below 1. So the true delta of
    the maxima is zero, and what is computed, about 1e-9, is the rounding of a sum that cancels.

    Step by step, each a line of `backward`::

        loss = −mean(logprobs[target])      dlogprobs = −1/N at the targets, 0 elsewhere
        logprobs = log(probs)               dprobs = dlogprobs/probs
        probs = counts · counts_sum_inv     the second is broadcast over the classes: sum
        counts_sum_inv = counts_sum^−1      d = −counts_sum_inv² · d
        counts_sum = counts.sum(-1)         broadcast, and counts was used twice: add
        counts = exp(norm_logits)           d = counts · d
        norm_logits = logits − maxes        routes to logits, minus the sum to the maxima
        maxes = logits.max(-1)              routes to the place of the maximum, and adds

    Fused: from loss_n = −l_t + log Σ_c e^{l_c}, ∂loss_n/∂l_c = p_c − [c = t]: the probabilities,
    minus one at the target. Each row sums to zero: what pulls the target up pushes the rest down.

    The price of the lecture's steps: a class whose logit lies more than about 103 (float32) below
    its row's maximum underflows to probability 0. If it is the target, the loss is infinite; in any
    case the step-by-step delta, a quotient by it, is not a number. The closed form's is.
    Source: makemore part 4, exercises 1 and 2.
    """

    def forward(self, params: Tensors, logits: Tensor, targets: Tensor) -> Tensors:
        """logits are (..., N, V), targets (..., N) int64.

        Raises:
            DataError: a target outside the vocabulary, 0 … V − 1, or not int64.
            ShapeError: targets of another shape.
        """
        if targets.shape != logits.shape[:-1]:
            raise ShapeError(
                f"targets {tuple(targets.shape)} do not fit logits {tuple(logits.shape)}"
            )
        if targets.dtype != torch.int64:
            raise DataError(f"targets are classes, int64, and not {targets.dtype}")
        index = targets.unsqueeze(-1)
        logit_maxes, argmax = logits.max(-1, keepdim=True)
        norm_logits = logits - logit_maxes
        counts = norm_logits.exp()
        counts_sum = counts.sum(-1, keepdim=True)
        counts_sum_inv = counts_sum.reciprocal()
        probs = counts * counts_sum_inv
        logprobs = probs.log()
        try:
            loss = -logprobs.gather(-1, index).squeeze(-1).mean(-1)
        except RuntimeError as error:
            raise DataError(
                f"a target lies outside the vocabulary, 0 … {logits.shape[-1] - 1}"
            ) from error
        return {
            "index": index,
            "argmax": argmax,
            "logit_maxes": logit_maxes,
            "norm_logits": norm_logits,
            "counts": counts,
            "counts_sum": counts_sum,
            "counts_sum_inv": counts_sum_inv,
            "probs": probs,
            "logprobs": logprobs,
            "y": loss,
        }

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (...), the loss's own delta: ones."""
        counts, counts_sum_inv, probs = saved["counts"], saved["counts_sum_inv"], saved["probs"]
        index, argmax = saved["index"], saved["argmax"]
        # loss = -logprobs[targets].mean()
        share = -dy.view(*dy.shape, 1, 1) / probs.shape[-2]
        dlogprobs = torch.zeros_like(probs).scatter_(-1, index, share.expand(index.shape))
        # logprobs = probs.log()
        dprobs = dlogprobs / probs
        # probs = counts * counts_sum_inv
        dcounts_sum_inv = (counts * dprobs).sum(-1, keepdim=True)
        dcounts = counts_sum_inv * dprobs
        # counts_sum_inv = counts_sum ** -1
        dcounts_sum = -dcounts_sum_inv * counts_sum_inv.square()
        # counts_sum = counts.sum(-1)
        dcounts = dcounts + dcounts_sum
        # counts = norm_logits.exp()
        dnorm_logits = counts * dcounts
        # norm_logits = logits - logit_maxes
        dlogit_maxes = -dnorm_logits.sum(-1, keepdim=True)
        # logit_maxes = logits.max(-1)
        dlogits = dnorm_logits.scatter_add(-1, argmax, dlogit_maxes)
        return dlogits, {
            "logprobs": dlogprobs,
            "probs": dprobs,
            "counts_sum_inv": dcounts_sum_inv,
            "counts_sum": dcounts_sum,
            "counts": dcounts,
            "norm_logits": dnorm_logits,
            "logit_maxes": dlogit_maxes,
        }

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """Dlogits = (probs − one-hot(targets))·dy/N."""
        probs, index = saved["probs"], saved["index"]
        share = dy.view(*dy.shape, 1, 1) * (1 / probs.shape[-2])
        return (probs * share).scatter_add_(-1, index, (-share).expand(index.shape)), {}


@dataclass(frozen=True)
class MeanSquaredError(Rule):
    """loss = mean over rows and features of (x − target)².  ``(..., N, F)`` → ``(...)``.

    A mean's backward is a broadcast of 1/(N·F): ddiff2 = dy/(N·F), ddiff = 2 diff·ddiff2, and
    dx = ddiff. Fused: dx = 2 (x − target)·dy/(N·F).
    """

    def forward(self, params: Tensors, x: Tensor, targets: Tensor) -> Tensors:
        """x and targets are (..., N, F).

        Raises:
            ShapeError: their shapes differ (they would broadcast).
        """
        if targets.shape != x.shape:
            raise ShapeError(f"targets {tuple(targets.shape)} do not fit outputs {tuple(x.shape)}")
        diff = x - targets
        diff2 = diff.square()
        return {"diff": diff, "diff2": diff2, "y": diff2.mean((-2, -1))}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (...)."""
        diff = saved["diff"]
        ddiff2 = (dy.view(*dy.shape, 1, 1) / (diff.shape[-2] * diff.shape[-1])).expand_as(diff)
        ddiff = ddiff2 * (2 * diff)
        return ddiff, {"diff2": ddiff2, "diff": ddiff}

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (...)."""
        diff = saved["diff"]
        return diff * (dy.view(*dy.shape, 1, 1) * (2 / (diff.shape[-2] * diff.shape[-1]))), {}
