"""What the rivals' rules read and our record does not hold, computed from the same tensors.

Of every parameter: mean (`w_mean`), mean size (`w_abs`), variance (`w_var`), share below zero
(`w_neg`) and of sizes below 1e-5 (`w_small`) of the value after the update; of its gradient mean
(`g_mean`), mean size (`g_abs`), share of zeros (`g_zero`) and the 5th and 95th percentile (`g_p5`,
`g_p95`); mean size of the applied update over that of the value before (`moved`); mean size
(`before_abs`) and variance (`before_var`) of the value before; how many values there are (`size`)
and, of a matrix, rows (`fan_in`).

Of every activation: mean (`y_mean`), the shares of elements at or below zero (`y_off`), of units
that are so on every row (`y_silent`), of units whose 95th percentile of abs(y) is below 1e-5
(`y_dead`), and of units whose mean abs(y), scaled to 0…1, is above 0.85 (`y_edge`; the measure ρ_B
of Rakitianskaia & Engelbrecht 2015). Of what it reads: mean (`x_mean`), variance (`x_var`), the
share of elements at or beyond ±5 (`x_5`), and of units beyond ±9.4999 (`x_9`) or outside −23 to
16.99999 (`x_23`) on every row.

Of the logits the same five.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ninja.data import Dataset
from ninja.net import Net, merge
from ninja.probes.layers import activations_of
from ninja.records import Place
from ninja.rules import Sigmoid
from ninja.train import Step, Training
from ninja.types import Batch, Buffers, Params

SMALL = 1e-5
EDGE = 0.85
PARAMETER = (
    *("w_mean", "w_abs", "w_var", "w_neg", "w_small"),
    *("g_mean", "g_abs", "g_zero", "g_p5", "g_p95", "moved"),
    *("before_abs", "before_var", "size", "fan_in"),
)
OUTPUT = ("y_mean", "y_off", "y_silent", "y_dead", "y_edge")
INPUT = ("x_mean", "x_var", "x_5", "x_9", "x_23")


class Extras:
    """Takes them of the steps of one training.

    Attributes:
        places: where each number belongs, as `ninja.records.Place`.
    """

    def __init__(self, run: Training) -> None:
        """Find out what there is."""
        self.run = run
        self.lead = int(len(run.configs) > 1)
        self.names = [(node, key) for node, own in run.params.items() for key in own]
        self.units = activations_of(run.net)
        depth = {node.name: at for at, node in enumerate(run.net.nodes)}
        kind = {node.name: type(node.rule).__name__.lower() for node in run.net.nodes}
        read = list(dict.fromkeys(node.inputs[0] for node in self.units))
        self.read = [*read, run.net.nodes[-1].inputs[0]]
        cells = [
            *((name, key, column) for name, key in self.names for column in PARAMETER),
            *((node.name, "y", column) for node in self.units for column in OUTPUT),
            *((name, "y", column) for name in self.read for column in INPUT),
        ]
        self.places: Sequence[Place] = [
            (depth[name], name, kind[name], key, column) for name, key, column in cells
        ]

    @torch.inference_mode()
    def __call__(self, step: Step, before: dict[str, dict[str, Tensor]]) -> list[list[float]]:
        """One list of numbers a run; ``before`` holds the parameters before the update."""
        found: list[Tensor] = []
        for name, key in self.names:
            found += of_parameter(
                self._flat(self.run.params[name][key]),
                self._flat(step.deltas[name][key]),
                self._flat(before[name][key]),
                self.run.params[name][key].shape[self.lead],
            )
        for node in self.units:
            y = self._units(step.trace.saved[node.name]["y"])
            found += of_output(y, isinstance(node.rule, Sigmoid))
        for name in self.read:
            found += of_input(self._units(step.trace.saved[name]["y"]))
        together = torch.stack([one.reshape(-1).double() for one in found], dim=1)
        return together.tolist()

    def _flat(self, t: Tensor) -> Tensor:
        return t.flatten(1) if self.lead else t.reshape(1, -1)

    def _units(self, t: Tensor) -> Tensor:
        """(R, N, F)."""
        t = t if self.lead else t[None]
        return t.reshape(len(t), -1, t.shape[-1])


def of_parameter(w: Tensor, g: Tensor, before: Tensor, fan_in: int) -> list[Tensor]:
    """The columns `PARAMETER`, (R,) each, of a value after and before the update, (R, n) each."""
    size, was = w.abs(), before.abs().mean(-1)
    low, high = _percentiles(g)
    one = torch.ones_like(was)
    return [
        *(w.mean(-1), size.mean(-1), w.var(-1, unbiased=False)),
        *((w < 0).float().mean(-1), (size < SMALL).float().mean(-1)),
        *(g.mean(-1), g.abs().mean(-1), (g == 0).float().mean(-1), low, high),
        *((w - before).abs().mean(-1) / was, was, before.var(-1, unbiased=False)),
        *(one * w.shape[-1], one * fan_in),
    ]


def of_output(y: Tensor, sigmoid: bool) -> list[Tensor]:
    """The columns `OUTPUT`, (R,) each, of an activation's (R, N, F)."""
    size = y.abs()
    major = size.kthvalue(1 + round(0.95 * (y.shape[1] - 1)), dim=1).values
    scaled = (2 * y - 1).abs() if sigmoid else size
    off = y <= 0
    return [
        *(y.mean((1, 2)), off.float().mean((1, 2)), off.all(1).float().mean(1)),
        *((major < SMALL).float().mean(1), (scaled.mean(1) > EDGE).float().mean(1)),
    ]


def of_input(x: Tensor) -> list[Tensor]:
    """The columns `INPUT`, (R,) each, of what an activation reads, (R, N, F)."""
    size, flat = x.abs(), x.flatten(1)
    outside = (x <= -23) | (x >= 16.99999)
    return [
        *(flat.mean(-1), flat.var(-1, unbiased=False), (size >= 5).float().mean((1, 2))),
        *((size >= 9.4999).all(1).float().mean(1), outside.all(1).float().mean(1)),
    ]


def _percentiles(g: Tensor) -> tuple[Tensor, Tensor]:
    last = g.shape[-1] - 1
    low, high = (g.kthvalue(1 + round(share * last), dim=-1).values for share in (0.05, 0.95))
    return low, high


SAMPLE = 1024
"""Examples whose activations are compared, as TheDeepChecker compares them."""


@torch.inference_mode()
def similarity(net: Net, params: Params, buffers: Buffers, dataset: Dataset) -> float:
    """The least linear CKA of any activation, or of the logits, in training and in evaluation.

    1 without a BatchNorm. Debiased (Kornblith et al. 2019, by the estimator of Song et al. 2007).
    """
    if not buffers:
        return 1.0
    batch = Batch(dataset.validation.contexts[:SAMPLE], dataset.validation.targets[:SAMPLE])
    own = net.forward(params, batch).saved
    other = net.evaluation().forward(merge(params, buffers), batch).saved
    names = [*(node.name for node in activations_of(net)), net.nodes[-1].inputs[0]]
    return min(cka(own[name]["y"].double(), other[name]["y"].double()) for name in names)


def cka(x: Tensor, y: Tensor) -> float:
    """Debiased linear CKA of (N, F) and (N, G); 0 where one of them does not vary."""
    gram = [_centred(of @ of.mT) for of in (x, y)]
    first, second = (of.flatten() for of in gram)
    size = (first @ first).sqrt() * (second @ second).sqrt()
    return ((first @ second) / size).item() if size > 0 else 0.0


def _centred(gram: Tensor) -> Tensor:
    """The U-centred Gram matrix (Székely & Rizzo 2014)."""
    n = len(gram)
    gram = gram.clone().fill_diagonal_(0)
    means = gram.sum(0) / (n - 2)
    means = means - means.sum() / (2 * (n - 1))
    return (gram - means[:, None] - means).fill_diagonal_(0)
