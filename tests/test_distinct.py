"""Different contexts and pairs: nothing is lost, nothing is there twice."""

from collections import Counter

import torch
from hypothesis import given
from hypothesis import strategies as st

from ninja.data import Examples
from ninja.distinct import Distinct

CLASSES = 5
rows = st.lists(st.lists(st.integers(0, CLASSES - 1), min_size=4, max_size=4), min_size=1)


@given(rows, st.sampled_from([CLASSES, 2**10, 2**20]))  # a table, none, and no int64 for three
def test_every_example_is_its_pair(rows: list[list[int]], classes: int) -> None:
    *contexts, targets = torch.tensor(rows).unbind(-1)
    examples = Examples(torch.stack(contexts, -1), targets)
    found = Distinct.of(examples, classes)
    assert torch.equal(found.contexts[found.context[found.pair]], examples.contexts)
    assert torch.equal(found.target[found.pair], examples.targets)
    assert list(map(tuple, found.contexts.tolist())) == sorted({tuple(row[:3]) for row in rows})
    assert len(found.context) == len({tuple(row) for row in rows})
    assert found.context.tolist() == sorted(found.context.tolist())


@given(rows)
def test_counts_and_frequencies(rows: list[list[int]]) -> None:
    table = torch.tensor(rows)
    found = Distinct.of(Examples(table[:, :3], table[:, 3]), CLASSES)
    half = len(rows) // 2
    counts = found.counts(slice(half, None))
    expected = Counter(map(tuple, rows[half:]))
    for context, target, count in zip(
        found.contexts[found.context].tolist(), found.target.tolist(), counts.tolist(), strict=True
    ):
        assert count == expected[(*context, target)]
    frequency = dict(zip(map(tuple, found.contexts.tolist()), found.frequency(counts).tolist()))
    assert {k: v for k, v in frequency.items() if v} == Counter(tuple(r[:3]) for r in rows[half:])


def test_a_context_that_is_no_integer_is_found_all_the_same() -> None:
    wide = torch.tensor([[1, 0, 7], [1, 0, 7], [0, 9, 9]])
    narrow, large = (
        Distinct.of(Examples(wide, torch.tensor([1, 1, 2])), size) for size in (10, 2**21)
    )
    for name in ("contexts", "context", "target", "pair"):
        assert torch.equal(getattr(narrow, name), getattr(large, name))
    assert narrow.contexts.tolist() == [[0, 9, 9], [1, 0, 7]]
    assert narrow.pair.tolist() == [1, 1, 0]
