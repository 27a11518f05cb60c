"""Specification of what comes out as it went in."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ninja.observe.untouched import untouched


class Net(nn.Module):
    """Everything that a forward may change."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.fc = nn.BatchNorm1d(3), nn.Linear(3, 3)
        self.dropout = nn.Dropout(0.5)
        self.register_buffer("seen", torch.zeros(()), persistent=False)
        self.count, self.last = 0, None

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.last = x
        self.seen = self.seen + 1
        self.extra = x.mean()
        with torch.no_grad():
            self.fc.weight.mul_(1.01)
        random.random()
        np.random.rand()
        return self.dropout(self.fc(self.norm(x)))


def change(net: Net) -> None:
    net(torch.randn(4, 3)).sum().backward()
    net.eval()
    net.fc.bias.requires_grad_(False)
    net.fc.weight = nn.Parameter(torch.zeros(3, 3))
    net.register_buffer("another", torch.zeros(2))
    net.norm = nn.Identity()  # type: ignore[assignment]
    del net.dropout


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_and_the_generators(fails: bool) -> None:
    net = Net()
    net.fc.weight.grad = torch.ones(3, 3)
    net.norm.eval()
    bits = {name: value.clone() for name, value in net.state_dict().items()}
    objects = dict(net.named_parameters()), dict(net.named_buffers()), dict(net.named_modules())
    grad = net.fc.weight.grad
    state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        with untouched(net):
            change(net)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert all(torch.equal(value, bits[name]) for name, value in net.state_dict().items())
    after = dict(net.named_parameters()), dict(net.named_buffers()), dict(net.named_modules())
    for found, before in zip(after, objects, strict=True):
        assert list(found) == list(before)
        assert all(found[name] is before[name] for name in before)
    assert net.fc.weight.grad is grad
    assert grad.eq(1).all()
    assert net.fc.bias.grad is None
    assert all(p.requires_grad for p in net.parameters())
    assert (net.training, net.norm.training, net.count, net.last) == (True, False, 0, None)
    assert not hasattr(net, "extra")
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1][1])
    assert random.getstate() == state[2]


def test_what_did_not_change_is_not_written() -> None:
    net = nn.Linear(2, 2)
    version = net.weight._version
    with untouched(net):
        net(torch.zeros(1, 2)).sum().backward()
    assert net.weight._version == version
    assert net.weight.grad is None


class Holds(nn.Module):
    """Holds one thing beside a layer."""

    def __init__(self, thing: Any, kind: str) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)
        if kind == "buffer":
            self.register_buffer("thing", thing)
        elif kind == "parameter":
            self.thing = nn.Parameter(thing, requires_grad=False)
        else:
            self.thing = [thing] if kind == "list" else thing


def ragged(layout: torch.layout) -> Tensor:
    return torch.nested.nested_tensor([torch.ones(2), torch.full((3,), 2.0)], layout=layout)


def numbers(tensor: Tensor) -> list[float]:
    """Of a tensor of any kind, with its shape."""
    if tensor.is_meta:
        return []
    if tensor.is_nested:
        return [one for part in tensor.unbind() for one in part.tolist()]
    dense = tensor if tensor.layout is torch.strided else tensor.to_dense()
    dense = dense.dequantize() if dense.is_quantized else dense
    return [*map(float, dense.shape), *dense.float().flatten().tolist()]


TENSORS: dict[str, Callable[[], Tensor]] = {
    "dense": lambda: torch.eye(3),
    "not a number": lambda: torch.tensor([torch.nan, 1.0]),
    "expanded": lambda: torch.ones(1).expand(5),
    "part": lambda: torch.ones(6)[::2],
    "whole numbers": lambda: torch.arange(3),
    "meta": lambda: torch.empty(3, device="meta"),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "CSR": lambda: torch.eye(3).to_sparse_csr(),
    "nested": lambda: ragged(torch.strided),
    "jagged": lambda: ragged(torch.jagged),
    "quantized": lambda: torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8),
    "float8": lambda: torch.eye(3).to(torch.float8_e4m3fn),
}


@pytest.mark.filterwarnings("ignore")  # torch calls these layouts prototypes
@pytest.mark.parametrize("held", ["buffer", "parameter", "attribute", "list"])
@pytest.mark.parametrize("make", TENSORS.values(), ids=TENSORS)
def test_tensors_of_any_kind(make: Callable[[], Tensor], held: str) -> None:
    thing = make()
    if held == "parameter" and not thing.dtype.is_floating_point:
        pytest.skip("no parameter")
    model = Holds(thing, held)
    thing = model.thing[0] if held == "list" else model.thing
    before = numbers(thing)
    with untouched(model):
        model.fc(torch.ones(1, 2)).sum().backward()
    with untouched(model), torch.no_grad():
        if thing._base is not None:
            thing._base.zero_()
        elif thing.dtype.is_floating_point and thing.dtype.itemsize > 1:
            thing.zero_() if thing.layout is not torch.jagged else thing.mul_(0)
    assert (model.thing[0] if held == "list" else model.thing) is thing
    after = numbers(thing)
    assert all(a == b or (a != a and b != b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is None for p in model.parameters())


def test_places_and_shapes() -> None:
    model = Holds(torch.arange(2.0), "buffer")
    at = model.fc.weight.data_ptr()
    with untouched(model), torch.no_grad():
        model.thing.resize_(5).fill_(7.0)
        model.fc.weight.data = torch.zeros(4, 4, dtype=torch.float64)
        model.fc.weight.grad = torch.zeros(4, 4, dtype=torch.float64)
    assert model.thing.tolist() == [0, 1]
    assert model.fc.weight.data_ptr() == at
    assert model.fc.weight.grad is None
    model.fc(torch.ones(1, 2)).sum().backward()


def test_a_state_that_was_written_to_with_a_graph() -> None:
    model = Holds(torch.zeros(2), "buffer")
    with untouched(model):
        model.thing.copy_(model.fc(torch.ones(2)))
    assert model.thing.tolist() == [0, 0]
    assert model.thing.is_leaf
    assert not model.thing.requires_grad


GENERATORS: dict[str, tuple[Any, Callable[[Any], float]]] = {
    "torch": (torch.Generator, lambda g: torch.rand((), generator=g).item()),
    "numpy": (np.random.default_rng, lambda g: g.random()),
    "numpy of old": (np.random.RandomState, lambda g: g.rand()),
    "python": (random.Random, lambda g: g.random()),
}


@pytest.mark.parametrize("kind", ["attribute", "list"])
@pytest.mark.parametrize(("make", "draw"), GENERATORS.values(), ids=GENERATORS)
def test_generators_of_a_model(make: Any, draw: Callable[[Any], float], kind: str) -> None:
    generator = make()
    model = nn.Sequential(Holds(generator, kind))
    with untouched(model):
        drawn = [draw(generator) for _ in range(3)]
    assert [draw(generator) for _ in range(3)] == drawn


def test_hooks_and_what_attributes_hold() -> None:
    unseen = nn.Linear(2, 2)
    model = Holds({"modules": [unseen], "seen": set(), "last": None}, "attribute")
    with untouched(model):
        model.fc.register_forward_hook(lambda *_: None)
        model.fc.bias.register_hook(lambda _: None)
        model.thing["last"] = unseen(torch.ones(2)).sum()
        model.thing["last"].backward()
        model.thing["seen"].add(1)
        model.thing["modules"].append(3)
    assert not model.fc._forward_hooks
    assert not model.fc.bias._backward_hooks
    assert model.thing == {"modules": [unseen], "seen": set(), "last": None}
    assert unseen.weight.grad is None


def test_several_models_and_methods_of_one() -> None:
    one, other = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with untouched(one, other.forward, lambda: None):
        (one(torch.randn(4, 2)) + other.forward(torch.randn(4, 2))).sum().backward()
    for model in (one, other):
        assert model.num_batches_tracked.item() == 0
        assert model.weight.grad is None


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_a_scripted_model() -> None:
    model = torch.jit.script(nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2)).eval())
    with untouched(model):
        model.train()
        model(torch.randn(4, 2)).sum().backward()
    assert not any(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())
    assert dict(model.named_buffers())["0.num_batches_tracked"].item() == 0


def test_all_the_rest_is_restored_where_one_thing_cannot_be() -> None:
    model, state = Net(), torch.get_rng_state()

    class Broken(random.Random):
        def setstate(self, state: Any) -> None:
            raise ZeroDivisionError

    model.own = Broken()  # type: ignore[assignment]
    model.fc.weight.grad = torch.ones(3, 3)
    bits = model.fc.weight.tolist()
    with pytest.raises(ZeroDivisionError), untouched(model):
        change(model)
    assert model.fc.weight.tolist() == bits
    assert model.fc.weight.grad.eq(1).all()
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
