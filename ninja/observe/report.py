"""What was seen of a training, for people: its layers, and what is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from ninja.diagnosis import Finding
from ninja.screen.findings import findings
from ninja.screen.layers import layers_table, parts


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
        table = layers_table(shown, console.width, len(shown) + 2)
        if table is not None:
            console.print(table)
    console.print(f"verdict: {verdict}", soft_wrap=True)
    for line in findings(found):
        console.print(line, soft_wrap=True)
    for why in unseen:
        console.print(Text(f"  not seen: {why}", "yellow"), soft_wrap=True)
