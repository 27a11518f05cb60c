"""What was seen of a training, for people: its layers, and what is wrong."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ninja.diagnosis import Finding
from ninja.parts import parts
from ninja.screen.findings import findings
from ninja.screen.layers import layers_table
from ninja.streams import printable

if TYPE_CHECKING:
    from ninja.observe.before import Preflight


LINES = 4
"""That a table wants at least, of however few layers."""


def report(
    console: Console,
    rows: Sequence[Mapping[str, Any]],
    verdict: str,
    found: Sequence[Finding],
    unseen: Sequence[str],
) -> None:
    """Print it; without colours and lines of boxes it reads the same.

    Args:
        console: to print to.
        rows: of the record.
        verdict: in words.
        found: what is wrong.
        unseen: what could not be seen, and why.
    """
    looks = [row for row in rows if row.get("layers")]
    if looks:
        last = looks[-1]
        console.print(f"step {last['step']:,}: loss {last['loss']:.4f}", soft_wrap=True)
        shown = parts(last["layers"])
        table = layers_table(shown, console.width, max(len(shown) + 2, LINES))
        if table is not None:
            console.print(table)
    console.print(f"verdict: {verdict}", soft_wrap=True)
    for line in findings(found):
        console.print(line, soft_wrap=True)
    for why in unseen:
        console.print(Text(f"  not seen: {why}", "yellow"), soft_wrap=True)


COLUMNS = ("layer", "activation", "pre-act RMS", "delta RMS", "log10", "gain", "suggested")
PREDICTED = ("predicted RMS", "predicted log10")


def flight(console: Console, found: "Preflight") -> None:
    """Print what was seen before the first step.

    Args:
        console: to print to.
        found: by `ninja.preflight`.
    """
    console.print(f"loss {_number(found.loss, '.4f' if found.loss < 1e6 else '.3g')}")
    if found.layers:
        console.print(_profile(found))
    if found.chi is not None and found.depth_scale is not None:
        console.print(f"theory: χ₁ {found.chi:.4f}, {_depth(found.depth_scale)}", soft_wrap=True)
    else:
        console.print(Text(f"theory does not apply: {found.theory}", "dim"), soft_wrap=True)
    console.print(f"verdict: {found.verdict}", soft_wrap=True)
    for line in findings(found.findings):
        console.print(line, soft_wrap=True)


def _profile(found: "Preflight") -> Table:
    """A line a hidden layer; log10 is that of its delta over the last one's."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    told = [of.predicted_profile is not None for of in found.layers]
    for title in (*COLUMNS, *(PREDICTED if any(told) else ())):
        table.add_column(title, justify="left" if title in COLUMNS[:2] else "right")
    for of in found.layers:
        root = None if of.predicted_q is None else math.sqrt(of.predicted_q)
        cells = [
            _number(math.sqrt(of.q) if of.q >= 0 else math.nan, ".3g"),
            _number(of.delta, ".1e"),
            GONE if of.delta == 0 else _number(of.profile, "+.2f"),
            _number(of.gain, ".3g"),
            _number(of.suggested, ".3g"),
        ]
        if any(told):
            cells += [_number(root, ".3g"), _number(of.predicted_profile, "+.2f")]
        table.add_row(printable(of.name), of.activation, *cells)
    return table


GONE = "gone"
"""The logarithm of a gradient that is zero."""


def _depth(scale: float) -> str:
    """A depth scale in words."""
    if scale == 0:
        return "no gradient passes"
    if math.isinf(scale):
        return "gradients keep their size"
    if scale < 0:
        return f"squared gradients grow by e in {-scale:.3g} layers"
    return f"depth scale {scale:.3g} layers"


def _number(value: float | None, form: str) -> str:
    if value is None:
        return ""
    if value == -math.inf:  # a logarithm
        return GONE
    return format(value, form) if math.isfinite(value) else "not finite"
