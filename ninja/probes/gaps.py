"""How far two engines are apart, node by node: which layer's backward is the wrong one."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ninja.probes.blocks import Block, Values, outputs
from ninja.probes.moments import LARGE, SMALL
from ninja.probes.names import flat, names_of
from ninja.types import Deltas, Params


class Gap(NamedTuple):
    """Distances over the norm of the whole reference gradient.

    Attributes:
        total: (...) of the network, `ninja.agreement.gap`.
        nodes: the column "gap" of every node that has parameters: the squares add up to the
            total's.
    """

    total: Values
    nodes: Block


class Gaps:
    """Compares two gradients of one network's traces, node by node."""

    def __init__(self, params: Params, lead: int) -> None:
        """Plan for gradients of these parameters.

        Args:
            params: names the tensors to compare.
            lead: number of leading replica dimensions.
        """
        self.lead = lead
        self.names = names_of(params)
        self.nodes = [node for node, tensors in params.items() if tensors]
        counts = [params[node][key].shape[lead:].numel() for node, key in self.names]
        self._starts = [sum(counts[:index]) for index in range(len(counts))]
        owners = [node for node, _ in self.names]
        self._firsts = [owners.index(node) for node in self.nodes]

    @torch.inference_mode()
    def __call__(self, deltas: Deltas, reference: Deltas) -> Gap:
        """Compare.

        A node is not measured by its own gradient, which may be zero. Two gradients of nothing
        agree (0), anything against nothing does not (infinity).

        Args:
            deltas: in question; may hold more than the parameters'.
            reference: what they should be.
        """
        correct = torch.cat(flat(reference, self.names, self.lead), -1)
        apart = torch.cat(flat(deltas, self.names, self.lead), -1).sub_(correct)
        size, distance = self._squares(correct), self._squares(apart)
        with np.errstate(all="ignore"):  # what is not finite is a finding
            share = distance / size.sum(-1, keepdims=True)
            share[distance == 0] = 0
            nodes = np.add.reduceat(share, self._firsts, axis=-1)
            total = np.sqrt(share.sum(-1))
        return Gap(total, outputs(("gap",), self.nodes, np.sqrt(nodes).T))

    def _squares(self, values: Tensor) -> Values:
        """Sums of squares of consecutive parts, (..., parts): one operation for all of them."""
        plain = values.cpu().numpy()
        with np.errstate(all="ignore"):
            found = np.add.reduceat(plain * plain, self._starts, axis=-1)
            safe = (found > SMALL**2) & (found < LARGE**2)
            found = found.astype(np.float64)
            if not safe.all():  # squares vanish or overflow in float32
                exact = plain.astype(np.float64)
                exact = np.add.reduceat(exact * exact, self._starts, axis=-1)
                np.copyto(found, exact, where=~safe)
        return found
