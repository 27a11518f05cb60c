"""What is looked at on a step: on most steps nothing, and then a probe costs nothing."""

from dataclasses import dataclass

from ninja.config import ProbeConfig


@dataclass(frozen=True)
class Due:
    """What a step owes to the record.

    Attributes:
        look: the columns of the layers.
        close: the closer look as well: histograms, the columns of `ninja.probes.close`, and the
            cosine with the gradient of the step before.
        compare: the gap from the other engine.
        noise: the gradient's noise.
        validate: the loss over the whole validation split, after the step.
        keep: its gradient, for the cosine of the next step.
    """

    look: bool = False
    close: bool = False
    compare: bool = False
    noise: bool = False
    validate: bool = False
    keep: bool = False

    @property
    def any(self) -> bool:
        """Whether the step has a row in the record."""
        return self.look or self.compare or self.validate


NOTHING = Due()
_KEEP = Due(keep=True)


def due(config: ProbeConfig, step: int) -> Due:
    """What is due on a step; steps count from 0.

    The early steps are looked at closely in any case. The validation loss is due after every so
    many steps, and so never after step 0.
    """
    look = step in config.early or _nth(config.every, step)
    compare = _nth(config.gap_every, step)
    validate = step > 0 and _nth(config.val_every, step)
    keep = _close(config, step + 1)
    if not (look or compare or validate):
        return _KEEP if keep else NOTHING
    return Due(look, _close(config, step), compare, look and config.noise_scale, validate, keep)


def _close(config: ProbeConfig, step: int) -> bool:
    on_the_way = _nth(config.every, step) and _nth(config.close_every, step)
    return step in config.early or on_the_way


def _nth(every: int, step: int) -> bool:
    return every > 0 and step % every == 0
