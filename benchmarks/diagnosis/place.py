"""Whether the right layer was named: a linear map, its norm and its activation are one layer."""

import re

from benchmarks.diagnosis.cases import Run, Trained
from benchmarks.diagnosis.faults import VOCABULARY
from ninja.networks import build
from ninja.rules import Linear


def layer_of(name: str, run: Run) -> str:
    """Of a node, or of a tensor of it.

    What comes before the first linear map belongs to it. Of modules: a convolution's number, a
    transformer's block; a recurrence is one layer.
    """
    if isinstance(run, Trained):
        return _blocks(run).get(".".join(name.split(" ")[0].split(".")[:2]), name)
    if match := re.match(r"(?:conv|norm|act)(\d+)", name):
        return match[1]
    if match := re.match(r"blocks\.\d+", name):
        return match[0]
    return "recurrence" if name.split(".")[0] in ("embedding", "read", "recur", "act") else name


def _blocks(run: Trained) -> dict[str, str]:
    net = build(run.config.network, VOCABULARY)
    count, found = 0, dict[str, str]()
    for node in net.nodes:
        count += isinstance(node.rule, Linear)
        found[node.name] = str(max(count, 1))
    return found


def right(said: str, true: str, run: Run) -> bool:
    """Whether both are the same layer."""
    return bool(said) and layer_of(said, run) == layer_of(true, run)
