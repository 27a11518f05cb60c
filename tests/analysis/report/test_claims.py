"""Claims beside their measurements."""

from pathlib import Path

import pytest

from analysis.report.claims import claims
from experiments import cache
from experiments import claims as studies


def test_none_where_nothing_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert claims() is None


def test_each_stands_beside_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bessel, residual = studies.read("bessel"), studies.read("residual")
    right = {name: [claim.predicted] * 2 for name, claim in bessel.claims.items()}
    wrong = {name: [claim.predicted + 99] for name, claim in residual.claims.items()}
    cache.write("bessel", right, 1.0, quick=False)
    cache.write("residual", wrong, 1.0, quick=True)
    found = claims()
    assert found is not None
    assert found.quick == ("residual",)
    assert {"bessel", "residual"}.isdisjoint(found.missing)
    assert {*found.missing, "bessel", "residual"} == set(studies.names())
    passed = {row[0]: ok for row, ok in zip(found.rows, found.passed, strict=True)}
    assert passed == {"bessel": True, "residual": False}
    assert len(found.rows[0]) == len(found.titles)


def test_what_other_code_measured_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cache.PLACE.mkdir(parents=True)
    (cache.PLACE / "bessel-0000000000000000.json").write_text('{"measured": {}, "seconds": 1}')
    found = claims()
    assert found is not None
    assert (found.rows, len(found.missing)) == ((), len(studies.names()))
