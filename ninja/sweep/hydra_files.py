"""The ``.hydra`` folder of a job, as Hydra writes it, in a tenth of the time."""

from functools import cache
from typing import Any

import yaml
from omegaconf._utils import OmegaConfDumper

from ninja.sweep.jobs import HydraFiles


@cache
def _dumper() -> type[Any]:
    """OmegaConf's, on libyaml where it is there: ten times as fast, and the same bytes."""
    base: Any = getattr(yaml, "CDumper", yaml.Dumper)
    made: Any = type("Dumper", (base,), {})
    made.add_representer(str, OmegaConfDumper.str_representer)
    return made


def dump(plain: Any) -> str:
    """Plain data as ``OmegaConf.to_yaml`` has them."""
    return yaml.dump(
        plain, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=_dumper()
    )


def write(files: HydraFiles) -> None:
    """Write the three files.

    Raises:
        OSError: they cannot be written.
    """
    if files.folder is None:
        return
    files.folder.mkdir(parents=True, exist_ok=True)
    for name, plain in (
        ("config.yaml", files.config),
        ("hydra.yaml", {"hydra": files.hydra}),
        ("overrides.yaml", files.overrides),
    ):
        (files.folder / name).write_text(dump(plain), encoding="utf-8")
