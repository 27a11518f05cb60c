"""The figures of the studies: what they show, where it lies, and what cannot be drawn."""

import argparse
from pathlib import Path

import pandas as pd
import pytest

from analysis.studies import command
from analysis.studies.chart import chart
from experiments import cache
from experiments.claims import ClaimError, Judged, judge, names, read
from ninja.errors import RecordError
from tests.analysis.test_figures import overlaps

AS_PREDICTED = {
    name: {key: [of.predicted, of.predicted] for key, of in read(name).claims.items()}
    for name in names()
}


def judged(name: str) -> list[Judged]:
    """As if all had been found as it was predicted."""
    return judge(read(name), AS_PREDICTED[name], quick=False)


def options(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers(required=True))
    return parser.parse_args(["studies", *given])


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A measurement of one study, below the working directory."""
    monkeypatch.chdir(tmp_path)
    cache.write("relu_he", AS_PREDICTED["relu_he"], 1.0, quick=False)
    return tmp_path


@pytest.mark.parametrize("name", names())
def test_no_text_lies_on_another(name: str) -> None:
    assert overlaps(chart(read(name), judged(name))) == []


def test_its_data_are_the_claims_that_its_panels_name() -> None:
    study = read("xavier")
    figure = chart(study, judged("xavier"))
    shown = [claim for panel in study.figure for of in panel.series.values() for claim in of]
    assert list(figure.data["claim"]) == [study.claims[name].quantity for name in shown]
    assert (figure.data["predicted"] == figure.data["measured"]).all()
    assert figure.data["passed"].all()
    assert f"{len(shown)} of {len(shown)} claims that are shown pass" in figure.alt


def test_a_claim_that_fails_is_said() -> None:
    broken = AS_PREDICTED["relu_he"] | {"growth_he": [2.0, 2.0]}
    figure = chart(read("relu_he"), judge(read("relu_he"), broken, quick=True))
    assert list(figure.data["passed"]) == [True, False, True, True]
    assert "3 of 4 claims" in figure.alt
    assert "quick form" in figure.caption


def test_it_writes_a_folder_a_study(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = options("--out", str(kept / "out"))
    assert given.run(given) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert written == [kept / "out/relu_he" / f"figure.{kind}" for kind in ("svg", "csv")]
    assert len(pd.read_csv(written[1])) == 4
    before = [path.read_bytes() for path in written]
    given.run(given)
    assert [path.read_bytes() for path in written] == before


@pytest.mark.usefixtures("kept")
def test_what_was_not_measured_is_said() -> None:
    with pytest.raises(RecordError, match=r"xavier: was not measured.*make reproduce STUDY=xavier"):
        command.run(options("relu_he", "xavier"))
    with pytest.raises(ClaimError, match="did you mean xavier"):
        command.run(options("xavie"))


def test_nothing_measured_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordError, match="make reproduce STUDY="):
        command.run(options())
    assert not (tmp_path / "reports").exists()


def test_an_output_that_cannot_be_written_is_named(kept: Path) -> None:
    (kept / "file").write_text("")
    with pytest.raises(RecordError, match=r"file.*cannot be written"):
        command.run(options("--out", str(kept / "file")))
