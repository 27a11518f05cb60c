"""Trainings as people write them: one of every kind that `ninja.watch` must leave as it is."""

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name the field gives it)
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer, SparseAdam
from torch.utils.checkpoint import checkpoint

import ninja
from ninja.observe import Health

Step = Callable[[int], Tensor | float]
"""Makes a step of that number, and returns its loss."""


@dataclass
class Training:
    """A model, what trains it (as it is given to `ninja.watch`), and a step."""

    model: nn.Module
    optimizer: Any
    step: Step


def batch(step: int, *shape: int, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Inputs and targets of a step, the same on every device."""
    generator, here = torch.Generator().manual_seed(step), torch.get_default_device()
    x = torch.randn(shape, generator=generator, device="cpu")
    y = torch.randint(0, classes, shape[:1], generator=generator, device="cpu")
    return x.to(here), y.to(here)


def usual(
    model: nn.Module, *shape: int, optimizer: Optimizer | None = None, **options: Any
) -> Training:
    """The plain loop of a classifier."""
    chosen = optimizer or SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, **options)

    def step(number: int) -> Tensor:
        x, y = batch(number, *shape)
        chosen.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        chosen.step()
        return loss

    return Training(model, chosen, step)


def mlp(*middle: nn.Module, inputs: int = 6, width: int = 8) -> nn.Sequential:
    layers = [nn.Linear(inputs, width), *(middle or (nn.Tanh(),))]
    return nn.Sequential(*layers, nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 3))


# --- networks ------------------------------------------------------------------------------------


def plain() -> Training:
    return usual(mlp(), 5, 6)


def momentum() -> Training:
    return usual(mlp(), 5, 6, momentum=0.9, weight_decay=0.01, nesterov=True)


def adamw() -> Training:
    model = mlp()
    return usual(model, 5, 6, optimizer=AdamW(model.parameters(), lr=0.01))


def norms() -> Training:
    return usual(mlp(nn.BatchNorm1d(8), nn.ReLU(), nn.LayerNorm(8), nn.Dropout(0.3)), 5, 6)


def convolution() -> Training:
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3),
        nn.GroupNorm(1, 5),
        nn.Dropout(0.2, inplace=True),
        nn.LeakyReLU(0.1, inplace=True),
        nn.Flatten(),
        nn.Linear(20, 3),
    )
    return usual(model, 4, 2, 8, 8)


class Residual(nn.Module):
    """As torchvision's: one ReLU in place, called twice, and a sum in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(3, 3, 3, padding=1), nn.Conv1d(3, 3, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(self.first(x)))
        y = self.norm2(self.second(y))
        y += x
        return self.head(self.relu(y).mean(-1))


def residual() -> Training:
    return usual(Residual(), 4, 3, 7)


class Attention(nn.Module):
    """Embeddings, torch's own attention and encoder, and a weight that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.position = nn.Parameter(torch.randn(5, 8) * 0.1)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.position
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(self.encoder(x))


def tokens(number: int) -> Tensor:
    generator, here = torch.Generator().manual_seed(number), torch.get_default_device()
    return torch.randint(0, 11, (3, 5), generator=generator, device="cpu").to(here)


def attention() -> Training:
    """With a validation after each step, whose value decides on the next."""
    model = Attention()
    optimizer = AdamW(model.parameters(), lr=1e-3)

    def step(number: int) -> Tensor:
        optimizer.zero_grad()
        x = tokens(number)
        loss = F.cross_entropy(model(x).flatten(0, 1), x.flatten())
        loss.backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            value = F.cross_entropy(model(x).flatten(0, 1), x.flatten())
        model.train()
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * float(value)
        return loss

    return Training(model, optimizer, step)


def frozen_encoder() -> Training:
    """An encoder in evaluation mode that trains no more, as features: torch's fast path."""
    encoder, head = Attention(), nn.Linear(11, 3)
    encoder.eval().requires_grad_(False)
    model = nn.ModuleDict({"encoder": encoder, "head": head})
    optimizer = SGD(head.parameters(), lr=0.1)

    def step(number: int) -> Tensor:
        optimizer.zero_grad()
        loss = head(torch.tanh(encoder(tokens(number)))).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return Training(model, optimizer, step)


class Functional(nn.Module):
    """Activations that are functions and methods, in place or not; parameters of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 8)
        self.third, self.fourth = nn.Linear(8, 8), nn.Linear(8, 3)
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x)) * self.scale
        x = F.relu(self.second(x), inplace=True)
        x = self.third(x + x.sigmoid()).relu_()
        return self.fourth(x)


def functional() -> Training:
    return usual(Functional(), 5, 6)


class Swish(nn.Module):
    """Somebody's own activation."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


def own_activation() -> Training:
    return usual(mlp(Swish()), 5, 6)


class Shared(nn.Module):
    """One layer and one activation, called again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer, self.act = nn.Linear(6, 6), nn.Linear(6, 3), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.act(self.inner(x))
        return self.outer(x)


def shared() -> Training:
    return usual(Shared(), 5, 6)


class Recurrent(nn.Module):
    """Tuples and dictionaries as outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.net = nn.GRUCell(4, 6), nn.LSTM(6, 6, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> dict[str, Any]:
        state, states = x.new_zeros(len(x), 6), []
        for at in range(x.shape[1]):
            state = self.cell(x[:, at], state)
            states.append(state)
        _, (last, _) = self.net(torch.stack(states, 1))
        return {"logits": self.head(last[0]), "steps": x.shape[1]}


def recurrent() -> Training:
    """Sequences of different lengths."""
    model = Recurrent()
    optimizer = SGD(model.parameters(), lr=0.1)

    def step(number: int) -> Tensor:
        x, _ = batch(number, 4, 2 + number % 3, 4)
        _, y = batch(number, 4)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x)["logits"], y)
        loss.backward()
        optimizer.step()
        return loss

    return Training(model, optimizer, step)


class Halves(torch.autograd.Function):
    """Two outputs, and no gradient for the one that is not used: as cuDNN's LSTM has them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        return 2 * x, 3 * x

    @staticmethod
    def backward(_: Any, first: Tensor | None, second: Tensor | None) -> Tensor | None:
        assert second is None
        return None if first is None else 2 * first


class Split(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return Halves.apply(x)


class First(nn.Module):
    def forward(self, x: tuple[Tensor, Tensor]) -> Tensor:
        return x[0]


def undefined() -> Training:
    return usual(mlp(Split(), First()), 5, 6)


class Spectrum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(x)


class Rank(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.argsort(-1)


class Odd(nn.Module):
    """Complex and integer outputs, an unused module, a frozen one, an empty tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.frozen = nn.Linear(6, 8), nn.Linear(8, 8).requires_grad_(False)
        self.spectrum, self.rank, self.last = Spectrum(), Rank(), nn.Linear(8, 3)
        self.unused, self.gain = nn.Linear(4, 4), nn.Parameter(torch.ones(1, 8, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.frozen(torch.relu(self.first(x)))
        self.frozen(x[:0])
        return self.last((x + self.spectrum(x).real + self.rank(x)) * self.gain[0, :, 0])


def odd() -> Training:
    return usual(Odd(), 5, 6)


class Ladder(nn.Module):
    """Layers that are dropped at random, and checkpoints of both kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(6, 6), nn.GELU()) for _ in range(4)])
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        for at, block in enumerate(self.blocks):
            if torch.rand(()) < 0.3:
                continue
            x = checkpoint(block, x, use_reentrant=at % 2 == 0) if at else block(x)
        return self.head(x)


def ladder() -> Training:
    return usual(Ladder(), 5, 6)


class Again(nn.Module):
    """Blocks that make their graph in the backward pass, called again by their checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(6, 6), nn.Tanh()) for _ in range(2)])
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=True)
        return self.head(x)


def again() -> Training:
    return usual(Again(), 5, 6)


def double() -> Training:
    model = mlp(nn.Sigmoid()).double()
    optimizer = SGD(model.parameters(), lr=0.1)

    def step(number: int) -> Tensor:
        x, y = batch(number, 5, 6)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x.double()), y)
        loss.backward()
        optimizer.step()
        return loss

    return Training(model, optimizer, step)


def lazy() -> Training:
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyBatchNorm1d(), nn.LazyLinear(3))
    optimizer = SGD(model.parameters(), lr=0.1)
    return usual(model, 5, 6, optimizer=optimizer)


def normed_weights() -> Training:
    model = mlp()
    nn.utils.parametrizations.weight_norm(model[0])
    nn.utils.parametrizations.spectral_norm(model[2])
    return usual(model, 5, 6)


# --- loops ---------------------------------------------------------------------------------------


def accumulated() -> Training:
    """Four backward passes a step, then clipping."""
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)

    def step(number: int) -> Tensor:
        optimizer.zero_grad()
        total = torch.zeros(())
        for part in range(4):
            x, y = batch(4 * number + part, 5, 6)
            loss = F.cross_entropy(model(x), y) / 4
            loss.backward()
            total += loss.detach()
        nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        optimizer.step()
        return total

    return Training(model, optimizer, step)


def two_losses() -> Training:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)

    def step(number: int) -> Tensor:
        x, y = batch(number, 5, 6)
        optimizer.zero_grad()
        out = model(x)
        loss, other = F.cross_entropy(out, y), out.square().mean()
        loss.backward(retain_graph=True)
        other.backward()
        optimizer.step()
        return loss

    return Training(model, optimizer, step)


def adversarial() -> Training:
    """Two optimizers, detached outputs, and a penalty on a gradient."""
    maker, judge = mlp(nn.ReLU()), nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    first, second = Adam(maker.parameters(), lr=0.01), Adam(judge.parameters(), lr=0.01)

    def step(number: int) -> Tensor:
        x, _ = batch(number, 5, 6)
        second.zero_grad()
        fake = maker(x).detach().requires_grad_()
        score = judge(fake)
        (slope,) = torch.autograd.grad(score.sum(), fake, create_graph=True)
        loss = score.mean() + (slope.norm(dim=-1) - 1).square().mean()
        loss.backward()
        second.step()
        first.zero_grad()
        (-judge(maker(x)).mean()).backward()
        first.step()
        return loss

    model = nn.ModuleDict({"maker": maker, "judge": judge})
    return Training(model, [first, second], step)


def closure() -> Training:
    model = mlp()
    optimizer = LBFGS(model.parameters(), lr=0.1, max_iter=3)

    def step(number: int) -> Tensor:
        x, y = batch(number, 5, 6)

        def again() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        return optimizer.step(again)

    return Training(model, optimizer, step)


def by_hand() -> Training:
    """No optimizer."""
    model = mlp()

    def step(number: int) -> Tensor:
        x, y = batch(number, 5, 6)
        loss = F.cross_entropy(model(x), y)
        for p in model.parameters():
            p.grad = None
        loss.backward()
        for p in model.parameters():
            assert p.grad is not None
            p.data -= 0.1 * p.grad
        return loss

    return Training(model, None, step)


def sparse() -> Training:
    table, head = nn.Embedding(11, 6, sparse=True), nn.Linear(6, 11)
    optimizers = [SparseAdam(table.parameters(), lr=0.1), SGD(head.parameters(), lr=0.1)]
    model = nn.Sequential(table, head)

    def step(number: int) -> Tensor:
        x = tokens(number)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = F.cross_entropy(model(x).flatten(0, 1), x.flatten())
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss

    return Training(model, optimizers, step)


def mixed() -> Training:
    """Autocast to sixteen bits, and a scaler, whose first steps overflow."""
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    here = torch.get_default_device().type
    dtype, scale = (torch.float16, 2.0**24) if here == "cuda" else (torch.bfloat16, 2.0**127)
    scaler = torch.amp.GradScaler(here, init_scale=scale, growth_interval=4)

    def step(number: int) -> Tensor:
        x, y = batch(number, 5, 6)
        optimizer.zero_grad()
        with torch.autocast(here, dtype=dtype):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(8 * loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Training(model, optimizer, step)


def parallel() -> Training:
    model = nn.DataParallel(mlp())
    return usual(model, 5, 6)


def reloaded() -> Training:
    """Moved to another dtype and back, reloaded, and a module replaced, in between."""
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    training = usual(model, 5, 6, optimizer=optimizer)

    def step(number: int) -> Tensor | float:
        if number % 3 == 1:
            model.double().float()
        if number % 4 == 2:
            model.load_state_dict({k: v * 0.99 for k, v in model.state_dict().items()})
        if number == 8:
            model[2] = nn.Linear(8, 8)
            optimizer.add_param_group({"params": model[2].parameters()})
        return training.step(number)

    return Training(model, optimizer, step)


def learning_rates() -> Training:
    """Groups of parameters, and a schedule."""
    model = mlp()
    groups = [{"params": model[0].parameters(), "lr": 0.2}, {"params": model[4].parameters()}]
    optimizer = SGD(groups, lr=0.1, momentum=0.5)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

    def step(number: int) -> Tensor:
        x, y = batch(number, 5, 6)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    return Training(model, optimizer, step)


def compiled() -> Training:
    return usual(torch.compile(mlp(), backend="eager"), 5, 6)


def compiled_part() -> Training:
    model = mlp()
    model[0].compile(backend="eager")
    return usual(model, 5, 6)


# --- what else is done with a model between two steps ---------------------------------------------

ASIDE = (0, 3, 7, 8, 11)
"""Steps of a careful look, and of the fast lane."""


def aside(training: Training, other: Callable[[nn.Module], None]) -> Training:
    """Something else is done with the model before some steps."""

    def step(number: int) -> Tensor | float:
        if number in ASIDE:
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # torch.jit
                other(training.model)
        return training.step(number)

    return Training(training.model, training.optimizer, step)


def transformed() -> Training:
    """Gradients of every example, Jacobians, tangents and a Hessian, by `torch.func`."""

    def other(model: nn.Module) -> None:
        from torch.func import functional_call, grad, hessian, jacrev, jvp, vmap

        x = torch.linspace(-1, 1, 12).reshape(2, 6)
        detached = {name: p.detach() for name, p in model.named_parameters()}
        own = grad(lambda p, x: functional_call(model, p, (x,)).sum())
        vmap(own, in_dims=(None, 0))(detached, x)
        jacrev(model)(x[0])
        jvp(model, (x,), (x,))
        hessian(lambda x: model(x).sum())(x[0])

    return aside(usual(Functional(), 5, 6), other)


def transformed_modules() -> Training:
    """The same of a network that the fast lane takes."""

    def other(model: nn.Module) -> None:
        torch.func.jacrev(model)(torch.ones(6))
        torch.func.vmap(model)(torch.ones(2, 6))

    return aside(plain(), other)


def jacobian() -> Training:
    """Gradients of many at once, with no backward pass of the loss."""

    def other(model: nn.Module) -> None:
        torch.autograd.functional.jacobian(model, torch.ones(2, 6), vectorize=True)

    return aside(plain(), other)


def many_gradients() -> Training:
    """The same of the very output that the loss is made of."""
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)

    def step(number: int) -> Tensor:
        x, y = batch(number, 5, 6)
        optimizer.zero_grad()
        out = model(x.requires_grad_())
        if number in ASIDE:
            each = torch.eye(out.numel()).reshape(-1, *out.shape)
            torch.autograd.grad(out, x, each, retain_graph=True, is_grads_batched=True)
        loss = F.cross_entropy(out, y)
        loss.backward()
        optimizer.step()
        return loss

    return Training(model, optimizer, step)


def traced() -> Training:
    return aside(plain(), lambda model: torch.jit.trace(model, torch.ones(2, 6)) and None)


class Prompt(nn.Module):
    """Returns its own parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(6))

    def forward(self) -> Tensor:
        return self.token


class Prompted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.prompt, self.body = Prompt(), mlp()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x + self.prompt())


def prompted() -> Training:
    return usual(Prompted(), 5, 6)


class Features(nn.Module):
    """Is given what was made in inference mode, every other time."""

    def __init__(self) -> None:
        super().__init__()
        self.flat, self.shift, self.body = nn.Flatten(), nn.Parameter(torch.zeros(6)), mlp()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls in ASIDE:
            with torch.inference_mode():
                x = x.clone()
        return self.body(self.flat(x) + self.shift)


def features() -> Training:
    return usual(Features(), 5, 2, 3)


class Graph(nn.Module):
    """A neighbourhood whose layout is sparse, as a parameter that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.edges = nn.Parameter(torch.eye(5).to_sparse(), requires_grad=False)
        self.body = mlp()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(torch.sparse.mm(self.edges, x))


def graph() -> Training:
    return usual(Graph(), 5, 6)


class Rateless(SGD):
    """Finds its own learning rate, as Hugging Face's Adafactor: it has none."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p -= 0.1 * p.grad


def rateless() -> Training:
    model = mlp()
    optimizer = Rateless(model.parameters(), lr=0.1)
    optimizer.param_groups[0]["lr"] = None
    return usual(model, 5, 6, optimizer=optimizer)


MADE: dict[str, Callable[[], Training]] = {
    of.__name__: of
    for of in (
        *(plain, momentum, adamw, norms, convolution, residual, attention, frozen_encoder),
        *(functional, own_activation, shared, recurrent, undefined, odd, ladder, again, double),
        *(normed_weights, accumulated, two_losses, adversarial, closure, by_hand, sparse, mixed),
        *(parallel, reloaded, learning_rates, compiled, compiled_part, transformed),
        *(transformed_modules, jacobian, many_gradients, traced, prompted, features, graph),
        *(rateless, lazy),
    )
}
"""Every kind."""

Kind = str | Callable[[], Training]


def made(kind: Kind) -> Training:
    """From the same seeds each time."""
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    return (MADE[kind] if isinstance(kind, str) else kind)()


def trained(training: Training, steps: int, health: Health | None = None) -> list[float]:
    """The losses of so many steps."""
    losses: list[float] = []
    for number in range(steps):
        loss = training.step(number)
        if health is not None:
            health.step(loss)
        losses.append(loss.item() if isinstance(loss, Tensor) else loss)
    return losses


def watched(kind: Kind, steps: int = 12, every: int = 3, **options: Any) -> Health:
    """A training that was watched."""
    with seen(kind, every, **options) as (training, health):
        trained(training, steps, health)
    return health


@contextlib.contextmanager
def seen(kind: Kind, every: int = 1, **options: Any) -> Iterator[tuple[Training, Health]]:
    """A training that is watched."""
    training = made(kind)
    with ninja.watch(training.model, training.optimizer, every=every, **options) as health:
        yield training, health
