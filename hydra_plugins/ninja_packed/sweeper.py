"""``hydra/sweeper=packed``: all jobs in one batch, presets that carry their sweep, paired keys."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.ninja_packed import config as _config  # registers the names

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from ninja.sweep.compose import Composer

__all__ = ["PackedSweeper"]
del _config

PRESETS = "experiment"
"""The group whose options carry sweeps of their own."""

Carried = tuple[Mapping[str, Any], Any]
"""What is swept, and which of it together, as `ninja.sweep.expand` wants it."""


class PackedSweeper(Sweeper):
    """Expands the command line, and leaves the jobs to whatever launcher there is."""

    def __init__(self, params: Any, zip: Any, bare: Sequence[str]) -> None:
        """See `hydra_plugins.ninja_packed.config.SweeperConf`."""
        self.params, self.zip = params, zip
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
        jobs = self._jobs(arguments or self.bare, composer, bare=not arguments)
        if isinstance(self.launcher, PackedLauncher) and hasattr(self.task, "sweep"):
            self.launcher.composer = composer
            return self.launcher.launch(jobs, initial_job_idx=0)
        for number, job in enumerate(jobs):  # what cannot be composed, before the first is run
            composer.composed(job, number)
        returns = self.launcher.launch(jobs, initial_job_idx=0)
        hear = getattr(self.task, "hear", None)
        if hear is not None:
            hear(returns)
        for one in returns:
            _ = one.return_value  # raises what the job has raised
        return returns

    def _jobs(self, arguments: list[str], composer: "Composer", bare: bool) -> list[list[str]]:
        """The overrides of every job; what a preset carries is for its own jobs."""
        from ninja.sweep import expand

        def expanded(carried: Carried, given: "Sequence[Override]") -> list[list[str]]:
            own = composer.parse([f"{key}={value}" for key, value in carried[0].items()])
            return list(expand.jobs(expand.axes(expand.replaced(own, given)), carried[1]))

        given = composer.parse(arguments)
        presets = [one for one in given if one.key_or_group == PRESETS]
        if not presets or not (bare or presets[-1].is_sweep_override()):  # Hydra has composed it
            return expanded(_carried(self.params, self.zip), given)
        (options,) = expand.axes(presets[-1:]).values()
        carried = [self._carried(option, given, composer) for option in options]
        if all(one == carried[0] for one in carried):
            return expanded(carried[0], given)
        jobs: list[list[str]] = []
        for option, own in zip(options, carried, strict=True):
            chosen = composer.parse([option])
            others = [one if one.key_or_group != PRESETS else chosen[0] for one in given]
            jobs += expanded(own, others)
        return jobs

    def _carried(self, option: str, given: "Sequence[Override]", composer: "Composer") -> Carried:
        """By a preset, which Hydra has not composed: it was swept."""
        from ninja.sweep.compose import COMPOSING

        fixed = [
            one.input_line or ""
            for one in given
            if one.key_or_group != PRESETS and not one.is_sweep_override()
        ]
        try:
            sweeper = composer.load([*fixed, option]).hydra.sweeper
        except COMPOSING:  # which its jobs will say of themselves
            return _carried(self.params, self.zip)
        return _carried(sweeper.params, sweeper.zip)


def _carried(params: Any, zip: Any) -> Carried:
    """As a config has them.

    Raises:
        ConfigError: ``params`` is no group of keys.
    """
    return _by_key(params), _plain(zip)


def _by_key(params: Any, path: str = "") -> dict[str, Any]:
    """What is tried, by dotted keys; YAML may nest them.

    Raises:
        ConfigError: it is no group of keys.
    """
    from ninja.errors import ConfigError

    plain = _plain(params)
    if plain is None:
        return {}
    if not isinstance(plain, Mapping):
        raise ConfigError(
            f"hydra.sweeper.params: {plain} is no group of keys, give what is tried of each, such "
            "as {seed: '1,2'}"
        )
    found: dict[str, Any] = {}
    for key, value in plain.items():
        own = f"{path}{key}"
        found |= _by_key(value, f"{own}.") if isinstance(value, Mapping) else {own: value}
    return found


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node
