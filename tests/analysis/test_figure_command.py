"""``python -m analysis figure``."""

import argparse
from pathlib import Path

import pytest

from analysis.figures import command
from ninja.errors import RecordError
from tests.analysis import made


def options(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers(required=True))
    return parser.parse_args(["figure", *given])


def test_it_writes_the_figure_and_its_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made.run(tmp_path / "s" / "a")
    given = options("losses", str(run), "--out", str(tmp_path / "out"))
    assert given.run(given) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(path.name for path in written) == [
        f"losses.{kind}" for kind in ("csv", "pdf", "png", "svg")
    ]
    assert all(path.stat().st_size for path in written)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("profil", "figure: unknown name 'profil'.*did you mean profile"),
        ("engines", "engines: nothing to draw in"),
    ],
)
def test_what_cannot_be_drawn_is_said(tmp_path: Path, name: str, line: str) -> None:
    run = made.run(tmp_path / "s" / "a")
    with pytest.raises(RecordError, match=line):
        command.run(options(name, str(run)))


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    run = made.run(tmp_path / "s" / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"file.*cannot be written"):
        command.run(options("losses", str(run), "--out", str(tmp_path / "file")))
