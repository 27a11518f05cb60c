"""The modules and parameters of a model, by qualified name."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils.parametrize import ParametrizationList

from ninja.observe import kinds

FAST = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
"""Modules that leave their fast path where torch's functions are overridden."""

RECURRENT = (nn.RNNBase, nn.RNNCellBase)
"""Modules whose states are not those of modules."""

ROOT = "model"
"""The name of the model itself, whose qualified name is empty."""


@dataclass(eq=False, slots=True)
class Place:
    """A module in its model.

    Attributes:
        module: itself.
        name: qualified.
        parent: what holds it; none for the model.
        kind: its type in lower case, or its activation's name.
        acts: it is an activation.
        inplace: it writes over its input.
        bare: it has no parameters and no children: if an activation is called inside, it is one.
        busy: something inside it was called, since it was itself called last.
    """

    module: nn.Module
    name: str
    parent: "Place | None"
    kind: str
    acts: bool
    inplace: bool
    bare: bool
    busy: bool = False

    @classmethod
    def of(cls, module: nn.Module, name: str, parent: "Place | None") -> "Place":
        """Look at a module."""
        activation = kinds.activation(module)
        return cls(
            module,
            name,
            parent,
            activation or type(module).__name__.lower(),
            bool(activation),
            getattr(module, "inplace", False) is True,
            not activation and not module._modules and not module._parameters,
        )

    def is_parametrization(self) -> bool:
        """Whether it makes a parameter, and no output."""
        inside = self.parent is not None and isinstance(self.parent.module, ParametrizationList)
        return inside or isinstance(self.module, ParametrizationList)


@dataclass(frozen=True, eq=False, slots=True)
class Owned:
    """A parameter in its model.

    Attributes:
        tensor: itself.
        key: its name in its module.
        place: of the module.
    """

    tensor: nn.Parameter
    key: str
    place: Place

    @property
    def name(self) -> tuple[str, str]:
        """As the record has it."""
        return self.place.name, self.key

    def is_real(self) -> bool:
        """Whether it has numbers: real ones, dense ones, here, and not only to come."""
        p = self.tensor
        plain = is_own(type(p)) and p.layout == torch.strided
        return plain and p.is_floating_point() and self.is_here()

    def is_here(self) -> bool:
        """Whether it has numbers at all."""
        p = self.tensor
        return not isinstance(p, UninitializedParameter) and not p.is_meta and p.numel() > 0

    def is_matrix(self) -> bool:
        """Whether an update ratio says something of it.

        Of a norm's γ it does not, in whatever shape: it starts as ones, whose deviation is 0.
        """
        wide = sum(size > 1 for size in self.tensor.shape)
        row = wide == 1 and self.tensor.dim() > 1 and isinstance(self.place.module, nn.Linear)
        return wide > 1 or row


def is_own(kind: type) -> bool:
    """Whether tensors of a class do what torch's own do: it overrides nothing of them."""
    plain = (nn.Parameter.__torch_function__, Tensor.__torch_function__)
    own = Tensor.__torch_dispatch__  # pyright: ignore[reportAttributeAccessIssue]
    return kind.__torch_function__ in plain and kind.__torch_dispatch__ is own


@dataclass
class Modules:
    """A model as it is now.

    Attributes:
        model: without wrappers.
        places: by the module's id.
        owned: every parameter once, in the order of definition.
        owners: the kinds of all modules that ever had a parameter, by name.
        inplace: some module writes over its input.
        lazy: some parameter has no shape yet.
    """

    model: nn.Module
    places: dict[int, Place] = field(default_factory=dict)
    owned: list[Owned] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    inplace: bool = False
    lazy: bool = False
    _fast: list[nn.Module] = field(default_factory=list)

    def read(self) -> None:
        """Look at the model anew: it may have been changed."""
        self.places, self.owned = {}, []
        by_path: dict[str, Place] = {}
        met: set[int] = set()
        for path, module in self.model.named_modules():
            parent = by_path[path.rpartition(".")[0]] if path else None
            name = path.replace("._orig_mod", "")  # as it was called before it was compiled
            by_path[path] = place = Place.of(module, name or ROOT, parent)
            if not place.is_parametrization():
                self.places[id(module)] = place
            for key, parameter in module._parameters.items():
                if parameter is not None and id(parameter) not in met:
                    met.add(id(parameter))
                    self.owned.append(Owned(parameter, key, place))
        self.owners |= {of.place.name: of.place.kind for of in self.owned}
        places = self.places.values()
        self.inplace = any(place.inplace for place in places)
        self.lazy = any(isinstance(of.tensor, UninitializedParameter) for of in self.owned)
        self._fast = [place.module for place in places if isinstance(place.module, FAST)]

    def odd(self) -> list[str]:
        """The parameters that have numbers and cannot be measured: complex ones, sparse ones."""
        return [".".join(of.name) for of in self.owned if of.is_here() and not of.is_real()]

    def through_time(self) -> list[str]:
        """The recurrent modules of torch: each is one function, or one step of it."""
        return [of.name for of in self.places.values() if isinstance(of.module, RECURRENT)]

    def has_fast_path(self) -> bool:
        """Whether an attention layer may take its fast path although autograd records."""
        return any(
            not module.training and not any(p.requires_grad for p in module.parameters())
            for module in self._fast
        )


def unwrapped(model: nn.Module) -> nn.Module:
    """Without what runs it on several devices, or compiles it."""
    while True:
        if isinstance(model, (DataParallel, DistributedDataParallel)):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


def compiled(model: nn.Module) -> Iterator[str]:
    """The modules that are compiled: hooks inside them are not called, or compile them anew."""
    for name, module in model.named_modules():
        if hasattr(module, "_orig_mod") or module._compiled_call_impl is not None:
            yield name or ROOT
