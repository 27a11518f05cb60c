"""Backward engines: ways to pull the loss back over one trace."""

from ninja.engines.autograd import Autograd
from ninja.engines.base import Engine
from ninja.engines.checked import Checked
from ninja.engines.manual import Manual
from ninja.errors import ConfigError, nearest

__all__ = ["Autograd", "Checked", "Engine", "Manual", "engine", "engines"]


def engines() -> dict[str, Engine]:
    """Every engine there is, by its name in a config."""
    return {
        "autograd": Autograd(),
        "manual_atomic": Manual(fused=False),
        "manual_fused": Manual(fused=True),
    }


def engine(name: str) -> Engine:
    """The engine of that name.

    Raises:
        ConfigError: there is none.
    """
    known = engines()
    if name not in known:
        raise ConfigError(nearest("backward", name, known))
    return known[name]
