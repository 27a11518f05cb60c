"""What is measured of one of our networks: `ninja.probes.columns` has the columns."""

import numpy as np
import torch
from torch import Tensor

from ninja.net import Net, Node
from ninja.probes.blocks import Values
from ninja.probes.columns import SATURATE, Columns, Subjects
from ninja.probes.names import matrices, names_of, picked
from ninja.probes.snapshot import Snapshot
from ninja.rules.activations import Activation


class Layers(Columns):
    """One network's layers. What there is to see is found out once, and then only looked at."""

    def __init__(self, first: Snapshot) -> None:
        """Plan for snapshots that hold what this one does."""
        self.lead = first.lead
        subjects = _subjects(first)
        tensors = _measured(first, subjects)
        super().__init__(subjects, [t.shape[self.lead :].numel() for t in tensors])

    def measured(self, step: Snapshot) -> list[Tensor]:
        """Gradients, parameters, outputs' deltas, units, and directions that are no gradients."""
        return _measured(step, self.subjects)

    @torch.inference_mode()
    def __call__(self, snapshot: Snapshot) -> Values:
        """The numbers of a step, (cells, ...)."""
        measured = self.flat(snapshot)
        values = self.columns(self.sums(measured), np.asarray(snapshot.rate), measured)
        return values if self.lead else values[:, 0]

    def flat(self, step: Snapshot) -> list[Tensor]:
        """`measured`, (B, elements) each: B is the number of replicas, 1 for a single run."""
        if self.lead:
            return [t.flatten(1) for t in self.measured(step)]
        return [t.reshape(1, -1) for t in self.measured(step)]


def _subjects(step: Snapshot) -> Subjects:
    deltas, nodes = step.deltas, activations_of(step.net)
    names = names_of(step.params)
    outputs = [
        node.name
        for node in step.net.nodes
        if "y" in deltas.get(node.name, {}) and deltas[node.name]["y"].dim() > step.lead
    ]
    sources = {node.name: node.inputs[0] for node in nodes if node.inputs[0] in outputs}
    return Subjects(
        graded=names,
        params=names,
        moved=matrices(step.params, step.lead),
        outputs=outputs,
        units=[node.name for node in nodes],
        gates={node.name: node.rule for node in nodes if isinstance(node.rule, SATURATE)},
        reached={name: (of, deltas[of]["y"].shape[-1]) for name, of in sources.items()},
        known=step.directions is deltas,
    )


def _measured(step: Snapshot, of: Subjects) -> list[Tensor]:
    deltas, saved = step.deltas, step.trace.saved
    return [
        *picked(deltas, of.graded),
        *picked(step.params, of.params),
        *(deltas[name]["y"] for name in of.outputs),
        *(saved[name]["y"] for name in of.units),
        *(() if of.known else picked(step.directions, of.moved)),
    ]


def activations_of(net: Net) -> list[Node]:
    """The nodes that are activations, in depth order."""
    return [node for node in net.nodes if isinstance(node.rule, Activation)]
