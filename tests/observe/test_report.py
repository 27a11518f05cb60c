"""Specification of what is printed."""

import pytest
import torch
from torch import nn
from torch.optim import SGD

from tests.observe.trainings import Training, seen, trained, usual, watched


def test_the_layers_and_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    health = watched("plain", 60, 10)
    health.report()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("step 50: loss ")
    assert [line.split()[0] for line in lines[2:5]] == ["0", "2", "4"]
    assert "0 … 1" in lines[2]
    assert lines[-1] == "verdict: healthy"


def test_a_single_layer(capsys: pytest.CaptureFixture[str]) -> None:
    with seen(lambda: usual(nn.Linear(6, 3), 5, 6)) as (training, health):
        trained(training, 3, health)
    health.report()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("layer ")
    assert lines[2].startswith("model ")


def test_findings_with_their_fix(capsys: pytest.CaptureFixture[str]) -> None:
    def kind() -> Training:
        layers: list[nn.Module] = []
        for inputs in (6, 30, 30, 30, 30):
            layers += [nn.Linear(inputs, 30), nn.Tanh()]
        model = nn.Sequential(*layers, nn.Linear(30, 3))
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(0.1)
        return usual(model, 16, 6, optimizer=SGD(model.parameters(), lr=0.01))

    with seen(kind, every=5) as (training, health):
        trained(training, 30, health)
    health.report()
    printed = capsys.readouterr().out
    assert "vanishing" in printed
    assert "fix: " in printed


def test_what_was_not_seen(capsys: pytest.CaptureFixture[str]) -> None:
    watched("compiled").report()
    printed = capsys.readouterr().out
    assert "not seen: module outputs: model is compiled; parameters are seen" in printed


def test_a_network_without_matrices(capsys: pytest.CaptureFixture[str]) -> None:
    def kind() -> Training:
        model = nn.Sequential(nn.Flatten(), nn.LayerNorm(6))
        return usual(model, 4, 6)

    with seen(kind) as (training, health):
        trained(training, 3, health)
    health.report()
    assert "verdict: " in capsys.readouterr().out
