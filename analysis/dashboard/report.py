"""The report."""

from collections import Counter

import wandb_workspaces.reports.v2.interface as wr

from analysis.dashboard.colours import COLOURS, HEALTHY, MENDED
from analysis.dashboard.panels import Panel, Section
from analysis.dashboard.runs import Project
from analysis.dashboard.workspace import NAME, columns

WIDTH, HEIGHT, ACROSS = 8, 7, 3
"""Of a panel, in W&B's grid of 24 columns; and how many stand side by side."""


def report(project: Project, sections: list[Section]) -> wr.Report:
    """The answer first, then a section each, with how it is read."""
    blocks: list[wr.BlockTypes] = [
        wr.P(text=headline(project)),
        wr.UnorderedList(items=[*answers(project)]),
        wr.TableOfContents(),
    ]
    for of in sections:
        blocks += [wr.H2(text=of.name), wr.P(text=of.text), _grid(project, of.brief)]
    return wr.Report(
        project=project.name,
        entity=project.entity or "",
        title=NAME,
        description=headline(project),
        blocks=blocks,
        width="fluid",
    )


def headline(project: Project) -> str:
    """The answer in a sentence."""
    healthy = sum(run.state in (HEALTHY, MENDED) for run in project.runs)
    return f"{healthy} of {len(project.runs)} runs end with healthy gradients."


def answers(project: Project) -> list[str]:
    """A line a verdict: how many runs, in which colour, and what fixes most of them."""
    lines: list[str] = []
    for name, number in project.counts.items():
        fixes = Counter(run.fix for run in project.runs if run.state == name and run.fix)
        fix = f"; try {fixes.most_common(1)[0][0]}" if fixes else ""
        lines.append(f"{name} ({COLOURS[name].word}): {number}{fix}")
    return lines


def _grid(project: Project, panels: list[Panel]) -> wr.PanelGrid:
    """Panels in rows, of the report's own project: whoever saves it says which that is."""
    for number, panel in enumerate(panels):
        row, column = divmod(number, ACROSS)
        panel.layout = wr.Layout(x=column * WIDTH, y=row * HEIGHT, w=WIDTH, h=HEIGHT)
    runs = wr.Runset(
        name="all runs",
        run_settings={
            run.id: wr.RunSettings(color=COLOURS[run.state].code) for run in project.runs
        },
        pinned_columns=columns(project),
    )
    return wr.PanelGrid(runsets=[runs], panels=[*panels])
