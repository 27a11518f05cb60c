"""Hugging Face `Trainer`: `ninja.watch` as a callback.

    trainer = Trainer(model, args, train_dataset=..., callbacks=[HealthCallback(every=10)])

Source: Hugging Face's docs, "Callbacks".
"""

from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from ninja.diagnosis import Finding
from ninja.observe import Health, watch


class HealthCallback(TrainerCallback):
    """Watches a training, and says at its end what is wrong.

    The losses are those that the model returns: a `Trainer` tells its callbacks of none.

    Attributes:
        health: of the last training; none before it has begun.
    """

    def __init__(
        self,
        *,
        every: int = 10,
        classes: int | None = None,
        folder: str | Path | None = None,
        report: bool = True,
    ) -> None:
        """Nothing is looked at before the training starts.

        Args:
            every: optimizer steps between two looks.
            classes: of the cross-entropy: of a language model, its vocabulary.
            folder: to save the record in, at the end; none to keep it in memory.
            report: print the findings at the end.
        """
        self.every, self.classes, self.folder, self.says = every, classes, folder, report
        self.health: Health | None = None
        self._losses: list[Tensor] = []
        self._parts = False
        self._listener: RemovableHandle | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin to look."""
        model, optimizer = kwargs["model"], kwargs["optimizer"]
        optimizer = getattr(optimizer, "optimizer", optimizer)  # out of accelerate's wrapper
        self._losses = []
        self._listener = model.register_forward_hook(self._hear, with_kwargs=True)
        self.health = watch(model, optimizer, every=self.every, classes=self.classes)
        self.health.__enter__()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """A step of the optimizer, after as many batches as gradients accumulate over."""
        if self.health is not None and self._losses:
            total = sum(self._losses[1:], self._losses[0])
            self.health.step(total if self._parts else total / len(self._losses))
        self._losses = []

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take every hook away, keep the record and say what is wrong."""
        if self.health is None or self._listener is None:
            return
        self._listener.remove()
        self.health.__exit__(None, None, None)
        if state.is_world_process_zero:
            if self.folder is not None:
                self.health.save(self.folder)
            if self.says:
                self.health.report()

    def findings(self) -> list[Finding]:
        """What is wrong; nothing before a training."""
        return [] if self.health is None else self.health.findings()

    def _hear(self, module: nn.Module, _: Any, named: dict[str, Any], output: Any) -> None:
        self._parts = named.get("num_items_in_batch") is not None  # of one mean over all batches
        loss = output.get("loss") if hasattr(output, "get") else None
        if module.training and isinstance(loss, Tensor):
            self._losses.append(loss.detach())
