"""Part 3 of the lecture: its log of losses, its six layers, its data."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from experiments.deep import Measured
from experiments.trained import trained
from ninja import data, evaluate
from ninja.batches import Batches
from ninja.config import InitConfig, NetworkConfig, NormConfig
from ninja.data import Dataset
from ninja.engines import engine
from ninja.folders import Diagnosed
from ninja.init import Fill, Generators, Normal
from ninja.net import Net, count, draw
from ninja.networks import PRESETS, build
from ninja.optim import sgd_
from ninja.replicas import stack, unstack
from ninja.words import NAMES, read_words

SEED, BATCH, LR = 2147483647, 32, 0.1
STEPS, FEW = 200_000, 3_000
"""As many as the lecture made, and as the quick form makes; the rate falls at half of them."""
CONTEXTS = "415dd72ecf41987a42bc857c10d6d4efb6a4726d4d210f035150a2b954c8534b"
TARGETS = "7ec2b99d0f6c9683545aea601b17c5814e51cb6384572833ea112509fde0e9c9"
GAINS = ("5/3", "1")


@dataclass(frozen=True)
class Start:
    """The first values of a network with one hidden layer: what the lecture changes, one by one.

    Attributes:
        weights: of the hidden layer.
        bias: of the hidden layer.
        output: weights of the last layer.
        output_bias: of the last layer.
    """

    weights: Fill
    bias: Fill
    output: Fill
    output_bias: Fill


NOTHING = Normal(0.0)
"""Drawn, and multiplied by 0, as in the lecture: the stream goes on as if it were used."""
STARTS = {
    "original": Start(Normal(), Normal(), Normal(), Normal()),
    "softmax": Start(Normal(), Normal(), Normal(0.01), NOTHING),
    "tanh": Start(Normal(0.2), Normal(0.01), Normal(0.01), NOTHING),
    "kaiming": Start(Normal(5 / 3, 30**0.5), Normal(0.01), Normal(0.01), NOTHING),
}


def measure(*, quick: bool, words: Path | None = None) -> Measured:
    """The claims' numbers."""
    dataset = data.load(words or NAMES)
    found = _data(dataset, words or NAMES)
    for name, losses in zip(STARTS, _log(dataset, FEW if quick else STEPS), strict=True):
        found[f"{name}_train"], found[f"{name}_validation"] = [losses.train], [losses.validation]
    found |= _batchnorm(FEW if quick else STEPS, words)
    found |= _six_layers(words)
    for gain in GAINS:
        found |= _one_step(gain, words)
    return found


def _data(dataset: Dataset, path: Path) -> Measured:
    """Sizes and digests."""
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    found: Measured = {f"examples_{name}": [len(split)] for name, split in splits.items()}
    found["names"] = [len(read_words(path))]
    found["contexts"] = [_digest(dataset.train.contexts) == CONTEXTS]
    found["targets"] = [_digest(dataset.train.targets) == TARGETS]
    for name in ("lecture_batchnorm", "lecture_deep"):
        net = build(PRESETS[name], dataset.vocabulary.size)
        found[f"parameters_{name}"] = [count(draw(net, Generators.of(SEED)))]
    return found


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.numpy().tobytes()).hexdigest()


def _log(dataset: Dataset, steps: int) -> list[evaluate.Losses]:
    """One hidden layer from each start, trained by hand, as a stack."""
    nets = [_net(start, dataset.vocabulary.size) for start in STARTS.values()]
    generators = [Generators.of(SEED) for _ in nets]
    params = stack([draw(net, own) for net, own in zip(nets, generators, strict=True)])
    batches = Batches(dataset.train, BATCH, [own.run for own in generators])
    net, by_hand = nets[0], engine("manual_fused")
    for step in range(steps):
        trace = net.forward(params, next(batches))
        sgd_(params, by_hand(net, trace).deltas, LR if step < steps // 2 else LR / 10)
    splits = evaluate.Splits.of(dataset, BATCH)
    return [
        evaluate.losses(net, unstack(params, replica), {}, splits, calibrated=False)
        for replica in range(len(nets))
    ]


def _net(start: Start, classes: int) -> Net:
    """No norm; each bias has a fill of its own, which no configuration has."""
    config = NetworkConfig(init=InitConfig(), norm=NormConfig(name="none"))
    fills = iter(
        ({"W": start.weights, "b": start.bias}, {"W": start.output, "b": start.output_bias})
    )
    return Net(
        tuple(
            replace(node, init=next(fills)) if node.name.endswith("linear") else node
            for node in build(config, classes).nodes
        )
    )


def _batchnorm(steps: int, words: Path | None) -> Measured:
    """The log's last entry, and the notebook's."""
    schedule = f"optimizer.lr_schedule=[[{steps // 2},0.1]]"
    (run,) = trained(
        "experiment=lecture_batchnorm",
        *(f"study=lecture_batchnorm_{steps}", f"steps={steps}", schedule, "probe.val_every=0"),
        words=words,
    )
    losses = run.about.losses
    found: Measured = {"first_loss": [float(run.history.scalars["loss"][0])]}
    for name in ("batchnorm", "notebook"):
        found[f"{name}_train"] = [losses["train"]]
        found[f"{name}_validation"] = [losses["validation"]]
    return found


def _six_layers(words: Path | None) -> Measured:
    """The first 1,001 steps with BatchNorm."""
    (run,) = trained("experiment=lecture_deep", "study=lecture_deep", words=words)
    losses = run.about.losses
    return {
        "deep_first": [float(run.history.scalars["loss"][0])],
        "deep_train": [losses["train"]],
        "deep_validation": [losses["validation"]],
        **{f"deep_saturated_{at}": [share] for at, share in enumerate(_saturated(run), 1)},
    }


def _one_step(gain: str, words: Path | None) -> Measured:
    """The first step without a norm."""
    (run,) = trained(
        "experiment=lecture_deep",
        *(
            f"study=lecture_none_{gain.partition('/')[0]}",
            "norm=none",
            "norm.output=false",
            "steps=1",
        ),
        f"init.gain={gain}",
        words=words,
    )
    return {
        f"none_{gain}_first": [float(run.history.scalars["loss"][0])],
        **{f"none_{gain}_saturated_{at}": [share] for at, share in enumerate(_saturated(run), 1)},
    }


def _saturated(run: Diagnosed) -> Sequence[float]:
    """Per cent of |tanh| > 0.97 in each layer, at the last look."""
    return [float(100 * share) for share in run.history.shares["saturated"][-1]]
