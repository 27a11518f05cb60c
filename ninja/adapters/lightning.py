"""PyTorch Lightning: `ninja.watch` as a callback.

    trainer = Trainer(callbacks=[HealthCallback(every=10)])

Source: Lightning's callback hooks, docs "Callback".
"""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from ninja.diagnosis import Finding
from ninja.observe import Health, watch


class HealthCallback(pl.Callback):
    """Watches a training, and says at its end what is wrong.

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
            classes: of the cross-entropy, where the loss is one.
            folder: to save the record in, at the end; none to keep it in memory.
            report: print the findings at the end.
        """
        self.every, self.classes, self.folder, self.says = every, classes, folder, report
        self.health: Health | None = None
        self._steps = 0
        self._losses: list[Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to look."""
        self._steps, self._losses = trainer.global_step, []
        self.health = watch(
            pl_module, list(trainer.optimizers), every=self.every, classes=self.classes
        )
        self.health.__enter__()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """A step, when the optimizer has made one: gradients may accumulate over batches."""
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            self._losses.append(loss.detach())
        if trainer.global_step == self._steps or self.health is None:
            return
        self._steps = trainer.global_step
        if self._losses:  # Lightning has divided each by their number
            self.health.step(sum(self._losses[1:], self._losses[0]))
        self._losses = []

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take every hook away, keep the record and say what is wrong."""
        if self.health is None:
            return
        self.health.__exit__(None, None, None)
        if trainer.is_global_zero:
            if self.folder is not None:
                self.health.save(self.folder)
            if self.says:
                self.health.report()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Take every hook away."""
        if self.health is not None:
            self.health.__exit__(type(exception), exception, exception.__traceback__)

    def findings(self) -> list[Finding]:
        """What is wrong; nothing before a training."""
        return [] if self.health is None else self.health.findings()
