"""``hydra/sweeper=packed``: all jobs in one batch, presets that carry their sweep, paired keys."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.ninja_packed import config as _config  # registers the names

__all__ = ["PackedSweeper"]
del _config

PRESETS = "experiment"
"""The group whose options carry sweeps of their own."""


class PackedSweeper(Sweeper):
    """Expands the command line, and leaves the jobs to whatever launcher there is."""

    def __init__(self, params: DictConfig | None, zip: Sequence[Any], bare: Sequence[str]) -> None:
        """See `hydra_plugins.ninja_packed.config.SweeperConf`."""
        self.params, self.zip = _plain(params) or {}, _plain(zip)
        self.bare = list(bare)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher."""
        self.config, self.hydra_context, self.task = config, hydra_context, task_function
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Launch every job that the arguments stand for.

        Raises:
            NinjaError: they cannot be expanded.
        """
        from hydra_plugins.ninja_packed.launcher import PackedLauncher
        from ninja.sweep.compose import Composer

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        composer = Composer(self.hydra_context.config_loader, self.config)
        if isinstance(self.launcher, PackedLauncher):
            self.launcher.composer = composer
        jobs = self._jobs(arguments or self.bare, composer, bare=not arguments)
        returns = self.launcher.launch(jobs, initial_job_idx=0)
        hear = getattr(self.task, "hear", None)
        if hear is not None and not isinstance(self.launcher, PackedLauncher):
            hear(returns)
        return returns

    def _jobs(self, arguments: list[str], composer: Any, bare: bool) -> list[list[str]]:
        """The overrides of every job, preset by preset."""
        from ninja.sweep import expand

        overrides = composer.parse(arguments)
        presets = expand.axes(overrides).get(PRESETS, [])
        if len(presets) < 2 and not bare:
            own = [f"{key}={value}" for key, value in self.params.items()]
            found = expand.axes(composer.parse([*own, *arguments]))
            return list(expand.jobs(found, self.zip))
        fixed = [one.input_line for one in overrides if not one.is_sweep_override()]
        jobs: list[Iterator[list[str]]] = []
        for preset in presets:
            others = [one for one in fixed if not one.startswith(f"{PRESETS}=")]
            sweeper = composer.load([*others, preset]).hydra.sweeper
            own = [f"{key}={value}" for key, value in (_plain(sweeper.params) or {}).items()]
            mine = [preset if one.startswith(f"{PRESETS}=") else one for one in arguments]
            found = expand.axes(composer.parse([*own, *mine]))
            jobs.append(expand.jobs(found, [*_plain(sweeper.zip), *self.zip]))
        return list(chain.from_iterable(jobs))


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node
