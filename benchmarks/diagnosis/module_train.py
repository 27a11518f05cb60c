"""Networks that are not MLPs are trained as anybody would, and looked at by `ninja.watch`."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.diagnosis import extras, modules
from benchmarks.diagnosis.cases import PROBE, Edit
from benchmarks.diagnosis.module_cases import Module
from ninja.observe import watch
from ninja.probes import due

EVALUATED = 2048
"""Examples of the final losses."""


def train(run: Module, steps: int | None = None) -> dict[str, Any]:
    """What `cache.Record` holds, as plain data; of fewer steps where told."""
    generator = Generator().manual_seed(run.seed)
    model = run.build()
    modules.initialise(model, run.gain, run.output_scale, generator)
    _edit(model, run.edits)
    kind = torch.optim.AdamW if run.adamw else torch.optim.SGD
    optimizer = kind(model.parameters(), lr=run.lr)
    batches = modules.batches(run.kind, generator)
    history, accuracy, beside = list[float](), list[float](), list[tuple[int, Any]]()
    diverged = None
    with watch(model, optimizer, every=PROBE.every, classes=run.classes) as health:
        for step, (inputs, targets) in zip(range(steps or run.steps), batches, strict=False):
            look = due(PROBE, step).look
            with _outputs(model, look) as seen:
                logits = model(inputs)
            loss = cross_entropy(logits, targets)
            optimizer.zero_grad()
            loss.backward()
            before = {n: p.detach().clone() for n, p in model.named_parameters()} if look else {}
            optimizer.step()
            health.step(loss)
            history.append(loss.item())
            accuracy.append((logits.argmax(-1) == targets).float().mean().item())
            if look:
                beside.append((step, _extras(model, before, seen)))
            if not math.isfinite(history[-1]):
                diverged = {"step": step, "node": "loss", "tensor": "y"}
                break
    rows = [row | {"layers": list(row.get("layers", ()))} for row in health.rows()]
    losses = {} if diverged else _losses(run, model)
    if losses and not math.isfinite(losses["train"]):
        diverged = {"step": run.steps - 1, "node": "evaluation", "tensor": "loss"}
        losses = {}
    return {
        "rows": rows,
        "extras": beside,
        "history": history,
        "accuracy": accuracy,
        "losses": losses,
        "diverged": diverged,
    }


def _edit(model: nn.Module, edits: tuple[Edit, ...]) -> None:
    with torch.no_grad():
        for edit in edits:
            tensor = model.get_parameter(f"{edit.node}.{edit.tensor}")
            match edit.what:
                case "scale":
                    tensor.mul_(edit.value)
                case "shift":
                    tensor.add_(edit.value)
                case "fill":
                    tensor.fill_(edit.value)


@torch.no_grad()
def _losses(run: Module, model: nn.Module) -> dict[str, float]:
    """Of fresh examples, by running statistics and by the batches' own."""
    generator = Generator().manual_seed(run.seed + 1)
    inputs, targets = modules.draw(run.kind, EVALUATED, generator)
    training = copy.deepcopy(model)  # whose running statistics will follow what it is shown
    own = [
        cross_entropy(training(x), y)
        for x, y in zip(inputs.split(modules.BATCH), targets.split(modules.BATCH), strict=True)
    ]
    with _outputs(training, True) as first:
        training(inputs[: extras.SAMPLE])
    model.eval()
    with _outputs(model, True) as second:
        model(inputs[: extras.SAMPLE])
    pairs = [
        (x.reshape(extras.SAMPLE, -1).double(), y.reshape(extras.SAMPLE, -1).double())
        for name in first
        for (_, x), (_, y) in zip(first[name], second[name], strict=True)
    ]
    return {
        "train": cross_entropy(model(inputs), targets).item(),
        "by_batch": torch.stack(own).mean().item(),
        "similarity": min(extras.cka(x, y) for x, y in pairs) if run.norm == "batchnorm" else 1.0,
    }


@contextmanager
def _outputs(model: nn.Module, wanted: bool) -> Iterator[dict[str, list[tuple[Tensor, Tensor]]]]:
    """What goes into every activation and the output layer, and what comes out of them."""
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {}
    kinds = tuple(modules.ACTIVATIONS.values())
    handles = []
    for name, module in model.named_modules() if wanted else ():
        if isinstance(module, kinds) or name == "out":  # type: ignore[arg-type]
            own = seen.setdefault(name, [])

            def keep(_: nn.Module, x: tuple[Tensor], y: Tensor, own: Any = own) -> None:
                own.append((_units(x[0].detach()), _units(y.detach())))

            handles.append(module.register_forward_hook(keep))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _units(t: Tensor) -> Tensor:
    """(1, rows, units): the channels of an image are its units."""
    t = t.movedim(1, -1) if t.dim() == 4 else t
    return t.reshape(1, -1, t.shape[-1])


@torch.no_grad()
def _extras(
    model: nn.Module, before: dict[str, Tensor], seen: dict[str, list[tuple[Tensor, Tensor]]]
) -> list[dict[str, Any]]:
    """As `extras.Extras`, and of the columns of our record those that rivals read."""
    kinds = {name: type(module).__name__.lower() for name, module in model.named_modules()}
    found: list[dict[str, Any]] = []
    for depth, (name, w) in enumerate(model.named_parameters()):
        g = torch.zeros_like(w) if w.grad is None else w.grad
        numbers = extras.of_parameter(
            w.reshape(1, -1), g.reshape(1, -1), before[name].reshape(1, -1), w[0].numel()
        )
        node, _, tensor = name.rpartition(".")
        place = {"layer": depth, "node": node, "rule": kinds[node], "tensor": tensor}
        columns = dict(zip(extras.PARAMETER, (n.item() for n in numbers), strict=True))
        norms = {"grad_norm": g.norm().item(), "weight_norm": w.norm().item()}
        matrix = {"update_ratio": math.nan} if w.dim() > 1 else {}
        found.append(place | columns | norms | matrix)
    for depth, (name, calls) in enumerate(seen.items(), start=len(found)):
        x, y = (torch.cat(of, dim=1) for of in zip(*calls, strict=True))
        place = {"layer": depth, "node": name, "rule": kinds[name], "tensor": "y"}
        if name == "out":
            columns = zip(extras.INPUT, extras.of_input(y), strict=True)
            found.append(place | {key: value.item() for key, value in columns})
            continue
        columns = zip(extras.OUTPUT, extras.of_output(y, kinds[name] == "sigmoid"), strict=True)
        read = zip(extras.INPUT, extras.of_input(x), strict=True)
        own = {key: value.item() for key, value in (*columns, *read)}
        found.append(place | own | {"act_std": y.std().item()})
    return found
