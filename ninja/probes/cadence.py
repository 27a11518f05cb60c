"""When a step is looked at: on all others a probe costs nothing."""

from ninja.config import ProbeConfig


def due(config: ProbeConfig, step: int) -> bool:
    """Whether the layers of this step are recorded: it is an early one, or one of every so many."""
    return step in config.early or (config.every > 0 and step % config.every == 0)


def gap_due(config: ProbeConfig, step: int) -> bool:
    """Whether this step's gradient is compared with the other engine's."""
    return config.gap_every > 0 and step % config.gap_every == 0
