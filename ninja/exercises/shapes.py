"""A shape that is wrong, and what was probably forgotten; nothing is broadcast to make it right."""

from collections.abc import Collection

from ninja.types import Shape

RULE = "a gradient has exactly the shape of its tensor"


def shape_mistake(got: Shape, expected: Shape, rows: Collection[int] = ()) -> str:
    """Name the mistake.

    Args:
        got: the shape of the answer.
        expected: the shape of the tensor, and so of its gradient.
        rows: the sizes that are numbers of rows.
    """
    return f"has shape {got}, and must have {expected}: {_reason(got, expected, rows)}"


def _reason(got: Shape, expected: Shape, rows: Collection[int]) -> str:
    if got == expected[::-1]:
        return "it is transposed"
    if _squeezed(got) == _squeezed(expected):
        if len(got) < len(expected):
            return "a dimension of size 1 is lost; sum with keepdim=True"
        if len(got) > len(expected):
            return "a dimension of size 1 is too many; sum without keepdim"
        return "row and column are mixed up"
    if not got:
        return "everything was summed; sum over one dimension only"
    if over := _copied(got, expected):
        return (
            f"the tensor was copied {over} in the forward pass, and what copying sends back is "
            "summed: a sum is missing"
        )
    if _summed(got, expected, rows):
        return "summed over the wrong dimension"
    if len(got) == len(expected) and sorted(got) == sorted(expected):
        return "dimensions are in another order"
    return RULE


def _squeezed(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def _copied(got: Shape, expected: Shape) -> str:
    """In which dimensions a tensor of the expected shape is broadcast to the one that there is."""
    if len(got) < len(expected):
        return ""
    padded = (1,) * (len(got) - len(expected)) + expected
    if any(want not in (1, size) for want, size in zip(padded, got, strict=True)):
        return ""
    times = [str(size) for want, size in zip(padded, got, strict=True) if want != size]
    return f"{' × '.join(times)} times"


def _summed(got: Shape, expected: Shape, rows: Collection[int]) -> bool:
    """Of a sum to a vector the other dimension is left."""
    left, want = _squeezed(got), _squeezed(expected)
    return len(left) == 1 and len(want) == 1 and (left[0] in rows or want[0] in rows)
