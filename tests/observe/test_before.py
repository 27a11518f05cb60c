"""Specification of `ninja.preflight`."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the name the field gives it)
from torch import Tensor, nn

import ninja
from ninja.diagnosis import read
from ninja.theory import log_norm
from tests.observe.test_health import clean, draws
from tests.observe.trainings import MADE, Prompted, batch, made, mlp, tokens


def deep(gain: float, depth: int = 20, width: int = 300, activation: type[nn.Module] = nn.Tanh):
    torch.manual_seed(3)
    layers: list[nn.Module] = []
    for inputs in [50, *[width] * (depth - 1)]:
        linear = nn.Linear(inputs, width)
        nn.init.normal_(linear.weight, std=gain / math.sqrt(inputs))
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


X, Y = batch(0, 64, 50, classes=10)


# --- nothing is touched --------------------------------------------------------------------------

BATCHES: dict[str, tuple[Any, Callable[..., Tensor]]] = {
    "attention": (
        (tokens(0), tokens(0).flatten()),
        lambda out, y: F.cross_entropy(out.flatten(0, 1), y),
    ),
    "sparse": (
        (tokens(0), tokens(0).flatten()),
        lambda out, y: F.cross_entropy(out.flatten(0, 1), y),
    ),
    "recurrent": (batch(0, 4, 3, 4), lambda out, y: F.cross_entropy(out["logits"], y)),
    "convolution": (batch(0, 4, 2, 8, 8), F.cross_entropy),
    "residual": (batch(0, 4, 3, 7), F.cross_entropy),
    "double": ((batch(0, 5, 6)[0].double(), batch(0, 5, 6)[1]), F.cross_entropy),
}
# no shapes yet; dictionaries of modules
NOT = ("lazy", "frozen_encoder", "adversarial")


@pytest.mark.parametrize("kind", [kind for kind in MADE if kind not in NOT])
def test_a_model_comes_out_as_it_went_in(kind: str) -> None:
    model = made(kind).model
    given, loss_fn = BATCHES.get(kind, (batch(0, 5, 6), F.cross_entropy))
    for p in model.parameters():
        p.grad = torch.ones_like(p) if p.requires_grad else None
    bits = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(7)
    expected = draws()
    torch.manual_seed(7)
    random_state = np.random.get_state()
    found = ninja.preflight(model, given, loss_fn)
    np.random.set_state(random_state)
    assert draws()[0] == expected[0]
    assert all(
        torch.equal(value.to_dense(), bits[name].to_dense())
        for name, value in model.state_dict().items()
    )
    assert all(p.grad is None or p.grad.eq(1).all() for p in model.parameters())
    assert all(module.training for module in model.modules())
    assert clean()
    assert math.isfinite(found.loss)
    found.report()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_as_here() -> None:
    def moved(of: nn.Module) -> nn.Module:
        return of.to("cuda")

    model, state = moved(deep(0.5)), torch.cuda.get_rng_state()
    bits = {name: value.clone() for name, value in model.state_dict().items()}
    there = ninja.preflight(model, (X.to("cuda"), Y.to("cuda")), F.cross_entropy)
    assert torch.equal(torch.cuda.get_rng_state(), state)
    assert all(torch.equal(value, bits[name]) for name, value in model.state_dict().items())
    here = ninja.preflight(model.to("cpu"), (X, Y), F.cross_entropy)
    assert [(f.kind, f.layer) for f in there.findings] == [(f.kind, f.layer) for f in here.findings]


def test_also_if_the_forward_or_the_loss_fails() -> None:
    model = mlp(nn.BatchNorm1d(8), nn.Tanh())
    bits = {name: value.clone() for name, value in model.state_dict().items()}

    def fails(*_: Tensor) -> Tensor:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        ninja.preflight(model, batch(0, 5, 6), fails)
    with pytest.raises(RuntimeError, match="shapes"):
        ninja.preflight(model, batch(0, 5, 7), F.cross_entropy)
    assert all(torch.equal(value, bits[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert clean()


class Criterion(nn.Module):
    """A loss that learns."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, out: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.norm(out), y)


@pytest.mark.parametrize("bound", [False, True])
def test_a_loss_that_is_a_module_comes_out_as_it_went_in(bound: bool) -> None:
    loss = Criterion()
    ninja.preflight(mlp(), batch(0, 5, 6), loss.forward if bound else loss)
    assert loss.norm.weight.grad is None
    assert loss.norm.num_batches_tracked.item() == 0


def test_a_model_that_holds_a_sparse_matrix() -> None:
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("edges", torch.eye(5).to_sparse())
            self.net = mlp()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(torch.sparse.mm(self.edges, x))

    model, given, state = Graph(), batch(0, 5, 6), torch.get_rng_state()
    assert ninja.preflight(model, given, F.cross_entropy).loss > 0
    assert torch.equal(model.edges.to_dense(), torch.eye(5))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_a_scripted_model() -> None:
    model = torch.jit.script(mlp())
    found = ninja.preflight(model, batch(0, 5, 6), F.cross_entropy)
    assert math.isfinite(found.loss)
    assert all(p.grad is None for p in model.parameters())


def test_a_model_in_evaluation_mode_is_looked_at_in_training() -> None:
    model = mlp(nn.BatchNorm1d(8), nn.ReLU()).eval()
    before = model[1].running_mean.clone()
    found = ninja.preflight(model, batch(0, 5, 6), F.cross_entropy)
    assert not any(module.training for module in model.modules())
    assert torch.equal(model[1].running_mean, before)
    norm = next(of for of in found.rows[0]["layers"] if of["node"] == "1" and of["tensor"] == "y")
    assert norm["act_std"] == pytest.approx(1.0, abs=0.05)  # by the batch's own statistics


def test_no_hook_stays_on_a_parameter_that_a_module_returns() -> None:
    model = Prompted()
    ninja.preflight(model, batch(0, 5, 6), F.cross_entropy)
    assert not any(p._backward_hooks for p in model.parameters())


# --- what is seen --------------------------------------------------------------------------------


def test_the_profile_is_that_of_the_deltas() -> None:
    model = deep(1.0, depth=4)
    found = ninja.preflight(model, (X, Y), F.cross_entropy)
    outputs = []
    x = X
    for layer in model:
        x = layer(x)
        x.retain_grad()
        outputs.append(x)
    loss = F.cross_entropy(x, Y)
    loss.backward()
    assert found.loss == pytest.approx(loss.item())
    deltas = [of.grad.square().mean().sqrt().item() for of in outputs[:-1:2] if of.grad is not None]
    assert [of.delta for of in found.layers] == pytest.approx(deltas, rel=1e-4)
    assert [of.profile for of in found.layers] == pytest.approx(
        [math.log10(delta / deltas[-1]) for delta in deltas], abs=1e-4
    )
    assert [of.name for of in found.layers] == ["0", "2", "4", "6"]
    assert [of.q for of in found.layers] == pytest.approx(
        [of.square().mean().item() for of in outputs[:-1:2]], rel=1e-4
    )


@pytest.mark.parametrize(
    ("activation", "gain", "kind"),
    [
        (nn.Tanh, 0.5, "vanishing"),
        (nn.Tanh, 1.0, None),
        (nn.Tanh, 3.0, "exploding"),
        (nn.ReLU, 1.0, "vanishing"),
        (nn.ReLU, math.sqrt(2), None),
    ],
)
def test_theory_and_measurement_agree(
    activation: type[nn.Module], gain: float, kind: str | None
) -> None:
    found = ninja.preflight(deep(gain, activation=activation), (X, Y), F.cross_entropy)
    assert found.theory == ""
    # among networks of this width, as if tanh were linear
    phi = "relu" if activation is nn.ReLU else "identity"
    spread = 3 * math.sqrt(log_norm([300] * len(found.layers), phi=phi)[1])
    for of in found.layers:
        assert of.predicted_q is not None
        assert of.predicted_profile is not None
        assert of.profile == pytest.approx(of.predicted_profile, abs=0.3)
        assert math.log(of.q / of.predicted_q) == pytest.approx(0, abs=spread)
    kinds = {of.kind for of in found.findings}
    assert kind in kinds if kind else not kinds & {"vanishing", "exploding"}
    assert found.chi is not None
    assert (found.chi < 0.7) == (kind == "vanishing")
    assert (found.chi > 1.1) == (kind == "exploding")
    assert found.depth_scale == pytest.approx(-1 / math.log(found.chi), rel=1e-3)


@pytest.mark.parametrize(("gain", "kind"), [(0.4, "vanishing"), (6.0, "exploding")])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_the_fix_is_a_line_that_mends_it(
    activation: type[nn.Module], gain: float, kind: str
) -> None:
    model = deep(gain, activation=activation)
    found = ninja.preflight(model, (X, Y), F.cross_entropy).findings
    finding = next(of for of in found if of.kind == kind)
    if (activation, kind) == (nn.ReLU, "exploding"):  # seen on the way forward first
        assert isinstance(model.get_submodule(finding.layer), nn.Linear)
    else:  # all are alike
        assert (finding.layer, " a layer" in finding.reason) == ("", True)
    exec(finding.fix, {"torch": torch, "model": model})
    assert ninja.preflight(model, (X, Y), F.cross_entropy).verdict == "healthy"


def test_the_fix_of_sigmoids_is_a_line_that_mends_them() -> None:
    model = deep(1, depth=10, activation=nn.Sigmoid)
    (finding,) = ninja.preflight(model, (X, Y), F.cross_entropy).findings
    assert finding.kind == "vanishing"
    exec(finding.fix, {"torch": torch, "model": model})
    model(X)  # its norms find out how wide they are
    assert not ninja.preflight(model, (X, Y), F.cross_entropy).findings
    norms = [of for of in model.modules() if isinstance(of, nn.BatchNorm1d)]
    assert len(norms) == 10


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_the_suggested_gain_keeps_the_gradient(activation: type[nn.Module]) -> None:
    model = deep(0.4, activation=activation)
    gains = ninja.preflight(model, (X, Y), F.cross_entropy).gains
    assert list(gains) == [str(2 * at) for at in range(20)]
    for name, gain in gains.items():
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))
    found = ninja.preflight(model, (X, Y), F.cross_entropy)
    assert found.layers[0].profile == pytest.approx(0, abs=1.0)
    assert not {of.kind for of in found.findings} & {"vanishing", "exploding"}


def test_where_theory_does_not_apply_it_is_said() -> None:
    found = ninja.preflight(made("convolution").model, *BATCHES["convolution"])
    assert (found.chi, found.depth_scale) == (None, None)
    assert "does not read a linear layer alone" in found.theory
    assert all(of.predicted_q is None for of in found.layers)


def test_what_is_wrong_from_the_start() -> None:
    model = deep(1.0, depth=3)
    nn.init.zeros_(model[2].weight)
    nn.init.normal_(model[-1].weight, std=5.0)
    kinds = {of.kind for of in ninja.preflight(model, (X, Y), F.cross_entropy).findings}
    assert "symmetric" in kinds
    model = deep(1.0, depth=3)
    nn.init.normal_(model[-1].weight, std=5.0)
    found = ninja.preflight(model, (X, Y), F.cross_entropy)
    assert "overconfident" in {of.kind for of in found.findings}


def filled(value: float, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    model = deep(1.0, depth=3, width=8, activation=activation)
    for p in model.parameters():
        nn.init.constant_(p, value)
    return model


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU, nn.GELU])
@pytest.mark.parametrize("value", [0.0, 0.5, -0.5])
def test_weights_that_are_all_the_same_are_symmetric(
    value: float, activation: type[nn.Module], capsys: pytest.CaptureFixture[str]
) -> None:
    found = ninja.preflight(filled(value, activation), (X.abs(), Y), F.cross_entropy)
    assert found.verdict == "symmetric"
    assert value or found.findings[0].layer == "0"
    assert "kaiming_normal_" in found.findings[0].fix
    found.report()
    printed = capsys.readouterr().out
    assert not {"nan", "+nan", "inf", "-inf", "-300.00", "-150.00"} & set(printed.split())
    assert "scale -" not in printed
    assert ("no gradient passes" in printed) == (value == 0)


def spoilt_inside() -> nn.Module:
    model = deep(1.0, depth=3)
    nn.init.constant_(model[2].bias, math.inf)
    return model


SPOILT: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "batch": (lambda: deep(1.0, depth=3), X.masked_fill(X > 1, math.nan)),
    "infinite": (lambda: deep(1.0, depth=3, activation=nn.ReLU), X.masked_fill(X > 1, math.inf)),
    "weights": (lambda: filled(math.nan), X),
    "relu": (lambda: filled(math.nan, nn.ReLU), X),
    "one bias": (spoilt_inside, X),
}


@pytest.mark.parametrize(("make", "x"), SPOILT.values(), ids=SPOILT)
def test_what_is_not_finite_is_diverged(
    make: Callable[[], nn.Module], x: Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ninja.preflight(make(), (x, Y), F.cross_entropy)
    assert found.findings[0].kind == "diverged"
    assert found.findings[0].severity == "sick"
    assert "holds values that are not finite" in found.findings[0].reason
    assert found.verdict == "diverged"
    assert found.chi is None
    assert ("the batch holds values" in found.theory) == (x is not X)
    assert "not finite" in found.theory
    found.report()
    printed = capsys.readouterr().out
    assert not {"nan", "+nan", "inf", "+inf", "-inf"} & set(printed.split())


def test_one_pass_is_enough_unless_numbers_are_drawn() -> None:
    assert len(ninja.preflight(mlp(), batch(0, 5, 6), F.cross_entropy).rows) == 1
    model = mlp(nn.Dropout(0.5), nn.Tanh())
    assert len(ninja.preflight(model, batch(0, 5, 6), F.cross_entropy).rows) == 3


def test_rows_are_those_of_a_record() -> None:
    found = ninja.preflight(mlp(), batch(0, 5, 6), F.cross_entropy)
    history = read(found.rows)
    assert history.steps.tolist() == [0.0]
    assert not any("update_ratio" in of for of in found.rows[0]["layers"])


def test_a_compiled_model_shows_its_parameters() -> None:
    found = ninja.preflight(made("compiled").model, batch(0, 5, 6), F.cross_entropy)
    assert any("grad_norm" in of for of in found.rows[0]["layers"])
    assert found.layers == ()
    assert found.verdict == "unknown"


def test_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    ninja.preflight(deep(0.5, depth=6), (X, Y), F.cross_entropy).report()
    printed = capsys.readouterr().out
    assert "χ₁ 0.2" in printed
    assert "suggested" in printed
    assert "verdict: " in printed


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"model": 3}, TypeError, "model: 3 is a int, give a torch.nn.Module"),
        ({"loss_fn": 3}, TypeError, "loss_fn: 3 is a int, give a function of output and targets"),
        ({"classes": 1}, ValueError, "classes: 1 is out of range"),
        (
            {"model": nn.Sequential(nn.LazyLinear(3))},
            ValueError,
            "model: 0.weight has no shape yet, call the model on a batch once before",
        ),
        ({"model": mlp().requires_grad_(False)}, ValueError, "loss_fn: its loss needs no gradient"),
        (
            {"batch": batch(0, 0, 6)},
            ValueError,
            "batch: a tensor of shape (0, 6), give at least one row",
        ),
    ],
)
def test_refusals(options: dict[str, Any], kind: type[Exception], said: str) -> None:
    given = {"model": mlp(), "batch": batch(0, 5, 6), "loss_fn": F.cross_entropy, **options}
    with pytest.raises(kind) as caught:
        ninja.preflight(**given)
    assert str(caught.value).startswith(said)


def test_it_is_refused_where_nothing_has_a_gradient() -> None:
    with (
        torch.inference_mode(),
        pytest.raises(RuntimeError, match=r"^preflight: .* call it outside"),
    ):
        ninja.preflight(mlp(), batch(0, 5, 6), F.cross_entropy)


def test_of_a_compiled_model_it_says_why_nothing_is_predicted() -> None:
    found = ninja.preflight(torch.compile(mlp(), backend="eager"), batch(0, 5, 6), F.cross_entropy)
    assert found.theory == "the model is compiled, and its layers are not seen"


@pytest.mark.parametrize("name", ["[/x]", "[red]x[/red]", "\x1b[31mx"])
def test_names_are_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleDict({name: nn.Linear(6, 8), "y": nn.Linear(8, 8)})
            self.act, self.last = nn.Tanh(), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers.values():
                x = torch.tanh(layer(x))
            return self.last(x)

    ninja.preflight(Named(), batch(0, 5, 6), F.cross_entropy).report()
    assert f"layers.{name}".replace("\x1b", "\\x1b") in capsys.readouterr().out
