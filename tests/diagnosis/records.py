"""Records made by hand, as a network of linear layers and activations leaves them."""

from typing import Any

Row = dict[str, Any]

GOOD = {"saturated": 0.03, "gate": 0.0, "linear": 0.08, "dead": 0.0, "twins": 0.0}


def layers(
    deltas: tuple[float, ...] = (1e-3, 2e-3),
    update: float = -2.5,
    rule: str = "tanh",
    at: int | None = None,
    arriving: float = 9e9,
    **activity: float,
) -> list[Row]:
    """Of one look.

    Args:
        deltas: RMS of the delta of each hidden layer's pre-activation.
        update: update ratio of every matrix.
        rule: of the activations.
        arriving: RMS of the delta of each activation's output.
        at: the hidden layer that the activity is of; none for all.
        **activity: columns of the activations that are not `GOOD`.
    """
    found: list[Row] = []
    for i, delta in enumerate(deltas):
        linear = {"layer": 2 * i, "node": f"{2 * i:02d}.linear", "rule": "linear"}
        found.append({**linear, "tensor": "y", "delta_rms": delta, "act_mean": 0.0})
        weight = {"grad_norm": 0.1, "weight_norm": 3.0, "update_ratio": update}
        found.append({**linear, "tensor": "W", **weight})
        columns = GOOD | (activity if at in (None, i) else {})
        if rule == "relu":
            columns = {name: of for name, of in columns.items() if name != "saturated"}
        act = {"layer": 2 * i + 1, "node": f"{2 * i + 1:02d}.{rule}", "rule": rule, "tensor": "y"}
        found.append({**act, "delta_rms": arriving} | columns)
    return found


def row(step: int, of: list[Row] | None = None, **more: Any) -> Row:
    made: Row = {"step": step, "loss": 2.3, "lr": 0.1, "grad_norm": 0.5, "gap": 1e-7}
    if of is not None:
        made["layers"] = of
    return made | more


def run(of: list[Row], steps: int = 8, **more: Any) -> list[Row]:
    return [row(100 * i, of, **more) for i in range(steps)]
