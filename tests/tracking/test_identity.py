import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ninja.errors import RecordError
from ninja.tracking import identity
from tests.faults import fault_of
from tests.tracking.made import config


def test_a_folder_keeps_its_run(tmp_path: Path) -> None:
    first = identity.identify(config(tags=("mine",)), tmp_path)
    identity.write(tmp_path, first)
    assert identity.read(tmp_path) == first
    assert identity.identify(config(tags=("mine",)), tmp_path) == first


def test_what_a_run_is_called(tmp_path: Path) -> None:
    found = identity.identify(config(tags=("mine",)), tmp_path / "c0ffee")
    assert found.name == "c0ffee"
    assert (found.project, found.entity) == ("gradient-ninja", None)
    assert (found.group, found.job_type) == ("a study", "a study")
    assert found.tags == ("mine", "manual_fused", "norm=batchnorm")
    assert found.config["model"]["n_hidden"] == 200


def test_a_deleted_folder_is_a_new_run(tmp_path: Path) -> None:
    identity.write(tmp_path, identity.identify(config(), tmp_path))
    before = identity.read(tmp_path)
    (tmp_path / identity.FILE).unlink()
    assert before is not None
    assert identity.identify(config(), tmp_path).id != before.id


@pytest.mark.parametrize("where", [{"project": "other"}, {"entity": "team"}])
def test_another_place_is_another_run(tmp_path: Path, where: dict[str, str]) -> None:
    old = replace(identity.identify(config(), tmp_path), state="complete")
    identity.write(tmp_path, old)
    new = identity.identify(config(**where), tmp_path)
    assert new.id != old.id
    assert new.state == "open"


def test_the_environment_comes_before_a_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PROJECT", "ENTITY", "RUN_GROUP", "TAGS"):
        monkeypatch.setenv(f"WANDB_{name}", f"env-{name.lower()}")
    found = identity.identify(config(), tmp_path)
    assert (found.project, found.entity, found.group) == (
        "env-project",
        "env-entity",
        "env-run_group",
    )
    assert found.tags[0] == "env-tags"
    told = identity.identify(config(project="p", entity="e", group="g"), tmp_path)
    assert (told.project, told.entity, told.group) == ("p", "e", "g")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"id": 1}', '{"id": "a", "more": 2}', '{"tags": []}']
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / identity.FILE).write_text(content)
    said = fault_of(lambda: identity.read(tmp_path), RecordError)
    assert identity.FILE in said
    assert "remove it" in said


@pytest.mark.parametrize(
    "change", [{"tags": 5}, {"project": 5}, {"state": "odd"}, {"config": {"wandb": 5}}], ids=str
)
def test_a_value_of_another_type_is_damage(tmp_path: Path, change: dict[str, Any]) -> None:
    identity.write(tmp_path, replace(identity.identify(config(), tmp_path), **change))
    assert "damaged" in fault_of(lambda: identity.read(tmp_path), RecordError)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / identity.FILE).mkdir()
    assert identity.FILE in fault_of(lambda: identity.read(tmp_path), RecordError)


def test_a_moved_folder_keeps_its_run_and_a_copy_is_another(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    known = replace(identity.identify(config(), first), state="complete")
    identity.write(first, known)
    moved = first.rename(tmp_path / "moved")
    assert identity.read(moved) == replace(known, folder=str(moved))
    assert identity.identify(config(), moved).id == known.id
    identity.write(moved, replace(known, folder=str(moved)))
    copied = shutil.copytree(moved, tmp_path / "copied")
    found = identity.read(copied)
    assert found is not None
    assert found.id != known.id
    assert (found.name, found.state) == ("copied", "open")
    assert identity.identify(config(), copied).id != known.id
