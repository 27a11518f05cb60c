"""``python -m ninja verify``."""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ninja.commands import console, positive
from ninja.errors import ConfigError, nearest

if TYPE_CHECKING:
    from rich.table import Table

    from ninja.agreement import Row
    from ninja.verify import Report


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "verify", help="compare every gradient by hand with autograd's, tensor by tensor"
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--network",
        default="lecture",
        metavar="NAME",
        help="lecture (the default: part 4, exercise 1), lecture_manual, lecture_batchnorm, "
        "lecture_deep, lecture_wavenet, mlp, mlp_residual, mlp_rmsnorm",
    )
    parser.add_argument(
        "--engine",
        default="manual_atomic",
        metavar="NAME",
        help="manual_atomic (the default), manual_fused, autograd",
    )
    parser.add_argument("--hidden", type=int, metavar="H", help="width of the hidden layers")
    parser.add_argument("--block-size", type=int, metavar="T", help="letters of context")
    parser.add_argument(
        "--batch-size", type=positive, metavar="B", default=32, help="examples (32)"
    )
    parser.add_argument("--seed", type=int, default=2147483647, help="the lecture's by default")
    parser.add_argument("--stack", type=positive, metavar="R", help="R runs as one stack")
    parser.add_argument("--dtype", default="float32", help="float32 (the default) or float64")
    parser.add_argument("--data", metavar="PATH", help="a word list in place of the shipped one")
    parser.add_argument("--json", action="store_true", help="print an object, not a table")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when a row, or the gap, is wrong."""
    report = _report(options)
    if options.json:
        print(json.dumps(_object(report), indent=1))
    else:
        _print(report, options)
    return int(report.wrong)


def _report(options: argparse.Namespace) -> "Report":
    import torch

    from ninja import checks, data, networks, verify

    torch.set_num_threads(1)  # bit-identity is promised for one

    dtypes = {"float32": torch.float32, "float64": torch.float64}
    if options.dtype not in dtypes:
        raise ConfigError(nearest("--dtype", options.dtype, dtypes))
    config = verify.network(options.network)
    if options.hidden is not None:
        config = networks.with_hidden(config, options.hidden)
    if options.block_size is not None:
        config = replace(config, block_size=options.block_size)
    checks.check(config)
    dataset = data.load(data.NAMES if options.data is None else options.data, config.block_size)
    net = networks.build(config, dataset.vocabulary.size)
    params, batch = verify.first_step(
        net, dataset, options.seed, options.batch_size, dtypes[options.dtype], options.stack
    )
    lecture = options.network in (verify.LECTURE, "lecture_manual")
    return verify.verify(net, params, batch, options.engine, lecture=lecture)


def _object(report: "Report") -> dict[str, Any]:
    """The report as plain data."""

    def plain(rows: Sequence["Row"]) -> list[dict[str, Any]]:
        return [
            {
                "name": row.name,
                "shape": list(row.shape),
                "exact": row.exact,
                "approx": row.approx,
                "maxdiff": _number(row.maxdiff),
            }
            for row in rows
        ]

    return {
        "engine": report.engine,
        "reference": report.reference,
        "rows": plain(report.rows),
        "exercise_2": plain(report.exercise_2),
        "exercise_3": plain(report.exercise_3),
        "gap": _number(report.gap),
        "gaps": {name: _number(gap) for name, gap in report.gaps.items()},
        "wrong": report.wrong,
    }


def _number(value: float) -> float | None:
    """JSON knows no NaN and no infinity."""
    return value if math.isfinite(value) else None


def _print(report: "Report", options: argparse.Namespace) -> None:

    from ninja.agreement import verdict

    out = console()
    stack = f", stack of {options.stack}" if options.stack is not None else ""
    out.print(
        f"[bold]{options.network}[/bold]: {report.engine} against {report.reference}, "
        f"{options.dtype}, seed {options.seed}{stack}"
    )
    out.print(_table(report.rows))
    out.print("maxdiff: largest difference; largest: largest delta by the reference")
    names = {row.name.rpartition(".")[2] for row in report.rows}
    if "logit_maxes" in names:
        out.print(
            "logit_maxes is truly 0: subtracting a row's maximum changes no probability. What its "
            "row shows is the rounding of a sum that cancels."
        )
    if "b1" in names:
        out.print("b1 is truly 0 as well: BatchNorm takes the mean, and any bias with it, out.")
    out.print(
        "\n[bold]Exercise 2[/bold]: cross-entropy in closed form (rounds otherwise; close is right)"
    )
    out.print(_table(report.exercise_2))
    if report.exercise_3:
        out.print("\n[bold]Exercise 3[/bold]: the norms in closed form")
        out.print(_table(report.exercise_3))
    out.print()
    for name, gap in report.gaps.items():
        against = report.reference if name == report.engine else "autograd"
        out.print(f"gap of {name} from {against}: {gap:.1e} ({verdict(gap)})")
    count, exact = len(report.rows), sum(row.exact for row in report.rows)
    wrong = sum(row.wrong for row in report.rows) if report.wrong else 0
    out.print(f"[bold]{exact} of {count} rows exact[/bold], {count - wrong} right")
    if report.suspects:
        said = "far off in float32, right in float64" if report.rounding else "wrong"
        out.print(f"{said}: {', '.join(report.suspects)}", markup=False)


def _table(rows: Sequence["Row"]) -> "Table":
    from rich.table import Table

    table = Table()
    table.add_column("tensor", no_wrap=True)
    table.add_column("shape", no_wrap=True)
    table.add_column("exact")
    table.add_column("approx")
    table.add_column("maxdiff", justify="right")
    table.add_column("largest", justify="right")
    for row in rows:
        table.add_row(
            row.name,
            "×".join(map(str, row.shape)) or "1",
            str(row.exact),
            str(row.approx),
            f"{row.maxdiff:.1e}" if row.maxdiff else "0",
            f"{row.size:.1e}",
            style="red" if row.wrong else None,
        )
    return table
