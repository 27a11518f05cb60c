"""Exercise 4: the whole training loop, without ``loss.backward()`` and without an optimizer."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch.nn import functional

from ninja.exercises import lecture
from ninja.exercises.exercise import Exercise, Names, Part, Reference
from ninja.exercises.training_blanks import BLANKS

TITLE = "the whole training loop by hand"

TASK = """\
Put it together: the closed forms of exercises 2 and 3, the linear layers, tanh, the embedding, and
then the update, p <- p - lr * gradient, for all seven parameters. The check compares the gradients
of the first step, the parameters after it, and the losses of all steps with those of autograd."""

STEPS = 50

LOOP = f"""\
parameters = [C, W1, b1, W2, b2, bngain, bnbias]
max_steps = {STEPS}
lr = 0.1
lossi = []
first, updated = {{}}, {{}}  # of the first step, for the check

for step in range(max_steps):
    # a batch
    ix = torch.randint(0, Xtr.shape[0], (n,), generator=g)
    Xb, Yb = Xtr[ix], Ytr[ix]

    # forward
    emb = C[Xb]  # (n, 3, n_embd)
    embcat = emb.view(n, -1)
    hprebn = embcat @ W1 + b1
    bnmean = hprebn.mean(0, keepdim=True)
    bnvar = hprebn.var(0, keepdim=True, unbiased=True)  # divided by n - 1
    bnvar_inv = (bnvar + 1e-5) ** -0.5
    bnraw = (hprebn - bnmean) * bnvar_inv
    hpreact = bngain * bnraw + bnbias
    h = torch.tanh(hpreact)
    logits = h @ W2 + b2
    loss = F.cross_entropy(logits, Yb)
    lossi.append(loss.item())

    # backward: yours
"""

GRADIENTS = tuple(blank.name for blank in BLANKS if blank.name != "update")


def _same_names(names: Sequence[str]) -> str:
    return ", ".join(f"{name}={name}" for name in names)


TEXT = (
    f"{lecture.HEADER.format(number=4, title=TITLE, task=TASK)}\n{lecture.SETUP}\n{LOOP}"
    + "".join(f"    «{name}»\n" for name in GRADIENTS)
    + f"""\
    if step == 0:
        first = dict({_same_names(GRADIENTS[:5])})
        first |= dict({_same_names(GRADIENTS[5:9])})
        first |= dict({_same_names(GRADIENTS[9:])})

    # update: yours, p <- p - lr * gradient for each of the parameters, in place
    «update»
    if step == 0:
        updated = dict(C=C, W1=W1, b1=b1, W2=W2, b2=b2, bngain=bngain, bnbias=bnbias)
        updated = {{name: tensor.clone() for name, tensor in updated.items()}}

print(f"loss at first {{lossi[0]:.4f}}, at last {{sum(lossi[-10:]) / 10:.4f}} (mean of ten)")
"""
)

ROWS = (
    {name: name for name in GRADIENTS}
    | {f"{name} after step 1": "update" for name in lecture.PARAMETERS}
    | {"losses": "update"}
)


def _take(names: Names) -> dict[str, Any]:
    """From what the loop keeps; a loop that stopped in its first step has kept nothing yet."""
    first = names.get("first") or names
    updated: dict[str, torch.Tensor] = names.get("updated") or {}
    if names.get("update", ...) is None and not _moved(updated):
        updated = {}  # nothing is written there yet
    found = {name: first[name] for name in GRADIENTS if name in first}
    found |= {f"{name} after step 1": tensor for name, tensor in updated.items()}
    if updated and all(found.get(name) is not None for name in GRADIENTS):
        found["losses"] = torch.tensor(names["lossi"])
    return found


def _moved(updated: dict[str, torch.Tensor]) -> bool:
    at_first = lecture.made(lecture.SETUP)
    return any(not torch.equal(tensor, at_first[name]) for name, tensor in updated.items())


@cache
def reference() -> Reference:
    """The same loop with autograd."""
    names = lecture.made(lecture.SETUP)
    g, Xtr, Ytr, n = (names[name] for name in ("g", "Xtr", "Ytr", "n"))
    C, W1, b1, W2, b2, bngain, bnbias = (
        names[name].requires_grad_() for name in lecture.PARAMETERS
    )
    parameters = [C, W1, b1, W2, b2, bngain, bnbias]
    rows: dict[str, torch.Tensor] = {}
    inner: dict[str, torch.Tensor] = {}
    losses: list[float] = []
    for step in range(STEPS):
        ix = torch.randint(0, Xtr.shape[0], (n,), generator=g)
        emb = C[Xtr[ix]]
        embcat = emb.view(n, -1)
        hprebn = embcat @ W1 + b1
        centred = hprebn - hprebn.mean(0, keepdim=True)
        hpreact = bngain * centred * (hprebn.var(0, keepdim=True) + 1e-5) ** -0.5 + bnbias
        h = hpreact.tanh()
        logits = h @ W2 + b2
        loss = functional.cross_entropy(logits, Ytr[ix])
        losses.append(loss.item())
        if step == 0:
            inner = {"dlogits": logits, "dh": h, "dhpreact": hpreact, "dhprebn": hprebn}
            inner |= {"dembcat": embcat, "demb": emb}
            for tensor in inner.values():
                tensor.retain_grad()
        loss.backward()
        if step == 0:
            of = inner | {f"d{name}": names[name] for name in lecture.PARAMETERS}
            grads = {name: of[name].grad for name in GRADIENTS}
            rows = {name: grad.clone() for name, grad in grads.items() if grad is not None}
        for p in parameters:
            p.data -= 0.1 * p.grad
            p.grad = None
        if step == 0:
            rows |= {f"{p} after step 1": names[p].detach().clone() for p in lecture.PARAMETERS}
    return Reference(rows | {"losses": torch.tensor(losses)})


EXERCISE = Exercise(
    4, TITLE, TEXT, BLANKS, (Part(ROWS, _take),), reference, beside={"db1": "dhprebn"}
)
