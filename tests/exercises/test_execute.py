"""A file that stops says where, what is None there, and which shapes met."""

import io

import pytest

from ninja.exercises.catalogue import EXERCISES
from ninja.exercises.execute import PRINTED
from ninja.exercises.stopped import Fault
from tests.exercises.answers import answer, source


def fault_of(text: str, number: int = 1) -> Fault:
    fault = source(number, text).ran.fault
    assert fault is not None
    assert fault.said.isprintable()
    return fault


def line_of(text: str, code: str) -> int:
    return 1 + text.splitlines().index(code)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("dprobs = undefined * 2", "NameError in ‘dprobs = undefined * 2’"),
        ("dprobs = 1 / 0", "ZeroDivisionError"),
        ("dprobs = probs.nothing", "AttributeError"),
        ("import sys; sys.exit(3)", "it ends here, by exit"),
        ("exit()", "it ends here, by exit"),
        ("raise SystemExit", "it ends here, by exit"),
        ("assert False", "no reason given"),
        ("dprobs = input()", "in ‘dprobs = input()’"),
    ],
)
def test_it_stops(code: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    text = EXERCISES[1].solved({"dprobs": code})
    fault = fault_of(text)
    assert fault.line == line_of(text, code)
    assert words in fault.said


def test_what_is_still_none_is_named() -> None:
    text = EXERCISES[1].solved({"dlogprobs": "dlogprobs = None"})
    assert "dlogprobs is still None in ‘dprobs" in fault_of(text).said
    fault = fault_of(EXERCISES[1].solved({"dlogprobs": "dlogprobs = None\ndlogprobs[0] = 1"}))
    assert "dlogprobs is still None in ‘dlogprobs[0] = 1’" in fault.said
    assert fault.rows == ("dlogprobs",)


@pytest.mark.parametrize(
    ("code", "shapes"),
    [
        ("dh = dlogits @ W2", "dlogits is (32, 27); W2 is (64, 27)"),
        ("dh = dlogits * W2", "dlogits is (32, 27); W2 is (64, 27)"),
        ("dh = dlogits.view(7, 7)", "dlogits is (32, 27)"),
        ("dh = torch.zeros_like(h)\ndh += dlogits", "dh is (32, 64)"),
        ("dh = dlogits.expand(5, 5)", "dlogits is (32, 27)"),
        ("dh = torch.zeros_like(h)\ndh[range(5), Yb] = 1", "Yb is (32,)"),
    ],
)
def test_a_shape_mistake_names_the_shapes_that_met(code: str, shapes: str) -> None:
    fault = fault_of(EXERCISES[1].solved({"dh": code}))
    assert fault.shapes
    assert fault.said.startswith("a shape mistake in ‘")
    assert shapes in fault.said


def test_rows_before_the_fault_are_judged_and_the_one_at_it_is_named() -> None:
    found = answer(1, dh="dh = dlogits @ W2")
    assert found.judged.first is not None
    assert (found.judged.first.name, found.judged.first.state) == ("dh", "error")
    assert found.judged.right == 8
    assert "must be transposed" in found.hints[0].text


def test_a_function_that_fails_leaves_the_others_judged() -> None:
    found = answer(5, cross_entropy_backward="return logits @ targets")
    errors = {line.name for line in found.judged.lines if line.state == "error"}
    assert errors == {"dlogits", "dlogits of large logits", "logits afterwards"}
    assert found.judged.right == len(found.judged.lines) - 3
    assert found.ran.fault is not None
    assert "return logits @ targets" in found.ran.fault.said


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("return x.T @ (1 - a**2)", "must return dW, db, dx, in this order"),
        ("return 1, 2", "must return dW, db, dx, in this order"),
    ],
)
def test_a_function_that_returns_something_else(code: str, words: str) -> None:
    found = answer(5, linear_tanh_backward=code)
    assert found.ran.fault is not None
    assert words in found.ran.fault.said


def test_a_function_that_is_gone() -> None:
    text = EXERCISES[5].solved().replace("def cross_entropy_backward", "def other")
    assert "there is no cross_entropy_backward in the file any more" in fault_of(text, 5).said


@pytest.mark.parametrize("text", ["x = = 1", "def f(:", "  x = 1", "x = '", "a\0b"])
def test_what_is_no_python(text: str) -> None:
    assert fault_of(text).said.startswith("Python cannot read it: ")


def test_what_it_prints_is_kept_up_to_a_limit() -> None:
    found = source(2, "print('hello'); print('x' * 10_000_000, flush=True)")
    assert found.ran.printed.startswith("hello\nxxx")
    assert len(found.ran.printed) == PRINTED
