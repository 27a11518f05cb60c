"""How a run ended: its losses, its verdict and the evidence, and where everything lies."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ninja import durable, records, result
from ninja.diagnosis import evidence, finding
from ninja.diagnosis.evidence import Evidence
from ninja.result import Result
from ninja.screen.findings import findings
from ninja.screen.layers import OUTSIDE
from ninja.screen.losses import LARGE, shown_loss

FILES = {
    "record": (records.LINES,),
    "tables": (records.STEPS, records.LAYERS),
    "checkpoint": (durable.CURRENT,),
    "result": (result.RESULT,),
}
SHARES = ("closed gates", "saturated elements", "dead units", "linear units")
STYLES = {"outside": OUTSIDE, "unknown": "yellow", "does not apply": "dim"}


def summary(
    console: Console,
    ended: Result,
    folder: Path,
    notes: Sequence[str] = (),
) -> None:
    """Print it; without colours and lines of boxes it reads the same.

    Args:
        console: to print to.
        ended: how the run ended.
        folder: of the run.
        notes: lines for the end.
    """
    said = ended.verdict
    items = list(map(evidence.read, ended.evidence))
    found = list(map(finding.read, ended.findings))
    style = "bold green" if said == "healthy" else OUTSIDE if "healthy" not in said else "bold"
    lines = [
        *_ending(ended),
        Text(""),
        Text.assemble("verdict: ", (said, "bold yellow" if said == "unknown" else style)),
        *findings(found),
        *([Text("")] if found else []),
        _table(items, console.width),
        Text(""),
        *_places(folder, sample=ended.status == "done"),
        *map(Text, notes),
    ]
    for line in lines:  # a path that is wider than the terminal can still be copied whole
        console.print(line, soft_wrap=isinstance(line, Text))


def _ending(ended: Result) -> Iterator[Text]:
    rate = f"{ended.steps / ended.seconds:,.0f} steps/s" if ended.seconds > 0 else ""
    steps = f"{ended.steps:,} step{'' if ended.steps == 1 else 's'}"
    compiled = "compiled" if ended.execution == "compiled" else ""
    took = ", ".join(filter(None, (steps, f"{ended.seconds:.1f} s", rate, compiled)))
    if ended.diverged is not None:
        where = ended.diverged
        yield Text.assemble(
            ("diverged", OUTSIDE),
            f" at step {where['step']:,}: the first value that is not finite is in ",
            (f"{where['node']}.{where['tensor']}", "bold"),
            f"  ({took})",
        )
        return
    losses = ended.losses
    yield Text.assemble(("done", "bold green"), f"  {took}")
    names = ("train", "validation", "test")
    values = [Text.assemble(f"{name} ", (shown_loss(losses[name]), "bold")) for name in names]
    yield Text("loss  ").append_text(Text("  ").join(values))
    yield Text(f"      train by the batches' own statistics {shown_loss(losses['by_batch'])}")


def _table(items: Sequence[Evidence], width: int) -> Table:
    """One line a number, the start beside the end, the worst of it in colour."""
    by_name: dict[str, dict[str, Evidence]] = {}
    for item in items:
        by_name.setdefault(item.name, {})["start" if item.when == "start" else "end"] = item
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("  what", no_wrap=True)
    table.add_column("start", justify="right", no_wrap=True)
    table.add_column("end", justify="right", no_wrap=True)
    table.add_column("healthy", no_wrap=True)
    told = width >= 64
    if told:
        table.add_column("where", overflow="fold")
    for name, moments in by_name.items():
        found = next((item.finding for item in moments.values() if item.finding), "")
        start, end = moments.get("start"), moments["end"]
        cells = [Text(f"  {name}", OUTSIDE if found else ""), _value(start), _value(end)]
        cells.append(Text(_range(end), "dim"))
        if told:
            cells.append(_where(start, end, found))
        table.add_row(*cells)
    return table


def _value(item: Evidence | None) -> Text:
    if item is None:
        return Text("")
    style = STYLES.get(item.state, "")
    if item.value is None:
        words = {"unknown": "?", "does not apply": "-"}
        return Text(words.get(item.state, item.why), style)
    return Text(_number(item.name, item.value), style)


def _number(name: str, value: float) -> str:
    if name in SHARES:
        return f"{value:.1%}"
    if name == "gap":
        return f"{value:.1e}"
    if name == "non-finite values":
        return f"{value:,.0f}"
    if abs(value) >= LARGE:
        return f"{value:+.1e}"
    return f"{value:+z.3f}" if name == "mismatch" else f"{value:+z.2f}"


def _range(item: Evidence) -> str:
    low, high = item.healthy
    if high is None:
        return f"from {low:g}"
    if low is None:
        return f"up to {high:g}"
    if low == high:
        return f"{low:g}"
    if low == 0:
        return f"up to {high:.0%}" if item.name in SHARES else f"up to {high:g}"
    return f"{low:g} to {high:g}"


def _where(start: Evidence | None, end: Evidence, found: str) -> Text:
    """The place of the number that is outside, or of the last one."""
    shown = start if start is not None and start.finding and not end.finding else end
    words = shown.where or shown.why
    if found:
        step = "" if shown.step is None else f"step {shown.step:,}"
        words = ", ".join(word for word in (words, step) if word)
        return Text.assemble((found, OUTSIDE), f"  {words}")
    return Text(words, "dim")


def _python() -> str:
    """As it is typed here."""
    own, here = Path(sys.executable), Path.cwd()
    return str(own.relative_to(here)) if own.is_relative_to(here) else "python"


def _places(folder: Path, sample: bool) -> Iterator[Text]:
    yield Text.assemble(("folder        ", "dim"), f"{folder}")
    for what, names in FILES.items():
        there = [name for name in names if (folder / name).exists()]
        if there:
            yield Text.assemble((f"  {what:<12}", "dim"), ", ".join(there))
    if sample:
        command = f"{_python()} -m ninja sample {shlex.quote(str(folder))}"
        yield Text.assemble(("sample        ", "dim"), command)
