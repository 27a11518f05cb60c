"""The gradient of an embedding row by row, against how often its letter occurs."""

from functools import cache

import numpy as np
import torch
from torch import Generator, Tensor

from experiments.deep import Measured, Values, seeds
from ninja import data
from ninja.config import ModelConfig, NetworkConfig, NormConfig
from ninja.data import Dataset
from ninja.engines import engine
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import build
from ninja.replicas import repeated
from ninja.rules import Embedding
from ninja.types import Batch, Params, Tensors

BLOCK, HIDDEN, WIDTH = 3, 64, 10
CONFIG = NetworkConfig(
    block_size=BLOCK, model=ModelConfig(n_hidden=HIDDEN), norm=NormConfig(name="none")
)
BATCHES, BATCH, TOGETHER = 1000, 32, 100
ALONE, STACK = 8192, 512
TOKENS, DRAWS = 4096, 50
"""Contexts that bring random deltas to a table alone, and how often these are drawn."""
COPIES = 8


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    count = 3 if quick else 5
    silent = np.array([_silent(seed) for seed in seeds(0, count)])
    q, a = (_names().vocabulary.encode(letter)[0] for letter in "qa")
    return {
        "absent": silent.sum(-1).tolist(),
        "absent_q": silent[:, q].tolist(),
        "absent_a": silent[:, a].tolist(),
        "duplicates": [_duplicates(seed) for seed in seeds(1, count)],
        "copies": [_copies(seed) for seed in seeds(2, count)],
        "apart": [_table_slope(seed, alike=False) for seed in seeds(3, count)],
        "alike": [_table_slope(seed, alike=True) for seed in seeds(4, count)],
        "alone": [_alone_slope(seed) for seed in seeds(5, 3 if quick else 8)],
    }


def predict() -> dict[str, float]:
    """What counting the examples that hold a letter says of batches drawn from them."""
    contexts = _names().train.contexts
    held = np.array([float((contexts == v).any(-1).double().mean()) for v in range(_letters())])
    absent = (1 - held) ** BATCH
    q, a = (_names().vocabulary.encode(letter)[0] for letter in "qa")
    return {"absent": absent.sum(), "absent_q": absent[q], "absent_a": absent[a]}


@cache
def _names() -> Dataset:
    return data.load(data.NAMES, BLOCK)


def _letters() -> int:
    return _names().vocabulary.size


def _network(seed: int, dtype: torch.dtype = torch.float32) -> tuple[Net, Params]:
    net = build(CONFIG, _letters())
    return net, draw(net, Generators.of(seed), dtype)


def _batch(rows: Tensor) -> Batch:
    examples = _names().train
    return Batch(examples.contexts[rows], examples.targets[rows])


def _embedding(net: Net, params: Params, batch: Batch) -> Tensors:
    """Deltas of the table and of what was looked up in it, by `manual_fused`."""
    return engine("manual_fused")(net, net.forward(params, batch), "all").deltas[net.nodes[0].name]


def _drawn(generator: Generator, *shape: int) -> Tensor:
    return torch.randint(0, len(_names().train), shape, generator=generator)


def _silent(seed: int) -> Values:
    """Of every letter, the share of batches in which its row has no gradient at all."""
    (net, params), generator = _network(seed), Generator().manual_seed(seed)
    silent = torch.zeros(_letters(), dtype=torch.float64)
    for _ in range(BATCHES // TOGETHER):
        batch = _batch(_drawn(generator, TOGETHER, BATCH))
        table = _embedding(net, repeated(params, TOGETHER), batch)["C"]
        silent += (table == 0).all(-1).double().sum(0) / BATCHES
    return silent.numpy()


def _duplicates(seed: int) -> float:
    """The distance of the table's gradient from the sum, place by place, of what arrives there."""
    net, params = _network(seed, torch.float64)
    batch = _batch(_drawn(Generator().manual_seed(seed), BATCH))
    deltas = _embedding(net, params, batch)
    added = np.zeros(deltas["C"].shape)
    places = zip(batch.tokens.flatten().tolist(), deltas["emb"].flatten(0, -2), strict=True)
    for letter, arriving in places:
        added[letter] += arriving.numpy()
    return float(np.linalg.norm(deltas["C"].numpy() - added) / np.linalg.norm(added))


def _copies(seed: int) -> float:
    """The distance of a batch's gradient from that of as many copies of each of its examples."""
    net, params = _network(seed, torch.float64)
    rows = _drawn(Generator().manual_seed(seed), BATCH)
    once, often = (_embedding(net, params, _batch(of))["C"] for of in (rows, rows.repeat(COPIES)))
    return float((often - once).norm() / once.norm())


def _slope(squares: Tensor, counts: Tensor) -> float:
    """Of log |gradient|² of a row against log of how often its letter occurs, of those that do."""
    there = counts > 0
    x, y = (np.log(of[there].double().numpy()) for of in (counts, squares))
    return float(np.polyfit(x, y, 1)[0])


def _table_slope(seed: int, *, alike: bool) -> float:
    """The slope of a table alone, whose places get deltas that are all alike or random ones."""
    generator = Generator().manual_seed(seed)
    tokens = _batch(_drawn(generator, TOKENS)).tokens
    rule = Embedding(_letters(), WIDTH)
    params: Tensors = {"C": torch.zeros(_letters(), WIDTH)}
    saved, squares = rule.forward(params, tokens), torch.zeros(_letters())
    for _ in range(1 if alike else DRAWS):
        shape = (1, WIDTH) if alike else (len(saved["y"]), WIDTH)
        dy = torch.randn(shape, generator=generator).expand_as(saved["y"])
        squares += rule.backward(params, saved, dy)[1]["C"].square().sum(-1)
    return _slope(squares, torch.bincount(tokens.flatten(), minlength=_letters()))


def _alone_slope(seed: int) -> float:
    """The slope of a network, of the mean square over examples, each a batch by itself."""
    (net, params), generator = _network(seed), Generator().manual_seed(seed)
    squares, counts = torch.zeros(_letters()), torch.zeros(_letters())
    for _ in range(ALONE // STACK):
        batch = _batch(_drawn(generator, STACK, 1))
        squares += _embedding(net, repeated(params, STACK), batch)["C"].square().sum((0, -1))
        counts += torch.bincount(batch.tokens.flatten(), minlength=_letters())
    return _slope(squares, counts)
