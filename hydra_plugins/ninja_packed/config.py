"""The plugins' keys, ``hydra.launcher`` and ``hydra.sweeper``, and the names to choose them by."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

LAUNCHER = "hydra_plugins.ninja_packed.launcher.PackedLauncher"
SWEEPER = "hydra_plugins.ninja_packed.sweeper.PackedSweeper"


@dataclass
class LauncherConf:
    """See `ninja.sweep.settings.Settings`, which says of a wrong type what would be right."""

    _target_: str = LAUNCHER
    executor: Any = "local"
    workers: Any = None
    stack: Any = None
    retries: Any = 2
    address: Any = None
    slurm: dict[str, Any] = field(default_factory=dict)


@dataclass
class SweeperConf:
    """The sweep that a preset carries, and what a bare ``-m`` means.

    Attributes:
        params: by key, what is tried, as on the command line; see `PackedSweeper` for what is
            none.
        zip: groups of keys that vary together; see `ninja.sweep.expand` for what is none.
        bare: overrides of a command line that has none.
    """

    _target_: str = SWEEPER
    params: Any = None
    zip: Any = field(default_factory=list[Any])
    bare: list[str] = field(default_factory=lambda: ["experiment=gradient_health"])


def register() -> None:
    """Put them where Hydra looks."""
    store = ConfigStore.instance()

    def launcher(name: str, executor: str) -> None:
        node = LauncherConf(executor=executor)
        store.store(group="hydra/launcher", name=name, node=node, provider="gradient-ninja")

    launcher("packed", "local")
    for executor in ("inline", "local", "dask", "ray", "slurm"):
        launcher(f"packed_{executor}", executor)
    store.store(group="hydra/sweeper", name="packed", node=SweeperConf, provider="gradient-ninja")


register()
