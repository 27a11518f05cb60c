"""Counting, against numbers by hand."""

import pytest

from benchmarks.diagnosis.score import flagged, interval, macro_f1, scores

TRUTH = ["healthy", "healthy", "healthy", "dead", "dead", "stalled"]
SAID = ["healthy", "healthy", "dead", "dead", "healthy", "exploding"]


def test_precision_and_recall_of_each_class():
    found = scores(TRUTH, SAID)
    assert set(found) == {"healthy", "dead", "stalled"}
    assert (found["healthy"].precision, found["healthy"].recall) == (2 / 3, 2 / 3)
    assert (found["dead"].precision, found["dead"].recall, found["dead"].runs) == (0.5, 0.5, 2)
    assert (found["stalled"].precision, found["stalled"].recall, found["stalled"].f1) == (0, 0, 0)


def test_macro_f1_counts_every_class_of_the_truth_alike():
    assert macro_f1(scores(TRUTH, SAID)) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert macro_f1(scores(TRUTH, TRUTH)) == 1
    assert macro_f1({}) == 0


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        (1, 10, 0.0179, 0.4042),  # Newcombe 1998, table I, method 3, for 81/263, 15/148, 0/20, 1/29
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval(hits: int, of: int, low: float, high: float):
    assert interval(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_nothing_is_known_of_a_share_of_nothing():
    assert interval(0, 0) == (0, 1)


def test_only_healthy_runs_can_be_flagged():
    assert flagged(TRUTH, SAID) == (1, 3)
