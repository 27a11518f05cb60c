"""Every gradient of a network by hand, tensor by tensor, and the proof that autograd agrees."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ninja.version import __version__

if TYPE_CHECKING:
    from ninja.backward_check import check_backward
    from ninja.challenges import BatchNorm1d, cross_entropy_backward, linear_tanh_backward
    from ninja.gradcheck import gradient_check
    from ninja.observe import preflight, watch

__all__ = [
    "BatchNorm1d",
    "__version__",
    "check_backward",
    "cross_entropy_backward",
    "gradient_check",
    "linear_tanh_backward",
    "preflight",
    "watch",
]

_HOMES = {
    "check_backward": "ninja.backward_check",
    "gradient_check": "ninja.gradcheck",
    "preflight": "ninja.observe",
    "watch": "ninja.observe",
}


def __getattr__(name: str) -> Any:
    """The public names, found when they are asked for: ``--help`` need not wait for torch."""
    if name not in __all__:
        raise AttributeError(f"module 'ninja' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "ninja.challenges")), name)
