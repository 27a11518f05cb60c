"""When a step is looked at: on all others a probe costs nothing."""

from dataclasses import replace

from ninja.config import ProbeConfig


def due(config: ProbeConfig, step: int) -> bool:
    """Whether the layers of this step are recorded: it is an early one, or one of every so many."""
    return step in config.early or (config.every > 0 and step % config.every == 0)


def histograms_due(config: ProbeConfig, step: int) -> bool:
    """Whether this step's histograms are kept: of every tenth step that is due, as they are large.

    Those of the early steps are all kept.
    """
    return config.histograms and due(replace(config, every=10 * config.every), step)


def gap_due(config: ProbeConfig, step: int) -> bool:
    """Whether this step's gradient is compared with the other engine's."""
    return config.gap_every > 0 and step % config.gap_every == 0
