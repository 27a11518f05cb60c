import math

from hypothesis import given
from hypothesis import strategies as st

from ninja.tracking import curves
from tests.tracking.made import NAN, histogram, row


def test_the_profile_is_of_the_first_and_the_last_row() -> None:
    lines = curves.profile(row(0), row(20))
    assert lines == [
        ("RMS of the delta, step 0", 1, "04.tanh", 0.01, -2.0),
        ("gradient norm, step 0", 2, "05.linear.W", 0.5, math.log10(0.5)),
        ("RMS of the delta, step 20", 1, "04.tanh", 0.01, -2.0),
        ("gradient norm, step 20", 2, "05.linear.W", 0.5, math.log10(0.5)),
    ]


def test_a_profile_shows_what_has_no_logarithm() -> None:
    layers = [
        {"layer": 0, "node": "n", "rule": "r", "tensor": "y", "delta_rms": v} for v in (0, NAN)
    ]
    zero, none, *_ = curves.profile(row(0, layers=layers), row(1, layers=[]))
    assert zero[-2:] == (0, None)
    assert math.isnan(none[-2])
    assert none[-1] is None


def test_curves_have_the_profile_and_the_histograms_side_by_side() -> None:
    weight = {"node": "05.linear", "tensor": "W", "of": "delta"}
    spread = histogram(20)
    spread["histograms"] += [{**weight, "counts": [3, 1, 0], "edges": [-3, -1, 1, 3]}]
    rows = curves.curves(row(0), row(20), spread)
    assert len({len(one) for one in rows}) == 1
    columns = dict(zip(curves.CURVES, zip(*rows), strict=True))
    assert [*zip(*(columns[name] for name in curves.PROFILE))] == curves.profile(row(0), row(20))
    assert columns["activations"] == ("04.tanh",) * 4  # its one point, again and again
    assert columns["activation"] == (0.0,) * 4
    assert columns["activation density"] == (0.5,) * 4
    assert columns["their deltas"] == (None,) * 4
    assert columns["gradient"] == (-1, 2, 2, 2)
    assert columns["gradient density"] == (1 / 4, 0, 0, 0)


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=9).filter(any),
    width=st.floats(1e-3, 1e3),
)
def test_a_density_adds_up_to_one(counts: list[int], width: float) -> None:
    edges = [width * number for number in range(len(counts) + 1)]
    of = {"node": "01.linear", "tensor": "W", "of": "delta", "counts": counts, "edges": edges}
    rows = curves.curves(row(0, layers=[]), row(1, layers=[]), row(1, histograms=[of]))
    columns = dict(zip(curves.CURVES, zip(*rows), strict=True))
    widths = [min(2, len(counts) - start) * width for start in range(0, len(counts), 2)]
    shares = [d * w for d, w in zip(columns["gradient density"], widths, strict=True)]
    assert math.isclose(sum(shares), 1.0)
    assert columns["line"] == (None,) * len(rows)


def test_what_no_line_can_be_drawn_of_is_left_out() -> None:
    of = {"node": "01.linear", "tensor": "W", "of": "delta", "counts": [0, 0], "edges": [-1, 0, 1]}
    assert curves.curves(row(0, layers=[]), row(1, layers=[]), row(1, histograms=[of])) == []
