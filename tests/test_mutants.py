"""Every mistake is caught, and the checks let the right code pass."""

import pytest
import torch

from ninja.mutants import CHECKS, MUTANTS, Mutant, Outcome, planted, try_all
from ninja.mutants.trial import rules_without_mutants, run_checks
from ninja.rules import (
    GELU,
    Activation,
    Identity,
    LeakyReLU,
    Linear,
    ReLU,
    Rule,
    Sigmoid,
    Tanh,
)


def test_the_right_code_passes_every_check() -> None:
    caught, gap = run_checks((Rule,))
    assert caught == set()
    assert gap < 1e-14


def test_at_least_sixty_real_mistakes() -> None:
    assert sum(not mutant.equivalent for mutant in MUTANTS) >= 60
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(m.target, m.before, m.after) for m in MUTANTS}) == len(MUTANTS)


def test_every_rule_has_mutants() -> None:
    """But for the identity, with nothing to get wrong, and for activations added since."""
    without = rules_without_mutants()
    assert Identity in without
    assert all(issubclass(rule, Activation) for rule in without)
    assert not without & {GELU, LeakyReLU, ReLU, Sigmoid, Tanh}


@pytest.mark.slow
def test_every_mutant() -> None:
    """One test, as to try them all takes long."""
    outcomes = list(try_all())
    assert_all_are_accounted_for(outcomes)
    assert_real_mistakes_are_caught_by_more_than_their_bits(outcomes)
    assert_every_check_is_needed(outcomes)
    assert_equivalent_mutants_say_why(outcomes)


def assert_all_are_accounted_for(outcomes: list[Outcome]) -> None:
    assert [o.mutant.name for o in outcomes if not o.accounted_for] == []


def assert_real_mistakes_are_caught_by_more_than_their_bits(outcomes: list[Outcome]) -> None:
    """Rounding alone is no mistake: something else must notice, too."""
    for outcome in outcomes:
        if not outcome.mutant.equivalent:
            assert set(outcome.caught_by) - {"exact row"}, outcome.mutant.name


def assert_every_check_is_needed(outcomes: list[Outcome]) -> None:
    """Each check catches something, and some mutants only one of them catches."""
    caught = [set(o.caught_by) for o in outcomes if not o.mutant.equivalent]
    for check in CHECKS:
        assert any(check in checks for checks in caught), check
    assert {"gap"} in caught  # shared nodes: no single rule is wrong
    assert {"identity"} in caught  # running statistics: no gradient is wrong


def assert_equivalent_mutants_say_why(outcomes: list[Outcome]) -> None:
    equivalent = [o for o in outcomes if o.mutant.equivalent]
    assert {o.mutant.target for o in equivalent} == {"Tanh.backward", "CrossEntropy.backward"}
    for outcome in equivalent:
        assert outcome.gap < 1e-12
        assert set(outcome.caught_by) <= {"exact row"}


def test_a_false_claim_of_equivalence_is_not_believed() -> None:
    wrong = Mutant("Linear.backward", "x", "dy.sum(-2)", "dy.mean(-2)", equivalent="so I say")
    with planted(wrong):
        caught, gap = run_checks((Linear,))
    assert not Outcome(wrong, tuple(caught), gap).accounted_for


def test_planting_ends_with_the_block() -> None:
    (mutant,) = (m for m in MUTANTS if m.name == "Linear.backward: mean for sum in db")
    right = Linear.backward

    def fail_within() -> None:
        with planted(mutant):
            assert Linear.backward is not right
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_within()
    assert Linear.backward is right


def test_a_mutant_of_code_that_is_gone_is_refused() -> None:
    gone = Mutant("Linear.backward", "x", "code that never stood there", "y")
    with pytest.raises(ValueError, match="stands 0 times"), planted(gone):
        pass


def test_a_mutant_reaches_every_caller() -> None:
    """A function imported into several modules is replaced in all of them."""
    from ninja.rules import BatchNorm, LayerNorm, batchnorm, layernorm

    (mutant,) = (m for m in MUTANTS if m.name == "standardize_backward: sign of the mean")
    with planted(mutant):
        assert batchnorm.standardize_backward is layernorm.standardize_backward
        for rule in (BatchNorm(3, trainable=False), LayerNorm(3, trainable=False)):
            x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
            saved = rule.forward({}, x)
            dy = torch.arange(15.0).view(5, 3)
            (reference,) = torch.autograd.grad(saved["y"], x, dy)
            with torch.no_grad():
                assert not torch.allclose(rule.backward({}, saved, dy)[0], reference)
