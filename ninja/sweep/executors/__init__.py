"""Where stacks are trained. Heavy libraries are loaded when they are asked for."""

from ninja.sweep.executors.base import Executor
from ninja.sweep.executors.inline import Inline
from ninja.sweep.executors.local import Local
from ninja.sweep.settings import Settings

__all__ = ["Executor", "executor"]


def executor(settings: Settings) -> Executor:
    """The one that the settings name.

    Raises:
        ConfigError: what it needs is not installed, or not here.
    """
    match settings.executor:
        case "inline":
            return Inline()
        case "local":
            return Local(settings.workers, settings.retries)
        case "dask":
            from ninja.sweep.executors.dask import Dask

            return Dask(settings.workers, settings.retries, settings.address)
        case "ray":
            from ninja.sweep.executors.ray import Ray

            return Ray(settings.workers, settings.retries, settings.address)
        case "slurm":
            from ninja.sweep.executors.slurm import Slurm

            return Slurm(settings.workers, settings.retries, settings.slurm)
