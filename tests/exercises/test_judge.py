"""Right, wrong, and what is not even comparable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.exercises.catalogue import EXERCISES
from ninja.exercises.execute import Ran
from ninja.exercises.judge import judge
from tests.exercises.answers import answer

REFERENCE = EXERCISES[1].reference()
ROWS = list(REFERENCE.rows)
TRULY_ZERO = set(EXERCISES[1].beside)


@given(row=st.sampled_from([r for r in ROWS if r not in TRULY_ZERO]), place=st.integers(0, 10_000))
def test_one_element_that_is_off_makes_its_row_wrong_and_no_other(row: str, place: int) -> None:
    values = {name: tensor.clone() for name, tensor in REFERENCE.rows.items()}
    off = values[row].view(-1)
    off[place % len(off)] += 1e-3 * off.abs().max()
    judged = judge(EXERCISES[1], Ran(values, REFERENCE.given), REFERENCE)
    assert [line.name for line in judged.lines if not line.right] == [row]
    assert judged.right == 25
    assert judged.first is not None
    assert judged.first.state == "wrong"


@given(row=st.sampled_from(ROWS), dim=st.integers(0, 3))
def test_a_shape_is_never_broadcast(row: str, dim: int) -> None:
    tensor = REFERENCE.rows[row]
    values = {**REFERENCE.rows, row: tensor.unsqueeze(dim % (tensor.dim() + 1))}
    first = judge(EXERCISES[1], Ran(values, REFERENCE.given), REFERENCE).first
    assert first is not None
    assert (first.name, first.state, first.maxdiff) == (row, "shape", None)
    assert "must have" in first.said


def test_a_row_that_is_truly_zero_is_judged_beside_another() -> None:
    for code in ("db1 = torch.zeros_like(b1)", "db1 = dhprebn.flip(0).sum(0)"):
        assert answer(1, db1=code).judged.done


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("dh = [1, 'a']", "is a list, and must be a tensor"),
        ("dh = lambda: 1", "is a function, and must be a tensor"),
        ("dh = dlogits.to_sparse()", "must be dense and real"),
        ("dh = (dlogits @ W2.T) * torch.inf", "is not finite"),
        ("dh = (dlogits @ W2.T) * 1j", "must be dense and real"),
        ("dh = 3.0", "has shape ()"),
    ],
)
def test_what_is_no_such_tensor(code: str, said: str) -> None:
    lines = {line.name: line for line in answer(1, dh=code).judged.lines}
    assert said in lines["dh"].said
    assert not lines["dh"].right


def test_double_precision_and_arrays_are_compared() -> None:
    found = answer(
        1,
        db1="db1 = dhprebn.double().sum(0)",
        dC=EXERCISES[1].blank("dC").solution + "\ndC = dC.numpy()",
    )
    assert found.judged.done


def test_wrong_comes_before_to_do() -> None:
    found = answer(5, dx="dx11 = dx12 = dx21 = dx22 = None", linear_tanh_backward="return x, W, b")
    assert found.judged.first is not None
    assert found.judged.first.name == "dW"


def test_a_forward_pass_that_was_edited() -> None:
    found = answer(1, dlogprobs="h = h * 2\n" + EXERCISES[1].blank("dlogprobs").solution)
    assert found.judged.changed == ("h",)
    assert not found.judged.done
    assert "not what the forward pass made" in found.hints[0].text
