"""The project's own configuration, as a sweep has it."""

from collections.abc import Iterator
from contextlib import contextmanager

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from ninja import faults, task
from ninja.sweep.compose import Composer


@contextmanager
def loading(*overrides: str) -> Iterator[tuple[ConfigLoader, DictConfig]]:
    """Hydra's loader, and what it makes of a command line."""
    task.register()
    with initialize_config_dir(str(faults.CONF), version_base="1.3", job_name="app"):
        loader = GlobalHydra.instance().config_loader()
        yield loader, loader.load_configuration("config", list(overrides), RunMode.MULTIRUN)


@contextmanager
def composing(*overrides: str) -> Iterator[Composer]:
    """A composer of the command line."""
    with loading(*overrides) as (loader, master):
        yield Composer(loader, master)
