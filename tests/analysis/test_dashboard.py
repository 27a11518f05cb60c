"""`python -m analysis dashboard`: what is built of records, and what a server gets of it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.cli import main
from analysis.dashboard import runs
from analysis.dashboard.colours import COLOURS, HEALTHY, MENDED, ORDER, UNFINISHED, state
from analysis.dashboard.runs import DashboardError, Project, Run, projects
from ninja import diagnosis
from ninja.errors import RecordError
from ninja.result import LOSSES, Result
from ninja.tracking import curves, identity, metrics
from tests.tracking.conftest import environment  # noqa: F401 (of every test here)
from tests.tracking.made import SHORT, TIMEOUT, config, histogram, record, result, row
from tests.wandb_server import KEY, Faults, WandbServer

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic V1 style")  # within wandb_workspaces

LAYERS = ["04.tanh", "10.tanh"]
SECTIONS = (
    *("Verdict", "Gradient flow", "Activations", "Updates"),
    *("Manual-autograd gap", "Losses", "System"),
)
LASTING = {"kind": "vanishing", "severity": "sick", "layer": "", "step": 0, "evidence": []}
LASTING |= {"reason": "why", "fix": "init.gain=5/3"}


def made(folder: Path, *, tracker: str = "offline", seed: int = 1, **more: Any) -> Path:
    """A run as it lies on disk, with a W&B identity, without training."""
    wanted = replace(config(tracker, more.pop("timeout", TIMEOUT)), seed=seed)
    record(folder, [row(0), histogram(1)])
    identity.write(folder, identity.identify(wanted, folder))
    if more.pop("done", True):
        result(folder, **more)
    return folder


def project(**more: Any) -> Project:
    """One that shows two runs of a network with two layers."""
    run = Run("a", "outputs/a", HEALTHY, "", there=False, offline=True)
    sick = replace(run, id="b", state="vanishing", fix="init.gain=5/3")
    logged = dict.fromkeys(metrics.OF_LAYER.values(), LAYERS)
    wanted: dict[str, Any] = {"entity": None, "name": "p", "runs": (run, sick), "logged": logged}
    wanted |= {"settings": ["init.gain", "seed"], "timeout": 1.0, "online": False, "noise": True}
    return Project(**wanted | more)


def finding(kind: str, severity: str) -> dict[str, Any]:
    return LASTING | {"kind": kind, "severity": severity}


def ended(*findings: dict[str, Any], status: str = "done") -> Result:
    plain = dict.fromkeys(("run_id", "data_sha256", "execution", "verdict"), "")
    return Result(
        **plain | {"steps": 1, "seconds": 1.0, "classes": 27, "config": {}, "diverged": None},
        status=status,  # pyright: ignore[reportArgumentType]
        losses=dict.fromkeys(LOSSES, 2.0),
        findings=[*findings],
        evidence=[],
    )


# --- what there is to show -----------------------------------------------------------------------


def test_every_verdict_has_a_colour_of_its_own() -> None:
    assert set(ORDER) == set(COLOURS) == {*diagnosis.KINDS, HEALTHY, MENDED, UNFINISHED}
    assert len({colour.code for colour in COLOURS.values()}) == len(COLOURS)
    assert len({colour.word for colour in COLOURS.values()}) == len(COLOURS)


def test_a_run_is_called_by_its_first_finding_that_lasts() -> None:
    assert state(None) == UNFINISHED
    assert state(ended()) == HEALTHY
    assert state(ended(finding("dead", "warning"))) == MENDED
    both = (finding("dead", "warning"), finding("stalled", "sick"), finding("linear", "sick"))
    assert state(ended(*both)) == "stalled"
    assert state(ended(status="diverged")) == "diverged"


def test_runs_are_read_from_their_records(tmp_path: Path) -> None:
    made(tmp_path / "s/a", seed=1)
    made(tmp_path / "s/b", seed=2, tracker="online", findings=[LASTING])
    made(tmp_path / "s/c", seed=3, done=False)
    (found,), damaged = projects(tmp_path)
    assert damaged == []
    assert (found.entity, found.name, found.online) == (None, "gradient-ninja", True)
    assert found.counts == {HEALTHY: 1, "vanishing": 1, UNFINISHED: 1}
    assert [run.fix for run in found.runs] == ["", "init.gain=5/3", ""]
    assert found.settings == ["seed"]
    assert found.logged["delta/rms"] == ["04.tanh"]
    assert found.logged["update/log10"] == ["05.linear.W"]
    assert "act/dead" not in found.logged
    assert runs.read(json.loads(json.dumps(runs.plain(found)))) == replace(found)


def test_layers_are_in_depth_order_whatever_their_names(tmp_path: Path) -> None:
    layers = [
        {"layer": n, "node": f"{n}.tanh", "rule": "tanh", "tensor": "y", "delta_rms": 1.0}
        for n in (2, 10, 100)
    ]
    record(tmp_path / "run", [row(0, layers=layers)])
    identity.write(tmp_path / "run", identity.identify(config(), tmp_path / "run"))
    (found,), _ = projects(tmp_path)
    assert found.logged == {"delta/rms": ["2.tanh", "10.tanh", "100.tanh"]}


def test_each_project_has_a_dashboard_and_damage_hides_nobody(tmp_path: Path) -> None:
    made(tmp_path / "s/a")
    other = made(tmp_path / "s/b")
    known = identity.read(other)
    assert known is not None
    identity.write(other, replace(known, project="another", entity="team"))
    (made(tmp_path / "s/c") / "result.json").write_text("{")
    (made(tmp_path / "s/d") / "metrics.jsonl").write_text("{\n{\n")
    found, damaged = projects(tmp_path)
    assert [runs.key(one) for one in found] == ["/gradient-ninja", "team/another"]
    assert [str(tmp_path / "s/c/result.json") in fault for fault in damaged] == [True]


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no run lies here"):
        projects(tmp_path)
    record(tmp_path / "s/a", [row(0)])
    with pytest.raises(DashboardError, match=r"tracker=offline"):
        projects(tmp_path)


# --- what is built -------------------------------------------------------------------------------


def test_every_metric_has_a_panel() -> None:
    from analysis.dashboard.panels import sections

    found = sections(project())
    assert tuple(one.name for one in found) == SECTIONS
    plots = [of for one in found for of in one.panels if hasattr(of, "log_y")]
    shown = {name for plot in plots for name in plot.y}  # pyright: ignore[reportAttributeAccessIssue]
    layers = {
        f"{prefix}/{of}" for prefix in metrics.OF_LAYER.values() for of in ("04.tanh", "10.tanh")
    }
    assert shown == layers | set(metrics.OF_STEP.values()) - {metrics.STEP}
    assert {plot.x for plot in plots} == {metrics.STEP}  # pyright: ignore[reportAttributeAccessIssue]


def test_layers_are_grouped_by_what_they_show_and_ordered_by_depth() -> None:
    from analysis.dashboard.panels import sections

    flow = sections(project())[1]
    titles = [[panel.title for panel in group] for group in flow.layers]  # pyright: ignore[reportAttributeAccessIssue]
    assert titles == [
        ["04.tanh: RMS of the delta", "10.tanh: RMS of the delta"],
        ["04.tanh: gradient norm", "10.tanh: gradient norm"],
    ]
    assert all(panel.log_y for group in flow.layers for panel in group)  # pyright: ignore[reportAttributeAccessIssue]
    nothing = project(logged={}, settings=[], noise=False)
    assert all(one.layers == () for one in sections(nothing))
    assert all(one.overview for one in sections(nothing))


def test_depth_profiles_and_histograms_are_custom_charts_of_what_runs_log() -> None:
    import wandb_workspaces.reports.v2.interface as wr

    from analysis.dashboard.panels import sections

    charts = [
        panel
        for one in sections(project())
        for panel in one.panels
        if isinstance(panel, wr.CustomChart)
    ]
    assert len(charts) == 1 + len(curves.SPREADS)
    for chart in charts:
        assert chart.query == {"summaryTable": {"tableKey": curves.TABLE}}
        assert set(chart.chart_fields) == {"step", "lineKey", "lineVal"}
        assert set(chart.chart_fields.values()) <= set(curves.CURVES)
        assert chart.chart_name == curves.LINES


@given(st.lists(st.sampled_from(ORDER), min_size=1, max_size=30))
def test_a_legend_counts_every_run_once(states: list[str]) -> None:
    from analysis.dashboard.report import answers, headline

    few = tuple(Run(str(n), "", name, "fix", True, False) for n, name in enumerate(states))
    found = project(runs=few)
    assert sum(found.counts.values()) == len(states)
    assert len(answers(found)) == len(set(states))
    healthy = states.count(HEALTHY) + states.count(MENDED)
    assert headline(found).startswith(f"{healthy} of {len(states)} runs")


def test_both_are_of_the_same_panels_and_colours() -> None:
    from analysis.dashboard.build import built

    found = json.loads(json.dumps(built(project())))
    board = found["workspace"]["spec"]["section"]
    bank = board["panelBankConfig"]["sections"]
    assert tuple(one["name"] for one in bank) == SECTIONS
    assert board["customRunColors"] == {
        "a": COLOURS[HEALTHY].code,
        "b": COLOURS["vanishing"].code,
    }
    assert {one["localPanelSettings"]["xAxis"] for one in bank} == {"train/step"}
    assert board["settings"]["shouldAutoGeneratePanels"] is False
    assert list(board["runSets"][0]["runFeed"]["columnPinned"]) == [
        *("run:displayName", "summary:verdict", "config:init.value.gain", "config:seed.value"),
        "summary:final/validation",
    ]
    blocks = found["report"]["spec"]["blocks"]
    headings = [one["children"][0]["text"] for one in blocks if one["type"] == "heading"]
    assert tuple(headings) == SECTIONS
    grids = [one["metadata"] for one in blocks if one["type"] == "panel-grid"]
    for grid in grids:
        places = [
            tuple(panel["layout"].values()) for panel in grid["panelBankSectionConfig"]["panels"]
        ]
        assert len(set(places)) == len(places) > 0


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_is_saved_once_and_then_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "reports/d.json"
    made(tmp_path / "outputs/s/a")
    with WandbServer(Faults(key=KEY)) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert main(["dashboard", str(tmp_path / "outputs"), "--out", str(out)]) == 0
        said = capsys.readouterr().out
        first = json.loads(out.read_text())
        made(tmp_path / "outputs/s/b", findings=[LASTING])
        assert main(["dashboard", str(tmp_path / "outputs"), "--out", str(out), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert server.unknown == []
        assert server.projects == {("somebody", "gradient-ninja")}
        kinds = {view["type"]: view for view in server.views.values()}
        assert len(server.views) == len(kinds) == 2
    address = first["saved"]["/gradient-ninja"]
    assert address["workspace"].startswith(f"{server.url}/somebody/gradient-ninja?nw=")
    assert address["workspace"] in said
    assert address["report"] in said
    assert "make sync" in said
    assert json.loads(out.read_text())["saved"] == first["saved"]
    assert told["saved"] == [address]
    board = kinds["project-view"]["spec"]["section"]
    assert len(board["customRunColors"]) == 2
    assert "1 of 2 runs" in json.dumps(kinds["runs"]["spec"])
    assert kinds["project-view"]["displayName"] == kinds["runs"]["displayName"] == "Gradient health"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "said"),
    [
        (Faults(hang=True), "did not answer within"),
        (Faults(key="another" * 6), "refuses the API key (401)"),
        (Faults(fail_first=10**6), "W&B at http://127.0.0.1"),
        (Faults(hang=True, only="psertView"), "did not answer within"),
        (None, "W&B at http://127.0.0.1:9"),
    ],
    ids=["silent", "bad key", "failing", "silent at the end", "nobody there"],
)
def test_a_server_that_fails_is_one_line_and_the_specification_is_there(
    faults: Faults | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "d.json"
    made(tmp_path / "outputs/s/a", timeout=2 * SHORT)
    with WandbServer(faults) as server:
        if faults is not None:
            monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert main(["dashboard", str(tmp_path / "outputs"), "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("ninja: ")
    assert said in told
    assert told.count("\n") == 1
    assert str(out) in told
    (dashboard,) = json.loads(out.read_text())["dashboards"]
    assert dashboard["workspace"]["displayName"] == "Gradient health"


@pytest.mark.slow
@pytest.mark.parametrize("tracker", ["offline", "online"])
def test_without_a_key_there_is_a_server_only_where_one_was_asked_for(
    tracker: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    made(tmp_path / "outputs/s/a", tracker=tracker)
    out = tmp_path / "d.json"
    code = main(["dashboard", str(tmp_path / "outputs"), "--out", str(out)])
    printed = capsys.readouterr()
    assert out.exists()
    assert code == (2 if tracker == "online" else 0)
    assert "needs an API key" in (printed.err if code else printed.out)
    assert ("WANDB_API_KEY" in printed.out) or code


@pytest.mark.slow
def test_wandb_mode_forbids_to_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    (made(tmp_path / "outputs/s/a") / "wandb/offline-run-x").mkdir(parents=True)
    out = tmp_path / "d.json"
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert main(["dashboard", str(tmp_path / "outputs"), "--out", str(out)]) == 0
        assert server.asked == []
    said = capsys.readouterr().out
    assert "not sent (WANDB_MODE=offline)" in said
    assert f"wandb leet {tmp_path / 'outputs/s/a/wandb'}" in said


def test_a_file_of_somebody_elses_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path / "outputs/s/a")
    out = tmp_path / "notes.json"
    out.write_text('{"mine": 1}')
    assert main(["dashboard", str(tmp_path / "outputs"), "--out", str(out)]) == 2
    assert "notes.json" in capsys.readouterr().err
    assert out.read_text() == '{"mine": 1}'


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    made(tmp_path / "outputs/s/a")
    (tmp_path / "file").write_text("")
    assert main(["dashboard", str(tmp_path / "outputs"), "--out", str(tmp_path / "file/d")]) == 2
    told = capsys.readouterr().err
    assert "cannot be written" in told
    assert told.count("\n") == 1


@pytest.mark.slow
def test_neither_torch_nor_wandb_is_loaded_by_the_command_itself(tmp_path: Path) -> None:
    made(tmp_path / "outputs/s/a")
    script = (
        "import sys; from pathlib import Path\n"
        "from analysis.dashboard.runs import projects\n"
        "import analysis.dashboard.command, analysis.dashboard.save\n"
        "projects(Path(sys.argv[1]))\n"
        "print(sorted({'torch', 'wandb', 'wandb_workspaces'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "outputs")],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "[]\n", done.stderr
