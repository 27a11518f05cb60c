"""`.hydra` as Hydra writes it, byte for byte."""

from pathlib import Path

import pytest
from hydra.core.utils import _save_config
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from ninja.sweep import hydra_files
from ninja.sweep.jobs import HydraFiles, Job
from tests.sweep.composing import composing

BREAKS = "\x85\u2028\u2029"
"""PyYAML's own dumper writes these line breaks as they are, and reads them as blanks; libyaml's
does not lose them."""

texts = st.text(st.characters(exclude_characters=BREAKS, exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
keys = st.text("abcxyz-_", min_size=1)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcxyz-_", min_size=1), inner, max_size=3)
    ),
)


@given(plain)
def test_the_same_as_omegaconf(value: object) -> None:
    import yaml
    from omegaconf._utils import get_omega_conf_dumper

    whole = {"a": value}
    expected = yaml.dump(
        whole,
        default_flow_style=False,
        allow_unicode=True,
        sort_keys=False,
        Dumper=get_omega_conf_dumper(),
    )
    assert yaml.safe_load(hydra_files.dump(whole)) == yaml.safe_load(expected)


@given(st.text(f"a {BREAKS}"))
def test_no_line_break_is_lost(value: str) -> None:
    import yaml

    assert yaml.safe_load(hydra_files.dump({"a": value})) == {"a": value}


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=1", "study='no'"],
        ["experiment=gradient_health"],
        ["wandb.group='1e3'", "study='größe'", "wandb.tags=['1_0','# x',' y']"],
    ],
)
def test_the_same_as_hydra(tmp_path: Path, overrides: list[str]) -> None:
    with composing() as composer:
        (job,) = composer.jobs([[*overrides, f"output={tmp_path}"]])
        assert isinstance(job, Job)
        config: DictConfig = OmegaConf.create({"hydra": job.files.hydra})
        _save_config(OmegaConf.create(job.files.config), "config.yaml", tmp_path / "theirs")
        _save_config(config, "hydra.yaml", tmp_path / "theirs")
        _save_config(OmegaConf.create(job.files.overrides), "overrides.yaml", tmp_path / "theirs")
        hydra_files.write(job.files)
        assert job.files.folder is not None
        for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
            mine = (job.files.folder / name).read_bytes()
            assert mine == (tmp_path / "theirs" / name).read_bytes(), name


def test_none_where_none_is_wanted(tmp_path: Path) -> None:
    hydra_files.write(HydraFiles(None, {"a": 1}, {}, []))
    assert not list(tmp_path.iterdir())
