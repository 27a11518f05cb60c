"""Specification of `ninja.watch`: whatever the training, it stays as it is."""

import gc
import math
import os
import random
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.optim import SGD, Adam, RMSprop
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext

import ninja
from ninja.observe.health import Health, following
from tests.observe.trainings import (
    MADE,
    Kind,
    Training,
    batch,
    made,
    mlp,
    seen,
    trained,
    usual,
    watched,
)

STEPS = 13


def state(training: Training) -> dict[str, Tensor]:
    """All bits of a model, and of its optimizers."""
    found = {
        f"model.{name}": value.to_dense().clone()
        for name, value in training.model.state_dict().items()
    }
    given = training.optimizer
    for at, optimizer in enumerate(given if isinstance(given, list) else [given] if given else []):
        for index, of in optimizer.state_dict()["state"].items():
            for name, value in of.items():
                if isinstance(value, Tensor):
                    found[f"{at}.{index}.{name}"] = value.clone()
    return found


def draws() -> tuple[bytes, float, float]:
    """What every generator would draw next."""
    torch_state = torch.get_rng_state().numpy().tobytes()
    return torch_state, np.random.rand(), random.random()


def assert_same(kind: Kind, every: int, steps: int = STEPS) -> None:
    training = made(kind)
    losses, after = trained(training, steps), draws()
    bits = state(training)
    with seen(kind, every) as (watched, health):
        found = trained(watched, steps, health)
    assert draws() == after
    np.testing.assert_array_equal(found, losses)  # infinities and what is not a number too
    own = state(watched)
    assert own.keys() == bits.keys()
    for name, value in bits.items():
        assert torch.equal(own[name], value) or value.isnan().any(), name
    assert clean()
    assert not any(p._backward_hooks for p in watched.model.parameters())
    assert health.rows()


def clean() -> bool:
    """Whether nothing of ours is left anywhere; a default device is a mode of the caller's."""
    modes = [m for m in _get_current_function_mode_stack() if not isinstance(m, DeviceContext)]
    return not (
        hooks._global_forward_hooks
        or hooks._global_forward_pre_hooks
        or hooks._global_forward_hooks_always_called
        or modes
    )


# --- bits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("kind", MADE)
def test_a_training_keeps_every_bit(kind: str, every: int) -> None:
    assert_same(kind, every)


ACTIVATIONS = (nn.Tanh, nn.ReLU, nn.GELU, nn.Sigmoid, nn.SiLU)
OPTIMIZERS = (SGD, Adam, RMSprop)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", MADE)
def test_so_it_does_on_a_gpu(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else sums differ between two runs
    torch.use_deterministic_algorithms(True)
    torch.set_default_device("cuda")
    try:
        assert_same(kind, 3)
    finally:
        torch.set_default_device(None)
        torch.use_deterministic_algorithms(False)


DRAWS_NOTHING = ("plain", "adamw", "residual", "functional", "shared", "two_losses", "recurrent")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", DRAWS_NOTHING)
def test_a_gpu_shows_the_numbers_of_here(kind: str) -> None:
    """From the same first values."""
    here, start = watched(kind, STEPS, 3), made(kind).model.state_dict()
    torch.set_default_device("cuda")
    try:
        with seen(kind, 3) as (training, health):
            training.model.load_state_dict(start)
            trained(training, STEPS, health)
    finally:
        torch.set_default_device(None)
    assert health.verdict() == here.verdict()
    for row, other in zip(health.rows(), here.rows(), strict=True):
        assert row.keys() == other.keys()
        for of, same in zip(row.get("layers", ()), other.get("layers", ()), strict=True):
            assert of["layer"] == same["layer"]
            for name in ("grad_norm", "delta_rms", "act_std"):
                assert of.get(name) == pytest.approx(same.get(name), rel=1e-3, abs=1e-6)


@pytest.mark.slow
@given(
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    activation=st.sampled_from(ACTIVATIONS),
    optimizer=st.sampled_from(OPTIMIZERS),
    rate=st.sampled_from([0.0, 1e-3, 0.1, 1e4]),
    rows=st.integers(1, 5),
    every=st.integers(1, 4),
)
def test_so_does_any_other(
    widths: list[int],
    activation: type[nn.Module],
    optimizer: Callable[..., torch.optim.Optimizer],
    rate: float,
    rows: int,
    every: int,
) -> None:
    def kind() -> Training:
        layers: list[nn.Module] = []
        for inputs, outputs in zip([4, *widths], widths):
            layers += [nn.Linear(inputs, outputs), activation()]
        model = nn.Sequential(*layers, nn.Linear(widths[-1], 3))
        return usual(model, rows, 4, optimizer=optimizer(model.parameters(), lr=rate))

    assert_same(kind, every, steps=9)


@pytest.mark.filterwarnings("ignore")  # its compiler warns of itself
def test_a_compiled_function_beside_the_model() -> None:
    """Its graph may be guarded by our hooks, and must come out the same."""

    def kind() -> Training:
        torch._dynamo.reset()
        model = mlp()
        optimizer = SGD(model.parameters(), lr=0.1)

        @torch.compile(backend="eager")
        def loss_of(out: Tensor, y: Tensor) -> Tensor:
            return nn.functional.cross_entropy(torch.tanh(out), y)

        def step(number: int) -> Tensor:
            x, y = batch(number, 5, 6)
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return Training(model, optimizer, step)

    assert_same(kind, 3)


@pytest.mark.filterwarnings("ignore")  # its compiler warns of itself
@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("where", ["around", "inside", "beside"])
def test_compiled_code_that_calls_modules(where: str, every: int) -> None:
    """It is compiled once more at most, and must not fall back to what it was compiled from."""

    def kind() -> Training:
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        model, other = mlp(), mlp().requires_grad_(requires_grad=False)
        optimizer = SGD(model.parameters(), lr=0.1)
        teacher = torch.compile(other, backend="eager") if where == "beside" else other

        def of(x: Tensor, y: Tensor) -> Tensor:
            return nn.functional.cross_entropy(model(x), y)

        loss_of = torch.compile(of, backend="eager") if where == "around" else of
        if where == "inside":
            model.forward = torch.compile(model.forward, backend="eager")

        def step(number: int) -> Tensor:
            x, y = batch(number, 5, 6)
            optimizer.zero_grad()
            loss = loss_of(x, y) + teacher(x).sum()
            loss.backward()
            optimizer.step()
            return loss

        return Training(model, optimizer, step)

    assert_same(kind, every, steps=40)
    assert torch._dynamo.utils.counters["frames"]["total"] <= 2
    with seen(kind, every) as (training, health):
        trained(training, 3, health)
    assert health.unseen() == [
        "module outputs: compiled code calls modules; parameters are seen",
    ]
    assert all(any("update_ratio" in of for of in row["layers"]) for row in health.rows())


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("kind", ["plain", "functional", "convolution"])
def test_another_thread_that_calls_the_model(kind: str, grad: bool) -> None:
    """A server of a demonstration, an actor: its calls are none of the training."""
    training = made(kind)
    expected = trained(training, STEPS)
    shape = (4, 2, 8, 8) if kind == "convolution" else (5, 6)
    failed: list[BaseException] = []

    def calls(model: nn.Module) -> None:
        try:
            with torch.set_grad_enabled(grad):
                model(torch.ones(shape))
        except BaseException as error:
            failed.append(error)

    def kind_with_calls() -> Training:
        own = made(kind)
        body = next(of for of in own.model.modules() if isinstance(of, (nn.Linear, nn.Conv2d)))

        def meanwhile(*_: object) -> None:  # in the middle of a forward
            if threading.current_thread() is threading.main_thread():
                other = threading.Thread(target=calls, args=(own.model.eval(),))
                other.start()
                other.join()
                own.model.train()

        body.register_forward_hook(meanwhile)
        return own

    with seen(kind_with_calls) as (training, health):
        assert trained(training, STEPS, health) == expected
    assert failed == []
    assert clean()
    with seen(kind) as (training, alone):
        trained(training, STEPS, alone)
    for row, other in zip(health.rows(), alone.rows(), strict=True):
        assert [dict(of) for of in row["layers"]] == [dict(of) for of in other["layers"]]


@contextmanager
def alone() -> Iterator[None]:
    """One process that is all there are."""
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    try:
        yield
    finally:
        dist.destroy_process_group()


def test_a_model_that_is_distributed() -> None:
    def kind() -> Training:
        return usual(nn.parallel.DistributedDataParallel(mlp()), 5, 6)

    with alone():
        assert_same(kind, 3)
        with seen(kind) as (training, health):
            trained(training, 1, health)
    with seen("plain") as (training, single):
        trained(training, 1, single)
    for row, other in zip(health.rows(), single.rows(), strict=True):
        assert [dict(of) for of in row["layers"]] == [dict(of) for of in other["layers"]]


# --- what is there while it lasts, and after -----------------------------------------------------


def test_looks_are_early_ones_and_every_so_many() -> None:
    with seen("plain", every=7) as (training, health):
        trained(training, 60, health)
    steps = [row["step"] for row in health.rows()]
    assert steps == [0, 1, 2, 5, 7, 10, 14, 20, 21, 28, 35, 42, 49, 50, 56]


@given(st.integers(1, 60), st.integers(0, 200))
def test_the_next_look_is_the_first_that_is_due(every: int, step: int) -> None:
    with ninja.watch(mlp(), None, every=every) as health:
        cadence = health._cadence
    found = following(cadence, step)
    due = [at for at in range(step + 1, step + 100) if at in cadence.early or at % every == 0]
    assert found == due[0]


def test_a_step_that_is_not_due_is_left_alone() -> None:
    with seen("plain", every=10) as (training, health):
        for number in range(40):
            due = number in (0, 1, 2, 5, 10, 20, 30)
            assert bool(hooks._global_forward_hooks) == due
            loss = training.step(number)
            health.step(loss if due else object())  # it is not even looked at  # type: ignore
    assert clean()


def test_an_exception_takes_everything_away() -> None:
    training = made("functional")
    health = ninja.watch(training.model, training.optimizer, every=1)
    with suppress(KeyboardInterrupt), health:
        trained(training, 2, health)
        raise KeyboardInterrupt
    assert clean()
    assert not training.optimizer._optimizer_step_pre_hooks
    assert not training.optimizer._optimizer_step_post_hooks
    assert len(health.rows()) == 2
    trained(training, 1)


def test_a_forward_that_fails_is_the_loops_own_affair() -> None:
    with seen("functional") as (training, health):
        for number in range(4):
            with pytest.raises(RuntimeError, match="shapes"):
                training.model(torch.zeros(2, 3))
            assert not _get_current_function_mode_stack()
            health.step(training.step(number))
    for row in health.rows():
        assert all(
            math.isfinite(v) for of in row["layers"] for v in of.values() if type(v) is float
        )


def test_watches_within_watches() -> None:
    training = made("functional")
    losses = trained(training, STEPS)
    training = made("functional")
    with (
        ninja.watch(training.model, training.optimizer, every=1) as outer,
        ninja.watch(training.model, training.optimizer, every=2) as inner,
        ninja.watch(training.model.second, None, every=1) as part,
    ):
        for number in range(STEPS):
            loss = training.step(number)
            for health in (outer, inner, part):
                health.step(loss)
            assert loss.item() == losses[number]
    assert clean()
    assert [row["step"] for row in inner.rows()] == [0, 1, 2, 4, 5, 6, 8, 10, 12]
    for row in inner.rows():
        other = next(of for of in outer.rows() if of["step"] == row["step"])
        assert [of["node"] for of in row["layers"]] == [of["node"] for of in other["layers"]]
        assert row["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-5)
    assert {of["node"] for of in part.rows()[-1]["layers"]} == {"model"}


def test_nothing_keeps_a_model_or_a_graph_alive() -> None:
    with seen("functional") as (training, health):
        kept: list[weakref.ref[Tensor]] = []
        for number in range(8):
            loss = training.step(number)
            health.step(loss)
            kept.append(weakref.ref(loss))
            del loss
        gc.collect()
        assert all(of() is None for of in kept)
    model = weakref.ref(training.model)
    rows = health.rows()
    del training, health
    gc.collect()
    assert model() is None
    assert rows


def test_no_steps_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with seen("plain") as (_, health):
        assert health.rows() == []
    assert health.findings() == []
    assert health.verdict() == "unknown"
    health.report()
    assert capsys.readouterr().out == (
        "verdict: unknown\n  not seen: all steps: health.step(loss) was never called\n"
    )
    health.save(tmp_path / "empty")


# --- what is said --------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_is_a_finding() -> None:
    def step(training: Training, number: int) -> Tensor:
        x, y = batch(number, 5, 6)
        training.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(training.model(x), y) * (math.nan if number > 5 else 1)
        loss.backward()
        training.optimizer.step()
        return loss

    with seen("plain") as (training, health):
        for number in range(12):
            health.step(step(training, number))
    (finding,) = [of for of in health.findings() if of.kind == "diverged"]
    assert finding.step == 6


def test_a_healthy_training_has_no_findings() -> None:
    with seen("plain", every=10) as (training, health):
        trained(training, 100, health)
    assert health.findings() == []
    assert health.verdict() == "healthy"
    assert health.unseen() == []


@pytest.mark.parametrize(("gain", "finding"), [(0.1, "vanishing"), (20.0, "saturated")])
def test_a_sick_one_is_told_and_where(gain: float, finding: str) -> None:
    def kind() -> Training:
        layers: list[nn.Module] = []
        for inputs in (6, 30, 30, 30, 30):
            layers += [nn.Linear(inputs, 30), nn.Tanh()]
        model = nn.Sequential(*layers, nn.Linear(30, 3))
        for layer in model[:-1]:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight, gain)
        return usual(model, 16, 6, optimizer=SGD(model.parameters(), lr=1e-3))

    with seen(kind, every=5) as (training, health):
        trained(training, 30, health)
    kinds = {of.kind: of for of in health.findings() if of.severity == "sick"}
    assert finding in kinds
    assert kinds[finding].step == 0
    assert training.model.get_submodule(kinds[finding].layer)


def test_the_classes_of_a_cross_entropy_are_found_out() -> None:
    with seen("plain") as (training, health):
        trained(training, 1, health)
    assert health.classes == 3
    with seen("frozen_encoder") as (training, other):
        trained(training, 1, other)
    assert other.classes is None
    with seen("frozen_encoder", classes=7) as (training, told):
        trained(training, 1, told)
    assert told.classes == 7


@pytest.mark.parametrize(
    ("loss", "classes"),
    [
        (lambda out, y: nn.functional.cross_entropy(out[0], y[0]), 3),  # without a batch
        (lambda out, y: nn.functional.cross_entropy(out, y, reduction="sum"), None),
        (lambda out, y: nn.functional.cross_entropy(out, y, reduction="none").sum(), None),
    ],
)
def test_only_a_mean_is_held_against_the_logarithm_of_the_classes(
    loss: Callable[[Tensor, Tensor], Tensor], classes: int | None
) -> None:
    assert looped(mlp(), loss=loss).classes == classes


class Subclass(nn.Parameter):
    """Of somebody's own, which overrides nothing."""


def looped(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy
) -> Health:
    """A plain loop of twelve steps, watched."""
    optimizer = SGD(model.parameters(), lr=0.01)
    with ninja.watch(model, optimizer, every=1) as health:
        for number in range(12):
            x, y = batch(number, 5, 6)
            optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            optimizer.step()
            health.step(value)
    return health


def test_a_parameter_of_ones_own_class_is_seen() -> None:
    model = mlp()
    model[0].weight = Subclass(model[0].weight.data)
    health = looped(model)
    assert health.unseen() == []
    expected = math.hypot(*(p.grad.norm().item() for p in model.parameters() if p.grad is not None))
    assert health.rows()[-1]["grad_norm"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("alone", [False, True])
def test_a_parameter_that_cannot_be_measured_is_named(alone: bool) -> None:
    class Complex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.turn = nn.Parameter(torch.ones(6, dtype=torch.complex64))
            self.layer = nn.Identity() if alone else nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return (self.layer(x) * self.turn).abs()

    health = looped(Complex(), loss=lambda out, _: out.mean())
    assert "model.turn: no dense real numbers" in health.unseen()
    assert len(health.rows()) == 12


class Passes(torch.autograd.Function):
    """Its backward has nothing for what it is given."""

    @staticmethod
    def forward(_: object, y: Tensor) -> Tensor:
        return y.clone()

    @staticmethod
    def backward(*_: object) -> None:  # type: ignore[override]
        return None


def test_an_output_that_a_backward_has_nothing_for() -> None:
    def loss(out: Tensor, y: Tensor) -> Tensor:
        return Passes.apply(out).sum() + 0 * y.sum()  # type: ignore[no-any-return]

    with pytest.raises(ValueError, match="no gradient"):
        looped(mlp(), loss=loss)
    model = mlp()

    def both(out: Tensor, y: Tensor) -> Tensor:
        other = Passes.apply(model(torch.zeros(5, 6))).sum()
        return nn.functional.cross_entropy(out, y) + other

    assert len(looped(model, loss=both).rows()) == 12


def test_steps_in_inference_mode() -> None:
    with seen("plain") as (training, health):
        for number in range(STEPS):
            loss = training.step(number)
            with torch.inference_mode(mode=number % 2 == 0):
                health.step(loss)
    with seen("plain") as (training, other):
        trained(training, STEPS, other)
    assert [list(row["layers"]) for row in health.rows()] == [
        list(row["layers"]) for row in other.rows()
    ]


def test_a_scaler_that_comes_late() -> None:
    def scaled(late: int) -> list[float]:
        torch.manual_seed(1)
        model = mlp()
        optimizer = SGD(model.parameters(), lr=0.01)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        with ninja.watch(model, optimizer, every=1) as health:
            for number in range(20):
                x, y = batch(number, 5, 6)
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                if number < late:
                    loss.backward()
                    optimizer.step()
                else:
                    scaler.scale(loss).backward()
                    scaler.step(optimizer)
                    scaler.update()
                health.step(loss)
        return [row["grad_norm"] for row in health.rows()]

    assert scaled(late=12) == pytest.approx(scaled(late=99), rel=1e-4)


def test_an_optimizer_that_the_backward_calls_is_not_early() -> None:
    model = mlp()
    optimizers = {p: SGD([p], lr=0.01) for p in model.parameters()}
    for p in optimizers:
        p.register_post_accumulate_grad_hook(lambda p: optimizers[p].step())  # type: ignore[index]
    with ninja.watch(model, list(optimizers.values()), every=1) as health:
        for number in range(12):
            x, y = batch(number, 5, 6)
            model.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            health.step(loss)
    assert health.unseen() == []
    matrices = sum(p.dim() > 1 for p in model.parameters())
    for row in health.rows():
        assert sum("update_ratio" in of for of in row["layers"]) == matrices


def test_what_is_handed_out_is_not_the_record() -> None:
    health = watched("plain", 3, 1)
    health.rows()[0]["histograms"].clear()
    assert health.rows()[0]["histograms"]


@pytest.mark.filterwarnings("ignore")  # of torch itself
def test_what_torch_traces_is_none_of_the_training() -> None:
    def kind() -> Training:
        training = made("plain")
        plain = training.step

        def step(number: int) -> Tensor | float:
            torch.func.linearize(training.model, batch(99, 5, 6)[0])
            return plain(number)

        return Training(training.model, training.optimizer, step)

    assert [list(row["layers"]) for row in watched(kind, 12, 1).rows()] == [
        list(row["layers"]) for row in watched("plain", 12, 1).rows()
    ]


REPORTS = """
import random, sys
import torch, ninja
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
assert "rich.style" not in sys.modules
random.seed(1)
before = random.getstate()
with ninja.watch(model) as health:
    loss = model(torch.ones(2, 4)).sum()
    loss.backward()
    health.step(loss)
    health.report()
ninja.preflight(model, torch.ones(2, 4), lambda out, _: out.sum()).report()
assert "rich.style" in sys.modules
assert random.getstate() == before
assert sys.stdout.errors == "strict"
"""


def test_a_report_draws_nothing_and_prints_to_any_stream() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REPORTS],
        env=os.environ | {"PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "verdict: " in done.stdout


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("compiled", "module outputs: model is compiled; parameters are seen"),
        ("compiled_part", "module outputs: 0 is compiled; parameters are seen"),
        (
            "frozen_encoder",
            "activations that are functions: an attention layer is frozen in evaluation mode: "
            "its fast path must stay",
        ),
    ],
)
def test_what_is_not_seen_is_said(kind: str, told: str) -> None:
    with seen(kind) as (training, health):
        trained(training, 2, health)
    assert health.unseen() == [told]
    assert any("update_ratio" in of for of in health.rows()[0]["layers"])
    if kind == "compiled":
        assert health.verdict().startswith("healthy (unknown: delta profile, ")


def test_a_module_that_is_not_called_as_such() -> None:
    def kind() -> Training:
        training = made("plain")
        model, optimizer = training.model, training.optimizer

        def step(number: int) -> Tensor:
            x, y = batch(number, 5, 6)
            optimizer.zero_grad()
            hidden = torch.tanh(x @ model[0].weight.T)
            loss = nn.functional.cross_entropy(hidden @ model[4].weight.T, y)
            loss.backward()
            optimizer.step()
            return loss

        return Training(model, optimizer, step)

    with seen(kind) as (training, health):
        trained(training, 2, health)
    assert health.unseen() == [
        "module outputs: no module was called as such; parameters are seen",
        "2: no gradient came",
    ]
    found = {(of["node"], of["tensor"]): of for of in health.rows()[0]["layers"]}
    assert "update_ratio" in found["0", "weight"]
    assert "update_ratio" not in found["2", "weight"]


def test_what_runs_through_time_is_said() -> None:
    with seen("recurrent") as (training, health):
        trained(training, 2, health)
    (told,) = health.unseen()
    assert told.startswith("inside ")
    assert told.endswith(": what happens through time")


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)).detach())


@pytest.mark.parametrize("frozen", [False, True])
def test_a_layer_that_no_gradient_reaches(frozen: bool) -> None:
    def kind() -> Training:
        model = Detached()
        model.a.requires_grad_(requires_grad=not frozen)
        return usual(model, 5, 6)

    with seen(kind) as (training, health):
        trained(training, STEPS, health)
    assert health.unseen() == ([] if frozen else ["a: no gradient came"])


@pytest.mark.parametrize("every", [1, 10])
def test_a_step_that_ends_before_the_optimizer_is_called(every: int) -> None:
    training = made("plain")
    model, optimizer = training.model, training.optimizer
    with ninja.watch(model, optimizer, every=every) as health:
        for number in range(25):
            x, y = batch(number, 5, 6)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            health.step(loss)
            optimizer.step()
    (told,) = health.unseen()
    assert told.startswith("updates: no optimizer.step() came between loss.backward() and health")


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("kind", MADE)
def test_nobody_is_told_so_who_calls_it_after(kind: str, every: int) -> None:
    told = watched(kind, STEPS, every).unseen()
    assert not any("optimizer" in why or "never called" in why for why in told)


def test_a_loss_is_kept_as_it_was() -> None:
    """A captured graph writes every loss into the same tensor."""
    static, expected = torch.zeros(()), list[float]()
    with seen("plain") as (training, health):
        for number in range(STEPS):
            loss = training.step(number)
            expected.append(loss.item())
            health.step(static.copy_(loss.detach()))
    assert [row["loss"] for row in health.rows()] == expected


def test_a_step_of_no_known_loss_is_not_looked_at() -> None:
    with seen("plain", every=3) as (training, health):
        for number in range(12):
            loss = training.step(number)
            if number in (1, 6, 7):
                health.skip()
            else:
                health.step(loss)
    assert [row["step"] for row in health.rows()] == [0, 2, 3, 5, 8, 9, 10]
    with pytest.raises(RuntimeError, match="inside `with ninja"):
        health.skip()


# --- scaled losses -------------------------------------------------------------------------------


def test_a_scaled_loss_is_unscaled() -> None:
    def kind(scale: float | None) -> Callable[[], Training]:
        def begun() -> Training:
            model = mlp()
            optimizer = SGD(model.parameters(), lr=0.1)
            scaler = torch.amp.GradScaler("cpu", init_scale=scale or 1.0, enabled=scale is not None)

            def step(number: int) -> Tensor:
                x, y = batch(number, 5, 6)
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                return loss

            return Training(model, optimizer, step)

        return begun

    found = []
    for scale in (None, 2.0**16):
        with seen(kind(scale)) as (training, health):
            trained(training, STEPS, health)
        found.append(health.rows())
    for row, other in zip(*found, strict=True):
        assert row["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-5)
        for of, same in zip(row["layers"], other["layers"], strict=True):
            assert of.keys() == same.keys()
            numbers = [column for column, value in of.items() if isinstance(value, float)]
            assert [of[name] for name in numbers] == pytest.approx(
                [same[name] for name in numbers], rel=1e-4
            )


def test_a_step_that_the_scaler_skips_is_no_fault() -> None:
    with seen("mixed") as (training, health):
        trained(training, STEPS, health)
    looked = ["layers" in row for row in health.rows()]
    assert not all(looked)
    assert any(looked)
    assert "diverged" not in health.verdict()


def test_gradients_that_no_module_tells_of_and_no_optimizer_takes() -> None:
    model = mlp()
    with ninja.watch(model, every=1) as health:
        for number in range(STEPS):
            x, y = batch(number, 5, 6)
            model.zero_grad()
            hidden = torch.tanh(x @ model[0].weight.T)
            loss = nn.functional.cross_entropy(hidden @ model[4].weight.T, y)
            loss.backward()
            health.step(loss)
            assert health.rows()[-1]["grad_norm"] == pytest.approx(
                torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
                .norm()
                .item(),
                rel=1e-5,
            )


# --- refusals ------------------------------------------------------------------------------------


def test_a_step_before_any_backward() -> None:
    with seen("plain") as (training, health):
        with pytest.raises(
            ValueError, match=r"^loss: no gradient of this model .*loss.backward\(\)"
        ):
            health.step(torch.tensor(1.0))
        trained(training, 2, health)
    assert [row["step"] for row in health.rows()] == [0, 1]


def test_a_step_outside_of_the_watch() -> None:
    training = made("plain")
    health = ninja.watch(training.model, training.optimizer)
    with pytest.raises(RuntimeError, match="inside `with ninja"):
        health.step(1.0)
    with health:
        trained(training, 1, health)
    with pytest.raises(RuntimeError, match="inside `with ninja"):
        health.step(1.0)
    with pytest.raises(RuntimeError, match="it was entered before"):
        health.__enter__()
