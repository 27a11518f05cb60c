"""The lecture's network as the exercises write it out: its first values, its batch, its forward."""

from collections.abc import Sequence

import torch

from ninja.exercises.exercise import Names, Reference

HEADER = '''"""gradient-ninja, exercise {number}: {title}

{task}

    python -m ninja exercise check {number}           compares with autograd, row by row
    python -m ninja exercise check {number} --hint    says more each time, the solution last
"""
'''

SETUP = """\
import torch
import torch.nn.functional as F

from ninja.exercises.names import training

Xtr, Ytr, vocab_size = training()  # three letters (N, 3), and the letter after them (N,)

n_embd = 10  # features of a letter
n_hidden = 64  # units of the hidden layer
n = 32  # rows of a batch

g = torch.Generator().manual_seed(2147483647)
C = torch.randn((vocab_size, n_embd), generator=g)
W1 = torch.randn((n_embd * 3, n_hidden), generator=g) * (5 / 3) / (n_embd * 3) ** 0.5
b1 = torch.randn(n_hidden, generator=g) * 0.1  # useless before a BatchNorm: what is its gradient?
W2 = torch.randn((n_hidden, vocab_size), generator=g) * 0.1
b2 = torch.randn(vocab_size, generator=g) * 0.1
bngain = torch.randn((1, n_hidden), generator=g) * 0.1 + 1.0
bnbias = torch.randn((1, n_hidden), generator=g) * 0.1
"""

BATCH = """\
ix = torch.randint(0, Xtr.shape[0], (n,), generator=g)
Xb, Yb = Xtr[ix], Ytr[ix]
"""

TO_HIDDEN = """\
emb = C[Xb]  # (n, 3, n_embd)
embcat = emb.view(n, -1)  # (n, 3 n_embd)
hprebn = embcat @ W1 + b1  # (n, n_hidden)
bnmeani = 1 / n * hprebn.sum(0, keepdim=True)  # (1, n_hidden)
bndiff = hprebn - bnmeani
bndiff2 = bndiff**2
bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)  # n - 1: Bessel's correction
bnvar_inv = (bnvar + 1e-5) ** -0.5
bnraw = bndiff * bnvar_inv
hpreact = bngain * bnraw + bnbias
h = torch.tanh(hpreact)
logits = h @ W2 + b2  # (n, vocab_size)
"""

TO_LOSS = """\
logit_maxes = logits.max(1, keepdim=True).values  # (n, 1)
norm_logits = logits - logit_maxes
counts = norm_logits.exp()
counts_sum = counts.sum(1, keepdim=True)  # (n, 1)
counts_sum_inv = counts_sum**-1
probs = counts * counts_sum_inv
logprobs = probs.log()
loss = -logprobs[range(n), Yb].mean()
"""

PARAMETERS = ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")


def made(*texts: str) -> Names:
    """What these lines define."""
    names: Names = {}
    for text in texts:
        exec(text, names)
    return names


def pulled_back(forward: str, rows: Sequence[str], given: Sequence[str]) -> Reference:
    """Autograd's gradient of ``loss`` for each row, ``d`` and the tensor's name.

    Args:
        forward: lines that end in ``loss``.
        rows: what is wanted.
        given: names that the learner's file must leave as they are.
    """
    names = made(SETUP, BATCH)
    for name in PARAMETERS:
        names[name].requires_grad_()
    exec(forward, names)
    tensors = [names[row.removeprefix("d")] for row in rows]
    deltas = torch.autograd.grad(names["loss"], tensors)
    return Reference(
        dict(zip(rows, deltas, strict=True)), {name: names[name].detach() for name in given}
    )
