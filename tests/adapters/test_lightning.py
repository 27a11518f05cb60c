"""PyTorch Lightning's own loop, watched: every step of the optimizer, and not a bit changed."""

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from ninja import records
from ninja.adapters.lightning import HealthCallback

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of the library's own
]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


class Classifier(pl.LightningModule):
    def __init__(self, lr: float = 0.1, gain: float = 1.0) -> None:
        super().__init__()
        self.lr = lr
        parts = [nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 3)]
        self.net = nn.Sequential(*parts)
        with torch.no_grad():
            for part in (parts[0], parts[2]):
                part.weight.mul_(gain)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        x, y = batch
        return functional.cross_entropy(self.net(x), y)

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        self.training_step(batch, number)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.lr)


def loader() -> DataLoader[tuple[Tensor, ...]]:
    x = torch.randn(320, 8, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()), 32)


def trainer_in(folder: Path, callback: pl.Callback | None, **options: Any) -> pl.Trainer:
    """A quiet one."""
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[] if callback is None else [callback],
        **options,
    )


def trained(callback: HealthCallback | None, folder: Path, batches: int = 1, **model: float):
    torch.manual_seed(1)
    module = Classifier(**model)
    trainer = trainer_in(folder, callback, max_epochs=3, accumulate_grad_batches=batches)
    trainer.fit(module, loader(), loader())
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@pytest.mark.parametrize("batches", [1, 2])
def test_it_sees_every_step_and_changes_nothing(tmp_path: Path, batches: int) -> None:
    callback = HealthCallback(every=2, report=False)
    assert torch.equal(trained(callback, tmp_path, batches), trained(None, tmp_path, batches))
    assert callback.health is not None
    rows = callback.health.rows()
    steps = 30 // batches
    assert [row["step"] for row in rows] == sorted({1, 5, *range(0, steps, 2)})
    assert 0.9 < rows[0]["loss"] < 1.3  # about ln 3, whatever number of batches adds up to it
    names = [layer["node"] for layer in rows[0]["layers"] if layer["tensor"] == "y"]
    assert names == [f"net.{n}" for n in range(5)]
    assert callback.findings() == []


def test_it_says_and_keeps_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = HealthCallback(every=2, classes=3, folder=tmp_path / "run")
    trained(callback, tmp_path, gain=200.0)
    assert callback.findings()[0].kind == "saturated"
    assert "saturated" in capsys.readouterr().out
    assert records.has_tables(tmp_path / "run")


def test_an_exception_leaves_no_hook(tmp_path: Path) -> None:
    class Broken(Classifier):
        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            if number == 3:
                raise RuntimeError("mine")
            return super().training_step(batch, number)

    callback, module = HealthCallback(report=False), Broken()
    trainer = trainer_in(tmp_path, callback, max_epochs=1)
    with pytest.raises(RuntimeError, match="mine"):
        trainer.fit(module, loader())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def manual(trains: bool) -> type[Classifier]:
    """A module that optimises by itself and returns nothing."""

    class Manual(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:  # type: ignore
            optimizer = self.optimizers()
            optimizer.zero_grad()
            loss = super().training_step(batch, number)
            self.manual_backward(loss) if trains else loss.backward()
            optimizer.step()

    return Manual


class Skipping(Classifier):
    """Leaves every third batch out."""

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor | None:
        return None if number % 3 == 2 else super().training_step(batch, number)


@pytest.mark.parametrize(
    ("kind", "steps", "warned"),
    [
        (manual(trains=True), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 0),
        (manual(trains=False), [], 1),
        (Skipping, [0, 1, 3, 4, 6, 7, 9], 1),
    ],
)
def test_steps_that_return_no_loss(
    tmp_path: Path, kind: type[Classifier], steps: list[int], warned: int
) -> None:
    callback = HealthCallback(every=1, report=False)
    trainer = trainer_in(tmp_path, callback, max_epochs=1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        trainer.fit(kind(), loader())
    assert sum("HealthCallback" in str(of.message) for of in told) == warned
    assert callback.health is not None
    rows = callback.health.rows()
    assert [row["step"] for row in rows] == steps
    assert all(0.3 < row["loss"] < 1.5 for row in rows)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"every": 0}, "every: 0 is out of range"),
        ({"classes": "x"}, "classes: 'x' is a str"),
        ({"folder": "/dev/null/x"}, "folder: '/dev/null' is a file"),
    ],
)
def test_arguments_are_refused_before_the_training(options: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{said}"):
        HealthCallback(**options)
