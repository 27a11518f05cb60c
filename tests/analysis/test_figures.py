"""Figures: their data against hand-computed values, their bytes, and what lies on what."""

import math
import re
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from unittest.mock import patch
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

import analysis
from analysis.figures import BUILDERS, DARK, LIGHT, NEEDS, Figure, Theme, figures, save, svg
from analysis.figures.groups import by_setting
from analysis.figures.style import styled
from analysis.palette import VERDICTS
from analysis.settings import apart, varying
from analysis.tables import Records
from ninja.diagnosis.finding import Kind
from ninja.errors import RecordError
from tests.analysis import made
from tests.analysis.made import Shape
from tests.analysis.tiled import tiled

EVIL = "<script>alert('1')</script> $x_1$ & \"q\""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two gains, two engines, two seeds; the small gain vanishes."""
    place = tmp_path_factory.mktemp("outputs") / "sweep"
    for gain, growth in (("0.5", 0.3), ("5/3", 1.0)):
        for backward in ("manual_fused", "autograd"):
            for seed in (1, 2):
                off = 1e-3 * (backward == "autograd")
                losses = dict.fromkeys(("train", "validation", "test", "by_batch"), 2 + off)
                made.run(
                    place / f"{gain.replace('/', '_')}-{backward}-{seed}",
                    growth=growth,
                    seed=seed,
                    losses=losses,
                    config={"init": {"gain": gain}, "backward": backward},
                )
    return place


@pytest.fixture(scope="module")
def records(sweep: Path) -> Records:
    return analysis.read(sweep)


def built(records: Records, name: str) -> Figure:
    found = BUILDERS[name](records)
    assert found is not None
    return found


def drawn(figure: Figure, theme: Theme = LIGHT) -> list[tuple[str, Bbox]]:
    """Every text that is drawn and where, after that of the whole figure."""
    found: list[tuple[str, Bbox]] = []
    draw = Text.draw

    def noted(self: Text, renderer: RendererBase) -> None:
        if self.get_visible() and self.get_text().strip():
            found.append((self.get_text(), self.get_window_extent(renderer)))
        draw(self, renderer)

    with styled(theme), patch.object(Text, "draw", noted):
        canvas = FigureCanvasAgg(figure.draw(theme))
        canvas.draw()
    return [("the edge", canvas.figure.bbox), *found]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Texts that lie on each other, or beyond the edge."""
    (edge, whole), *boxes = drawn(figure)
    found = [
        (text, edge)
        for text, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > whole.x1 + 1 or box.y1 > whole.y1 + 1
    ]
    for (one, a), (other, b) in combinations(boxes, 2):
        wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if wide > 1 and high > 2:
            found.append((one, other))
    return found


def test_every_finding_has_its_colour() -> None:
    assert set(Kind.__args__) <= set(VERDICTS)


def test_the_sweep_has_every_figure_that_it_can_have(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no study was measured
    found = [figure.name for figure in figures(records)]
    assert found == ["verdicts", "profile", "units", "updates", "losses", "grid", "gaps", "engines"]


@pytest.mark.parametrize(
    "name",
    [
        *("verdicts", "profile", "grid", "engines"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("units", "updates", "losses", "gaps")
        ),
    ],
)
def test_no_text_lies_on_another(records: Records, name: str) -> None:
    assert overlaps(built(records, name)) == []


def test_the_profile_is_that_of_the_pre_activations(records: Records) -> None:
    data = built(records, "profile").data
    at = data[(data["panel"] == "gain=0.5") & (data["look"] == "first look")]
    at = at[at["quantity"].str.startswith("delta")].set_index("layer")
    # linear, tanh, linear, tanh: two nodes a layer, and a factor of √growth a node, less noise
    for layer, row in at.iterrows():
        assert row["median"] == pytest.approx(0.3 ** (4 - int(str(layer))), rel=0.12)
    layers = records.layers
    rows = layers[(layers["step"] == 0) & (layers["tensor"] == "y") & (layers["rule"] == "linear")]
    runs = [run for run in rows["run"].unique() if "0.5" in run]
    values = [rows[rows["run"] == run].set_index("layer")["delta_rms"] for run in runs]
    # hidden layers' pre-activations are the linear nodes at depths 1, 3, 5, 7
    relative = [float(of[1] / of[7]) for of in values]
    assert at.loc[1, "median"] == pytest.approx(np.median(relative), rel=1e-5)
    assert at.loc[1, "low"] == pytest.approx(min(relative), rel=1e-5)
    assert at.loc[1, "runs"] == 4


def test_the_theory_is_of_the_runs_own_gain(records: Records) -> None:
    from ninja.theory import Setting, predict

    data = built(records, "profile").data
    theory = data[(data["look"] == "theory") & (data["panel"] == "gain=5/3")]
    expected = [10**of.delta for of in predict(Setting(4, (5 / 3) ** 2, "tanh")).layers]
    np.testing.assert_allclose(theory["median"], expected)


def test_pairs_differ_by_what_was_written(records: Records) -> None:
    data = built(records, "engines").data
    assert len(data) == 4
    np.testing.assert_allclose(data["difference"], -1e-3)
    np.testing.assert_allclose(data["mean"], -1e-3)


def test_the_map_counts_runs(records: Records) -> None:
    data = built(records, "verdicts").data.set_index("panel")
    assert tuple(data.loc["gain=0.5", ["verdict", "runs", "of"]]) == ("vanishing", 4, 4)
    assert data.loc["gain=5/3", "verdict"] == "healthy"


def test_losses_and_gaps_are_the_records(records: Records) -> None:
    losses, gaps = built(records, "losses").data, built(records, "gaps").data
    np.testing.assert_allclose(losses["median"][:6], [3.3 - look / 6 for look in range(6)])
    np.testing.assert_allclose(gaps["median"], 1e-7)


def test_float64_has_a_panel_of_its_own_and_zero_a_place(tmp_path: Path) -> None:
    made.run(tmp_path / "s" / "a", config={"dtype": "float64"})
    made.run(tmp_path / "s" / "b")
    records = analysis.read(tmp_path)
    records.steps.loc[records.steps["run"] == "s/a", "gap"] = 0.0
    figure = built(records, "gaps")
    assert set(figure.data["panel"]) == {"float32", "float64"}
    assert "0" in [text for text, _ in drawn(figure)]


def test_the_same_records_make_the_same_bytes(records: Records, tmp_path: Path) -> None:
    for name in ("one", "other"):
        save(built(records, "verdicts"), tmp_path / name)
        save(built(records, "grid"), tmp_path / name, kinds=("svg",))
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(
        [f"verdicts.{kind}" for kind in ("csv", "pdf", "png", "svg")] + ["grid.csv", "grid.svg"]
    )
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()
    assert b"Date" not in (tmp_path / "one" / "verdicts.pdf").read_bytes()


def test_an_unknown_kind_is_refused(records: Records, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'gif' is none of svg, png, pdf"):
        save(built(records, "verdicts"), tmp_path, kinds=("gif",))


def test_what_goes_into_a_page_has_ids_and_text_of_its_own(records: Records) -> None:
    one, other = (svg(built(records, name), LIGHT) for name in ("verdicts", "gaps"))
    dark = svg(built(records, "gaps"), DARK)
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (one, other, dark)]
    assert all(ids)
    assert all(a.isdisjoint(b) for a, b in combinations(ids, 2))
    for text, known in zip((one, other, dark), ids, strict=True):
        used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
        assert used <= known
        root = ElementTree.fromstring(text)
        assert "viewBox" in root.attrib
        assert not {"width", "height"} & root.attrib.keys()
        assert "<style" not in text
        assert "DejaVu" not in text
    assert "vanishing 4 of 4" in one


def test_a_name_with_markup_is_text(tmp_path: Path) -> None:
    for number, name in enumerate((EVIL, "_hidden_", "a\x01b\nc")):
        made.run(tmp_path / "s" / str(number), config={"data": {"path": name}})
    records = analysis.read(tmp_path)
    for name in ("verdicts", "grid"):
        text = svg(built(records, name), LIGHT)
        ElementTree.fromstring(text)
        assert "<script" not in text
    shown = [text for text, _ in drawn(built(records, "verdicts"))]
    assert any(text.startswith("path=<script>alert('1')</script> $x_1$") for text in shown)
    assert "path=_hidden_" in shown
    assert "path=a\\x01b c" in shown


def _kinds(place: Path, name: str) -> Records:
    match name:
        case "one":
            made.run(place / "s" / "a")
        case "diverged":
            for seed in (1, 2):
                made.run(place / "s" / str(seed), diverged=True, seed=seed)
        case "diverged at once":
            made.run(place / "s" / "a", Shape(looks=1), diverged=True)
        case "unfinished":
            made.run(place / "s" / "a", Shape(looks=1), finished=False)
        case "watched":
            for name in ("a", "b"):
                made.run(place / "s" / name, status="watched")
                folder = place / "s" / name
                _watch(folder)
        case _:
            made.run(place / "s" / "a", Shape(hidden=2))
            made.run(place / "s" / "b", Shape(hidden=7, looks=3, every=7), growth=1e-9)
            made.run(place / "other" / "c", Shape(hidden=1))
    return analysis.read(place)


def _watch(folder: Path) -> None:
    """Without a configuration."""
    import json

    path = folder / "result.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | {"config": {}, "losses": {}}))


@pytest.mark.parametrize(
    "name",
    [
        "one",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("diverged", "diverged at once", "unfinished", "watched", "mixed")
        ),
    ],
)
def test_whatever_was_run_is_drawn(tmp_path: Path, name: str) -> None:
    found = figures(_kinds(tmp_path, name))
    assert found or name == "diverged at once"
    for figure in found:
        assert len(figure.data)
        assert all((figure.title, figure.caption, figure.alt))
        assert not re.search(r"\bnan\b", figure.caption + figure.alt)
        assert overlaps(figure) == []


def test_a_watched_training_that_diverged_leaves_the_others_their_axes(tmp_path: Path) -> None:
    found = _kinds(tmp_path, "watched")
    steps = found.steps.copy()
    lost = (steps["run"] == "s/a") & (steps["step"] > 0)
    steps.loc[lost, "loss"] = np.where(steps.loc[lost, "step"] < 30, 1e18, np.nan)
    figure = built(replace(found, steps=steps), "losses")
    crosses = figure.data[figure.data["diverged"].notna()]
    assert list(crosses["step"]) == [30]
    assert "Crosses: 1 run diverged there." in figure.caption
    assert "The axes end a little above 30 times the largest first loss." in figure.caption
    with styled(LIGHT):
        assert {axes.get_ylim() for axes in figure.draw(LIGHT).axes} == {(1.0, 100.0)}
    assert "30 times" not in built(found, "losses").caption


def test_a_run_without_gates_keeps_its_name_above_its_dead_units(tmp_path: Path) -> None:
    found = _kinds(tmp_path, "watched")
    layers = found.layers.copy()
    layers.loc[layers["run"] == "s/a", "saturated"] = np.nan
    figure = built(replace(found, layers=layers), "units")
    said = [text for text, _ in drawn(figure)]
    assert "not seen" in said
    assert {"s/a", "s/b"} <= set(said)
    assert {"saturated elements\nhidden layer", "dead units\nhidden layer"} <= set(said)
    assert overlaps(figure) == []


def test_nothing_readable_gives_no_figure(tmp_path: Path) -> None:
    made.run(tmp_path / "s" / "a")
    (tmp_path / "s" / "a" / "result.json").write_text("{")
    assert figures(analysis.read(tmp_path)) == []


def test_histograms_are_what_was_counted(sweep: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sweep / "0.5-autograd-1", tmp_path / "s" / "a"))
    row = (
        '{"step": 60, "loss": 1, "lr": 1, "histograms": [{"node": "02.tanh", "tensor": "y", '
        '"of": "value", "counts": [1, 3], "edges": [-1, 0, 1]}]}\n'
    )
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(row)
    data = built(analysis.read(folder), "histograms").data
    assert list(data["density"]) == [0.25, 0.75]
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 70, "histograms": [{"node": "x"}]}\n')
    from analysis.figures.histograms import last

    with pytest.raises(RecordError, match="damaged histograms"):
        last(folder)


@pytest.mark.slow
def test_many_runs_are_few_lines(records: Records) -> None:
    many = tiled(records, 300)
    for name, most in (("losses", 12), ("profile", 6), ("updates", 12), ("units", 5)):
        figure = built(many, name)
        column = "panel" if "panel" in figure.data else "setting"
        assert figure.data[column].nunique() <= most
        assert "evenly chosen" in figure.caption
    assert len(built(many, "grid").data) <= 60


@pytest.mark.slow
def test_many_figures_have_no_text_on_text(records: Records) -> None:
    for figure in figures(tiled(records, 300)):
        assert overlaps(figure) == [], figure.name


def test_claims_need_measurements(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments import cache, claims

    monkeypatch.chdir(tmp_path)
    assert BUILDERS["claims"](records) is None
    study = claims.read("xavier")
    measured = {name: [of.predicted] for name, of in study.claims.items()}
    failing = next(iter(measured))
    measured[failing] = [study.claims[failing].predicted + 9 * study.claims[failing].tolerance.size]
    cache.write("xavier", measured, 1.0, quick=True)
    data = built(records, "claims").data
    assert len(data) == len(measured)
    assert (data["in_tolerances"].iloc[1:] == 0).all()
    assert list(data["passed"]) == [False, *([True] * (len(data) - 1))]
    assert math.isfinite(data["in_tolerances"].iloc[0])


def test_long_names_make_no_two_settings_one(tmp_path: Path) -> None:
    """What sets them apart stands last, beyond where a name is cut."""
    for number, activation in enumerate(("tanh", "gelu")):
        for gain, depth in ((0.5, 1), (1.0, 8)):
            config = {
                "init": {"gain": gain},
                "norm": {"name": "batchnorm" if gain < 1 else "layernorm"},
                "optimizer": {"name": "adamw" if depth == 1 else "sgd", "lr": 0.1 + depth},
                "model": {"activation": activation, "n_layers": depth, "n_embd": 10 + number},
            }
            made.run(tmp_path / "s" / f"{number}{depth}", config=config)
    labels = by_setting(analysis.read(tmp_path).runs)
    assert labels.nunique() == 4


def test_of_keys_that_go_together_the_first_is_told(tmp_path: Path) -> None:
    for layers, hidden in ((1, 200), (8, 100)):
        for gain in (0.5, 1.0):
            config = {
                "init": {"gain": gain},
                "model": {"n_layers": layers, "n_hidden": hidden},
            }
            made.run(tmp_path / "s" / f"{layers}{gain}", config=config)
    runs = analysis.read(tmp_path).runs
    assert {"init.gain", "model.n_layers", "model.n_hidden"} <= set(varying(runs))
    assert len(apart(runs)) == len(varying(runs)) - 1


def test_it_is_told_what_every_figure_needs() -> None:
    assert list(NEEDS) == list(BUILDERS)
