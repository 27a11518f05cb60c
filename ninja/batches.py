"""Minibatches, drawn as the lecture draws them, for one run or for a stack of runs."""

from collections.abc import Iterator, Sequence

import torch

from ninja.data import Examples
from ninja.errors import ConfigError, DataError
from ninja.types import Batch


class Batches(Iterator[Batch]):
    """The lecture's minibatches, drawn with replacement and without end.

    With a sequence of R generators a batch is tokens (R, B, T) and targets (R, B), replica r drawn
    by generator r; with a single generator passed directly there is no leading dimension. The
    indices are those of `torch.randint(0, N, (batch_size,), generator=g)` called step by step.

    For speed `ahead` steps are drawn and gathered at once and a batch is a view of them, so the
    generators run up to `ahead` steps in front of the batches. They must be CPU generators, so that
    a seed means the same batches on every device; the batches lie where `examples` lie.

    Raises ConfigError for a `batch_size` below 1, DataError when there are no examples, and
    ValueError for `ahead` below 1 and for generators that are none or not all different.

    Attributes:
        examples: that are drawn from.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        generators: torch.Generator | Sequence[torch.Generator],
        ahead: int = 64,
    ) -> None:
        """Keep the sources; nothing is drawn before the first batch is asked for."""
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size}: give a whole number, 1 or more")
        if not len(examples):
            raise DataError("no examples to draw batches from: give at least one word")
        if ahead < 1:
            raise ValueError(f"ahead={ahead}: give 1 or more")
        self._single = isinstance(generators, torch.Generator)
        self._generators = (
            (generators,) if isinstance(generators, torch.Generator) else tuple(generators)
        )
        # One generator in two places would give each a whole block in turn, not step by step.
        if len({id(generator) for generator in self._generators}) != len(self._generators):
            raise ValueError("generators: give each replica a generator of its own")
        if not self._generators:
            raise ValueError("generators: give at least one")
        self.examples = examples
        self._batch_size = batch_size
        self._ahead = ahead
        self._drawn: Iterator[Batch] = iter(())
        self._before = [generator.get_state() for generator in self._generators]
        self._used = 0

    def __next__(self) -> Batch:
        """Return the next step's batch; it never ends."""
        batch = next(self._drawn, None)
        if batch is None:
            self._drawn, self._used = self._draw(), 0
            batch = next(self._drawn)
        self._used += 1
        return batch

    def state(self) -> tuple[list[torch.Tensor], int]:
        """The generators' states before the block in use was drawn, and its batches used so far."""
        return self._before, self._used

    def restore(self, generators: list[torch.Tensor], used: int) -> None:
        """Go on where `state` was taken: the next batch is the one that came next then."""
        for generator, state in zip(self._generators, generators, strict=True):
            generator.set_state(state)
        self._drawn, self._used = iter(()), 0
        for _ in range(used):
            next(self)

    def _draw(self) -> Iterator[Batch]:
        """Draw and gather `ahead` steps: (ahead, R, B, T) and (ahead, R, B)."""
        self._before = [generator.get_state() for generator in self._generators]
        contexts, targets = self.examples.contexts, self.examples.targets
        shape = (self._ahead, self._batch_size)
        draws = [torch.randint(0, len(targets), shape, generator=g) for g in self._generators]
        indices = draws[0] if self._single else torch.stack(draws, dim=1)
        flat = indices.flatten().to(contexts.device)
        # index_select copies whole rows, three times as fast as contexts[indices] here.
        tokens = contexts.index_select(0, flat).view(*indices.shape, contexts.shape[-1])
        labels = targets.index_select(0, flat).view(indices.shape)
        return map(Batch, tokens.unbind(), labels.unbind())
