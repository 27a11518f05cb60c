"""The sections of "Gradient health" and their panels, in the order in which one reads them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import wandb_workspaces.reports.v2.interface as wr

from analysis.dashboard.colours import COLOURS
from analysis.dashboard.runs import Project
from ninja.tracking import curves, metrics

Panel = (
    wr.LinePlot
    | wr.CustomChart
    | wr.BarPlot
    | wr.MarkdownPanel
    | wr.ParallelCoordinatesPlot
    | wr.RunComparer
    | wr.WeavePanelSummaryTable
)


@dataclass(frozen=True)
class Layers:
    """A plot for each layer, of one column.

    Attributes:
        column: of the record.
        said: what it is, with its unit.
        log: whether its axis is logarithmic.
    """

    column: str
    said: str
    log: bool = False


@dataclass(frozen=True)
class Section:
    """Some panels under a name.

    Attributes:
        name: of the section.
        text: how to read it.
        overview: panels of whole runs.
        layers: for each column a panel a layer, in depth order.
    """

    name: str
    text: str
    overview: tuple[Panel, ...]
    layers: tuple[tuple[Panel, ...], ...] = ()

    @property
    def panels(self) -> list[Panel]:
        """All, in order."""
        return [*self.overview, *(panel for group in self.layers for panel in group)]

    @property
    def brief(self) -> list[Panel]:
        """Of the layers the first and the last only: between them is where gradients go."""
        ends = [panel for group in self.layers for panel in (*group[:1], *group[1:][-1:])]
        return [*self.overview, *ends]


def sections(project: Project) -> list[Section]:
    """All of them.

    Args:
        project: what is logged in it, and of which layers.
    """
    return [make(project) for make in MAKERS]


def _verdict(project: Project) -> Section:
    return Section(
        "Verdict",
        "Which runs are healthy, what is wrong with the others, since when, and what fixes it.",
        (
            wr.MarkdownPanel(markdown=legend(project)),
            wr.WeavePanelSummaryTable(table_name=metrics.FINDINGS),
            *_grid(project),
            wr.RunComparer(diff_only="split"),
        ),
    )


def _grid(project: Project) -> Iterator[Panel]:
    """The settings that differ, and the loss they lead to."""
    if project.settings:
        loss = wr.SummaryMetric(metrics.FINAL.format("validation"))
        yield wr.ParallelCoordinatesPlot(
            title="Settings and where they lead",
            columns=[
                *(
                    wr.ParallelCoordinatesPlotColumn(wr.Config(key), display_name=key)
                    for key in project.settings
                ),
                wr.ParallelCoordinatesPlotColumn(loss, display_name="validation loss"),
            ],
        )


def _flow(project: Project) -> Section:
    return Section(
        "Gradient flow",
        "The profile should be level: where it falls towards the first layer gradients vanish, and "
        "where it rises they explode.",
        (
            _curve("log10 against depth", "line", "depth", "log10"),
            _plot("gradient norm", ["grad_norm"], log=True),
            _plot("cosine with the gradient before", ["cosine"]),
            _curve("deltas at the last close look: density", *curves.SPREADS["y", "delta"]),
            _curve("weights' gradients: density", *curves.SPREADS["", "delta"]),
            *(_plot(*NOISE, log=True) for _ in range(project.noise)),
        ),
        _by_layer(
            project,
            Layers("delta_rms", "RMS of the delta", log=True),
            Layers("grad_norm", "gradient norm", log=True),
        ),
    )


def _activations(project: Project) -> Section:
    return Section(
        "Activations",
        "Saturated units pass little gradient, dead ones none; deviations should neither shrink "
        "nor grow with depth.",
        (_curve("activations at the last close look: density", *curves.SPREADS["y", "value"]),),
        _by_layer(
            project,
            Layers("act_std", "standard deviation", log=True),
            Layers("act_mean", "mean"),
            Layers("saturated", "share saturated"),
            Layers("dead", "share of units dead"),
            Layers("gate", "share of closed gates"),
            Layers("linear", "share within ±0.1"),
            Layers("twins", "share of twin units"),
        ),
    )


def _updates(project: Project) -> Section:
    return Section(
        "Updates",
        "log10 of std(Δw)/std(w) is near −3 where a learning rate is right: −2 is fast, −4 slow.",
        (_plot("learning rate", ["lr"], log=True),),
        _by_layer(
            project,
            Layers("update_ratio", "log10 update / weight"),
            Layers("weight_norm", "weight norm", log=True),
        ),
    )


def _gap(project: Project) -> Section:
    return Section(
        "Manual-autograd gap",
        "The largest difference between the gradients by hand and autograd's, relative to their "
        "scale: rounding is below 1e-5, and what is above is looked at again in float64.",
        (_plot("gap of the network", ["gap", "gap_float64"], log=True),),
        _by_layer(project, Layers("gap", "gap", log=True)),
    )


def _losses(project: Project) -> Section:
    del project
    return Section(
        "Losses",
        "Of minibatches while training, and at the end of whole splits.",
        (
            _plot("training loss", ["loss"]),
            _plot("validation loss", ["val_loss"]),
            *(
                wr.BarPlot(title=f"{split} loss at the end", metrics=[metrics.FINAL.format(split)])
                for split in ("train", "validation", "test")
            ),
        ),
    )


def _system(project: Project) -> Section:
    del project
    return Section(
        "System",
        "What a step takes, and what looking at one takes.",
        (
            _plot("training step, µs", ["train_us"], log=True),
            _plot("look at a step, µs", ["probe_us"], log=True),
            wr.BarPlot(title="whole run, s", metrics=[metrics.SECONDS]),
        ),
    )


NOISE = ("gradient noise: tr(Σ) and |G|²", ("noise_trace", "noise_norm2"))

MAKERS: Sequence[Callable[[Project], Section]] = (
    *(_verdict, _flow, _activations, _updates, _gap, _losses, _system),
)


def legend(project: Project) -> str:
    """Markdown: colours, what they mean, and of how many runs."""
    lines = [f"- {COLOURS[name].word}: {name}, {n}" for name, n in project.counts.items()]
    return "\n".join(["**Runs by verdict**", "", *lines])


def _plot(title: str, columns: Sequence[str], *, log: bool = False) -> wr.LinePlot:
    """Columns of whole steps against the training step."""
    names = [metrics.OF_STEP[column] for column in columns]
    return _line(title, names, log=log)


def _line(title: str, names: Sequence[str], *, log: bool) -> wr.LinePlot:
    return wr.LinePlot(
        title=title, x=metrics.STEP, y=[*names], log_y=log, title_x="step", smoothing_type="none"
    )


def _by_layer(project: Project, *columns: Layers) -> tuple[tuple[Panel, ...], ...]:
    groups = (tuple(_each(project, of)) for of in columns)
    return tuple(group for group in groups if group)


def _each(project: Project, of: Layers) -> Iterator[Panel]:
    prefix = metrics.OF_LAYER[of.column]
    for layer in project.logged.get(prefix, ()):
        yield _line(f"{layer}: {of.said}", [f"{prefix}/{layer}"], log=of.log)


def _curve(title: str, line: str, x: str, y: str) -> wr.CustomChart:
    """Lines from the table that every run ends with: a run's colour, a layer's dashes."""
    chart = wr.CustomChart.from_table(
        curves.TABLE,
        chart_fields={"step": x, "lineKey": line, "lineVal": y},
        chart_strings={"title": title, "xname": x},
    )
    chart.chart_name = curves.LINES
    return chart
