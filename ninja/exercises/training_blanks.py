"""What belongs into the blanks of exercise 4, and what people put there."""

from ninja.exercises.exercise import Blank, Mistake

_UPDATE = (
    "gradients = [dC, dW1, db1, dW2, db2, dbngain, dbnbias]\n"
    "for p, gradient in zip(parameters, gradients):\n"
)

BLANKS = (
    Blank(
        "dlogits",
        (
            "Exercise 2, in one go: push, pull, and the mean over the rows.",
            "softmax(logits), minus 1 at [range(n), Yb], all divided by n.",
        ),
        "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1\ndlogits /= n",
        "∂loss/∂logits = (softmax − one-hot)/n, as in exercise 2.",
        (
            Mistake(
                "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1",
                "1/n is missing: the loss is the mean over the rows. Everything after it is n "
                "times too large, as if the learning rate were.",
            ),
            Mistake(
                "dlogits = F.softmax(logits, 1)\ndlogits /= n",
                "The target is missing: −1 at [range(n), Yb], before the division by n.",
            ),
        ),
    ),
    Blank(
        "dh",
        (
            "The linear layer: which product of dlogits (n, 27) and W2 (64, 27) has h's shape?",
            "dlogits times the transpose of W2.",
        ),
        "dh = dlogits @ W2.T",
        "logits = h @ W2 + b2, so dh = dlogits @ W2.T.",
        (
            Mistake(
                "dh = dlogits @ W2",
                "The dimensions have to work out: W2 must be transposed, (n, 27) @ (27, 64).",
            ),
        ),
    ),
    Blank(
        "dW2",
        ("The input, transposed, times what comes from above.", "h.T (64, n) @ dlogits (n, 27)."),
        "dW2 = h.T @ dlogits",
        "dW2[j, k] = Σ_i h[i, j] dlogits[i, k].",
        (
            Mistake(
                "dW2 = dlogits.T @ h", "It is transposed: h.T @ dlogits is (64, 27), as W2 is."
            ),
            Mistake(
                "dW2 = h.T @ dlogits / n",
                "1/n twice: dlogits holds it already. The product sums over the rows, and that is "
                "right.",
            ),
        ),
    ),
    Blank(
        "db2",
        ("b2 is added to every row.", "Sum dlogits over dimension 0."),
        "db2 = dlogits.sum(0)",
        "What was copied to n rows is summed over them.",
        (
            Mistake(
                "db2 = dlogits.mean(0)",
                "A mean in place of a sum: dlogits holds the 1/n already.",
            ),
            Mistake("db2 = dlogits.sum(1)", "The wrong dimension: sum over the rows, .sum(0)."),
        ),
    ),
    Blank(
        "dhpreact",
        ("The slope of tanh, written by its output.", "(1 − h**2) * dh."),
        "dhpreact = (1.0 - h**2) * dh",
        "tanh' = 1 − tanh².",
        (
            Mistake(
                "dhpreact = (1.0 - hpreact**2) * dh",
                "The slope of tanh is 1 − h², with its output h, and not with its input.",
            ),
            Mistake("dhpreact = (1.0 - h) * dh", "The square is missing: 1 − h**2."),
            Mistake(
                "dhpreact = dh.clone()",
                "tanh was left out: multiply dh by its slope, 1 − h**2.",
            ),
        ),
    ),
    Blank(
        "dbngain",
        (
            "bngain is (1, 64): the other factor, and a sum.",
            "bnraw * dhpreact, summed over the rows.",
        ),
        "dbngain = (bnraw * dhpreact).sum(0, keepdim=True)",
        "Σ_i bnraw[i, j] dhpreact[i, j], kept as a row.",
        (
            Mistake(
                "dbngain = (bnraw * dhpreact).sum(0)",
                "The numbers are right, the shape is not: bngain is (1, 64), so keepdim=True.",
            ),
            Mistake(
                "dbngain = (hprebn * dhpreact).sum(0, keepdim=True)",
                "bngain multiplies bnraw, the standardised rows, and not hprebn.",
            ),
        ),
    ),
    Blank(
        "dbnbias",
        (
            "bnbias is (1, 64) and is added to every row.",
            "Sum dhpreact over dimension 0, keepdim=True.",
        ),
        "dbnbias = dhpreact.sum(0, keepdim=True)",
        "Σ_i dhpreact[i, j], kept as a row.",
        (
            Mistake(
                "dbnbias = dhpreact.sum(0)",
                "The numbers are right, the shape is not: bnbias is (1, 64), so keepdim=True.",
            ),
        ),
    ),
    Blank(
        "dhprebn",
        (
            "Exercise 3, in one go: directly, through the mean, through the variance.",
            "bngain * bnvar_inv * (dhpreact − Σ dhpreact/n − bnraw Σ(dhpreact bnraw)/(n − 1)).",
        ),
        "dhprebn = bngain * bnvar_inv / n * (\n"
        "    n * dhpreact\n"
        "    - dhpreact.sum(0, keepdim=True)\n"
        "    - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0, keepdim=True)\n"
        ")",
        "As in exercise 3.",
        (
            Mistake(
                "dhprebn = bngain * bnvar_inv * dhpreact",
                "Mean and variance are treated as constants, as in evaluation. In training each "
                "row moves both: two terms are missing.",
            ),
            Mistake(
                "dhprebn = bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0, keepdim=True)"
                " - bnraw * (dhpreact * bnraw).sum(0, keepdim=True))",
                "n for n − 1: this variance is divided by n − 1, and so is the last term.",
            ),
            Mistake(
                "dhprebn = bnvar_inv / n * (n * dhpreact - dhpreact.sum(0, keepdim=True)"
                " - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0, keepdim=True))",
                "bngain is missing: it multiplies everything that comes back.",
            ),
        ),
    ),
    Blank(
        "dembcat",
        ("As dh, one layer further down.", "dhprebn @ W1.T."),
        "dembcat = dhprebn @ W1.T",
        "hprebn = embcat @ W1 + b1.",
    ),
    Blank(
        "dW1",
        ("As dW2.", "embcat.T @ dhprebn."),
        "dW1 = embcat.T @ dhprebn",
        "The input, transposed, times what comes from above.",
        (Mistake("dW1 = dhprebn.T @ embcat", "It is transposed: embcat.T @ dhprebn is (30, 64)."),),
    ),
    Blank(
        "db1",
        ("As db2.", "Sum dhprebn over dimension 0; it is truly 0 under a BatchNorm."),
        "db1 = dhprebn.sum(0)",
        "Truly 0: BatchNorm takes the mean, and b1 with it, out.",
    ),
    Blank(
        "demb",
        ("view computes nothing.", "dembcat in the shape of emb."),
        "demb = dembcat.view(emb.shape)",
        "The way back through a view is the view back.",
        (
            Mistake(
                "demb = dembcat",
                "The numbers are right, the shape is not: dembcat.view(emb.shape).",
            ),
        ),
    ),
    Blank(
        "dC",
        (
            "The same letter occurs many times in a batch. What becomes of its gradients?",
            "Zeros, and for every occurrence dC[Xb[k, j]] += demb[k, j]; or dC.index_add_.",
        ),
        "dC = torch.zeros_like(C)\ndC.index_add_(0, Xb.flatten(), demb.view(-1, n_embd))",
        "Every occurrence adds to the row of its letter.",
        (
            Mistake(
                "dC = torch.zeros_like(C)\ndC[Xb] += demb",
                "A letter that occurs twice keeps only its last gradient; they have to add up. "
                "dC[Xb] += demb writes each row once: loop with +=, or use dC.index_add_.",
            ),
            Mistake(
                "dC = torch.zeros_like(C)\n"
                "dC.index_add_(0, Xb.flatten(), demb.view(-1, n_embd) / n)",
                "1/n twice: dlogits holds it already, and all that comes from it.",
            ),
        ),
    ),
    Blank(
        "update",
        (
            "In which direction does the gradient point: where the loss grows, or where it falls?",
            "For every parameter and its gradient, in the same order: p.data += -lr * gradient. p "
            "= p − … would only give the name p to something new.",
        ),
        f"{_UPDATE}    p.data += -lr * gradient",
        "A step of length lr against the gradient, for all seven, in place.",
        (
            Mistake(
                f"{_UPDATE}    p.data += lr * gradient",
                "The sign: the gradient points to where the loss grows. Subtract it.",
            ),
            Mistake(
                f"{_UPDATE}    p.data += -gradient",
                "lr is missing: the step is lr times the gradient.",
            ),
            Mistake(
                f"{_UPDATE}    p = p - lr * gradient",
                "The parameters have not moved: p = p - … gives the name p to a new tensor, and "
                "the parameter stays as it was. Change it in place, p.data += -lr * gradient, or "
                "p -= ….",
            ),
            Mistake(
                "for p, gradient in zip([C, W1, b1, W2, b2], [dC, dW1, db1, dW2, db2]):\n"
                "    p.data += -lr * gradient",
                "bngain and bnbias have not moved: they are parameters like all others. Seven, not "
                "five.",
                shows="bngain after step 1",
            ),
            Mistake(
                f"{_UPDATE}    p.data += -lr * gradient / n",
                "Divided by n once more: dlogits holds the 1/n of the mean already.",
            ),
            Mistake(
                "gradients = [dW1, db1, dW2, db2, dbngain, dbnbias]\n"
                "for p, gradient in zip(parameters[1:], gradients):\n"
                "    p.data += -lr * gradient",
                "C has not moved: the embedding is a parameter like all others.",
            ),
            Mistake(
                f"{_UPDATE}    p.data += -lr * gradient\nlr *= 0.9",
                "The first step is right, the later ones are not: lr has changed on the way, and "
                "it is the same for all steps here.",
                shows="losses",
            ),
            Mistake(
                "if step == 0:\n"
                "    sums = [torch.zeros_like(p) for p in parameters]\n"
                "gradients = [dC, dW1, db1, dW2, db2, dbngain, dbnbias]\n"
                "for p, total, gradient in zip(parameters, sums, gradients):\n"
                "    total += gradient\n"
                "    p.data += -lr * total",
                "The first step is right, the later ones are not: gradients of earlier steps are "
                "added to those of this one. Make them anew in each step (that is what zero_grad "
                "is for).",
                shows="losses",
            ),
            Mistake(
                "p, gradient = parameters[0], dC\np.data += -lr * gradient",
                "Only C has moved. The update is made for all seven parameters: is it inside the "
                "loop over them?",
                shows="W1 after step 1",
            ),
        ),
    ),
)
