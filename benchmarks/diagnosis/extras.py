"""What the rivals' rules read and our record does not hold, computed from the same tensors.

Of every parameter: mean (`w_mean`), mean size (`w_abs`), variance (`w_var`), share below zero
(`w_neg`) and of sizes below 1e-5 (`w_small`) of the value after the update; of its gradient mean
(`g_mean`), mean size (`g_abs`), share of zeros (`g_zero`) and the 5th and 95th percentile (`g_p5`,
`g_p95`); mean size of the applied update over that of the value (`moved`).

Of every activation: mean (`y_mean`), share of elements at or below zero (`y_off`), of units that are
at or below zero on every row (`y_silent`), of units whose 95th percentile of abs(y) is below 1e-5
(`y_dead`), and of units whose mean abs(y), scaled to 0…1, is above 0.85 (`y_edge`; the measure ρ_B
of Rakitianskaia & Engelbrecht 2015). Of what it reads: mean (`x_mean`), variance (`x_var`), and the
shares at or beyond ±5 (`x_5`), ±9.4999 (`x_9`) and outside (−23, 16.99999) (`x_23`).

Of the logits the same five.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ninja.probes.layers import activations_of
from ninja.records import Place
from ninja.rules import Sigmoid
from ninja.train import Step, Training

SMALL = 1e-5
EDGE = 0.85
PARAMETER = (
    *("w_mean", "w_abs", "w_var", "w_neg", "w_small"),
    *("g_mean", "g_abs", "g_zero", "g_p5", "g_p95", "moved"),
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
            found += self._parameter(
                self._flat(self.run.params[name][key]),
                self._flat(step.deltas[name][key]),
                self._flat(before[name][key]),
            )
        for node in self.units:
            found += self._output(step.trace.saved[node.name]["y"], isinstance(node.rule, Sigmoid))
        for name in self.read:
            found += self._input(self._flat(step.trace.saved[name]["y"]))
        together = torch.stack([one.reshape(-1).double() for one in found], dim=1)
        return together.tolist()

    def _flat(self, t: Tensor) -> Tensor:
        return t.flatten(1) if self.lead else t.reshape(1, -1)

    def _parameter(self, w: Tensor, g: Tensor, before: Tensor) -> list[Tensor]:
        size = w.abs()
        low, high = _percentiles(g)
        moved = (w - before).abs().mean(-1) / before.abs().mean(-1)
        return [
            *(w.mean(-1), size.mean(-1), w.var(-1) if w.shape[-1] > 1 else 0 * w[:, 0]),
            *((w < 0).float().mean(-1), (size < SMALL).float().mean(-1)),
            *(g.mean(-1), g.abs().mean(-1), (g == 0).float().mean(-1), low, high, moved),
        ]

    def _output(self, y: Tensor, sigmoid: bool) -> list[Tensor]:
        y = y if self.lead else y[None]
        y = y.reshape(len(y), -1, y.shape[-1])
        size = y.abs()
        major = size.kthvalue(1 + round(0.95 * (y.shape[1] - 1)), dim=1).values
        scaled = (2 * y - 1).abs() if sigmoid else size
        off = y <= 0
        return [
            *(y.mean((1, 2)), off.float().mean((1, 2)), off.all(1).float().mean(1)),
            *((major < SMALL).float().mean(1), (scaled.mean(1) > EDGE).float().mean(1)),
        ]

    def _input(self, x: Tensor) -> list[Tensor]:
        size = x.abs()
        return [
            *(x.mean(-1), x.var(-1), (size >= 5).float().mean(-1)),
            *(
                (size >= 9.4999).float().mean(-1),
                ((x <= -23) | (x >= 16.99999)).float().mean(-1),
            ),
        ]


def _percentiles(g: Tensor) -> tuple[Tensor, Tensor]:
    last = g.shape[-1] - 1
    low, high = (g.kthvalue(1 + round(share * last), dim=-1).values for share in (0.05, 0.95))
    return low, high
