"""T13, and numpy's own half precision."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from ninja.errors import TheoryError
from ninja.theory import FORMATS, overflow_share, underflow_depth, zero_share, zero_shares
from tests.faults import fault_of
from tests.theory.networks import seeded


def test_t13() -> None:
    """χ = .5 below a δ of 1e-3."""
    shares = zero_shares(30, 0.5, 1e-3)
    assert shares[19] == pytest.approx(0.0243, abs=6e-5)
    assert shares[29] == pytest.approx(0.671, abs=5e-4)
    assert zero_shares(30, 0.5, 1e-3, "bfloat16").max() < 1e-30


@pytest.mark.parametrize(("dtype", "kind"), [("float16", np.float16), ("float32", np.float32)])
def test_the_limits_are_numpys(dtype: str, kind: type[np.floating]) -> None:
    limits = FORMATS[dtype]
    with np.errstate(all="ignore"):
        assert kind(limits.zero) == 0
        assert kind(limits.zero * (1 + 1e-7)) > 0
        assert np.isinf(kind(limits.infinity))
        assert np.isfinite(kind(limits.infinity * (1 - 1e-9)))


def test_the_limits_of_bfloat16_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    limits = FORMATS["bfloat16"]
    ends = torch.tensor(
        [limits.zero, limits.zero * 1.001, limits.infinity, limits.infinity * 0.999]
    )
    made = ends.double().to(torch.bfloat16).double()
    assert made[0] == 0
    assert made[1] > 0
    assert made[2].isinf()
    assert made[3].isfinite()


@pytest.mark.parametrize("std", [1e-8, 1e-7, 5e-7])
def test_shares_against_numpy(std: float) -> None:
    x = seeded("fp16", std).normal(size=200_000) * std
    assert (x.astype(np.float16) == 0).mean() == pytest.approx(zero_share(std), rel=0.02)


def test_overflow_against_numpy() -> None:
    x = seeded("overflow").normal(size=200_000) * 5e4
    with np.errstate(over="ignore"):
        assert np.isinf(x.astype(np.float16)).mean() == pytest.approx(overflow_share(5e4), rel=0.02)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_the_depth_at_which_a_share_is_gone(share: float) -> None:
    depth = underflow_depth(0.7, 1e-3, share)
    assert zero_share(1e-3 * 0.7 ** (depth / 2)) == pytest.approx(share, rel=1e-9)
    assert underflow_depth(1.0, 1e-3) == math.inf
    assert underflow_depth(0.5, 1e-9) == 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: zero_share(0.0), "std: 0.0"),
        (lambda: overflow_share(math.nan), "std: nan"),
        (lambda: zero_share(1.0, "float61"), "float16"),
        (lambda: zero_shares(3, -1, 1.0), "chi: -1"),
        (lambda: underflow_depth(0.0, 1.0), "chi: 0.0"),
        (lambda: underflow_depth(0.5, 1.0, 1.0), "share: 1.0"),
    ],
)
def test_what_it_does_not_know_is_said(call: Callable[[], object], said: str) -> None:
    assert said in fault_of(call, TheoryError)
