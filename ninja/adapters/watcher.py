"""What the callbacks of all libraries have in common."""

import warnings
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ninja.diagnosis import Finding
from ninja.observe import Health, checks, watch
from ninja.observe.save import free


class Watcher:
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
            classes: of the cross-entropy, where the loss is one: of a language model, its
                vocabulary.
            folder: to save the record in, at the end; none to keep it in memory.
            report: print the findings at the end.

        Raises:
            TypeError, ValueError: an argument cannot be used; the line names it.
        """
        self.every, self.classes = checks.every(every), checks.classes(classes)
        self.folder = None if folder is None else checks.folder(folder)
        if self.folder is not None:
            free(self.folder, own=False)
        self.says = report
        self.health: Health | None = None
        self._warned = False

    def findings(self) -> list[Finding]:
        """What is wrong; nothing before a training."""
        return [] if self.health is None else self.health.findings()

    def close(self) -> None:
        """Take every hook away, of a training that has ended in whatever way. What was seen stays.

        The next training does so too.
        """
        if self.health is not None:
            self.health.__exit__(None, None, None)

    def _begin(self, model: nn.Module, optimizer: Any) -> None:
        self.close()
        self._warned = False
        self.health = watch(model, optimizer, every=self.every, classes=self.classes)
        self.health.__enter__()

    def _stepped(self, loss: Tensor | None, why: str) -> None:
        """The optimizer has made a step; if its loss is not known, say once why."""
        if self.health is None:
            return
        if loss is not None:
            self.health.step(loss)
            return
        self.health.skip()
        if not self._warned:
            self._warned = True
            warnings.warn(f"HealthCallback: {why}: such steps are not looked at", stacklevel=3)

    def _end(self, *, first: bool) -> None:
        """Take every hook away; the first of all processes keeps the record and says the rest."""
        self.close()
        if self.health is None or not first:
            return
        if self.says:
            self.health.report()
        if self.folder is not None:
            self.health.save(self.folder)
