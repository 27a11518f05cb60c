"""How a sweep is trained: the launcher's own keys."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ninja.errors import ConfigError
from ninja.schema import check_types

PREFIX = "hydra.launcher."


@dataclass(frozen=True)
class Settings:
    """Of a packed launcher, ``hydra.launcher``.

    Attributes:
        executor: where the stacks are trained.
        workers: stacks at the same time; none for as many as there are cores, or as an existing
            cluster has workers.
        stack: runs in a stack, at most; none for as many as the cache has room for.
        retries: how often a stack is started again whose worker was lost.
        address: of an existing cluster: Dask's scheduler, Ray's head; none for one of our own.
        slurm: what submitit is given: partition, timeout_min and the like.
    """

    executor: Literal["inline", "local", "dask", "ray", "slurm"] = "local"
    workers: int | None = None
    stack: int | None = None
    retries: int = 2
    address: str | None = None
    slurm: dict[str, Any] = field(default_factory=dict[str, Any])


def check(settings: Settings) -> None:
    """Refuse what cannot be.

    Raises:
        ConfigError: a key of ``hydra.launcher``.
    """
    check_types(settings, PREFIX)
    for name, low in (("workers", 1), ("stack", 1), ("retries", 0)):
        value = getattr(settings, name)
        if value is not None and value < low:
            raise ConfigError(f"{PREFIX}{name}: {value} is out of range, it must be at least {low}")
    if settings.address is not None and settings.executor not in ("dask", "ray"):
        raise ConfigError(
            f"{PREFIX}address: {settings.executor!r} has no cluster, use "
            "hydra/launcher=packed_dask or packed_ray"
        )
