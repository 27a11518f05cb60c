"""How a parameter gets its first values: schemes, gains, and the generators they draw from.

Two generators make a run. ``run`` draws the weights and then, going on where they ended, the
batches, as the lecture's single generator does. ``norm`` draws what the lecture of part 4 drew
outside its generator: the noise on γ and β.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from ninja.config import Scheme
from ninja.schema import check_seed
from ninja.types import Shape


@dataclass(frozen=True)
class Generators:
    """The named generators of one run."""

    run: Generator
    norm: Generator

    @classmethod
    def of(cls, seed: int) -> "Generators":
        """Both from one seed; they do not share a stream.

        Raises:
            ConfigError: the seed is out of range.
        """
        check_seed(seed)
        # hashed, so that it is not the stream that a neighbouring seed draws its weights from
        norm = hashlib.blake2b(f"norm {seed}".encode(), digest_size=4).digest()
        return cls(
            Generator().manual_seed(seed), Generator().manual_seed(int.from_bytes(norm, "big"))
        )


def noise_generator(seed: int, step: int) -> Generator:
    """Draws the batches that only the noise scale of a step sees; no other draw depends on it."""
    digest = hashlib.blake2b(f"noise {seed} {step}".encode(), digest_size=4).digest()
    return Generator().manual_seed(int.from_bytes(digest, "big"))


@dataclass(frozen=True)
class Normal:
    """mean + z·scale/divisor with z ~ N(0, 1): multiplied, then divided, as the lecture rounds."""

    scale: float = 1.0
    divisor: float = 1.0
    mean: float = 0.0
    stream: Literal["run", "norm"] = "run"

    def draw(self, shape: Shape, generators: Generators) -> Tensor:
        """A float32 tensor of that shape. Draws even at scale 0, as the lecture does."""
        z = torch.randn(shape, generator=getattr(generators, self.stream))
        return z.mul_(self.scale).div_(self.divisor).add_(self.mean)


@dataclass(frozen=True)
class Constant:
    """The same value everywhere; draws nothing."""

    value: float

    def draw(self, shape: Shape, generators: Generators) -> Tensor:
        """A float32 tensor of that shape."""
        return torch.full(shape, self.value)


@dataclass(frozen=True)
class Orthogonal:
    """Rows or columns orthonormal, times the gain (Saxe, McClelland & Ganguli 2014)."""

    gain: float = 1.0

    def draw(self, shape: Shape, generators: Generators) -> Tensor:
        """A float32 matrix of that shape."""
        return torch.nn.init.orthogonal_(torch.empty(shape), self.gain, generators.run)


Fill = Normal | Constant | Orthogonal


def weight_fill(scheme: Scheme, gain: float, fan_in: int, fan_out: int) -> Fill:
    """The fill of a (fan_in, fan_out) weight.

    ==========  =======================================  ============================
    raw         std = gain                               makemore part 2
    kaiming     std = gain/√fan_in                       He et al. 2015, equation 10
    xavier      std = gain·√(2/(fan_in + fan_out))       Glorot & Bengio 2010, eq. 12
    orthogonal  orthonormal, times the gain              Saxe et al. 2014
    ==========  =======================================  ============================
    """
    match scheme:
        case "raw":
            return Normal(gain)
        case "kaiming":
            return Normal(gain, divisor=math.sqrt(fan_in))
        case "xavier":
            return Normal(gain, divisor=math.sqrt((fan_in + fan_out) / 2))
        case "orthogonal":
            return Orthogonal(gain)
