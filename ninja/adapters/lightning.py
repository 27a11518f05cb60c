"""PyTorch Lightning: `ninja.watch` as a callback.

    trainer = Trainer(callbacks=[HealthCallback(every=10)])

Source: Lightning's callback hooks, docs "Callback".
"""

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from ninja.adapters.watcher import Watcher


class HealthCallback(Watcher, pl.Callback):
    """Watches a training, and says at its end what is wrong.

    The losses are those that ``training_step`` returns; where it returns none, the sum of those
    that went backward by Lightning's means.

    Attributes:
        health: of the last training; none before it has begun.
    """

    _steps = 0
    _losses: list[Tensor]
    _backward: list[Tensor]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to look."""
        self._steps, self._losses, self._backward = trainer.global_step, [], []
        self._begin(pl_module, list(trainer.optimizers))

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        """A loss, in mixed precision scaled."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        self._backward.append(
            loss.detach() if scaler is None else loss.detach() / scaler.get_scale()
        )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """A step, when the optimizer has made one: gradients may accumulate over batches."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        self._losses += [loss.detach()] if isinstance(loss, Tensor) else self._backward
        self._backward = []
        if trainer.global_step == self._steps:
            return
        self._steps, losses, self._losses = trainer.global_step, self._losses, []
        total = sum(losses[1:], losses[0]) if losses else None  # Lightning has divided each
        self._stepped(total, "training_step returned no loss, and none went to manual_backward")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take every hook away, keep the record and say what is wrong."""
        self._end(first=trainer.is_global_zero)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Take every hook away."""
        self.close()
