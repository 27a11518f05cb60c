"""What is trained: a configuration, edits of its first values, and sometimes a wrong engine."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ninja.config import ProbeConfig, RunConfig
from ninja.runs import run_id

STEPS = 300
PROBE = ProbeConfig(every=25, close_every=25, gap_every=25, val_every=0, histograms=False)
"""Looks at 0, 1, 2, 5, 10, 20, 25, 50, 75, …: short runs are looked at more often than long ones."""

Part = Literal["dev", "unseen"]

CLASSES = (
    *("diverged", "wrong gradient", "symmetric", "dead", "saturated", "vanishing", "exploding"),
    *("linear", "unstable", "stalled", "overconfident", "mismatch"),
)
HEALTHY = "healthy"


@dataclass(frozen=True)
class Edit:
    """Of the first values, before the first step.

    Attributes:
        what: "scale" multiplies, "shift" adds, "fill" overwrites.
        node: whose tensor.
        tensor: its name.
        value: by which, or with which.
    """

    what: Literal["scale", "shift", "fill"]
    node: str
    tensor: str
    value: float


@dataclass(frozen=True)
class Trained:
    """All that determines a run.

    Attributes:
        config: of the run.
        edits: of its first values, in order.
        mutant: the name of the mistake planted in the engine; empty for none.
    """

    config: RunConfig
    edits: tuple[Edit, ...] = ()
    mutant: str = ""

    @property
    def key(self) -> str:
        """A hash of it."""
        plain = [run_id(self.config), [asdict(edit) for edit in self.edits], self.mutant]
        return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]


Concern = Literal["end", "evaluation", "area"]
"""Which loss a fault must spoil: that over the training split at the end, by the batches' own
statistics; the same by running statistics; or the mean over the first `AREA` steps."""

AREA = 50


@dataclass(frozen=True)
class Case:
    """A run whose answer is known by construction, and the run that would prove it.

    Attributes:
        part: development or unseen.
        label: the class of the injected fault, or healthy.
        fault: how it was injected.
        family: runs of one shape: the best of them is what a healthy one is held against.
        sick: the run itself.
        twin: the same without the fault; of a healthy run, itself.
        concern: the loss that the fault must spoil.
        strength: of the fault, in its own unit.
        layer: the node that the fault was injected into; empty where it is in all of them.
    """

    part: Part
    label: str
    fault: str
    family: str
    sick: Trained
    twin: Trained
    concern: Concern = "end"
    strength: float = 0.0
    layer: str = ""


Plain = dict[str, Any]
