"""Hugging Face's own Trainer, watched: a small GPT-2 that is made here and nowhere fetched."""

from pathlib import Path
from typing import Any

import pytest
import torch
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
