"""A comparison as text: what is compared, the code, the configuration, losses, health, numbers."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from analysis.compare.comparison import Comparison
from analysis.compare.differences import Difference, Verdict
from analysis.compare.health import Turn
from analysis.compare.pairing import Change
from analysis.stats import Interval
from ninja import streams
from ninja.streams import printable

STYLES: dict[Verdict, str] = {"worse": "red", "better": "green"}
ROWS = 30
"""Of a list; `--json` has all of them."""
VALUES = 6
"""Of a key; the others are counted."""


def show(found: Comparison, console: Console) -> None:
    """Print it. A file has room for every column."""
    for part in _parts(found):
        if isinstance(part, Table) and streams.width() is not None:
            columns = [[column.header, *column.cells] for column in part.columns]
            widths = (max(cell_len(str(cell)) for cell in column) + 2 for column in columns)
            console.width = max(1, sum(widths))
        console.print(part, soft_wrap=not isinstance(part, Table))


def _parts(found: Comparison) -> Iterator[RenderableType]:
    for name, side in (("A", found.before), ("B", found.after)):
        unfinished = f", {len(side.unfinished)} not finished" if side.unfinished else ""
        ended = "1 run has ended" if len(side.runs) == 1 else f"{len(side.runs)} runs have ended"
        yield _line(f"{name}: {side.place}, {ended}{unfinished}")
    yield _line(_changed("the code", found.code, "the same revision and versions"))
    yield _line(_changed("the configuration", found.pairing.changes, "the same values"))
    yield _line(_compared(found))
    if found.pairing.alone_before or found.pairing.alone_after:
        yield _line(_left_out(found))
    yield Text("")
    yield _losses(found)
    yield from _health(found)
    yield Text("")
    yield _numbers(found)
    yield Text("")
    yield from map(_line, _notes(found))
    last = Text(f"B is {found.verdict}" if found.verdict != "cannot be told" else "cannot be told")
    last.stylize(f"bold {STYLES.get(found.verdict, '')}")
    yield last.append(printable(f" ({'; '.join(_some(found.reasons))})"))


def _line(text: str) -> Text:
    return Text(printable(text))


def _some(items: Sequence[str], most: int = VALUES) -> list[str]:
    """The first, and how many more."""
    more = len(items) - most
    return [*items[:most], *([f"{more} more"] if more > 0 else [])]


def _changed(title: str, changes: Sequence[Change], same: str) -> str:
    told = [
        f"{name} {', '.join(_some(before))} → {', '.join(_some(after))}"
        for name, before, after in changes
    ]
    return f"{title}: {'; '.join(told) or same}"


def _compared(found: Comparison) -> str:
    groups = found.pairing.groups
    told: list[str] = []
    if pairs := sum(len(group.before) for group in groups if group.paired):
        told.append(f"{_many(pairs, 'pair')} of one seed")
    for name, of in (("A", "before"), ("B", "after")):
        apart = [getattr(group, of) for group in groups if not group.paired]
        if runs := sum(len(names) for seeds in apart for names in seeds.values()):
            told.append(f"{_many(runs, 'run')} of {name} without a pair")
    same, pairs = found.identical
    bits = f"; the same bits in {same} of {_many(pairs, 'pair')}" if same else ""
    return f"compared: {', '.join(told)}, in {_many(len(groups), 'setting')}{bits}"


def _left_out(found: Comparison) -> str:
    alone = (found.pairing.alone_before, found.pairing.alone_after)
    told = [f"{_many(len(of), 'run')} of {name}" for name, of in zip("AB", alone) if of]
    only = [
        f"{name}={', '.join(_some(values))} is only in {side}"
        for name, before, after in found.pairing.left_out
        for side, values in (("A", _without(before, after)), ("B", _without(after, before)))
        if values
    ]
    return f"compared with nothing: {', '.join(told)}; {'; '.join(only)}".removesuffix("; ")


def _without(values: Sequence[str], others: Sequence[str]) -> list[str]:
    return [value for value in values if value not in others]


def _many(count: int, of: str) -> str:
    return f"{count} {of}{'' if count == 1 else 's'}"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="dim",
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else _line(cell) for cell in row))
    return table


def _losses(found: Comparison) -> Table:
    """All losses over all settings; of each setting validation, and what is sure."""
    sure = [of for of in found.losses if of.verdict in STYLES]
    told = [of for of in found.losses if of.quantity == "validation" or of in sure]
    over_all = [of for of in found.losses if of.setting is None]
    single = [of for of in told if of.setting is not None]
    if len(found.pairing.groups) == 1:
        single = [of for of in found.losses if of.setting is not None]
    kept = sorted(single, key=_by_size)[:ROWS] if len(single) > ROWS else single
    rows = [_loss(of) for of in [*over_all, *(of for of in single if of in kept)]]
    left = f", the {ROWS} largest differences of {len(single)}" if len(single) > ROWS else ""
    columns = ("setting", "loss", "A", "B", "B − A [95 %]", "n", "")
    return _table(f"losses, in nats{left}", columns, rows)


def _by_size(of: Difference) -> tuple[bool, float]:
    """What is sure first, then the largest."""
    value = of.difference.value
    return of.verdict not in STYLES, -abs(value) if math.isfinite(value) else math.inf


def _loss(of: Difference) -> tuple[str | Text, ...]:
    setting = f"mean of {of.settings}" if of.setting is None else of.setting or "the only one"
    count = _count(of)
    verdict = Text(of.verdict, style=STYLES.get(of.verdict, ""))
    means = (f"{of.before.value:.4f}", f"{of.after.value:.4f}")
    if of.difference.n == 0:
        return (setting, of.quantity, "–", "–", "–", "0", verdict)
    return (setting, of.quantity, *means, _interval(of.difference, "+.4f"), count, verdict)


def _count(of: Difference) -> str:
    return _many(of.difference.n, "pair" if of.paired else "seed")


def _interval(of: Interval, form: str) -> str:
    if of.n == 0:
        return "–"
    if math.isnan(of.low):
        return f"{of.value:{form}}"
    return f"{of.value:{form}} [{of.low:{form}}, {of.high:{form}}]"


def _health(found: Comparison) -> Iterator[RenderableType]:
    health = found.health
    yield Text("")
    counts = [(name, str(one), str(other)) for name, (one, other) in health.verdicts.items()]
    shares = [_share(of) for of in (health.whole.before, health.whole.after)]
    yield _table("health, in runs", ("verdict", "A", "B"), [*counts, ("healthy in all", *shares)])
    fell = [of for of in health.settings if of.fell]
    for of in fell:
        yield _line(
            f"fewer are healthy{f' of {of.setting}' if of.setting else ''}: "
            f"{_share(of.before)} → {_share(of.after)}, p = {of.chance:.2g}"
        )
    if health.turns:
        yield Text("")
        left = len(health.turns) - ROWS
        title = "runs that turned" + (f", {left} more are not shown" if left > 0 else "")
        columns = ("", "setting", "seed", "A", "B", "run of B", "fix")
        yield _table(title, columns, [_turn(turn) for turn in health.turns[:ROWS]])


def _turn(turn: Turn) -> tuple[str | Text, ...]:
    style = {"became sick": "red", "became healthy": "green"}.get(turn.way, "")
    seed = "all" if turn.seed is None else turn.seed
    names = (turn.setting, seed, turn.before, turn.after, turn.run, turn.fix)
    return (Text(turn.way, style=style), *names)


def _share(of: Interval) -> str:
    if of.n == 0:
        return "–"
    low, high = (f"{100 * end:.0f}" for end in (of.low, of.high))
    return f"{round(of.value * of.n)} of {of.n} ({low} % to {high} %)"


def _numbers(found: Comparison) -> Table:
    """Over all settings, or of the only one."""
    rows = [
        _number(of)
        for of in found.numbers
        if of.setting is None or len(found.pairing.groups) == 1
        if of.difference.n
    ]
    columns = ("", "A", "B", "B − A [95 %]", "n")
    return _table("gradients and time, not judged", columns, rows)


def _number(of: Difference) -> tuple[str, ...]:
    one, other = of.before.value, of.after.value
    if of.quantity == "step_time":
        means = (f"{1e3 * math.exp(one):.3g}", f"{1e3 * math.exp(other):.3g}")
        return "ms a step", *means, f"× {math.exp(of.difference.value):.3g}", _count(of)
    title, form = FORMS[of.quantity]
    shown = _interval(of.difference, f"+{form}")
    return title, f"{one:{form}}", f"{other:{form}}", shown, _count(of)


FORMS = {"profile": ("delta profile at the end, log10", ".3f"), "gap": ("largest gap", ".1e")}
"""Titles, and how the numbers are written."""


def _notes(found: Comparison) -> Iterator[str]:
    if found.intervals:
        yield (
            f"{found.intervals} intervals of losses: one in 20 misses the truth; a loss is called "
            "better or worse only if it is so after Holm's correction for their number"
        )
    if any(len(group.before) == 1 or len(group.after) == 1 for group in found.pairing.groups):
        yield "one seed says nothing about another: where there is one, no interval is given"
    lost = [
        sum(of.runs.loc[run, "status"] == "diverged" for run in set(of.runs.index) - {*alone})
        for of, alone in (
            (found.before, found.pairing.alone_before),
            (found.after, found.pairing.alone_after),
        )
    ]
    if any(lost):
        yield f"{lost[0]} of A and {lost[1]} of B diverged: losses are of the others"


def plain_object(found: Comparison) -> dict[str, Any]:
    """For `--json`; what is not a number is null."""
    return {
        "verdict": found.verdict,
        "reasons": found.reasons,
        "sides": {
            name: {
                "place": side.place,
                "ended": len(side.runs),
                "unfinished": side.unfinished,
                "skipped": side.skipped,
                "alone": alone,
            }
            for name, side, alone in (
                ("A", found.before, found.pairing.alone_before),
                ("B", found.after, found.pairing.alone_after),
            )
        },
        "code": [change._asdict() for change in found.code],
        "configuration": [change._asdict() for change in found.pairing.changes],
        "left_out": [change._asdict() for change in found.pairing.left_out],
        "settings": [
            {
                "setting": group.setting,
                "paired": group.paired,
                "before": group.before,
                "after": group.after,
            }
            for group in found.pairing.groups
        ],
        "identical": {"pairs": found.identical[0], "of": found.identical[1]},
        "intervals": found.intervals,
        "losses": [_difference(of) for of in found.losses],
        "health": {
            "verdicts": {
                name: {"before": one, "after": other}
                for name, (one, other) in found.health.verdicts.items()
            },
            "healthy": [
                {
                    "setting": of.setting,
                    "before": of.before._asdict(),
                    "after": of.after._asdict(),
                    "chance": of.chance,
                }
                for of in (found.health.whole, *found.health.settings)
            ],
            "turns": [vars(turn) for turn in found.health.turns],
        },
        "numbers": [
            {name: value for name, value in _difference(of).items() if name not in JUDGED}
            for of in found.numbers
        ],
    }


JUDGED = ("chance", "verdict")


def _difference(of: Difference) -> dict[str, Any]:
    sides = ("before", "after", "difference")
    return vars(of) | {name: getattr(of, name)._asdict() for name in sides}
