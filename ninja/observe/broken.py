"""What was not finite before anything was computed: it is to blame for all that is not after."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ninja.diagnosis import Finding
from ninja.observe.feed import finite


@dataclass(frozen=True)
class Broken:
    """Where it is.

    Attributes:
        layer: path of the module whose parameter it is; empty of a batch.
        reason: in a sentence.
        fix: a line of PyTorch.
    """

    layer: str
    reason: str
    fix: str


def broken(model: nn.Module, batch: Any) -> Broken | None:
    """The batch, or else the first parameter, that holds what is not finite."""
    if not finite(batch):
        fix = "batch = [torch.nan_to_num(of) for of in batch]  # and see where they come from"
        return Broken("", "the batch holds values that are not finite", fix)
    modules = dict(model.named_modules())
    for name, p in model.named_parameters():
        if finite(p.detach()):
            continue
        layer = name.rpartition(".")[0]
        init = f"torch.nn.init.normal_(model.get_parameter({name!r}), std=0.02)"
        if hasattr(modules[layer], "reset_parameters"):
            init = f"model.get_submodule({layer!r}).reset_parameters()"
        return Broken(layer, f"{name} holds values that are not finite", init)
    return None


def blamed(findings: Sequence[Finding], cause: Broken) -> list[Finding]:
    """The findings with that of what diverged first, for this cause; all others are its notes."""
    first = [
        replace(one, severity="sick", layer=cause.layer, reason=cause.reason, fix=cause.fix)
        for one in findings
        if one.kind == "diverged"
    ]
    return first + [replace(one, severity="note") for one in findings if one.kind != "diverged"]
