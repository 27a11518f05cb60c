"""Gradient checkpointing: the inputs of a few segments are kept, the rest is computed twice.

The layers are cut into segments. The forward keeps what enters each; the backward, which needs all
the rest, has one segment at a time made again, by the same rules from the same numbers, and so with
the same bits. Engines find every intermediate where it always is, in `Trace.saved`.

Source: Chen et al. 2016, section 4.1. How much is kept: `ninja.theory.saved_activations`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch

from ninja.errors import ConfigError
from ninja.net import Net, leaves
from ninja.rules import Linear
from ninja.types import Batch, Buffers, Params, Tensors, Trace


@dataclass(frozen=True)
class Segment:
    """Consecutive nodes of a network.

    Attributes:
        net: of these nodes alone.
        entering: the nodes before them whose outputs they read.
    """

    net: Net
    entering: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """One pass through a segment, or through a whole network.

    Attributes:
        net: its nodes.
        entering: what it was given of nodes before it; with a graph these are leaves of it.
        trace: what it left behind. Its loss is the last node's output, whatever that is.
    """

    net: Net
    entering: Tensors
    trace: Trace


def split(net: Net, count: int | Literal["sqrt"]) -> tuple[Segment, ...]:
    """Cut a network before some of its linear layers, into segments of about as many of them.

    Args:
        net: to cut.
        count: how many segments; "sqrt" for as many as keep the fewest activations.

    Raises:
        ConfigError: there are not so many linear layers.
    """
    starts = [place for place, node in enumerate(net.nodes) if isinstance(node.rule, Linear)]
    layers = len(starts)
    if count == "sqrt":
        from ninja.theory import best_segments  # and with it scipy, which takes a moment

        segments = best_segments(layers)
    else:
        segments = count
    if not 1 <= segments <= layers:
        raise ConfigError(
            f"recompute: {segments} segments of {layers} linear layers cannot be, "
            f"give 1 to {layers}, sqrt or none"
        )
    cuts = [starts[layers * number // segments] for number in range(1, segments)]
    return tuple(_segment(net, *ends) for ends in pairwise([0, *cuts, len(net.nodes)]))


def _segment(net: Net, start: int, end: int) -> Segment:
    before, nodes = {node.name for node in net.nodes[:start]}, net.nodes[start:end]
    read = dict.fromkeys(name for node in nodes for name in node.inputs)
    return Segment(Net(nodes), tuple(name for name in read if name in before))


class Recomputed(Mapping[str, Tensors]):
    """The intermediates of a forward, of which one segment's are there at a time."""

    def __init__(
        self, segments: Sequence[Segment], bound: Params, batch: Batch, *, graph: bool
    ) -> None:
        """See `forward`, which fills ``kept``."""
        self.segments = segments
        self.kept: Tensors = {}
        self._bound, self._batch, self._graph = bound, batch, graph
        self._place = {node.name: i for i, of in enumerate(segments) for node in of.net.nodes}
        self._there: tuple[int, Part] | None = None

    def part(self, number: int) -> Part:
        """The pass through a segment; made again, unless it is the one that is there."""
        if self._there is None or self._there[0] != number:
            self._there = None  # gone before the next one is made: two are never there
            self._there = number, self._made(self.segments[number])
        return self._there[1]

    def _made(self, segment: Segment) -> Part:
        entering = {name: self.kept[name] for name in segment.entering}
        with torch.inference_mode(mode=not self._graph), torch.set_grad_enabled(self._graph):
            if self._graph:
                entering = leaves({"": entering})[""]
            return Part(
                segment.net, entering, segment.net.traced(self._bound, self._batch, entering)
            )

    def __getitem__(self, name: str) -> Tensors:
        return self.part(self._place[name]).trace.saved[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)


def forward(
    segments: Sequence[Segment],
    params: Params,
    batch: Batch,
    buffers: Buffers,
    *,
    graph: bool = False,
) -> tuple[Trace, Buffers]:
    """`Net.forward` and `Net.running`, which leave only what enters each segment, and the last one.

    Args:
        segments: of the network.
        params: see `Net.forward`.
        batch: see `Net.forward`.
        buffers: running statistics before the batch.
        graph: see `Net.forward`.

    Returns:
        The trace, good until the parameters change, as what it lacks is computed from them; and the
        running statistics after the batch, taken here because later there is nothing to take
        them from.
    """
    bound = leaves(params) if graph else params
    saved = Recomputed(segments, bound, batch, graph=graph)
    read = {name for segment in segments for name in segment.entering}
    running, loss = dict(buffers), torch.empty(())
    for number, segment in enumerate(segments):
        part = saved.part(number)
        made = part.trace.saved
        saved.kept |= {name: made[name]["y"].detach() for name in made if name in read}
        own = {name: of for name, of in buffers.items() if name in made}
        running |= segment.net.running(own, part.trace)
        loss = part.trace.loss.detach()  # its graph would hold the last segment
        del part, made  # their memory is the next one's
    return Trace(loss, saved, bound), running


def parts(net: Net, trace: Trace) -> Iterator[Part]:
    """The passes that a trace is made of, the last one first: most are made by one."""
    if not isinstance(trace.saved, Recomputed):
        yield Part(net, {}, trace)
        return
    for number in reversed(range(len(trace.saved.segments))):
        yield trace.saved.part(number)
