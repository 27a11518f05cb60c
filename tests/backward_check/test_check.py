"""`ninja.check_backward`: mistakes are named, what is right passes, and nothing is left changed."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import ninja
from ninja.backward_check import BackwardCheck, check_backward
from ninja.errors import ConfigError
from tests.backward_check.mistakes import MISTAKES, Linear, Mistake, Sin, draw, half_outside
from tests.faults import fault_of


def row_of(check: BackwardCheck, name: str) -> Any:
    (row,) = (row for row in check.rows if row.name == name)
    return row


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_and_named(mistake: Mistake) -> None:
    check = ninja.check_backward(mistake.fn, mistake.inputs)
    assert not check
    assert check.passed is False
    assert check.first_wrong == mistake.first_wrong
    assert mistake.said in check.reason
    assert check.reason.isprintable()
    assert check.module is None


@pytest.mark.parametrize("name", ["weight doubled", "sign", "softmax", "mean", "= for +="])
def test_torchs_own_check_agrees_that_it_is_wrong(name: str) -> None:
    assert check_backward(MISTAKES[name].fn, MISTAKES[name].inputs).torch_agrees is False


def test_the_right_tensors_beside_a_wrong_one_are_right() -> None:
    check = check_backward(MISTAKES["weight doubled"].fn, MISTAKES["weight doubled"].inputs)
    assert {row.name: row.status for row in check.rows} == {
        "x": "right",
        "W": "wrong",
        "b": "right",
    }
    wrong = row_of(check, "W")
    assert wrong.max_error == pytest.approx(wrong.size, rel=1e-6)  # twice is as far off as it is
    assert check.gap is not None
    assert check.gap > 0.1


def test_a_gradient_that_is_half_lost() -> None:
    check = check_backward(half_outside, draw(4))
    assert not check
    assert check.first_wrong == "x"


@settings(max_examples=30)
@given(st.floats(0.05, 20).filter(lambda k: abs(k - 1) > 1e-2), st.booleans())
def test_any_factor_is_told(factor: float, negative: bool) -> None:
    class Scaled(Sin):
        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Any:
            return (-factor if negative else factor) * Sin.backward(ctx, dy)

    check = check_backward(Scaled, draw(3, 2))
    size, word = (factor, "large") if factor > 1 else (1 / factor, "small")
    shown = check.reason.split(" × too ")[0].split()[-1]
    assert float(shown) == pytest.approx(size, rel=1e-3)
    assert f"× too {word}" in check.reason
    assert ("wrong sign" in check.reason) == negative


@pytest.mark.parametrize("error", [1e-4, 1e-3])
def test_a_small_error_in_one_element_is_found(error: float) -> None:
    class OneElement(Sin):
        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Any:
            dx = Sin.backward(ctx, dy).clone()
            dx[2, 1] *= 1 + error
            return dx

    check = check_backward(OneElement, draw(5, 3))
    assert not check
    assert "(2, 1)" in check.reason
    assert "wrong at 1 of 15" in check.reason or "differs" in check.reason


def test_an_element_that_is_not_looked_at_shows_in_the_sums() -> None:
    class LastElement(Sin):
        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Any:
            dx = Sin.backward(ctx, dy).clone()
            dx[-1] = 5.0
            return dx

    check = check_backward(LastElement, draw(3000), elements=20, seed=3)
    assert not check
    assert "sums along random directions" in check.reason
    assert row_of(check, "x").checked == 20
    assert check.torch_agrees is None
    assert check_backward(Sin, draw(3000), elements=20, seed=3)


class NothingForOne(Function):
    """Two outputs, and a backward that needs a gradient of both."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx: Any, *dys: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return dys[0] * x.cos() - dys[1] * x.sin()


def test_what_torchs_check_alone_finds_is_told() -> None:
    check = check_backward(NothingForOne, draw(3))
    assert not check
    assert check.torch_agrees is False
    assert check.reason.startswith("torch.autograd.gradcheck: ")
    assert [row.status for row in check.rows] == ["right"]


# --- what is right -------------------------------------------------------------------------------


class Softmax(Function):
    """With its context set up apart, as newer code has it."""

    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        return x.softmax(dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.dim = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return y * (dy - (dy * y).sum(ctx.dim, keepdim=True)), None


class SinAndIndex(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x)
        rank = x.argsort().double()
        ctx.mark_non_differentiable(rank)
        return x.sin(), rank

    @staticmethod
    def backward(ctx: Any, dy: Tensor, _: Tensor) -> Any:
        return dy * ctx.saved_tensors[0].cos()


class ShareWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(3, 3)
        self.two = self.one

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x).tanh())


RIGHT: dict[str, tuple[Callable[..., Any], Any]] = {
    "Function": (Linear, (draw(8, 4), draw(4, 3), draw(3))),
    "Function.apply": (Linear.apply, (draw(8, 4), draw(4, 3), draw(3))),
    "setup_context": (Softmax, (draw(4, 5), 1)),
    "non-differentiable output": (SinAndIndex, draw(5)),
    "tanh": (torch.tanh, draw(4, 3)),
    "mapping": (functional.linear, {"input": draw(4, 3), "weight": draw(2, 3)}),
    "layer_norm": (lambda x, w: functional.layer_norm(x, (6,), w), (draw(4, 6), draw(6))),
    "cross entropy": (functional.cross_entropy, (draw(7, 4), torch.arange(7) % 4)),
    "a number": (torch.sin, torch.tensor(0.3)),
    "several outputs": (lambda x: (x.sin(), {"b": [x.cos(), x.argmax()]}), draw(5)),
    "nested inputs": (lambda pair: pair[0] * pair[1]["w"], ((draw(3), {"w": draw(3)}),)),
    "large": (lambda x: 1e6 * x.exp(), 3 * draw(4)),
    "tiny": (lambda x: 1 / x, 1e-4 * (draw(6).abs() + 1)),
    "scales side by side": (torch.log, torch.tensor([1e-4, 1.0, 1e4])),
    "constant": (lambda x: x * 0 + 3, draw(3)),
    "in place": (lambda x: x.sin_(), draw(5)),
}
MODULES: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "Linear": (lambda: nn.Linear(4, 3), draw(5, 4)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, 3, padding=1), draw(2, 2, 5, 5)),
    "LayerNorm": (lambda: nn.LayerNorm(6), draw(4, 6)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), draw(6, 3)),
    "BatchNorm1d.eval": (lambda: nn.BatchNorm1d(3).eval(), draw(6, 3)),
    "Embedding": (lambda: nn.Embedding(7, 3), torch.tensor([1, 1, 4])),
    "LSTM": (lambda: nn.LSTM(3, 4, batch_first=True), draw(2, 3, 3)),
    "attention": (lambda: nn.MultiheadAttention(4, 2), (draw(3, 2, 4),) * 3),
    "encoder": (lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), draw(2, 3, 4)),
    "shared": (ShareWeights, draw(4, 3)),
    "mlp": (
        lambda: nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Dropout(0.4), nn.Linear(5, 2)),
        draw(6, 4),
    ),
    "in place": (lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True)), draw(6, 4)),
    "bfloat16": (lambda: nn.Linear(4, 3).bfloat16(), draw(5, 4).bfloat16()),
}


@pytest.mark.parametrize(("fn", "inputs"), RIGHT.values(), ids=RIGHT)
def test_what_is_right_passes(fn: Callable[..., Any], inputs: Any) -> None:
    check = check_backward(fn, inputs)
    assert check, check.reason
    assert check.reason.startswith("right: ")
    assert check.first_wrong is None
    assert check.torch_agrees is (None if fn is torch.log else True)  # whose step fits one scale
    assert check.gap is not None
    assert check.gap < 1e-6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("make", "inputs"), MODULES.values(), ids=MODULES)
def test_they_pass_on_a_gpu(make: Callable[[], nn.Module], inputs: Any) -> None:
    torch.manual_seed(1)
    given = tuple(x.to("cuda") for x in (inputs if isinstance(inputs, tuple) else (inputs,)))
    check = check_backward(make().to("cuda"), given)
    assert check, check.reason
    assert check.gap is not None
    assert check.gap < 1e-6


@pytest.mark.parametrize(("make", "inputs"), MODULES.values(), ids=MODULES)
def test_modules_pass_with_their_parameters(make: Callable[[], nn.Module], inputs: Any) -> None:
    torch.manual_seed(1)
    module = make()
    check = check_backward(module, inputs)
    assert check, check.reason
    assert check.module == ""
    found = [row.name for row in check.rows if row.kind == "parameter"]
    assert found == [name for name, _ in module.named_parameters()]
    assert {row.status for row in check.rows if row.kind == "parameter"} == {"right"}


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_may_be_asked_where_no_gradient_is_wanted(mode: Callable[[], Any]) -> None:
    with mode():
        x = draw(5, 4) + 1
        assert check_backward(nn.Linear(4, 3), x)
        assert not check_backward(MISTAKES["sign"].fn, x)


@pytest.mark.parametrize("seed", range(12))
def test_a_gradient_that_is_truly_zero_is_right(seed: int) -> None:
    """A bias before a BatchNorm: what the two show is rounding alone."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh())
    check = check_backward(module, 10 * draw(8, 4, seed=seed), seed=seed)
    assert check, check.reason
    assert row_of(check, "0.bias").size < 1e-7


# --- where rounding hides it ---------------------------------------------------------------------


def times(factor: float) -> Callable[[Tensor], Tensor]:
    """1.5 x, whose backward is this factor too large."""

    class Scaled(Function):
        @staticmethod
        def forward(_: Any, x: Tensor) -> Tensor:
            return 1.5 * x

        @staticmethod
        def backward(_: Any, dy: Tensor) -> Any:
            return 1.5 * factor * dy

    return Scaled.apply


@pytest.mark.parametrize("factor", [1.0, 2.0, 1.001])
@pytest.mark.parametrize("count", [32, 1200])
@pytest.mark.parametrize("offset", [1e4, 1e6, 1e8, 1e10, 1e12])
def test_beside_a_large_constant_nothing_false_is_said(
    offset: float, count: int, factor: float
) -> None:
    check = check_backward(lambda x: times(factor)(x) + offset, draw(count))
    drowned = check.rows[0].status == "drowned"
    assert bool(check) == (factor == 1 and not drowned)
    assert drowned == ("cannot be judged: rounding would drown it" in check.reason)
    assert drowned <= (check.first_wrong is None)
    if offset <= 1e4 and factor != 1.001:
        assert not drowned
    if offset >= 1e10:
        assert not check
        assert check.first_wrong is None or factor == 2


@pytest.mark.parametrize("count", [30, 1200])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_small_output_is_seen_beside_a_large_one(factor: float, count: int) -> None:
    check = check_backward(lambda x, y: (1e8 * x, times(factor)(y)), (draw(count), draw(count)))
    assert bool(check) == (factor == 1)
    assert check.first_wrong == (None if factor == 1 else "y")


def test_a_small_gradient_beside_a_large_one_in_the_same_number_is_not_judged() -> None:
    check = check_backward(lambda a, b: 1e-6 * a.sum() + 1e6 * b.sum(), (draw(3), draw(3)))
    assert not check
    assert {row.name: row.status for row in check.rows} == {"a": "drowned", "b": "right"}
    assert check.first_wrong is None
    assert check.reason.startswith("a: the gradient cannot be judged: rounding would drown it")


def test_a_module_that_is_not_judged_has_no_wrong_part() -> None:
    class Far(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 1e12

    check = check_backward(nn.Sequential(nn.Linear(3, 3), Far()), draw(4, 3))
    assert not check
    assert (check.module, check.first_wrong) == ("", None)


@pytest.mark.parametrize(
    ("fn", "x"),
    [
        (lambda x: 2 * x, torch.tensor([1e8, 2e8])),
        (lambda x: 2 * x, torch.tensor([1.7e9, 1.7e9 + 1e3])),
        (nn.Linear(4, 3), 1e6 * draw(8, 4)),
        (torch.relu, torch.tensor([1e-12, -1e-12, 1e-7, 1.0])),
    ],
)
def test_at_scales_far_apart_what_is_right_passes(fn: Callable[..., Any], x: Tensor) -> None:
    check = check_backward(fn, x)
    assert check, check.reason
    assert check.torch_agrees is not False


# --- embeddings and checkpoints ------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
@pytest.mark.parametrize(("sparse", "padding"), [(False, None), (False, 2), (True, None)])
def test_embeddings(kind: Any, sparse: bool, padding: int | None) -> None:
    embedding = kind(5, 3, padding_idx=padding, sparse=sparse)
    inputs = torch.tensor([[1, 2, 2]])
    check = check_backward(nn.Sequential(embedding, nn.Tanh()), inputs)
    assert check, check.reason
    said = "0.weight[2] is padding: its gradient is zero by contract, and the row is held still"
    assert (said in check.notes) == (padding is not None)


# --- where there is no derivative ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "x", "kinks"),
    [
        (torch.relu, [0.0, 1.0, -1.0, 0.0], 2),
        (torch.abs, [0.0, 1.0, -2.0], 0),
        (lambda x: x.clamp(-1, 1), [-1.0, 0.3, 1.0, 2.0], 2),
        (lambda x: x.max(0).values, [1.0, 1.0, 0.3], 2),
        (torch.sqrt, [0.0, 1.0, 4.0], 1),
        (functional.elu, [0.0, 1.0, -1.0], 0),
        (torch.relu, [1e-7, 1.0, -1e-7], 0),
    ],
)
def test_kinks_are_said_and_not_called_wrong(fn: Any, x: list[float], kinks: int) -> None:
    check = check_backward(fn, torch.tensor(x))
    assert check, check.reason
    assert check.rows[0].kinks == kinks
    assert check.rows[0].checked == len(x) - kinks
    assert any("not differentiable here" in note for note in check.notes) == (kinks > 0)
    assert check.torch_agrees is not False


def test_where_everything_is_a_kink_nothing_is_claimed() -> None:
    check = check_backward(torch.relu, torch.zeros(3))
    assert not check
    assert "nothing could be checked" in check.reason
    assert check.rows[0].status == "kinks"
    assert check.first_wrong is None


def test_a_wrong_slope_at_a_kink_is_wrong() -> None:
    class Relu(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.relu()

        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Any:
            (x,) = ctx.saved_tensors
            return dy * torch.where(x == 0, 7.0, (x > 0).double())

    assert check_backward(Relu, torch.tensor([1.0, -1.0]))
    check = check_backward(Relu, torch.tensor([1.0, 0.0, -1.0]))
    assert not check
    assert "(1,)" in check.reason


# --- what is skipped -----------------------------------------------------------------------------


def test_what_has_no_gradient_is_skipped_and_said() -> None:
    def fn(x: Tensor, index: Tensor, weight: Tensor, mask: Tensor, z: Tensor, flag: str) -> Tensor:
        assert flag == "mean"
        return (x[index] * weight * mask).sum() + z.real.sum()

    x, weight = draw(5).requires_grad_(), draw(3)
    index, mask = torch.tensor([0, 3, 3]), torch.tensor([True, False, True])
    z = torch.ones(2, dtype=torch.complex64)
    check = check_backward(fn, (x, index, weight, mask, z, "mean"))
    assert check, check.reason
    assert {row.name: row.reason for row in check.rows if row.status == "skipped"} == {
        "index": "int64 has no gradient here",
        "weight": "needs no gradient",
        "mask": "bool has no gradient here",
        "z": "complex64 has no gradient here",
    }
    assert row_of(check, "x").status == "right"
    assert row_of(check_backward(torch.mul, (draw(0), draw(1))), "input 0").reason == "is empty"


def test_a_frozen_parameter_is_skipped() -> None:
    module = nn.Linear(3, 2)
    module.bias.requires_grad_(False)
    check = check_backward(module, draw(4, 3))
    assert check
    assert row_of(check, "bias").reason == "is frozen"


def test_dropout_is_said() -> None:
    check = check_backward(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), draw(8, 4))
    assert check
    assert any("draws random numbers" in note for note in check.notes)
    assert not any("random" in note for note in check_backward(nn.Dropout().eval(), draw(4)).notes)


def test_a_change_in_place_is_said() -> None:
    assert any(
        "x is changed in place" in n for n in check_backward(lambda x: x.mul_(2), draw(3)).notes
    )
    assert check_backward(torch.sin, draw(3)).notes == ()


def test_an_output_without_a_gradient_is_said() -> None:
    (note,) = check_backward(SinAndIndex, draw(5)).notes
    assert note == "output[1] carries no gradient and takes no part"


def test_a_complex_output_is_said_not_to_be_checked() -> None:
    check = check_backward(lambda x: (x.sin(), torch.complex(x, x)), draw(5))
    assert check
    assert check.notes == ("output[1] is complex and was not checked",)


# --- which submodule -----------------------------------------------------------------------------


class WrongTanh(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return MISTAKES["sign"].fn.apply(x)


class WrongLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.W = nn.Parameter(draw(4, 4))
        self.b = nn.Parameter(draw(4, seed=2))

    def forward(self, x: Tensor) -> Tensor:
        return MISTAKES["weight doubled"].fn.apply(x, self.W, self.b)


class Residual(nn.Module):
    """Right parts, and a mistake of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x.detach() + self.inner(x)


def test_the_wrong_submodule_is_named() -> None:
    model = nn.Sequential(nn.Linear(4, 4), WrongTanh(), nn.Linear(4, 2), nn.Tanh())
    check = check_backward(model, draw(5, 4))
    assert not check
    assert (check.module, check.first_wrong) == ("1", "x")
    assert check.reason.startswith("1 (WrongTanh): x: the gradient has the wrong sign")
    assert row_of(check, "2.weight").status == "right"  # above it
    assert row_of(check, "0.weight").status == "wrong"  # below it


def test_of_two_wrong_submodules_the_last_comes_first() -> None:
    model = nn.Sequential(WrongTanh(), nn.Sequential(nn.Linear(4, 4), WrongLinear()), nn.Tanh())
    check = check_backward(model, draw(5, 4))
    assert (check.module, check.first_wrong) == ("1.1", "W")
    assert "1.1 (WrongLinear): W: the gradient is 2 × too large" in check.reason


def test_where_the_parts_are_right_the_whole_is_named() -> None:
    model = nn.Sequential(nn.Linear(4, 4), Residual())
    check = check_backward(model, draw(5, 4))
    assert (check.module, check.first_wrong) == ("1", "x")
    alone = check_backward(Residual(), draw(5, 4))
    assert (alone.module, alone.first_wrong) == ("", "x")


def test_a_submodule_whose_backward_raises_is_named() -> None:
    class Wrong(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return MISTAKES["raises"].fn.apply(x)

    check = check_backward(nn.Sequential(nn.Linear(4, 4), nn.Dropout(), Wrong()), draw(5, 4))
    assert check.module == "2"
    assert "2 (Wrong): the backward fails" in check.reason


# --- nothing is left changed ---------------------------------------------------------------------


def test_a_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(), WrongTanh())
    module[0].half()
    module.float()
    module[0].weight.grad = torch.ones(6, 4)
    before = {name: one.clone() for name, one in module.state_dict().items()}
    x = draw(5, 4)
    kept, state = x.clone(), torch.get_rng_state()
    assert not check_backward(module, x)
    assert torch.equal(x, kept)
    assert x.grad is None
    assert torch.equal(torch.get_rng_state(), state)
    assert module.training
    for name, one in module.state_dict().items():
        assert one.dtype == before[name].dtype
        assert torch.equal(one, before[name]), name
    assert torch.equal(module[0].weight.grad, torch.ones(6, 4))
    assert module[1].weight.grad is None
    assert not any(one._forward_pre_hooks or one._forward_hooks for one in module.modules())


class Keeps(nn.Module):
    """Caches a mask, counts, and draws from numpy."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.mask = nn.Linear(4, 4), None
        self.memo: dict[str, Tensor] = {}
        self.state = torch.zeros(4)

    def forward(self, x: Tensor) -> Tensor:
        np.random.rand()
        self.mask = torch.ones(4, dtype=x.dtype) if self.mask is None else self.mask
        self.memo["y"] = y = self.out(x * self.mask)
        self.state = y.detach()[0]
        return y


@pytest.mark.parametrize("bound", [False, True])
def test_attributes_and_numpys_generator_are_left_as_they_were(bound: bool) -> None:
    module, x = Keeps(), draw(2, 4)
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    if bound:
        fault_of(
            lambda: check_backward(module.forward, x), ConfigError
        )  # whose weights are float32
    else:
        assert check_backward(module, x)
    assert np.random.rand() == expected
    assert module.mask is None
    assert module.memo == {}
    assert (module.state.dtype, module.state.tolist()) == (torch.float32, [0, 0, 0, 0])
    module(x)


@pytest.mark.parametrize("name", ["weight doubled", "raises", "random", "float32"])
def test_a_function_keeps_its_backward(name: str) -> None:
    fn = MISTAKES[name].fn
    before = dict(vars(fn))
    check_backward(fn, MISTAKES[name].inputs)
    assert dict(vars(fn)) == before
    inherits = type("Inherits", (Sin,), {})
    check_backward(inherits, draw(3))
    assert "backward" not in vars(inherits)


def test_the_same_seed_finds_the_same() -> None:
    fn, inputs = MISTAKES["mean"].fn, MISTAKES["mean"].inputs
    torch.manual_seed(1)
    one = check_backward(fn, inputs, seed=4)
    torch.manual_seed(2)
    assert check_backward(fn, inputs, seed=4) == one
    assert check_backward(fn, inputs, seed=5) != one


# --- how it is told ------------------------------------------------------------------------------


def test_it_prints_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    check = check_backward(nn.Sequential(nn.Linear(4, 4), WrongTanh()), draw(5, 4))
    check.print()
    out = capsys.readouterr().out
    assert "0.weight" in out
    assert "1 (WrongTanh): x" in out.replace("\n", " ")
    text = str(check)
    assert "0.weight" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_markup_in_names_is_only_text() -> None:
    check = check_backward(lambda **kwargs: kwargs["[red]"].sin(), {"[red]": draw(3)})
    assert "[red]" in str(check)


# --- what cannot be checked ----------------------------------------------------------------------


class Counting(nn.Module):
    """Keeps a state that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: check_backward(3, draw(3)), "int is no function"),
        (lambda: check_backward(torch.sin, ()), "inputs: none"),
        (lambda: check_backward(torch.neg, torch.arange(3)), "inputs: none"),
        (lambda: check_backward(torch.sin, torch.tensor([math.nan])), "not finite"),
        (
            lambda: check_backward(torch.log, torch.tensor([0.0, 1.0])),
            "returns values that are not",
        ),
        (lambda: check_backward(torch.argmax, draw(3)), "returns no tensor of floating point"),
        (lambda: check_backward(lambda _: "one", draw(3)), "returns no tensor"),
        (lambda: check_backward(lambda x: x @ draw(3, 2), draw(4, 3)), "fails on float64 inputs"),
        (lambda: check_backward(lambda x: x.float().sin(), draw(3)), "computes in float32"),
        (lambda: check_backward(lambda x: x.float().sin().double(), draw(30)), "less than float64"),
        (lambda: check_backward(Counting(), draw(3)), "not deterministic"),
        (lambda: check_backward(nn.LazyLinear(3), draw(4, 3)), "has no shape yet"),
        (lambda: check_backward(nn.Embedding(5, 3, 2, sparse=True), torch.arange(3)), "padding"),
        (lambda: check_backward(nn.Embedding(5, 3, max_norm=1.0), torch.arange(3)), "(max_norm)"),
        (
            lambda: check_backward(
                lambda x: checkpoint(torch.sin, x, use_reentrant=True), draw(4).requires_grad_()
            ),
            "give use_reentrant=False",
        ),
        (lambda: check_backward(torch.sin, draw(3), seed=-1), "seed"),
        (lambda: check_backward(torch.sin, draw(3), elements=0), "elements: 0"),
        (
            lambda: check_backward(torch.sin, draw(3), elements="3"),  # type: ignore[arg-type]
            "elements: '3' is a str, give a whole number",
        ),
        (
            lambda: check_backward(torch.sin, draw(3), seed=1.5),  # type: ignore[arg-type]
            "seed: 1.5 is a float, give a whole number",
        ),
        (lambda: check_backward(torch.sin, draw(3), elements=True), "elements: True is a bool"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules", "ignore:None of the inputs")
def test_what_cannot_be_checked_is_refused(call: Callable[[], object], said: str) -> None:
    assert said in fault_of(call, ConfigError)
