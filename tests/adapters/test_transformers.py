"""Hugging Face's own Trainer, watched: a small GPT-2 that is made here and nowhere fetched."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.modules import module as hooks
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from ninja import records
from ninja.adapters.transformers import HealthCallback

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of the library's own
]

TOKENS = 50


def examples() -> list[dict[str, Any]]:
    ids = torch.randint(0, TOKENS, (64, 16), generator=torch.Generator().manual_seed(0))
    return [{"input_ids": row, "labels": row} for row in ids]


def trained(callback: HealthCallback | None, folder: Path, batches: int = 1, lr: float = 1e-3):
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=TOKENS, n_positions=16, n_embd=32, n_layer=2, n_head=2)
    model = GPT2LMHeadModel(config)
    arguments = TrainingArguments(
        output_dir=str(folder / "out"),
        max_steps=12,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=batches,
        learning_rate=lr,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        seed=3,
    )
    callbacks = [] if callback is None else [callback]
    Trainer(model, arguments, train_dataset=examples(), callbacks=callbacks).train()
    return model


def parameters(model: GPT2LMHeadModel) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("batches", [1, 2])
def test_it_sees_every_step_and_changes_nothing(tmp_path: Path, batches: int) -> None:
    callback = HealthCallback(every=2, classes=TOKENS, report=False)
    watched = trained(callback, tmp_path, batches)
    assert torch.equal(parameters(watched), parameters(trained(None, tmp_path, batches)))
    assert not any(part._forward_hooks for part in watched.modules())
    assert callback.health is not None
    rows = callback.health.rows()
    assert [row["step"] for row in rows] == [0, 1, 2, 4, 5, 6, 8, 10]
    assert all(3.5 < row["loss"] < 4.1 for row in rows)  # about ln 50, of however many batches
    names = [layer["node"] for layer in rows[0]["layers"]]
    assert "transformer.h.1.mlp.act" in names


def test_it_keeps_and_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = HealthCallback(every=2, classes=TOKENS, folder=tmp_path / "run")
    trained(callback, tmp_path, lr=1e-9)
    assert "stalled" in {finding.kind for finding in callback.findings()}
    assert "stalled" in capsys.readouterr().out
    assert records.has_tables(tmp_path / "run")


class Failing(torch.nn.Module):
    """Runs out of memory at its third call."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.calls = torch.nn.Linear(4, 3), 0

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        self.calls += 1
        if self.calls == 3:
            raise RuntimeError("out of memory")
        return {"loss": torch.nn.functional.cross_entropy(self.out(x), labels)}


@pytest.mark.parametrize("again", [False, True])
def test_an_exception_leaves_hooks_until_it_is_closed_or_trains_again(
    tmp_path: Path, again: bool
) -> None:
    model, callback = Failing(), HealthCallback(every=1, report=False)
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=8,
        per_device_train_batch_size=4,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    data = [{"x": torch.ones(4), "labels": torch.tensor(i % 3)} for i in range(32)]
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=[callback])
    with pytest.raises(RuntimeError, match="out of memory"):
        trainer.train()
    assert callback.health is not None
    assert [row["step"] for row in callback.health.rows()] == [0, 1]
    first = trainer.optimizer.optimizer
    if again:
        trainer.train()
    else:
        callback.close()
        callback.close()
    assert not first._optimizer_step_pre_hooks
    assert not model._forward_hooks
    assert not hooks._global_forward_hooks
    assert [row["step"] for row in callback.health.rows()] == list(range(8 if again else 2))
