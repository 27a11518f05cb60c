"""Networks that are not MLPs, in plain `torch.nn`: convolutions, transformer blocks, a recurrence.

Each is a class of its own, so that `ninja.watch` sees what it would see of anybody's.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Generator, Tensor, nn

from ninja import data

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": nn.Sigmoid,
}
IMAGES, SIDE = 10, 8
"""Classes and size of the images."""
BLOCK, LETTERS, BATCH = 8, 27, 32


class Convolutions(nn.Sequential):
    """Convolutions of three by three, the last one's channels averaged, and a linear layer."""

    def __init__(self, activation: str, norm: str, depth: int, width: int, momentum: float) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for at in range(depth):
            stride = 2 if at in (1, 3) else 1
            channels = width if at else 1
            layers[f"conv{at}"] = nn.Conv2d(channels, width, 3, stride, padding=1)
            if norm == "batchnorm":
                layers[f"norm{at}"] = nn.BatchNorm2d(width, momentum=momentum)
            layers[f"act{at}"] = ACTIVATIONS[activation]()
        layers["pool"] = nn.AdaptiveAvgPool2d(2)
        layers["flatten"] = nn.Flatten()
        layers["out"] = nn.Linear(4 * width, IMAGES)
        super().__init__(layers)


class Block(nn.Module):
    """Attention and a feed-forward layer, each added to what it reads, after a LayerNorm."""

    def __init__(self, activation: str, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.act = ACTIVATIONS[activation]()
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x is (B, T, F)."""
        h = self.norm1(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.down(self.act(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """The last letter's position, after some blocks, says the next letter."""

    def __init__(self, activation: str, depth: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(LETTERS, width)
        self.position = nn.Embedding(BLOCK, width)
        self.blocks = nn.Sequential(*(Block(activation, width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, LETTERS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens are (B, T)."""
        places = torch.arange(tokens.shape[1])
        x = self.blocks(self.embedding(tokens) + self.position(places))
        return self.out(self.norm(x[:, -1]))


class Recurrence(nn.Module):
    """Elman's: h ← φ(W x + U h), letter after letter; all of them share the weights."""

    def __init__(self, activation: str, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(LETTERS, width)
        self.read = nn.Linear(width, width)
        self.recur = nn.Linear(width, width, bias=False)
        self.act = ACTIVATIONS[activation]()
        self.out = nn.Linear(width, LETTERS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens are (B, T)."""
        letters = self.read(self.embedding(tokens))
        h = torch.zeros_like(letters[:, 0])
        for step in range(tokens.shape[1]):
            h = self.act(letters[:, step] + self.recur(h))
        return self.out(h)


def weights(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The matrices but for embeddings, in the order of their modules; the output's is last."""
    apart = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    return [(n, p) for n, p in model.named_parameters() if p.dim() > 1 and id(p) not in apart]


def initialise(model: nn.Module, gain: float, output_scale: float, generator: Generator) -> None:
    """Normal weights, kaiming's deviation times the gain; biases zero, embeddings normal."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                module.weight.normal_(generator=generator)
        named = weights(model)
        for name, weight in named:
            scale = output_scale if name == named[-1][0] else gain
            fan_in = weight[0].numel()
            weight.normal_(generator=generator).mul_(scale / fan_in**0.5)
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()


def batches(kind: str, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Without end: images for convolutions, letters for the others."""
    while True:
        yield draw(kind, BATCH, generator)


def draw(kind: str, size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Inputs and targets, drawn with replacement."""
    if kind == "convolutions":
        return _images(size, generator)
    examples = _words()
    rows = torch.randint(0, len(examples), (size,), generator=generator)
    return examples.contexts[rows], examples.targets[rows]


@cache
def _words() -> data.Examples:
    return data.load(block_size=BLOCK).train


@cache
def _templates() -> Tensor:
    """A pattern for each class, smooth, of mean 0 and deviation 1."""
    coarse = torch.randn(IMAGES, 1, 4, 4, generator=Generator().manual_seed(0))
    fine = nn.functional.interpolate(coarse, size=SIDE, mode="bilinear")
    return (fine - fine.mean((1, 2, 3), keepdim=True)) / fine.std((1, 2, 3), keepdim=True)


def _images(size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """A class's pattern, moved by up to a pixel, under half as much noise."""
    targets = torch.randint(0, IMAGES, (size,), generator=generator)
    down, right = torch.randint(-1, 2, (2,), generator=generator).tolist()
    images = _templates()[targets].roll((down, right), (2, 3))
    return images + 0.5 * torch.randn(images.shape, generator=generator), targets
