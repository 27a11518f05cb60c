"""Specification of the first values: schemes, rounding, and who draws from which generator."""

import math

import pytest
import torch
from torch import Generator, Tensor

from ninja.errors import ConfigError
from ninja.init import Constant, Fill, Generators, Normal, Orthogonal, weight_fill

SEED = 2147483647
DRAWING = [Normal(), Normal(0.0), Normal(0.5, divisor=3.0, mean=1.0), Orthogonal()]


def seeded() -> Generator:
    return Generator().manual_seed(SEED)


def drawn(fill: Fill, *shape: int) -> Tensor:
    return fill.draw(shape, Generators.of(SEED))


# --- the lecture's rounding ----------------------------------------------------------------------


def test_a_weight_is_multiplied_then_divided_as_the_lecture_writes_it() -> None:
    W1 = torch.randn((30, 200), generator=seeded()) * (5 / 3) / (30**0.5)
    assert torch.equal(drawn(weight_fill("kaiming", 5 / 3, 30, 200), 30, 200), W1)


def test_another_order_of_rounding_gives_other_bits() -> None:
    """Otherwise the test above could not fail."""
    z = torch.randn((30, 200), generator=seeded())
    assert not torch.equal(z * (5 / 3) / (30**0.5), z * ((5 / 3) / (30**0.5)))
    assert not torch.equal(z * (5 / 3) / (30**0.5), z / (30**0.5) * (5 / 3))


@pytest.mark.parametrize("scale", [1.0, 0.01, 5 / 3])
@pytest.mark.parametrize("divisor", [1.0, 30**0.5])
@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_a_normal_scales_divides_and_shifts(scale: float, divisor: float, mean: float) -> None:
    naive = torch.randn((20, 7), generator=seeded()) * scale / divisor + mean
    assert torch.equal(drawn(Normal(scale, divisor, mean), 20, 7), naive)


def test_noise_on_the_gain_is_the_lectures() -> None:
    generators = Generators.of(SEED)
    naive = torch.randn((1, 64), generator=Generators.of(SEED).norm) * 0.1 + 1.0
    assert torch.equal(Normal(0.1, mean=1.0, stream="norm").draw((1, 64), generators), naive)


@pytest.mark.parametrize("fill", [*DRAWING, Constant(0.3)])
def test_every_fill_is_float32_of_the_shape_asked_for(fill: Fill) -> None:
    tensor = drawn(fill, 5, 4)
    assert tensor.shape == (5, 4)
    assert tensor.dtype == torch.float32
    assert not tensor.requires_grad


# --- the schemes ---------------------------------------------------------------------------------


def expected_std(scheme: str, gain: float, fan_in: int, fan_out: int) -> float:
    match scheme:
        case "raw":
            return gain
        case "kaiming":
            return gain / math.sqrt(fan_in)
        case _:
            return gain * math.sqrt(2 / (fan_in + fan_out))


@pytest.mark.parametrize("scheme", ["raw", "kaiming", "xavier"])
@pytest.mark.parametrize("gain", [1.0, 5 / 3, 0.1])
@pytest.mark.parametrize(("fan_in", "fan_out"), [(30, 400), (400, 30), (200, 200)])
def test_a_schemes_spread(scheme: str, gain: float, fan_in: int, fan_out: int) -> None:
    W = drawn(weight_fill(scheme, gain, fan_in, fan_out), fan_in, fan_out)
    expected = expected_std(scheme, gain, fan_in, fan_out)
    n = fan_in * fan_out
    assert W.std().item() == pytest.approx(expected, rel=4 / math.sqrt(2 * n))  # 4 deviations
    assert abs(W.mean().item()) < 4 * expected / math.sqrt(n)


def test_xavier_is_torchs() -> None:
    W = torch.nn.init.xavier_normal_(torch.empty(30, 200), 5 / 3, seeded())
    torch.testing.assert_close(drawn(weight_fill("xavier", 5 / 3, 30, 200), 30, 200), W)


def test_kaiming_is_torchs_seen_from_the_other_side() -> None:
    """torch keeps a weight as (out, in); a square one has the same fan either way."""
    W = torch.nn.init.kaiming_normal_(torch.empty(64, 64), nonlinearity="relu", generator=seeded())
    torch.testing.assert_close(drawn(weight_fill("kaiming", math.sqrt(2), 64, 64), 64, 64), W)


@pytest.mark.parametrize("gain", [1.0, 5 / 3])
@pytest.mark.parametrize(("rows", "columns"), [(50, 20), (20, 50), (30, 30), (1, 8), (8, 1)])
def test_an_orthogonal_weight_is_orthonormal_on_its_shorter_side(
    gain: float, rows: int, columns: int
) -> None:
    W = drawn(weight_fill("orthogonal", gain, rows, columns), rows, columns).double()
    gram = W.mT @ W if rows >= columns else W @ W.mT
    side = min(rows, columns)
    torch.testing.assert_close(
        gram, gain**2 * torch.eye(side, dtype=torch.float64), rtol=0, atol=1e-5
    )


def test_an_orthogonal_weight_is_torchs() -> None:
    W = torch.nn.init.orthogonal_(torch.empty(50, 20), 1.5, seeded())
    assert torch.equal(drawn(Orthogonal(1.5), 50, 20), W)


# --- the streams ---------------------------------------------------------------------------------


def states(generators: Generators) -> tuple[Tensor, Tensor]:
    return generators.run.get_state(), generators.norm.get_state()


def test_the_run_generator_is_the_lectures() -> None:
    assert torch.equal(Generators.of(SEED).run.get_state(), seeded().get_state())


def test_one_seed_gives_two_streams() -> None:
    generators = Generators.of(SEED)
    run, norm = (torch.randn(1000, generator=g) for g in (generators.run, generators.norm))
    correlation = torch.corrcoef(torch.stack([run, norm]))[0, 1].item()
    assert abs(correlation) < 4 / math.sqrt(1000)


def test_neighbouring_seeds_share_no_stream() -> None:
    """Runs of a stack have neighbouring seeds: one's noise must not be another's weights."""
    firsts = [
        torch.randn(4, generator=generator)
        for seed in range(50)
        for generator in (Generators.of(seed).run, Generators.of(seed).norm)
    ]
    assert len(torch.stack(firsts).unique(dim=0)) == 100


@pytest.mark.parametrize("seed", [-1, 2**32, 2**63])
def test_a_seed_that_torch_would_cut_short_is_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match=r"^seed: .* must be from 0 to 4294967295$"):
        Generators.of(seed)


def test_the_same_seed_draws_the_same() -> None:
    first, second = Generators.of(7), Generators.of(7)
    for fill in (Normal(), Normal(stream="norm")):
        assert torch.equal(fill.draw((9, 9), first), fill.draw((9, 9), second))


def test_noise_on_the_norm_leaves_the_run_generator_where_it_was() -> None:
    generators = Generators.of(SEED)
    run, norm = states(generators)
    Normal(0.1, mean=1.0, stream="norm").draw((1, 64), generators)
    assert torch.equal(generators.run.get_state(), run)
    assert not torch.equal(generators.norm.get_state(), norm)


@pytest.mark.parametrize("fill", DRAWING)
def test_a_weight_leaves_the_norm_generator_where_it_was(fill: Fill) -> None:
    generators = Generators.of(SEED)
    run, norm = states(generators)
    fill.draw((30, 20), generators)
    assert torch.equal(generators.norm.get_state(), norm)
    assert not torch.equal(generators.run.get_state(), run)


@pytest.mark.parametrize("fill", DRAWING)
def test_a_draw_advances_the_generator_by_its_numbers_even_at_scale_zero(fill: Fill) -> None:
    generators, plain = Generators.of(SEED), seeded()
    fill.draw((30, 20), generators)
    torch.randn((30, 20), generator=plain)
    assert torch.equal(generators.run.get_state(), plain.get_state())


def test_scale_zero_is_zero_whatever_was_drawn() -> None:
    assert torch.equal(drawn(Normal(0.0), 27), torch.zeros(27))
    assert torch.equal(drawn(Normal(0.0, mean=1.0), 27), torch.ones(27))


def test_a_constant_draws_nothing() -> None:
    generators = Generators.of(SEED)
    before = states(generators)
    assert torch.equal(Constant(0.1).draw((1, 8), generators), torch.full((1, 8), 0.1))
    assert all(map(torch.equal, states(generators), before))
