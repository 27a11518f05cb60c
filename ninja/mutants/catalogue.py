"""The mistakes people make in a backward pass, each as one replacement in our own source.

``before`` must stand exactly once in the source of the target: when a rule is rewritten, its
mutants must be too, or planting them fails.
"""

from dataclasses import dataclass

ZERO_MAXIMA = (
    "shifting a row of logits changes no probability, so the maxima's true delta is 0 and where "
    "it goes does not matter; only its rounding, about 1e-9, differs"
)


@dataclass(frozen=True)
class Mutant:
    """One wrong version.

    Attributes:
        target: the function or method it replaces, as "Linear.backward".
        mistake: what was done wrong, in words.
        before: the right code.
        after: the wrong code.
        equivalent: why it is right after all, mathematically; empty for a real mistake.
    """

    target: str
    mistake: str
    before: str
    after: str
    equivalent: str = ""

    @property
    def name(self) -> str:
        """Target and mistake."""
        return f"{self.target}: {self.mistake}"


def _mutants(target: str, *mistakes: tuple[str, str, str]) -> tuple[Mutant, ...]:
    return tuple(Mutant(target, *mistake) for mistake in mistakes)


_LINEAR = _mutants(
    "Linear.backward",
    ("transpose of W forgotten", 'dy @ params["W"].mT', 'dy @ params["W"]'),
    ("sign of dx", 'dx = dy @ params["W"].mT', 'dx = -dy @ params["W"].mT'),
    ("dW transposed", 'saved["x"].mT @ dy', 'dy.mT @ saved["x"]'),
    ("dx for x in dW", 'saved["x"].mT @ dy', "dx.mT @ dy"),
    (
        "divided by n in dW: dy holds its 1/n already",
        'saved["x"].mT @ dy',
        'saved["x"].mT @ dy / dy.shape[-2]',
    ),
    ("sign of dW", 'saved["x"].mT @ dy', '-saved["x"].mT @ dy'),
    ("wrong axis in db", "dy.sum(-2)", "dy.sum(-1)"),
    ("(1, n) for (n,) in db", "dy.sum(-2)", "dy.sum(-2, keepdim=True)"),
    ("mean for sum in db", "dy.sum(-2)", "dy.mean(-2)"),
    ("= for += over the rows in db", "dy.sum(-2)", "dy[..., -1, :]"),
    ("not summed: db of every row", "dy.sum(-2)", "dy"),
    ("a stack: the first axis for the rows in db", "dy.sum(-2)", "dy.sum(0)"),
    ("a stack: axes 0 and 1 for the last two in dW", 'saved["x"].mT', 'saved["x"].transpose(0, 1)'),
)

_EMBEDDING = _mutants(
    "Embedding.backward",
    ("= for += on duplicate tokens", "accumulate=True", "accumulate=False"),
    (
        "mean for sum over the tokens",
        "demb.reshape(-1, self.n_embd)",
        "demb.reshape(-1, self.n_embd) / demb.shape[-3]",
    ),
    ("tokens shifted by a row", '(saved["rows"],)', '(saved["rows"].roll(1),)'),
    ("starts from C and not from 0", 'torch.zeros_like(params["C"])', 'params["C"].clone()'),
    (
        "features of a row mixed up",
        "demb.reshape(-1, self.n_embd)",
        "demb.flip(-1).reshape(-1, self.n_embd)",
    ),
)

_GATE = "torch.addcmul(y.new_ones(()), y, y, value=-1)"
_TANH = (
    *_mutants(
        "Tanh.backward",
        ("the saved input for the output", 'y = saved["y"]', 'y = saved["y"].atanh()'),
        ("1 + y² for 1 − y²", "value=-1", "value=1"),
        ("1 − y for 1 − y²", _GATE, "(1 - y)"),
        ("the 1 dropped", _GATE, "(-y * y)"),
        ("chain rule: dy forgotten", ".mul_(dy)", ""),
        ("y for its derivative", _GATE, "y"),
    ),
    Mutant(
        "Tanh.backward",
        "rounded twice",
        _GATE,
        "(1 - y**2)",
        "1 − y² in two roundings in place of one: the same number but for its last bit",
    ),
)

_ACTIVATIONS = (
    *_mutants(
        "Sigmoid.backward",
        ("1 − y dropped", "(1 - y).mul_(dy).mul_(y)", "dy * y"),
        ("y dropped", "(1 - y).mul_(dy).mul_(y)", "(1 - y).mul_(dy)"),
        ("1 + y for 1 − y", "(1 - y)", "(1 + y)"),
        ("tanh's rule for the sigmoid's", "(1 - y).mul_(dy).mul_(y)", "(1 - y * y).mul_(dy)"),
    ),
    *_mutants(
        "ReLU.backward",
        ("gate open at 0", "<= 0", "< 0"),
        ("gate inverted", "<= 0", "> 0"),
        ("y for its gate", 'dy.masked_fill(saved["y"] <= 0, 0.0)', 'dy * saved["y"]'),
    ),
    *_mutants(
        "LeakyReLU.backward",
        ("slope forgotten below 0", "dy * self.slope", "torch.zeros_like(dy)"),
        ("branches swapped", "> 0, dy, dy * self.slope", "> 0, dy * self.slope, dy"),
        (
            "slope on both sides",
            "> 0, dy, dy * self.slope",
            "> 0, dy * self.slope, dy * self.slope",
        ),
    ),
    *_mutants(
        "GELU.backward",
        ("= for +=: cdf's share lost", 'dy * saved["cdf"] + ', ""),
        ("x is used twice: erf's share lost", " + du * math.sqrt(0.5)", ""),
        ("inner derivative 1/√2 dropped", "+ du * math.sqrt(0.5)", "+ du"),
        ("½ of the cdf dropped", "derf = dcdf * 0.5", "derf = dcdf"),
        ("sign in the exponent", "torch.exp(-u.square())", "torch.exp(u.square())"),
        ("2/√π for 1/√π", "2 / math.sqrt(math.pi)", "1 / math.sqrt(math.pi)"),
    ),
    *_mutants(
        "GELU.backward_fused",
        ("x of x·φ(x) dropped", 'torch.addcmul(saved["cdf"], x, pdf)', '(saved["cdf"] + pdf)'),
        ("½ in the exponent dropped", "-0.5 * x.square()", "-x.square()"),
        ("norm of the density dropped", ".mul_(1 / math.sqrt(2 * math.pi))", ""),
        ("cdf dropped", 'torch.addcmul(saved["cdf"], x, pdf)', "(x * pdf)"),
    ),
)

_STANDARDIZE = (
    *_mutants(
        "standardize_backward",
        (
            "wrong axis in dvar_inv",
            "(draw * diff).sum(dim, keepdim=True)",
            "(draw * diff).sum(-3 - dim, keepdim=True)",
        ),
        (
            "(n,) for (1, n) in dvar_inv",
            "(draw * diff).sum(dim, keepdim=True)",
            "(draw * diff).sum(dim)",
        ),
        ("raw for diff in dvar_inv", "(draw * diff)", '(draw * saved["raw"])'),
        ("var_inv dropped in ddiff", "ddiff = draw * var_inv", "ddiff = draw"),
        ("sign of the power rule", "-0.5 * dvar_inv", "0.5 * dvar_inv"),
        ("factor of the power rule", "-0.5 * dvar_inv", "-dvar_inv"),
        ("exponent of the power rule", "var_inv.pow(3)", "var_inv.pow(2)"),
        ("n for n − 1", "1 / divisor", "1 / n"),
        ("1/(n − 1) forgotten", "(dvar * (1 / divisor))", "dvar"),
        ("2 of the square dropped", "2 * diff", "diff"),
        (
            "= for +=: diff is used twice",
            "ddiff = ddiff + ddiff2 * (2 * diff)",
            "ddiff = ddiff2 * (2 * diff)",
        ),
        ("the way through the variance lost", "ddiff = ddiff + ddiff2 * (2 * diff)", "pass"),
        ("a stack: replicas for rows", "n = draw.shape[dim]", "n = draw.shape[0]"),
        ("sign of the mean", "-ddiff.sum(dim", "ddiff.sum(dim"),
        ("1/n of the mean forgotten", "dmean / n", "dmean"),
        ("the way through the mean lost", "ddiff + dmean / n", "ddiff"),
        ("= for +=: x is used twice", "ddiff + dmean / n", "(dmean / n).expand_as(diff)"),
        ("n − 1 for n in the mean", "dmean / n", "dmean / (n - 1)"),
    ),
    *_mutants(
        "standardize_backward_fused",
        ("mean of dy left in", "torch.sub(dy, sum_dy, alpha=1 / n)", "dy.clone()"),
        ("part along raw left in", ".addcmul_(raw, sum_dy_raw, value=-1 / divisor)", ""),
        ("sign of the part along raw", "value=-1 /", "value=1 /"),
        ("1/n forgotten", "alpha=1 / n", "alpha=1"),
        ("n for n − 1", "-1 / divisor", "-1 / n"),
        ("n − 1 for n", "alpha=1 / n", "alpha=1 / (n - 1)"),
        ("scale forgotten", ".mul_(scale)", ""),
    ),
)

_NORMS = (
    *_mutants(
        "BatchNorm.backward_fused",
        ("γ forgotten", 'scale = scale * params["gain"]', "pass"),
        ("dγ and dβ swapped", '"bias": dbias, "gain": dgain', '"bias": dgain, "gain": dbias'),
        ("raw forgotten in dγ", "(dy * raw).sum(-2", "dy.sum(-2"),
        ("(n,) for (1, n) in dβ", "dbias = dy.sum(-2, keepdim=True)", "dbias = dy.sum(-2)"),
        ("wrong axis in dγ", "(dy * raw).sum(-2", "(dy * raw).sum(-1"),
    ),
    *_mutants(
        "affine_backward",
        ("γ forgotten", 'dy * params["gain"], deltas', "dy, deltas"),
        ("mean for sum in dγ", "(dy * raw).sum(-2", "(dy * raw).mean(-2"),
        ("(n,) for (1, n) in dγ", "(dy * raw).sum(-2, keepdim=True)", "(dy * raw).sum(-2)"),
        ("raw forgotten in dγ", "(dy * raw).sum(-2", "dy.sum(-2"),
        ("a stack: the first axis for the rows in dβ", "dy.sum(-2, keepdim=True)", "dy.sum(0)"),
        ("not summed: dβ of every row", "dy.sum(-2, keepdim=True)", "dy"),
    ),
    *_mutants(
        "BatchNormEvaluation.backward",
        ("deviation forgotten", "draw * self.deviation_inv(params)", "draw"),
        (
            "variance for deviation",
            "draw * self.deviation_inv(params)",
            "draw * self.deviation_inv(params).square()",
        ),
        (
            "the training rule: the mean taken out",
            "dx = draw * self.deviation_inv(params)",
            "dx = (draw - draw.mean(-2, keepdim=True)) * self.deviation_inv(params)",
        ),
    ),
    *_mutants(
        "BatchNorm.running",
        (
            "stale running mean",
            'torch.lerp(buffers["running_mean"], saved["mean"], self.momentum)',
            'buffers["running_mean"]',
        ),
        (
            "stale running variance",
            "torch.lerp(buffers[name], spread, self.momentum)",
            "buffers[name]",
        ),
        (
            "momentum of the wrong side",
            'saved["mean"], self.momentum',
            'saved["mean"], 1 - self.momentum',
        ),
        ("n for n − 1", "(n - self.running_bessel)", "n"),
        ("variance kept as deviation", "spread = spread.sqrt()", "pass"),
    ),
    *_mutants(
        "LayerNorm.backward_fused",
        ("γ taken out of the mean", "draw.sum(-1", "dy.sum(-1"),
        ("γ taken out of the projection", "(draw * raw).sum(-1", "(dy * raw).sum(-1"),
        ("the batch's axis", "draw.sum(-1", "draw.sum(-2"),
        ("mean for sum", "(draw * raw).sum(-1", "(draw * raw).mean(-1"),
    ),
    *_mutants(
        "RMSNorm.backward",
        ("= for +=: x is used twice", "dx = dx + dx2 * (2 * x)", "dx = dx2 * (2 * x)"),
        ("1/F forgotten", "dms / self.features", "dms"),
        ("2 of the square dropped", "dx2 * (2 * x)", "dx2 * x"),
        ("sign of the power rule", "-0.5 * dms_inv", "0.5 * dms_inv"),
    ),
    *_mutants(
        "RMSNorm.backward_fused",
        ("part along raw left in", "draw.addcmul(raw, mean_draw_raw, value=-1)", "draw.clone()"),
        ("γ forgotten in the projection", "(draw * raw).mean(-1", "(dy * raw).mean(-1"),
        (
            "LayerNorm's rule: the mean taken out",
            "dx = draw.addcmul",
            "dx = (draw - draw.mean(-1, keepdim=True)).addcmul",
        ),
    ),
)

_SHAPE = (
    *_mutants(
        "FlattenConsecutive.backward",
        ("not folded back", 'dy.reshape(saved["x"].shape)', "dy"),
        ("folded back the other way round", "dy.reshape", "dy.mT.reshape"),
        ("positions reversed", "dy.reshape", "dy.flip(-1).reshape"),
    ),
    *_mutants(
        "Residual.backward",
        ("the branch gets nothing", "(dy, dy), {}", "(dy, dy * 0), {}"),
        ("the skip gets nothing", "(dy, dy), {}", "(dy * 0, dy), {}"),
        ("shared out in halves", "(dy, dy), {}", "(dy / 2, dy / 2), {}"),
    ),
    *_mutants(
        "Manual.pulled",
        (
            "= for += on shared nodes",
            "delta if earlier is None else earlier + delta",
            "delta",
        ),
        (
            "a stack: shared out among the replicas",
            "torch.ones_like(trace.loss)",
            "torch.ones_like(trace.loss) / max(1, trace.loss.numel())",
        ),
        (
            "the first delta wins on shared nodes",
            "delta if earlier is None else earlier + delta",
            "delta if earlier is None else earlier",
        ),
    ),
)

_LOSSES = (
    *_mutants(
        "CrossEntropy.backward",
        ("sign of the logarithm", "share = -dy", "share = dy"),
        ("1/n forgotten", " / probs.shape[-2]", ""),
        ("1/classes for 1/n", "probs.shape[-2]", "probs.shape[-1]"),
        (
            "every class for the target",
            "torch.zeros_like(probs).scatter_(-1, index, share.expand(index.shape))",
            "share.expand_as(probs)",
        ),
        ("log: product for quotient", "dlogprobs / probs", "dlogprobs * probs"),
        ("log forgotten", "dlogprobs / probs", "dlogprobs.clone()"),
        ("wrong axis in dcounts_sum_inv", "(counts * dprobs).sum(-1", "(counts * dprobs).sum(-2"),
        ("counts forgotten in dcounts_sum_inv", "(counts * dprobs).sum", "dprobs.sum"),
        ("sign of the reciprocal", "= -dcounts_sum_inv", "= dcounts_sum_inv"),
        ("square of the reciprocal dropped", "counts_sum_inv.square()", "counts_sum_inv"),
        (
            "= for +=: counts are used twice",
            "dcounts = dcounts + dcounts_sum",
            "dcounts = dcounts_sum.expand_as(counts)",
        ),
        ("the way through the sum lost", "dcounts = dcounts + dcounts_sum", "pass"),
        ("exp forgotten", "counts * dcounts", "dcounts"),
        (
            "= for += at the maxima",
            "dnorm_logits.scatter_add(",
            "dnorm_logits.scatter(",
        ),
    ),
    Mutant(
        "CrossEntropy.backward",
        "the maxima left out",
        "dnorm_logits.scatter_add(-1, argmax, dlogit_maxes)",
        "dnorm_logits",
        ZERO_MAXIMA,
    ),
    Mutant(
        "CrossEntropy.backward",
        "sign of the maxima",
        "-dnorm_logits.sum(",
        "dnorm_logits.sum(",
        ZERO_MAXIMA,
    ),
    Mutant(
        "CrossEntropy.backward",
        "max ties: every maximum gets it all",
        "dnorm_logits.scatter_add(-1, argmax, dlogit_maxes)",
        'dnorm_logits + (saved["norm_logits"] == 0) * dlogit_maxes',
        ZERO_MAXIMA,
    ),
    *_mutants(
        "CrossEntropy.backward_fused",
        ("one-hot not subtracted", ".scatter_add_(-1, index, (-share).expand(index.shape))", ""),
        ("one-hot added", "(-share).expand", "share.expand"),
        ("1/n forgotten", " * (1 / probs.shape[-2])", ""),
        ("1/n on one of the two only", "(probs * share)", "probs.clone()"),
        ("a stack: replicas for rows", "probs.shape[-2]", "probs.shape[0]"),
        ("pull for push", "(probs * share)", "(probs * -share)"),
    ),
    *_mutants(
        "MeanSquaredError.backward",
        ("2 of the square dropped", "ddiff2 * (2 * diff)", "ddiff2 * diff"),
        ("mean over the rows only", " * diff.shape[-1]", ""),
        ("sign", "return ddiff", "return -ddiff"),
    ),
    *_mutants(
        "MeanSquaredError.backward_fused",
        ("2 of the square dropped", "2 / (", "1 / ("),
        ("mean over the rows only", " * diff.shape[-1]", ""),
    ),
)

MUTANTS: tuple[Mutant, ...] = (
    *_LINEAR,
    *_EMBEDDING,
    *_TANH,
    *_ACTIVATIONS,
    *_STANDARDIZE,
    *_NORMS,
    *_SHAPE,
    *_LOSSES,
)
"""Every mutant there is."""
