"""The report on disk."""

import hashlib
import html
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from analysis.cli import main
from analysis.report import write
from analysis.report.write import PAGE, TABLE, TEXT
from ninja.errors import RecordError, RunError
from ninja.lock import Lock
from tests.analysis import made
from tests.analysis.made import Shape
from tests.analysis.report.conftest import EVIL, Drawn

pytestmark = pytest.mark.usefixtures("drawings")


class Parsed(HTMLParser):
    """Elements and text of a page; whatever would run or load is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.handlers: list[str] = []
        self.sources: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.data = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.open.append(tag if tag != "script" else f"script {dict(attrs).get('type')}")
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.sources += [
            value or "" for name, value in attrs if name in ("src", "href", "data", "action")
        ]

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop().split()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script application/json"]:
            self.data += data
        self.text += data


def parsed(out: Path) -> Parsed:
    found = Parsed()
    found.feed((out / PAGE).read_text())
    return found


def hashes(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def test_page_text_and_table_are_there_and_agree(
    outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("20 of 24 runs are healthy\n")
    assert printed.endswith("report: reports/index.html\n")
    out = tmp_path / "reports"
    page = parsed(out)
    assert page.text.count("20 of 24 runs are healthy.") >= 1
    table = pd.read_csv(out / TABLE)
    assert len(table) == 24
    assert list(table["run"]) == sorted(table["run"])
    assert table["healthy"].sum() == 20
    text = (out / TEXT).read_text()
    assert "20 of 24 runs are healthy" in text
    assert "Runs that are not healthy: 4" in text
    data = json.loads(page.data)
    assert len(data["kinds"]["values"]) == 24
    assert len(data["details"]["runs"]) == 24
    assert str(outputs) not in page.text  # as it was typed


def test_the_page_needs_nothing_from_anywhere(outputs: Path, tmp_path: Path) -> None:
    write.report([outputs], tmp_path / "out")
    page = parsed(tmp_path / "out")
    kept = re.compile(r"#|data:|figures/|summary\.csv$|report\.md$")
    assert [source for source in page.sources if not kept.match(source)] == []
    text = (tmp_path / "out" / PAGE).read_text()
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert not re.search(r"url\((?!#|data:)", text)


def test_twice_gives_the_same_bytes(outputs: Path, tmp_path: Path) -> None:
    write.report([outputs], tmp_path / "one")
    shutil.rmtree(outputs / "study" / ".analysis")
    write.report([outputs], tmp_path / "two")
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_nothing_new_is_not_read_again(
    outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write.report([outputs], tmp_path / "out")
    monkeypatch.setattr(write, "_write", None)
    again = write.report([outputs], tmp_path / "out")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.lines == first.lines


CHANGES: dict[str, Callable[[Path], object]] = {
    "a run more": lambda of: made.run(of / "outputs" / "study" / "anew", Shape(looks=3)),
    "a run less": lambda of: shutil.rmtree(next((of / "outputs" / "study").glob("0.5-none*"))),
    "a page edited": lambda of: (of / "out" / PAGE).write_text(""),
    "a file lost": lambda of: (of / "out" / TABLE).unlink(),
    "a stamp damaged": lambda of: (of / "out" / ".report.json").write_text("{"),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_written_again(outputs: Path, tmp_path: Path, change: str) -> None:
    out = tmp_path / "out"
    write.report([outputs], out)
    CHANGES[change](tmp_path)
    assert write.report([outputs], out).is_new
    after = hashes(out)
    shutil.rmtree(out)
    write.report([outputs], out)
    assert hashes(out) == after


def test_figures_that_no_longer_apply_are_taken_away(
    outputs: Path, tmp_path: Path, drawings: list[Drawn]
) -> None:
    out = tmp_path / "out"
    drawings.append(Drawn("gone"))
    write.report([outputs], out)
    (out / "figures" / "mine.svg").write_text("")
    drawings.pop()
    made.run(outputs / "study" / "anew")
    write.report([outputs], out)
    assert {path.stem for path in (out / "figures").iterdir()} == {"profile", "mine"}


@pytest.mark.usefixtures("evil")
def test_html_in_names_and_messages_is_text(tmp_path: Path) -> None:
    assert main(["report"]) == 0
    page = parsed(tmp_path / "reports")
    assert page.names.count("script") == 2
    assert {"img", "b", "i", "s", "u"}.isdisjoint(page.names)
    assert page.handlers == []
    assert "alert(3)" not in page.text or "<script>" in page.text
    assert "foreign <s>x" in page.text
    assert f"A title {EVIL}" in page.text
    data = json.loads(page.data)
    words = [word for column in data["columns"] for word in column["words"] or ()]
    assert "run <i>" in words
    assert "</script><u>" in words


@pytest.mark.usefixtures("evil")
def test_html_and_markdown_in_names_are_text_for_a_pull_request(tmp_path: Path) -> None:
    main(["report"])
    text = (tmp_path / "reports" / TEXT).read_text()
    tags = set(re.findall(r"(?<!\\)<(\w+)", text))
    assert tags == {"details", "summary"}
    assert not re.search(r"(?<![\\\w.`])@\w", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    assert len(set(cells)) <= 2  # of the answer, and of the runs


@pytest.mark.usefixtures("evil")
def test_a_foreign_file_is_named_and_the_others_are_there(tmp_path: Path) -> None:
    main(["report"])
    assert "1 run could not be read, and is in none of the numbers" in " ".join(
        parsed(tmp_path / "reports").text.split()
    )
    assert len(pd.read_csv(tmp_path / "reports" / TABLE)) == 2


def test_formulas_are_text_in_a_spreadsheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made.run(tmp_path / "outputs" / "study" / "=1+1", config={"backward": "=cmd()"})
    main(["report"])
    found = pd.read_csv(tmp_path / "reports" / TABLE).iloc[0]
    assert found["run_id"] == "'=1+1"
    assert found["backward"] == "'=cmd()"


KINDS: dict[str, Callable[[Path], object]] = {
    "single": lambda of: made.run(of / "run"),
    "diverged": lambda of: [made.run(of / f"r{at}", diverged=True, seed=at) for at in (1, 2)],
    "unfinished": lambda of: made.run(of / "run", finished=False),
    "one look": lambda of: made.run(of / "run", Shape(looks=1)),
    "watched": lambda of: watched(of / "run"),
    "damaged": lambda of: (made.run(of / "run") / "result.json").write_text("{"),
}


def watched(folder: Path, growth: float = 0.01) -> None:
    """As `health.save` leaves it: no configuration, no losses of splits."""
    made.run(folder, status="watched", losses={"train": 1.0}, growth=growth)
    path = folder / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"config": {}, "losses": {}}))


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_there_is_gives_a_page(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    KINDS[kind](tmp_path / "outputs" / "study")
    assert main(["report"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    page = parsed(tmp_path / "reports")
    headline = html.unescape(said.out.splitlines()[0])
    assert headline.lower() in page.text.lower()
    assert (tmp_path / "reports" / TEXT).read_text().strip()
    assert len(pd.read_csv(tmp_path / "reports" / TABLE)) == (
        {"diverged": 2, "damaged": 0}.get(kind, 1)
    )


def test_of_watched_trainings_no_setting_is_spoken_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, growth in (("sick", 0.01), ("well", 1.0)):
        watched(tmp_path / "outputs" / "study" / name, growth)
    assert main(["report"]) == 0
    text = parsed(tmp_path / "reports").text
    assert "1 of 2 watched trainings is healthy" in " ".join(text.split())
    assert "Whether a run is healthy" not in text
    assert "setting sets them apart" not in text


def test_nothing_was_run_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 2
    assert capsys.readouterr().err == (
        "ninja: 'outputs': nothing was run yet: make run, or python run.py, and then make "
        "analysis\n"
    )
    assert "make run" in parsed(tmp_path / "reports").text


def test_a_place_that_is_not_there_leaves_the_report_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such folder"):
        write.report([tmp_path / "nothing"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_report_that_cannot_be_written_is_told(outputs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file.*cannot be written.*--out"):
        write.report([outputs], tmp_path / "file")


def test_the_page_keeps_its_size_and_says_what_is_left_out(
    outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis.report import page

    monkeypatch.setattr(page, "LIMIT", page.FRAME + 12_000)
    write.report([outputs], tmp_path / "out")
    found = parsed(tmp_path / "out")
    assert 0 < len(json.loads(found.data)["details"]["runs"]) < 24
    assert re.search(r"The layers of \d+ of 24 runs are here", found.text)
    assert (tmp_path / "out" / PAGE).stat().st_size < page.LIMIT


def test_one_report_at_a_time_in_a_folder(
    grid: Path, drawings: list[Drawn], tmp_path: Path
) -> None:
    assert drawings
    lock = Lock(tmp_path / write.LOCK)
    assert lock.take()
    with pytest.raises(RunError, match="another report is being written there"):
        write.report([grid], tmp_path)
    lock.release()
    assert write.report([grid], tmp_path).is_new
