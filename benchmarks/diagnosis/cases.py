"""What is trained, what is wrong with it, and what proves that."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal, Protocol

from ninja.config import ProbeConfig, RunConfig
from ninja.runs import run_id

STEPS = 300
PROBE = ProbeConfig(every=25, close_every=25, gap_every=25, val_every=0, histograms=False)
"""Looks at 0, 1, 2, 5, 10, 20, 25, 50, 75, …: more often than at a long run."""

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


class Run(Protocol):
    """A run, of the product or of a `torch.nn.Module`."""

    @property
    def key(self) -> str:
        """A hash of all that determines it."""
        ...

    @property
    def config(self) -> RunConfig | None:
        """Of one of the product's."""
        ...

    @property
    def activation(self) -> str:
        """Of the hidden layers."""
        ...

    @property
    def steps(self) -> int:
        """That it trains."""
        ...

    @property
    def classes(self) -> int:
        """Of its cross-entropy."""
        ...


@dataclass(frozen=True)
class Trained:
    """A run of the product, on its own words.

    Attributes:
        config: of the run.
        edits: of its first values, in order.
        mutant: the name of the mistake planted in the engine; empty for none.
    """

    config: RunConfig
    edits: tuple[Edit, ...] = ()
    mutant: str = ""

    @cached_property
    def key(self) -> str:
        """A hash of it."""
        plain = [run_id(self.config), [asdict(edit) for edit in self.edits], self.mutant]
        return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]

    @property
    def activation(self) -> str:
        """Of the hidden layers."""
        return self.config.model.activation

    @property
    def steps(self) -> int:
        """That it trains."""
        return self.config.steps

    @property
    def classes(self) -> int:
        """Letters, and the end of a word."""
        return 27


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
    sick: Run
    twin: Run
    concern: Concern = "end"
    strength: float = 0.0
    layer: str = ""
