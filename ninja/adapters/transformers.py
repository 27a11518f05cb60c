"""Hugging Face `Trainer`: `ninja.watch` as a callback.

    trainer = Trainer(model, args, train_dataset=..., callbacks=[HealthCallback(every=10)])

Source: Hugging Face's docs, "Callbacks".
"""

from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from ninja.adapters.watcher import Watcher


class HealthCallback(Watcher, TrainerCallback):
    """Watches a training, and says at its end what is wrong.

    The losses are those that the model returns: a `Trainer` tells its callbacks of none.

    Attributes:
        health: of the last training; none before it has begun.
    """

    _losses: list[Tensor]
    _parts = False
    _listener: RemovableHandle | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin to look."""
        model, optimizer = kwargs["model"], kwargs["optimizer"]
        optimizer = getattr(optimizer, "optimizer", optimizer)  # out of accelerate's wrapper
        self._losses = []
        self._begin(model, optimizer)
        self._listener = model.register_forward_hook(self._hear, with_kwargs=True)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """A step of the optimizer, after as many batches as gradients accumulate over."""
        total = sum(self._losses[1:], self._losses[0]) if self._losses else None
        if total is not None and not self._parts:
            total = total / len(self._losses)
        self._losses = []
        self._stepped(total, "the model returned no loss")

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take every hook away, keep the record and say what is wrong."""
        self._end(first=state.is_world_process_zero)

    def close(self) -> None:
        """Take every hook away, also after an exception: a `Trainer` tells its callbacks of none.

        What was seen stays. The next training does so too.
        """
        if self._listener is not None:
            self._listener.remove()
            self._listener = None
        super().close()

    def _hear(self, module: nn.Module, _: Any, named: dict[str, Any], output: Any) -> None:
        self._parts = named.get("num_items_in_batch") is not None  # of one mean over all batches
        loss = output.get("loss") if hasattr(output, "get") else None
        if module.training and isinstance(loss, Tensor):
            self._losses.append(loss.detach())
