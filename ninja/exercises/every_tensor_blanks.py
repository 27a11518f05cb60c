"""What belongs into the blanks of exercise 1, and what people put there."""

from ninja.exercises.exercise import Blank, Mistake

LOSS = (
    Blank(
        "dlogprobs",
        (
            "The loss reads one number of each row of logprobs: which one? Moving any of the "
            "others changes nothing, so their derivative is 0.",
            "loss = −(a + b + c + …)/n, so every number that is read has the derivative −1/n. "
            "Begin with torch.zeros_like(logprobs), and set the places [range(n), Yb].",
        ),
        "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0 / n",
        "loss = −1/n Σ_i logprobs[i, Yb[i]]. So ∂loss/∂logprobs[i, c] is −1/n where c = Yb[i], "
        "and 0 elsewhere.",
        (
            Mistake(
                "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0",
                "The minus is there, the mean is not: loss is the average over n rows, so each "
                "number it reads counts 1/n.",
            ),
            Mistake(
                "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = 1.0 / n",
                "The sign: loss is minus the mean, so a larger logprob makes it smaller.",
            ),
            Mistake(
                "dlogprobs = torch.full_like(logprobs, -1.0 / n)",
                "Every class got −1/n. The loss reads the target's class alone, one number a row; "
                "the derivative of all others is 0.",
            ),
            Mistake(
                "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[:, Yb] = -1.0 / n",
                "[:, Yb] sets the columns of all targets in every row. One place a row is meant: "
                "[range(n), Yb].",
            ),
        ),
    ),
    Blank(
        "dprobs",
        (
            "logprobs = probs.log(), element by element. What is the derivative of log x?",
            "(log x)' = 1/x: what comes from above is divided by probs.",
        ),
        "dprobs = (1.0 / probs) * dlogprobs",
        "Chain rule, element by element: dprobs = 1/probs · dlogprobs. An unlikely target, a small "
        "prob, gets a large gradient.",
        (
            Mistake(
                "dprobs = probs * dlogprobs",
                "It was multiplied by probs. The derivative of log x is 1/x: divide.",
            ),
            Mistake(
                "dprobs = 1.0 / probs",
                "That is the local derivative alone. The chain rule multiplies it by what comes "
                "from above, dlogprobs.",
            ),
        ),
    ),
    Blank(
        "dcounts_sum_inv",
        (
            "probs = counts * counts_sum_inv, and the shapes are (n, 27) and (n, 1): each number "
            "of counts_sum_inv was copied to 27 columns. What does copying do on the way back?",
            "Two operations: a product, whose derivative is the other factor, counts; and a copy "
            "along the rows, whose way back is a sum over dimension 1, keepdim=True.",
        ),
        "dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True)",
        "probs[i, c] = counts[i, c] · inv[i]. inv[i] stands in all columns of its row, so its "
        "derivative adds up over them: Σ_c counts[i, c] dprobs[i, c].",
        (
            Mistake(
                "dcounts_sum_inv = counts * dprobs",
                "The product is right, the sum is missing. counts_sum_inv is (n, 1) and was "
                "broadcast over 27 columns; what was copied forward is summed backward, .sum(1, "
                "keepdim=True).",
            ),
            Mistake(
                "dcounts_sum_inv = (counts * dprobs).sum(1)",
                "The numbers are right, the shape is not: (n,) for (n, 1). keepdim=True keeps the "
                "column, without which it would broadcast along the wrong dimension later.",
            ),
            Mistake(
                "dcounts_sum_inv = dprobs.sum(1, keepdim=True)",
                "The other factor is missing: the derivative of counts · inv by inv is counts.",
            ),
        ),
    ),
    Blank(
        "dcounts_sum",
        (
            "counts_sum_inv = counts_sum**-1. What is the derivative of 1/x?",
            "(1/x)' = −1/x².",
        ),
        "dcounts_sum = (-(counts_sum**-2)) * dcounts_sum_inv",
        "Power rule: (x^−1)' = −x^−2.",
        (
            Mistake(
                "dcounts_sum = counts_sum**-2 * dcounts_sum_inv",
                "The sign: the derivative of 1/x is −1/x², as 1/x falls while x grows.",
            ),
            Mistake(
                "dcounts_sum = -(counts_sum**-1) * dcounts_sum_inv",
                "The exponent: the derivative of x^−1 is −x^−2, one less, and not −x^−1.",
            ),
        ),
    ),
    Blank(
        "dcounts",
        (
            "counts is used twice: in probs = counts * counts_sum_inv, and in counts_sum. Have "
            "you both?",
            "The first contribution is counts_sum_inv * dprobs. The second comes through the sum: "
            "every element of a row gets dcounts_sum of its row. Add the two.",
        ),
        "dcounts = counts_sum_inv * dprobs\n"
        "dcounts = dcounts + torch.ones_like(counts) * dcounts_sum",
        "By the product: counts_sum_inv · dprobs. By the sum, whose way back is a copy: "
        "dcounts_sum to all columns. A tensor that is used twice adds up what comes back.",
        (
            Mistake(
                "dcounts = counts_sum_inv * dprobs",
                "One way is missing: counts is used a second time, in counts_sum. What comes back "
                "through there, dcounts_sum, copied to all columns, is added (+=).",
            ),
            Mistake(
                "dcounts = torch.ones_like(counts) * dcounts_sum",
                "Only the way through counts_sum is left: the second line must add (+=) and not "
                "replace (=) counts_sum_inv * dprobs.",
            ),
        ),
    ),
    Blank(
        "dnorm_logits",
        (
            "counts = norm_logits.exp(). Which function is its own derivative?",
            "(e^x)' = e^x, and that is counts, already there.",
        ),
        "dnorm_logits = counts * dcounts",
        "counts = e^norm_logits, whose derivative is counts itself.",
        (
            Mistake(
                "dnorm_logits = norm_logits * dcounts",
                "The derivative of e^x is e^x, which is counts, and not x, which is norm_logits.",
            ),
            Mistake(
                "dnorm_logits = dcounts.clone()",
                "exp was left out: multiply by its derivative, which is counts.",
            ),
        ),
    ),
    Blank(
        "dlogit_maxes",
        (
            "norm_logits = logits - logit_maxes, (n, 27) and (n, 1). A minus, and a copy over "
            "columns.",
            "The minus gives −dnorm_logits, the copy a sum over dimension 1, keepdim=True. Look "
            "at its size: what should it be, as a shift of a row changes no probability?",
        ),
        "dlogit_maxes = (-dnorm_logits).sum(1, keepdim=True)",
        "Each maximum is subtracted from all columns of its row: −Σ_c dnorm_logits. It is truly "
        "0, since e^(a−m)/Σe^(b−m) does not depend on m; the 1e-9 that you see is rounding.",
        (
            Mistake(
                "dlogit_maxes = (-dnorm_logits).sum(1)",
                "The shape: logit_maxes is (n, 1), so sum with keepdim=True.",
            ),
            Mistake(
                "dlogit_maxes = -dnorm_logits",
                "The sum is missing: each maximum was subtracted from all 27 columns of its row.",
            ),
        ),
    ),
    Blank(
        "dlogits",
        (
            "logits is used twice: in logits - logit_maxes, and under max. Where does a maximum "
            "get its value from?",
            "By the difference: dnorm_logits as it is. By max: dlogit_maxes at the place of the "
            "maximum, 0 elsewhere; F.one_hot(logits.max(1).indices, vocab_size) is that place.",
        ),
        "dlogits = dnorm_logits.clone()\n"
        "dlogits += F.one_hot(logits.max(1).indices, num_classes=logits.shape[1]) * dlogit_maxes",
        "The difference passes dnorm_logits on. max passes dlogit_maxes to the one element it "
        "chose. .clone(), since += would change dnorm_logits, too.",
        (
            Mistake(
                "dlogits = -dnorm_logits",
                "The sign: logits stand before the minus of logits - logit_maxes, and get "
                "+dnorm_logits.",
            ),
        ),
    ),
)

OUTPUT = (
    Blank(
        "dh",
        (
            "logits = h @ W2 + b2. dh must have h's shape, (n, 64). There are dlogits (n, 27) and "
            "W2 (64, 27): which product makes (n, 64)?",
            "(n, 27) @ (27, 64): dlogits times the transpose of W2.",
        ),
        "dh = dlogits @ W2.T",
        "logits[i, k] = Σ_j h[i, j] W2[j, k] + b2[k], so dh[i, j] = Σ_k dlogits[i, k] W2[j, k], "
        "which is dlogits @ W2.T. The way back through a product of matrices is a product of "
        "matrices.",
        (
            Mistake(
                "dh = dlogits @ W2",
                "The dimensions have to work out: (n, 27) @ (64, 27) does not. W2 must be "
                "transposed: dlogits @ W2.T is (n, 64), as h is.",
            ),
            Mistake(
                "dh = W2 @ dlogits.T",
                "That is dh transposed, (64, n). Turn the product round: dlogits @ W2.T.",
            ),
        ),
    ),
    Blank(
        "dW2",
        (
            "dW2 must be (64, 27), as W2 is. There are h (n, 64) and dlogits (n, 27).",
            "(64, n) @ (n, 27): the transpose of h times dlogits. It sums over the rows of the "
            "batch.",
        ),
        "dW2 = h.T @ dlogits",
        "dW2[j, k] = Σ_i h[i, j] dlogits[i, k] = (h.T @ dlogits)[j, k].",
        (
            Mistake(
                "dW2 = dlogits.T @ h",
                "It is transposed: (27, 64) for (64, 27). h.T @ dlogits, the input first.",
            ),
            Mistake(
                "dW2 = h.T @ dlogits / n",
                "It is n times too small: dlogits holds the 1/n of the mean already. Sum, and do "
                "not average again.",
            ),
            Mistake(
                "dW2 = h @ dlogits",
                "The dimensions have to work out: (n, 64) @ (n, 27) does not. W2 is (64, 27): h "
                "must be transposed.",
            ),
        ),
    ),
    Blank(
        "db2",
        (
            "b2 is (27,) and was added to every row of the batch: a copy.",
            "Sum dlogits over the rows, dimension 0.",
        ),
        "db2 = dlogits.sum(0)",
        "b2[k] stands in all rows, so its derivative adds up over them.",
        (
            Mistake(
                "db2 = dlogits.sum(1)",
                "The wrong dimension: b2 has one number for each of 27 classes, so the sum goes "
                "over the rows, .sum(0).",
            ),
            Mistake(
                "db2 = dlogits.mean(0)",
                "A mean in place of a sum: dlogits holds the 1/n of the loss already. What was "
                "copied to n rows is summed over them.",
            ),
            Mistake(
                "db2 = dlogits.clone()",
                "The sum is missing: b2 was added to each of the n rows, so its gradient is summed "
                "over them, .sum(0).",
            ),
        ),
    ),
    Blank(
        "dhpreact",
        (
            "h = tanh(hpreact). How can the slope of tanh be written by its output?",
            "tanh' = 1 − tanh² = 1 − h**2.",
        ),
        "# (1.0 - h**2) * dh is right as well: approx, for it rounds once more than autograd does\n"
        "dhpreact = torch.addcmul(torch.ones(()), h, h, value=-1) * dh",
        "(tanh x)' = 1 − tanh² x. A unit near ±1 lets nothing through, one near 0 lets all "
        "through.",
        (
            Mistake(
                "dhpreact = (1.0 - hpreact**2) * dh",
                "The slope of tanh is 1 − tanh²: the square is that of its output, h, and not of "
                "its input, hpreact.",
            ),
            Mistake(
                "dhpreact = (1.0 - h) * dh",
                "The square is missing: the slope of tanh is 1 − h**2.",
            ),
            Mistake(
                "dhpreact = 1.0 - h**2",
                "That is the slope alone. The chain rule multiplies it by what comes from above, "
                "dh.",
            ),
            Mistake(
                "dhpreact = h * (1.0 - h) * dh",
                "h (1 − h) is the slope of a sigmoid. That of tanh is 1 − h**2.",
            ),
        ),
    ),
)

NORM = (
    Blank(
        "dbngain",
        (
            "hpreact = bngain * bnraw + bnbias, and bngain is (1, 64): one number for all n rows.",
            "The other factor, bnraw, times dhpreact, summed over the rows with keepdim=True.",
        ),
        "dbngain = (bnraw * dhpreact).sum(0, keepdim=True)",
        "bngain[j] multiplies bnraw[i, j] in every row i: dbngain[j] = Σ_i bnraw[i, j] "
        "dhpreact[i, j].",
        (
            Mistake(
                "dbngain = bnraw * dhpreact",
                "The sum is missing: bngain is (1, 64) and was broadcast over n rows, so its "
                "gradient is summed over them, .sum(0, keepdim=True).",
            ),
            Mistake(
                "dbngain = (bnraw * dhpreact).sum(0)",
                "The numbers are right, the shape is not: bngain is (1, 64). keepdim=True.",
            ),
            Mistake(
                "dbngain = dhpreact.sum(0, keepdim=True)",
                "The other factor is missing: the derivative of bngain · bnraw by bngain is bnraw.",
            ),
        ),
    ),
    Blank(
        "dbnbias",
        (
            "bnbias is (1, 64) and is added to every row.",
            "Sum dhpreact over the rows, keepdim=True.",
        ),
        "dbnbias = dhpreact.sum(0, keepdim=True)",
        "bnbias[j] is added in every row i: dbnbias[j] = Σ_i dhpreact[i, j].",
        (
            Mistake(
                "dbnbias = dhpreact.sum(0)",
                "The numbers are right, the shape is not: (64,) for (1, 64). Sum with "
                "keepdim=True.",
            ),
            Mistake(
                "dbnbias = dhpreact.clone()",
                "The sum is missing: bnbias was added to each of the n rows.",
            ),
        ),
    ),
    Blank(
        "dbnraw",
        (
            "bnraw is the other factor of bngain * bnraw. Is anything summed here?",
            "bngain * dhpreact. bnraw was not copied, so nothing is summed.",
        ),
        "dbnraw = bngain * dhpreact",
        "The derivative of bngain · bnraw by bnraw is bngain, broadcast over the rows as in the "
        "forward.",
        (
            Mistake(
                "dbnraw = dhpreact.clone()",
                "bngain is missing: it multiplies bnraw in the forward pass, and what comes back.",
            ),
        ),
    ),
    Blank(
        "dbnvar_inv",
        (
            "bnraw = bndiff * bnvar_inv, (n, 64) and (1, 64): a product and a copy.",
            "bndiff * dbnraw, summed over the rows, keepdim=True.",
        ),
        "dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)",
        "bnvar_inv[j] multiplies bndiff[i, j] in every row: Σ_i bndiff[i, j] dbnraw[i, j].",
        (
            Mistake(
                "dbnvar_inv = (bnraw * dbnraw).sum(0, keepdim=True)",
                "The other factor is bndiff. bnraw is the product itself.",
            ),
            Mistake(
                "dbnvar_inv = bndiff * dbnraw",
                "The sum is missing: bnvar_inv is (1, 64) and was broadcast over n rows.",
            ),
        ),
    ),
    Blank(
        "dbnvar",
        (
            "bnvar_inv = (bnvar + 1e-5)**-0.5: the power rule.",
            "(x^−½)' = −½ x^−1.5, at x = bnvar + 1e-5.",
        ),
        "dbnvar = (-0.5 * (bnvar + 1e-5) ** -1.5) * dbnvar_inv",
        "The exponent comes down as a factor and is one less: −0.5 (bnvar + 1e-5)^−1.5.",
        (
            Mistake(
                "dbnvar = 0.5 * (bnvar + 1e-5) ** -1.5 * dbnvar_inv",
                "The sign: the exponent −0.5 comes down as a factor, minus included.",
            ),
            Mistake(
                "dbnvar = -0.5 * (bnvar + 1e-5) ** -0.5 * dbnvar_inv",
                "The power rule makes the exponent one less: −0.5 − 1 = −1.5.",
            ),
            Mistake(
                "dbnvar = -((bnvar + 1e-5) ** -1.5) * dbnvar_inv",
                "The factor ½ is missing: the exponent −0.5 comes down as a factor.",
            ),
        ),
    ),
    Blank(
        "dbndiff2",
        (
            "bnvar = 1/(n−1) * bndiff2.sum(0, keepdim=True). A sum forward is what, backward?",
            "A copy to all n rows: 1/(n−1) * torch.ones_like(bndiff2) * dbnvar.",
        ),
        "dbndiff2 = (1.0 / (n - 1)) * torch.ones_like(bndiff2) * dbnvar",
        "Each bndiff2[i, j] counts 1/(n−1) in bnvar[j], and so gets dbnvar[j]/(n−1): the sum's "
        "way back is a copy.",
        (
            Mistake(
                "dbndiff2 = (1.0 / n) * torch.ones_like(bndiff2) * dbnvar",
                "n for n − 1: this variance is divided by n − 1 (Bessel's correction), and so is "
                "what comes back.",
            ),
            Mistake(
                "dbndiff2 = torch.ones_like(bndiff2) * dbnvar",
                "1/(n − 1) is missing: the sum is divided by it in the forward pass.",
            ),
            Mistake(
                "dbndiff2 = (1.0 / (n - 1)) * dbnvar",
                "It must be copied to all rows, as bndiff2 is (n, 64): times "
                "torch.ones_like(bndiff2). A sum forward is a copy backward.",
            ),
        ),
    ),
    Blank(
        "dbndiff",
        (
            "bndiff is used twice: in bnraw = bndiff * bnvar_inv, and in bndiff2. Have you both?",
            "First bnvar_inv * dbnraw, then plus 2 * bndiff * dbndiff2.",
        ),
        "dbndiff = bnvar_inv * dbnraw\ndbndiff = dbndiff + (2 * bndiff) * dbndiff2",
        "By the product: bnvar_inv · dbnraw. By the square, (x²)' = 2x: 2 bndiff · dbndiff2. They "
        "add up.",
        (
            Mistake(
                "dbndiff = bnvar_inv * dbnraw",
                "One way is missing: bndiff is used a second time, in bndiff2 = bndiff**2. Add "
                "2 * bndiff * dbndiff2.",
            ),
            Mistake(
                "dbndiff = (2 * bndiff) * dbndiff2",
                "Only the way through the square is left: the second line must add (+=) and not "
                "replace (=) bnvar_inv * dbnraw.",
            ),
            Mistake(
                "dbndiff = bnvar_inv * dbnraw + bndiff * dbndiff2",
                "The 2 is missing: the derivative of x² is 2x.",
            ),
        ),
    ),
    Blank(
        "dbnmeani",
        (
            "bndiff = hprebn - bnmeani, (n, 64) and (1, 64): a minus and a copy.",
            "−dbndiff, summed over the rows, keepdim=True.",
        ),
        "dbnmeani = (-dbndiff).sum(0, keepdim=True)",
        "bnmeani[j] is subtracted in every row: −Σ_i dbndiff[i, j].",
        (
            Mistake(
                "dbnmeani = dbndiff.sum(0, keepdim=True)",
                "The sign: bnmeani stands behind a minus.",
            ),
            Mistake(
                "dbnmeani = (-dbndiff).sum(0)",
                "The shape: bnmeani is (1, 64), so sum with keepdim=True.",
            ),
        ),
    ),
)

INPUT = (
    Blank(
        "dhprebn",
        (
            "hprebn is used twice: in hprebn - bnmeani, and in the mean. Have you both?",
            "dbndiff as it is, plus 1/n * torch.ones_like(hprebn) * dbnmeani: the way back "
            "through a mean is a copy of its n-th part.",
        ),
        "dhprebn = dbndiff.clone()\ndhprebn += 1.0 / n * (torch.ones_like(hprebn) * dbnmeani)",
        "By the difference: dbndiff. By the mean, 1/n Σ: dbnmeani/n to every row. .clone(), since "
        "+= would change dbndiff, too.",
        (
            Mistake(
                "dhprebn = dbndiff\ndhprebn += 1.0 / n * (torch.ones_like(hprebn) * dbnmeani)",
                "dbndiff was right, and is changed later: dhprebn = dbndiff only gives it a "
                "second name, and += then changes both. Write dbndiff.clone().",
                shows="dbndiff",
            ),
            Mistake(
                "dhprebn = dbndiff.clone()",
                "The way through the mean is missing: every row is part of bnmeani, so add "
                "dbnmeani/n.",
            ),
            Mistake(
                "dhprebn = dbndiff + torch.ones_like(hprebn) * dbnmeani",
                "1/n is missing: bnmeani is a mean, and each row counts 1/n in it.",
            ),
        ),
    ),
    Blank(
        "dembcat",
        (
            "hprebn = embcat @ W1 + b1: the linear layer once more. Which shape must it have?",
            "dhprebn (n, 64) times the transpose of W1 (30, 64).",
        ),
        "dembcat = dhprebn @ W1.T",
        "As for h: dembcat = dhprebn @ W1.T, (n, 64) @ (64, 30).",
        (
            Mistake(
                "dembcat = dhprebn @ W1",
                "The dimensions have to work out: W1 must be transposed, (n, 64) @ (64, 30).",
            ),
        ),
    ),
    Blank(
        "dW1",
        (
            "As dW2: the input, transposed, times what comes from above.",
            "embcat.T (30, n) @ dhprebn (n, 64).",
        ),
        "dW1 = embcat.T @ dhprebn",
        "dW1[j, k] = Σ_i embcat[i, j] dhprebn[i, k].",
        (Mistake("dW1 = dhprebn.T @ embcat", "It is transposed: embcat.T @ dhprebn is (30, 64)."),),
    ),
    Blank(
        "db1",
        (
            "As db2. Look at its size afterwards: what should it be?",
            "Sum dhprebn over the rows. It is truly 0: BatchNorm takes the mean, and b1 with it, "
            "out.",
        ),
        "db1 = dhprebn.sum(0)",
        "b1 is added to every row: Σ_i dhprebn[i, j]. It is truly 0, as b1 shifts the mean by as "
        "much as the rows, and the difference does not see it.",
        (
            Mistake(
                "db1 = dhprebn.sum(0, keepdim=True)",
                "The shape: b1 is (64,) and not (1, 64). Sum without keepdim.",
            ),
        ),
    ),
    Blank(
        "demb",
        (
            "embcat = emb.view(n, -1) computes nothing: it is the same numbers in another shape.",
            "Give dembcat the shape of emb: .view(emb.shape).",
        ),
        "demb = dembcat.view(emb.shape)",
        "view only renames the indices; its way back is the view back.",
        (
            Mistake(
                "demb = dembcat",
                "The numbers are right, the shape is not: undo the view, dembcat.view(emb.shape).",
            ),
        ),
    ),
    Blank(
        "dC",
        (
            "emb = C[Xb] copies rows of C, the same row wherever its letter occurs. What is copied "
            "forward is what, backward?",
            "Begin with zeros, and add: for every row k and position j, dC[Xb[k, j]] += demb[k, "
            "j].",
        ),
        "dC = torch.zeros_like(C)\n"
        "for k in range(Xb.shape[0]):\n"
        "    for j in range(Xb.shape[1]):\n"
        "        dC[Xb[k, j]] += demb[k, j]",
        "emb[k, j] = C[Xb[k, j]], so every occurrence of a letter adds its gradient to the "
        "letter's row. In one line: dC.index_add_(0, Xb.flatten(), demb.view(-1, n_embd)).",
        (
            Mistake(
                "dC = torch.zeros_like(C)\n"
                "for k in range(Xb.shape[0]):\n"
                "    for j in range(Xb.shape[1]):\n"
                "        dC[Xb[k, j]] = demb[k, j]",
                "A letter that occurs twice keeps only its last gradient; they have to add up. "
                "Either there is = in place of +=, or it is dC[Xb] += demb, which writes every "
                "row once, as indexing makes a copy first. Loop with +=, or use dC.index_add_.",
            ),
            Mistake(
                "dC = C.clone()\ndC.index_add_(0, Xb.flatten(), demb.view(-1, n_embd))",
                "It starts from C. A gradient starts from zero: torch.zeros_like(C).",
            ),
        ),
    ),
)

BLANKS = (*LOSS, *OUTPUT, *NORM, *INPUT)
