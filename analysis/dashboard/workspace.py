"""The workspace."""

import wandb_workspaces.expr as expr
import wandb_workspaces.workspaces as ws

from analysis.dashboard.colours import COLOURS
from analysis.dashboard.panels import Section
from analysis.dashboard.runs import Project
from ninja.tracking import metrics

NAME = "Gradient health"

SHOWN = 50
"""Runs a panel shows at most: all seeds of a usual sweep. W&B's default is ten."""

OPEN = ("Verdict", "Gradient flow")
"""Sections that are unfolded at first."""


def workspace(project: Project, sections: list[Section]) -> ws.Workspace:
    """Of a project's runs: sections in order, x axes of training steps, colours by verdict."""
    return ws.Workspace(
        entity=project.entity or "",
        project=project.name,
        name=NAME,
        sections=[section(of) for of in sections],
        settings=settings(),
        runset_settings=runs(project),
    )


def section(of: Section) -> ws.Section:
    """Its own settings come before the workspace's, and have defaults of their own."""
    return ws.Section(
        name=of.name,
        panels=[*of.panels],
        is_open=of.name in OPEN,
        layout_settings=ws.SectionLayoutSettings(columns=3, rows=3),
        panel_settings=ws.SectionPanelSettings(x_axis=metrics.STEP, smoothing_type="none"),
    )


def settings() -> ws.WorkspaceSettings:
    """Nothing is smoothed: a spike is what one looks for."""
    return ws.WorkspaceSettings(x_axis=metrics.STEP, smoothing_type="none", max_runs=SHOWN)


def runs(project: Project) -> ws.RunsetSettings:
    """The list of runs: by verdict, in its colours, with what differs between them."""
    return ws.RunsetSettings(
        order=[expr.Ordering(expr.Summary(metrics.VERDICT), ascending=True)],
        run_settings={
            run.id: ws.RunSettings(color=COLOURS[run.state].code) for run in project.runs
        },
        pinned_columns=columns(project),
    )


def columns(project: Project) -> list[str]:
    """Of the table of runs, by W&B's names."""
    parts = [key.partition(".") for key in project.settings]
    return [
        "run:displayName",
        f"summary:{metrics.VERDICT}",
        *(f"config:{first}.value{dot}{rest}" for first, dot, rest in parts),
        f"summary:{metrics.FINAL.format('validation')}",
    ]
