"""Which parameters there are, which of them are matrices, and all of them in a row."""

from torch import Tensor

from ninja.types import Deltas, Params, Shape

Names = list[tuple[str, str]]
"""Node and tensor names."""


def names_of(params: Params) -> Names:
    """Every parameter's, in depth order."""
    return [(node, key) for node, tensors in params.items() for key in tensors]


def matrices(params: Params, lead: int) -> Names:
    """Those of the parameters that are matrices in a single run.

    A norm's γ and β, (1, F), are vectors that lie flat: the lecture has no update ratio for them,
    and γ starts as ones, whose deviation is 0.
    """
    return [
        (node, key) for node, key in names_of(params) if _is_matrix(params[node][key].shape[lead:])
    ]


def _is_matrix(shape: Shape) -> bool:
    return len(shape) == 2 and shape[0] > 1


def picked(tensors: Deltas | Params, names: Names) -> list[Tensor]:
    """The named tensors."""
    return [tensors[node][key] for node, key in names]


def flat(tensors: Deltas | Params, names: Names, lead: int) -> list[Tensor]:
    """The named tensors as (..., elements)."""
    return [tensor.flatten(lead) for tensor in picked(tensors, names)]
