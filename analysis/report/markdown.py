"""The report as a text for a pull request."""

import re
from collections.abc import Sequence

from analysis.kinds import HEALTHY
from analysis.report import answer as answers
from analysis.report.answer import Group, Study, few, plural
from analysis.report.page import Page, sentence

ROWS = 30
"""Of the runs that are sick; the file beside it has all runs."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>&#|~!$@])")


def markdown(page: Page) -> str:
    """GitHub's kind; names and messages are text, whatever is in them."""
    found = page.answer
    parts = [f"## Gradient health: {escaped(answers.headline(found))}", escaped(sentence(page))]
    for study in found.studies:
        if len(found.studies) > 1:
            told = f"{study.healthy:,} of {plural(study.runs, 'run')} healthy"
            parts.append(f"### {escaped(study.name)}: {told}")
        parts.append(_groups(study))
        if study.best is not None and study.best.setting:
            best = f"{study.best.loss} nats, {study.best.setting}"
            parts.append(f"Lowest validation loss: {escaped(best)}.")
    parts += [f"{line[:1].upper()}{escaped(line[1:])}." for line in [answers.proof(found)] if line]
    parts += _sick(page)
    parts += _claims(page)
    if page.skipped:
        parts.append("Could not be read:")
        parts.append("\n".join(f"- {escaped(line)}" for line in page.skipped))
    parts.append(f"Made by `{' '.join(page.command.split()).replace('`', chr(39))}`.")
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """As text in one line: nothing in it is Markdown, HTML or a mention."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("\\@", "@\u200b")


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Of cells that are plain text."""
    lines = [[*map(escaped, row)] for row in (titles, *rows)]
    lines.insert(1, ["---"] * len(titles))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _groups(study: Study) -> str:
    titles = ("verdict", "settings", "runs", "where", "fix", "tried")
    return table(titles, [_group(group, study) for group in study.groups])


def _group(group: Group, study: Study) -> tuple[str, ...]:
    fix = few(group.fixes, "; or ")  # which is no Python
    return (
        group.kind,
        few(group.settings, "; ") or ("all" if study.configured else ""),
        f"{group.runs:,}",
        answers.place(group),
        fix,
        "" if group.tried is None else f"{group.tried.healthy} of {group.tried.runs} healthy",
    )


def _sick(page: Page) -> list[str]:
    """The first runs that are not healthy."""
    rows = [row for row, kind in enumerate(page.kinds) if kind != HEALTHY]
    if not rows:
        return []
    titles = [column.title for column in page.columns]
    cells = [[column.cell(row) for column in page.columns] for row in rows[:ROWS]]
    of = f"the first {ROWS} of {len(rows):,}" if len(rows) > ROWS else f"{len(rows):,}"
    summary = f"<summary>Runs that are not healthy: {of}</summary>"
    return [f"<details>{summary}\n\n{table(titles, cells)}\n\n</details>"]


def _claims(page: Page) -> list[str]:
    found = page.claims
    if found is None:
        return []
    failed = [row for row, passed in zip(found.rows, found.passed, strict=True) if not passed]
    told = f"{sum(found.passed):,} of {plural(len(found.rows), 'claim')} pass"
    parts = [f"Claims of the studies: {told}."]
    return [*parts, table(found.titles, failed)] if failed else parts
