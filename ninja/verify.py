"""The proof: one engine's delta of every tensor against another's, as the lecture's ``cmp``."""

from dataclasses import dataclass, replace

import torch

from ninja.agreement import WRONG, Row, compare, gap, largest
from ninja.batches import Batches
from ninja.config import InitConfig, ModelConfig, NetworkConfig, NormConfig
from ninja.data import Dataset
from ninja.engines import engine, engines
from ninja.errors import ConfigError, nearest
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import PRESETS
from ninja.replicas import stack
from ninja.rules import BatchNorm, LayerNorm, RMSNorm, intermediates
from ninja.types import Batch, Deltas, Params, Tensors, Trace

LECTURE = "lecture"

# The lecture's names, in the order of its exercise 1, and where each lives in the network.
LECTURE_ROWS = {
    "logprobs": "06.loss.logprobs",
    "probs": "06.loss.probs",
    "counts_sum_inv": "06.loss.counts_sum_inv",
    "counts_sum": "06.loss.counts_sum",
    "counts": "06.loss.counts",
    "norm_logits": "06.loss.norm_logits",
    "logit_maxes": "06.loss.logit_maxes",
    "logits": "05.linear.y",
    "h": "04.tanh.y",
    "W2": "05.linear.W",
    "b2": "05.linear.b",
    "hpreact": "03.batchnorm.y",
    "bngain": "03.batchnorm.gain",
    "bnbias": "03.batchnorm.bias",
    "bnraw": "03.batchnorm.raw",
    "bnvar_inv": "03.batchnorm.var_inv",
    "bnvar": "03.batchnorm.var",
    "bndiff2": "03.batchnorm.diff2",
    "bndiff": "03.batchnorm.diff",
    "bnmeani": "03.batchnorm.mean",
    "hprebn": "02.linear.y",
    "embcat": "01.flatten.y",
    "W1": "02.linear.W",
    "b1": "02.linear.b",
    "emb": "00.embedding.emb",
    "C": "00.embedding.C",
}


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Attributes:
        rows: one for each tensor the engine has a delta of.
        exercise_2: the closed form of cross-entropy, given autograd's incoming delta.
        exercise_3: the closed form of every norm, given autograd's incoming delta.
        gaps: of each engine from the reference; the worst replica's.
        engine: the one whose rows these are.
        reference: the engine they are compared with.
        rounding: what looks wrong in float32 is right in float64, at the same values.
    """

    rows: tuple[Row, ...]
    exercise_2: tuple[Row, ...]
    exercise_3: tuple[Row, ...]
    gaps: dict[str, float]
    engine: str
    reference: str
    rounding: bool = False

    @property
    def gap(self) -> float:
        """The engine's own."""
        return self.gaps[self.engine]

    @property
    def suspects(self) -> tuple[str, ...]:
        """The rows that are not even close, and the engines whose gap is that of a mistake."""
        rows = [row.name for row in self.rows if row.wrong]
        rows += [f"exercise 2, {row.name}" for row in self.exercise_2 if row.wrong]
        rows += [f"exercise 3, {row.name}" for row in self.exercise_3 if row.wrong]
        return (*rows, *(f"gap of {name}" for name, gap in self.gaps.items() if not gap <= WRONG))

    @property
    def wrong(self) -> bool:
        """Whether there is a suspect that rounding does not excuse."""
        return bool(self.suspects) and not self.rounding


def network(name: str) -> NetworkConfig:
    """The config behind a name: a preset, the lecture's exercise 1, or the general deep MLP.

    Raises:
        ConfigError: there is none of that name.
    """
    known = PRESETS | {
        LECTURE: replace(PRESETS["lecture_manual"], model=ModelConfig(n_hidden=64)),
        "mlp": NetworkConfig(model=ModelConfig(n_hidden=64, n_layers=3)),
        "mlp_residual": NetworkConfig(
            model=ModelConfig(n_hidden=64, n_layers=4, activation="gelu", residual=True),
            init=InitConfig(scheme="xavier", gain=1.0, bias_std=0.1, norm_std=0.1),
            norm=NormConfig(name="layernorm"),
        ),
        "mlp_rmsnorm": NetworkConfig(
            model=ModelConfig(n_hidden=64, n_layers=4, activation="relu"),
            init=InitConfig(scheme="orthogonal", gain="relu", norm_std=0.1),
            norm=NormConfig(name="rmsnorm"),
        ),
    }
    if name not in known:
        raise ConfigError(nearest("network", name, known))
    return known[name]


def first_step(
    net: Net, dataset: Dataset, seed: int, batch_size: int, dtype: torch.dtype, replicas: int | None
) -> tuple[Params, Batch]:
    """Parameters and batch of step 0, of one run, or of a stack whose seeds count up from seed."""
    generators = [Generators.of(seed + i) for i in range(replicas or 1)]
    runs = [draw(net, own, dtype) for own in generators]
    streams = [own.run for own in generators]
    if replicas is None:
        return runs[0], next(Batches(dataset.train, batch_size, streams[0]))
    return stack(runs), next(Batches(dataset.train, batch_size, streams))


def verify(
    net: Net, params: Params, batch: Batch, engine_name: str = "manual_atomic", *, lecture: bool
) -> Report:
    """Compare an engine with autograd (and autograd with ``manual_atomic``) on one forward.

    Args:
        net: any network.
        params: of a single run or of a stack.
        batch: with the same leading dimension.
        engine_name: the one in question.
        lecture: name and order the rows as the lecture does; the network must be the lecture's.

    A gradient may be nothing but a difference of large numbers, as under a BatchNorm of two rows:
    so what looks wrong in float32 is tried in float64, where a mistake is as large as it was, and
    rounding is not.

    Raises:
        ConfigError: there is no such engine.
    """
    report = _compare(net, params, batch, engine_name, lecture=lecture)
    single = all(t.dtype == torch.float32 for named in params.values() for t in named.values())
    if not report.suspects or not single:
        return report
    double = {
        node: {name: tensor.double() for name, tensor in named.items()}
        for node, named in params.items()
    }
    again = _compare(net, double, batch, engine_name, lecture=lecture)
    return replace(report, rounding=not again.suspects)


def _compare(net: Net, params: Params, batch: Batch, engine_name: str, *, lecture: bool) -> Report:
    chosen = engine(engine_name)
    trace = net.forward(params, batch, graph=True)
    lead = trace.loss.dim()
    autograd = engines()["autograd"](net, trace, "all").deltas
    found = {
        name: other(net, trace, "all").deltas
        for name, other in engines().items()
        if name != "autograd"
    }
    gaps = {
        name: gap(deltas, autograd, trace.bound, lead).max().item()
        for name, deltas in found.items()
    }
    if chosen.graph:
        deltas, reference = autograd, found["manual_atomic"]
        gaps[engine_name] = gap(deltas, reference, trace.bound, lead).max().item()
    else:
        deltas, reference = found[engine_name], autograd
    names = LECTURE_ROWS if lecture else {place: place for place in _tensors(trace)}
    exercise_2, exercise_3 = _closed_forms(net, trace, autograd, names)
    return Report(
        _rows(trace, deltas, reference, names),
        exercise_2,
        exercise_3,
        gaps,
        engine_name,
        "manual_atomic" if chosen.graph else "autograd",
    )


def _tensors(trace: Trace) -> Tensors:
    """Every tensor with a delta, as "node.tensor", the last first."""
    named = {
        f"{node}.{key}": tensor
        for node, saved in trace.saved.items()
        for key, tensor in [*trace.bound[node].items(), *intermediates(saved)]
        if tensor is not trace.loss  # whose delta is 1, by definition
    }
    return dict(reversed(named.items()))


def _rows(
    trace: Trace, deltas: Deltas, reference: Deltas, names: dict[str, str]
) -> tuple[Row, ...]:
    tensors = _tensors(trace)
    scales = {node: max(map(largest, named.values())) for node, named in reference.items()}
    rows: list[Row] = []
    for name, place in names.items():
        node, key = place.rsplit(".", 1)
        if key in deltas[node]:  # a closed form has no delta for what it skips
            delta, correct = deltas[node][key], reference[node][key]
            rows.append(compare(name, tensors[place], delta, correct, scales[node]))
    return tuple(rows)


def _closed_forms(
    net: Net, trace: Trace, autograd: Deltas, names: dict[str, str]
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Exercises 2 and 3: each closed form alone, fed with the delta that autograd brings to it."""
    called = {place: name for name, place in names.items()}
    exercise_2: list[Row] = []
    exercise_3: list[Row] = []
    for node in net.nodes:
        norm = isinstance(node.rule, BatchNorm | LayerNorm | RMSNorm)
        if node is not net.nodes[-1] and not norm:
            continue
        source = node.inputs[0]
        saved, dy = trace.saved[node.name], autograd[node.name]["y"]
        with torch.no_grad():
            dx, _ = node.rule.backward_fused(trace.bound[node.name], saved, dy)
        assert isinstance(dx, torch.Tensor)
        row = compare(called[f"{source}.y"], trace.saved[source]["y"], dx, autograd[source]["y"])
        (exercise_3 if norm else exercise_2).append(row)
    return tuple(exercise_2), tuple(exercise_3)
