"""The lecture's table, and that a wrong row is called wrong."""

from dataclasses import replace

import pytest
import torch

from ninja import data, gradcheck, identities
from ninja.agreement import PASS, WRONG, Row
from ninja.config import InitConfig, ModelConfig, NetworkConfig, NormConfig
from ninja.errors import ConfigError
from ninja.mutants import MUTANTS, planted
from ninja.networks import PRESETS, build, with_hidden
from ninja.replicas import unstack
from ninja.types import Batch
from ninja.verify import LECTURE_ROWS, Report, first_step, network, verify

LECTURE_SHAPES = {
    "logprobs": (32, 27),
    "probs": (32, 27),
    "counts_sum_inv": (32, 1),
    "counts_sum": (32, 1),
    "counts": (32, 27),
    "norm_logits": (32, 27),
    "logit_maxes": (32, 1),
    "logits": (32, 27),
    "h": (32, 64),
    "W2": (64, 27),
    "b2": (27,),
    "hpreact": (32, 64),
    "bngain": (1, 64),
    "bnbias": (1, 64),
    "bnraw": (32, 64),
    "bnvar_inv": (1, 64),
    "bnvar": (1, 64),
    "bndiff2": (32, 64),
    "bndiff": (32, 64),
    "bnmeani": (1, 64),
    "hprebn": (32, 64),
    "embcat": (32, 30),
    "W1": (30, 64),
    "b1": (64,),
    "emb": (32, 3, 10),
    "C": (27, 10),
}


@pytest.fixture(scope="module")
def dataset() -> data.Dataset:
    return data.load()


def report_of(
    dataset: data.Dataset,
    config: NetworkConfig,
    engine: str = "manual_atomic",
    *,
    seed: int = 2147483647,
    dtype: torch.dtype = torch.float32,
    replicas: int | None = None,
    lecture: bool = False,
) -> Report:
    if config.block_size != 3:
        dataset = data.load(block_size=config.block_size)
    net = build(config, dataset.vocabulary.size)
    params, batch = first_step(net, dataset, seed, 32, dtype, replicas)
    return verify(net, params, batch, engine, lecture=lecture)


def test_the_lectures_table(dataset: data.Dataset) -> None:
    report = report_of(dataset, network("lecture"), lecture=True)
    assert {row.name: row.shape for row in report.rows} == LECTURE_SHAPES
    assert [row.name for row in report.rows] == list(LECTURE_SHAPES)
    assert all(row.exact and row.approx and row.maxdiff == 0 for row in report.rows)
    assert not report.wrong
    assert report.gap == 0


@pytest.mark.parametrize("hidden", [64, 200])
@pytest.mark.parametrize("replicas", [None, 1, 4, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_26_of_26_on_20_seeds(
    dataset: data.Dataset, hidden: int, replicas: int | None, dtype: torch.dtype
) -> None:
    config = with_hidden(network("lecture"), hidden)
    limit = 1e-6 if dtype == torch.float32 else 1e-14
    for seed in range(20):
        report = report_of(dataset, config, seed=seed, dtype=dtype, replicas=replicas, lecture=True)
        assert sum(row.exact for row in report.rows) == len(LECTURE_ROWS) == 26
        assert report.gaps["manual_fused"] <= limit


def test_the_logit_maxima_are_shown_and_small(dataset: data.Dataset) -> None:
    report = report_of(dataset, network("lecture"), lecture=True)
    (row,) = (row for row in report.rows if row.name == "logit_maxes")
    assert 0 < row.size < 1e-7


def test_exercises_2_and_3(dataset: data.Dataset) -> None:
    report = report_of(dataset, network("lecture"), lecture=True)
    ((logits,), (hprebn,)) = report.exercise_2, report.exercise_3
    assert (logits.name, logits.shape, hprebn.name, hprebn.shape) == (
        "logits",
        (32, 27),
        "hprebn",
        (32, 64),
    )
    assert logits.approx
    assert logits.maxdiff < 1e-7
    assert hprebn.approx
    assert hprebn.maxdiff < 1e-8


@pytest.mark.parametrize("name", [*PRESETS, "mlp", "mlp_residual", "mlp_rmsnorm"])
def test_every_network_has_all_its_rows_exact(dataset: data.Dataset, name: str) -> None:
    for replicas in (None, 3):
        report = report_of(dataset, network(name), replicas=replicas)
        assert all(row.exact for row in report.rows)
        assert len(report.rows) == len({row.name for row in report.rows}) > 20
        assert not report.wrong


@pytest.mark.parametrize("engine", ["manual_fused", "autograd"])
def test_other_engines(dataset: data.Dataset, engine: str) -> None:
    report = report_of(dataset, network("lecture"), engine, lecture=True)
    assert report.engine == engine
    assert report.reference == ("manual_atomic" if engine == "autograd" else "autograd")
    assert {"C", "W1", "b1", "W2", "b2", "bngain", "bnbias"} <= {row.name for row in report.rows}
    assert not report.wrong


def test_a_wrong_gradient_is_wrong(dataset: data.Dataset) -> None:
    (mutant,) = (m for m in MUTANTS if m.name == "Linear.backward: dx for x in dW")
    with planted(mutant):
        report = report_of(dataset, network("lecture"), lecture=True)
    wrong = {row.name for row in report.rows if row.wrong}
    assert wrong == {"W2", "W1"}
    assert report.wrong
    assert not report_of(dataset, network("lecture"), lecture=True).wrong


def test_a_wrong_shape_is_wrong(dataset: data.Dataset) -> None:
    """A (64,) for a (1, 64), which allclose alone would let pass."""
    (mutant,) = (
        m for m in MUTANTS if m.name == "standardize_backward: (n,) for (1, n) in dvar_inv"
    )
    with planted(mutant):
        report = report_of(dataset, network("lecture"), lecture=True)
    assert [row.name for row in report.rows if row.wrong] == ["bnvar_inv"]


@pytest.mark.parametrize("gain", [1e-3, 1.0, 30.0])
def test_it_does_not_cry_wolf_at_any_scale(dataset: data.Dataset, gain: float) -> None:
    config = NetworkConfig(
        model=ModelConfig(n_hidden=64, n_layers=6, activation="leaky_relu"),
        init=InitConfig(gain=gain, output_scale=1.0),
        norm=NormConfig(name="none"),
    )
    for norm in ("none", "batchnorm", "layernorm"):
        scaled = replace(config, norm=NormConfig(name=norm), init=InitConfig(gain=gain))
        if norm == "none" and gain > 1:
            scaled = replace(scaled, init=InitConfig(gain=gain, output_scale=1e-8))
        for engine in ("manual_fused", "manual_atomic"):
            report = report_of(dataset, scaled, engine)
            assert not [row for row in report.rows if row.wrong]


def test_unknown_names(dataset: data.Dataset) -> None:
    with pytest.raises(ConfigError, match=r"network: unknown name 'lectur'.* mean lecture\?"):
        network("lectur")
    with pytest.raises(ConfigError, match="did you mean manual_fused"):
        report_of(dataset, network("lecture"), "manual_fuse")


def row(*, wrong: bool) -> Row:
    return Row("t", (1,), exact=False, approx=not wrong, maxdiff=1.0, size=1.0, scale=1.0)


@pytest.mark.parametrize("place", ["rows", "exercise_2", "exercise_3", "gaps"])
def test_everything_counts_towards_wrong(place: str) -> None:
    right = Report((row(wrong=False),), (), (), {"a": 0.0, "b": 1e-6}, "a", "autograd")
    assert not right.wrong
    bad = {"a": 0.0, "b": 1e-3} if place == "gaps" else (row(wrong=True),)
    report = replace(right, **{place: bad})
    assert report.wrong
    assert len(report.suspects) == 1
    assert not replace(report, rounding=True).wrong


def test_the_worst_replica_counts(dataset: data.Dataset) -> None:
    net = build(network("lecture"), 27)
    params, batch = first_step(net, dataset, 1, 32, torch.float32, 3)
    gaps = verify(net, params, batch, "manual_fused", lecture=True).gaps["manual_fused"]
    alone = []
    for replica in range(3):
        one = Batch(batch.tokens[replica], batch.targets[replica])
        report = verify(net, unstack(params, replica), one, "manual_fused", lecture=True)
        alone.append(report.gap)
    assert gaps == max(alone) > min(alone)


def test_the_limits_are_what_they_are() -> None:
    """Looser ones would let mistakes through: 7.5e-5 is the smallest that is known."""
    assert (PASS, WRONG, identities.TOLERANCE, gradcheck.RTOL) == (1e-6, 1e-5, 1e-9, 1e-5)
    assert row(wrong=True).wrong
    just = replace(row(wrong=True), maxdiff=2e-5)
    assert just.wrong
    assert not replace(just, maxdiff=1e-5).wrong
