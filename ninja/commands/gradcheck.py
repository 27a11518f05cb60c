"""``python -m ninja gradcheck``."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ninja.commands import console, positive

if TYPE_CHECKING:
    from ninja.gradcheck import RuleCheck


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "gradcheck", help="compare every rule with central differences, in float64"
    )
    parser.set_defaults(run=run)
    parser.add_argument("--seed", type=int, default=0, help="of the random point (0)")
    parser.add_argument("--stack", type=positive, metavar="R", help="R points as one stack")
    parser.add_argument("--json", action="store_true", help="print an object, not a table")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when a rule is wrong."""
    import torch

    from ninja.cases import cases
    from ninja.gradcheck import check_rule
    from ninja.schema import check_seed

    torch.set_num_threads(1)
    check_seed(options.seed)
    lead = () if options.stack is None else (options.stack,)
    checks = [check_rule(name, case, options.seed, lead) for name, case in cases().items()]
    if options.json:
        print(
            json.dumps({"rules": [_object(check) for pair in checks for check in pair]}, indent=1)
        )
    else:
        _print(checks)
    return int(not all(check.passed for pair in checks for check in pair))


def _object(check: "RuleCheck") -> dict[str, Any]:
    return {
        "rule": check.rule,
        "form": _form(check),
        "max_error": check.max_error,
        "wrong": check.wrong,
        "torch_gradcheck": check.torch_agrees,
        "passed": check.passed,
    }


def _form(check: "RuleCheck") -> str:
    return "closed form" if check.fused else "step by step"


def _print(checks: Sequence[tuple["RuleCheck", "RuleCheck"]]) -> None:
    """Each rule's largest error in both forms, and what torch's own check says."""
    from rich.table import Table

    table = Table()
    table.add_column("rule", no_wrap=True)
    table.add_column("step by step", justify="right")
    table.add_column("closed form", justify="right")
    table.add_column("torch")
    for pair in checks:
        errors = [f"{check.max_error:.1e}" if not check.wrong else "wrong" for check in pair]
        agrees = "pass" if all(check.torch_agrees for check in pair) else "wrong"
        passed = all(check.passed for check in pair)
        table.add_row(pair[0].rule, *errors, agrees, style=None if passed else "red")
    out = console()
    out.print("Largest error against central differences, float64; torch.autograd.gradcheck")
    out.print(table)
    every = [check for pair in checks for check in pair]
    for check in every:
        for tensor, reason in check.wrong.items():
            line = f"{check.rule}, {_form(check)}, delta of {tensor}: {reason}"
            out.print(line, markup=False)
    passed = sum(check.passed for check in every)
    out.print(f"{len(checks)} rules in 2 forms each: {passed} of {len(every)} pass")
