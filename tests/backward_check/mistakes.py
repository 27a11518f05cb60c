"""Backwards as people get them wrong, each with the tensor and the words that must come back."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


class Linear(Function):
    """y = x W + b, right."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(x, W)
        return x @ W + b

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, W = ctx.saved_tensors
        return dy @ W.T, x.T @ dy, dy.sum(0)


class DoubledWeight(Linear):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx, dW, db = Linear.backward(ctx, dy)
        return dx, 2 * dW, db


class TransposedSquareWeight(Linear):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx, dW, db = Linear.backward(ctx, dy)
        return dx, dW.T, db


class WeightAsRead(Linear):
    """dx by W in place of its transpose: the shapes fit where W is square."""

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, W = ctx.saved_tensors
        return dy @ W, x.T @ dy, dy.sum(0)


class BiasAveraged(Linear):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx, dW, db = Linear.backward(ctx, dy)
        return dx, dW, db / len(dy)


class NoWeight(Linear):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx, _, db = Linear.backward(ctx, dy)
        return dx, None, db


class BiasForgotten(Linear):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx, dW, db = Linear.backward(ctx, dy)
        return dx, dW, torch.zeros_like(db)


class TooFew(Linear):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Linear.backward(ctx, dy)[:2]


class OtherShape(Linear):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx, dW, db = Linear.backward(ctx, dy)
        return dx, dW.T, db


class SinglePrecision(Linear):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx, dW, db = Linear.backward(ctx, dy)
        return dx, dW.float(), db


class Sin(Function):
    """y = sin x, right."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return dy * x.cos()


class Sign(Sin):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return -Sin.backward(ctx, dy)


class ChainRuleForgotten(Sin):
    @staticmethod
    def backward(ctx: Any, _: Tensor) -> Any:
        return ctx.saved_tensors[0].cos()


class Raises(Sin):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return dy * ctx.cos  # which nobody kept


class SavedThenChanged(Sin):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.sin()
        ctx.save_for_backward(y)
        return y.mul_(1) if y.requires_grad else y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return dy * (1 + y * y)


class ChangesDelta(Sin):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return dy.mul_(ctx.saved_tensors[0].cos())


class NotFinite(Sin):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Sin.backward(ctx, dy) / 0


class RandomBackward(Sin):
    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Sin.backward(ctx, dy) * (torch.rand_like(dy) > 0.5)


class Mse(Function):
    """Mean over all elements, of which the backward forgets the 1/n."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(x, target)
        return ((x - target) ** 2).mean()

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, target = ctx.saved_tensors
        return 2 * (x - target) * dy, -2 * (x - target) * dy


class CrossEntropySummed(Function):
    """Mean over the rows forgotten: n × too large."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        ctx.save_for_backward(logits, targets)
        return torch.nn.functional.cross_entropy(logits, targets)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        logits, targets = ctx.saved_tensors
        hot = torch.nn.functional.one_hot(targets, logits.shape[-1])
        return (logits.softmax(-1) - hot) * dy, None


class SoftmaxDiagonal(Function):
    """The sum over the row forgotten."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.softmax(-1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return dy * y


class CentredWithoutMean(Function):
    """y = x − mean(x) over the batch, whose backward leaves the mean out."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x - x.mean(0)

    @staticmethod
    def backward(_: Any, dy: Tensor) -> Any:
        return dy


class VarianceByN(Function):
    """The variance by n − 1, its backward by n."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.var(0)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * (x - x.mean(0)) / len(x) * dy


class EmbeddingLastWins(Function):
    """= for +=, where a token occurs more than once."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, C: Tensor) -> Tensor:
        ctx.save_for_backward(tokens, C)
        return C[tokens]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        tokens, C = ctx.saved_tensors
        dC = torch.zeros_like(C)
        dC[tokens] = dy
        return None, dC


class TwoOutputs(Function):
    """sin and cos; the second's delta is taken as the first's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx: Any, *dys: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return dys[0] * x.cos() + dys[1] * x.sin()


class Rounded(Function):
    """A straight-through gradient: useful, and no derivative."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(_: Any, dy: Tensor) -> Any:
        return dy


def outside(x: Tensor) -> Tensor:
    """Made where autograd does not look."""
    return torch.from_numpy(x.detach().numpy() ** 2)


def half_outside(x: Tensor) -> Tensor:
    return x.sin() * x.detach()


class Mistake(NamedTuple):
    """A function that is wrong, its inputs, and what must be found."""

    fn: Any
    inputs: tuple[Tensor, ...]
    first_wrong: str | None
    said: str


_linear = (draw(8, 4), draw(4, 3), draw(3))
_square = (draw(8, 4), draw(4, 4), draw(4, seed=5))
_x = (draw(5, 3),)
MISTAKES = {
    "weight doubled": Mistake(DoubledWeight, _linear, "W", "2 × too large"),
    "weight transposed": Mistake(TransposedSquareWeight, _square, "W", "transposed"),
    "weight not transposed": Mistake(WeightAsRead, _square, "x", "differs (at ("),
    "bias averaged": Mistake(BiasAveraged, _linear, "b", "8 × too small: is a factor 8 missing"),
    "None": Mistake(NoWeight, _linear, "W", "is None"),
    "bias forgotten": Mistake(BiasForgotten, _linear, "b", "is zero: it is forgotten"),
    "too few": Mistake(TooFew, _linear, "x", "incorrect number of gradients"),
    "other shape": Mistake(OtherShape, _linear, "W", "the gradient of W is transposed?"),
    "float32": Mistake(SinglePrecision, _linear, "W", "returns float32 for W"),
    "sign": Mistake(Sign, _x, "x", "wrong sign"),
    "chain rule": Mistake(ChainRuleForgotten, _x, "x", "ignores the incoming gradient"),
    "raises": Mistake(Raises, _x, "x", "the backward fails: 'RaisesBackward' object has no"),
    "1 + y²": Mistake(SavedThenChanged, _x, "x", "differs (at ("),
    "delta changed": Mistake(ChangesDelta, _x, None, "changes the gradient that it is given"),
    "not finite": Mistake(NotFinite, _x, "x", "is not finite"),
    "random": Mistake(RandomBackward, _x, "x", "two calls of the backward differ"),
    "1/n of all": Mistake(Mse, (draw(5, 3), draw(5, 3, seed=4)), "x", "1/15 missing"),
    "1/n of rows": Mistake(
        CrossEntropySummed, (draw(7, 4), torch.arange(7) % 4), "logits", "1/7 missing"
    ),
    "softmax": Mistake(SoftmaxDiagonal, (draw(4, 6),), "x", "sum to zero along dimension 1"),
    "mean": Mistake(CentredWithoutMean, (draw(6, 3),), "x", "sum to zero along dimension 0"),
    "Bessel": Mistake(VarianceByN, (draw(9, 3),), "x", "are n and n − 1 mixed up (n = 9"),
    "= for +=": Mistake(
        EmbeddingLastWins, (torch.tensor([0, 2, 2, 5]), draw(6, 3)), "C", "wrong at 3 of 18"
    ),
    "one of two outputs": Mistake(TwoOutputs, _x, "x", "through output[1]"),
    "straight-through": Mistake(Rounded, _x, "x", "straight-through"),
    "outside": Mistake(outside, _x, "x", "is lost: no output carries one"),
}
