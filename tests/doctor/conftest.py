"""W&B as in its own tests, and read anew: it keeps its settings for as long as a process lives."""

import pytest
from wandb.sdk import wandb_setup

from tests.tracking.conftest import environment

__all__ = ["environment", "forgotten"]


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb_setup, "_singleton", None)
