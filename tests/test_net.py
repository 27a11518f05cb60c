"""Specification of a network: its one forward, the trace it leaves, its evaluation."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from ninja.config import ModelConfig, NetworkConfig, NormConfig
from ninja.engines import engine
from ninja.init import Generators
from ninja.net import Net, count, draw, merge
from ninja.networks import build
from ninja.optim import sgd_
from ninja.replicas import stack
from ninja.types import Batch, Params, Trace

HIDDEN, VOCAB, ROWS, BLOCK = 16, 27, 8, 3


def network(norm: NormConfig | None = None, **model: Any) -> Net:
    layers = ModelConfig(n_embd=4, n_hidden=HIDDEN, **model)
    return build(NetworkConfig(BLOCK, layers, norm=norm or NormConfig()), VOCAB)


def parameters(net: Net, replicas: int | None = None, dtype: torch.dtype = torch.float32) -> Params:
    runs = [draw(net, Generators.of(seed), dtype) for seed in range(replicas or 1)]
    return runs[0] if replicas is None else stack(runs)


def batch(replicas: int | None = None, seed: int = 0, rows: int = ROWS) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    lead = () if replicas is None else (replicas,)
    return Batch(
        torch.randint(0, VOCAB, (*lead, rows, BLOCK), generator=generator),
        torch.randint(0, VOCAB, (*lead, rows), generator=generator),
    )


def tensors(named: dict[str, dict[str, Tensor]]) -> list[Tensor]:
    return [tensor for own in named.values() for tensor in own.values()]


def assert_same_bits(trace: Trace, expected: Trace) -> None:
    assert trace.saved.keys() == expected.saved.keys()
    for node, saved in trace.saved.items():
        assert list(saved) == list(expected.saved[node])
        for key, tensor in saved.items():
            assert torch.equal(tensor, expected.saved[node][key]), f"{node}.{key}"


# --- the trace -----------------------------------------------------------------------------------


def test_the_trace_names_every_intermediate_in_forward_order() -> None:
    net = network()
    trace = net.forward(parameters(net), batch())
    assert {node: list(saved) for node, saved in trace.saved.items()} == {
        "00.embedding": ["rows", "emb", "y"],
        "01.flatten": ["x", "y"],
        "02.linear": ["x", "y"],
        "03.batchnorm": ["mean", "diff", "diff2", "var", "var_inv", "raw", "y"],
        "04.tanh": ["y"],
        "05.linear": ["x", "y"],
        "06.loss": [
            *("index", "argmax", "logit_maxes", "norm_logits"),
            *("counts", "counts_sum", "counts_sum_inv", "probs", "logprobs", "y"),
        ],
    }
    assert list(trace.saved) == [node.name for node in net.nodes]


@pytest.mark.parametrize("norm", ["none", "batchnorm", "layernorm", "rmsnorm"])
def test_a_nodes_output_comes_last_and_is_what_the_next_one_reads(norm: str) -> None:
    net = network(NormConfig(norm), n_layers=3, residual=True)
    saved = net.forward(parameters(net), batch()).saved
    for node in net.nodes:
        assert list(saved[node.name])[-1] == "y"
        if "x" in saved[node.name]:
            assert saved[node.name]["x"] is saved[node.inputs[0]]["y"]


def test_the_forward_is_the_lectures_line_by_line() -> None:
    net = network()
    params, (tokens, targets) = parameters(net), batch()
    trace = net.forward(params, Batch(tokens, targets))
    embcat = params["00.embedding"]["C"][tokens].view(ROWS, -1)
    hprebn = embcat @ params["02.linear"]["W"] + params["02.linear"]["b"]
    mean, var = hprebn.mean(0, keepdim=True), hprebn.var(0, keepdim=True, unbiased=True)
    norm = params["03.batchnorm"]
    hpreact = norm["gain"] * (hprebn - mean) / torch.sqrt(var + 1e-5) + norm["bias"]
    logits = torch.tanh(hpreact) @ params["05.linear"]["W"] + params["05.linear"]["b"]
    torch.testing.assert_close(trace.saved["03.batchnorm"]["y"], hpreact)
    torch.testing.assert_close(trace.saved["05.linear"]["y"], logits)
    torch.testing.assert_close(trace.loss, torch.nn.functional.cross_entropy(logits, targets))


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize(("replicas", "shape"), [(None, ()), (1, (1,)), (3, (3,))])
def test_the_loss_is_one_number_a_replica(
    graph: bool, replicas: int | None, shape: tuple[int, ...]
) -> None:
    net = network()
    trace = net.forward(parameters(net, replicas), batch(replicas), graph=graph)
    assert trace.loss.shape == shape
    assert trace.loss is trace.saved["06.loss"]["y"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_parameters_dtype_goes_through(dtype: torch.dtype) -> None:
    net = network()
    trace = net.forward(parameters(net, dtype=dtype), batch())
    floating = [tensor for tensor in tensors(trace.saved) if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in floating} == {dtype}


@pytest.mark.parametrize("graph", [True, False])
def test_a_forward_changes_nothing_it_was_given(graph: bool) -> None:
    net = network(n_layers=2, residual=True)
    params, given = parameters(net), batch()
    before = [tensor.clone() for tensor in (*tensors(params), *given)]
    net.forward(params, given, graph=graph)
    assert all(map(torch.equal, (*tensors(params), *given), before))


# --- with a graph and without --------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", ["none", "batchnorm", "layernorm", "rmsnorm"])
def test_the_graph_changes_no_bit(replicas: int | None, dtype: torch.dtype, norm: str) -> None:
    net = network(NormConfig(norm), n_layers=2, residual=True)
    params = parameters(net, replicas, dtype)
    plain = net.forward(params, batch(replicas))
    assert_same_bits(net.forward(params, batch(replicas), graph=True), plain)


def test_without_a_graph_autograd_records_nothing() -> None:
    net = network()
    params = parameters(net)
    for tensor in tensors(params):
        tensor.requires_grad_()
    trace = net.forward(params, batch())
    assert not any(tensor.requires_grad for tensor in tensors(trace.saved))
    assert trace.bound is params


def test_with_a_graph_it_records_wherever_it_is_called() -> None:
    net = network()
    with torch.no_grad():
        assert net.forward(parameters(net), batch(), graph=True).loss.requires_grad
        assert not torch.is_grad_enabled()
    net.forward(parameters(net), batch())
    assert torch.is_grad_enabled()


def test_the_bound_parameters_are_leaves_of_the_graph_with_the_same_values() -> None:
    net = network()
    params = parameters(net)
    bound = net.forward(params, batch(), graph=True).bound
    assert {node: list(own) for node, own in bound.items()} == {
        node: list(own) for node, own in params.items()
    }
    for leaf, tensor in zip(tensors(bound), tensors(params), strict=True):
        assert leaf is not tensor
        assert leaf.is_leaf
        assert leaf.requires_grad
        assert torch.equal(leaf, tensor)


def test_no_gradient_reaches_the_callers_parameters() -> None:
    net = network()
    params = parameters(net)
    trace = net.forward(params, batch(), graph=True)
    trace.loss.backward()
    assert all(leaf.grad is not None for leaf in tensors(trace.bound))
    for tensor in tensors(params):
        assert tensor.grad is None
        assert not tensor.requires_grad
        assert tensor.grad_fn is None


def test_what_a_forward_without_a_graph_leaves_behind_closes_nothing_to_autograd() -> None:
    """Its trace may be closed; the parameters and the running statistics must stay open."""
    net = network()
    params = parameters(net)
    trace = net.forward(params, batch())
    buffers = net.running(net.buffers(), trace)
    sgd_(params, engine("manual_fused")(net, trace).deltas, lr=0.1)
    evaluated = net.evaluation().forward(merge(params, buffers), batch(), graph=True)
    evaluated.loss.backward()
    assert net.forward(params, batch(), graph=True).loss.requires_grad


# --- first values --------------------------------------------------------------------------------


def test_every_node_has_an_entry_and_every_tensor_its_shape() -> None:
    net = network()
    params = parameters(net)
    assert list(params) == [node.name for node in net.nodes]
    for node in net.nodes:
        shapes = {name: tuple(tensor.shape) for name, tensor in params[node.name].items()}
        assert shapes == node.rule.shapes()


def test_both_dtypes_start_at_the_same_values() -> None:
    net = network()
    single, double = parameters(net), parameters(net, dtype=torch.float64)
    for s, d in zip(tensors(single), tensors(double), strict=True):
        assert d.dtype == torch.float64
        assert torch.equal(s.double(), d)


def test_count() -> None:
    net = network()
    expected = VOCAB * 4 + (12 * HIDDEN + HIDDEN) + 2 * HIDDEN + (HIDDEN * VOCAB + VOCAB)
    assert count(parameters(net)) == expected
    assert count(parameters(net, replicas=3)) == 3 * expected
    assert count({"00.flatten": {}}) == 0


# --- running statistics --------------------------------------------------------------------------


@pytest.mark.parametrize("spread", ["var", "std"])
def test_only_batchnorms_have_buffers_which_start_at_zero_and_one(spread: str) -> None:
    buffers = network(NormConfig(running=spread), n_layers=2).buffers()
    assert list(buffers) == ["03.batchnorm", "06.batchnorm"]
    for own in buffers.values():
        assert list(own) == ["running_mean", f"running_{spread}"]
        assert torch.equal(own["running_mean"], torch.zeros(1, HIDDEN))
        assert torch.equal(own[f"running_{spread}"], torch.ones(1, HIDDEN))


@pytest.mark.parametrize("norm", ["none", "layernorm", "rmsnorm"])
def test_no_other_norm_has_buffers(norm: str) -> None:
    net = network(NormConfig(norm))
    assert net.buffers() == {}
    assert net.running({}, net.forward(parameters(net), batch())) == {}


def test_running_makes_new_tensors_and_leaves_the_old() -> None:
    net = network(NormConfig(momentum=0.5))
    buffers = net.buffers()
    old = buffers["03.batchnorm"]["running_mean"]
    after = net.running(buffers, net.forward(parameters(net), batch()))
    assert torch.equal(old, torch.zeros(1, HIDDEN))
    assert buffers["03.batchnorm"]["running_mean"] is old
    assert after.keys() == buffers.keys()
    assert not torch.equal(after["03.batchnorm"]["running_mean"], old)


def test_running_statistics_keep_no_graph() -> None:
    net = network()
    trace = net.forward(parameters(net), batch(), graph=True)
    made = net.running(net.buffers(), trace)
    assert made
    assert all(t.grad_fn is None for own in made.values() for t in own.values())


def test_running_statistics_of_the_lecture() -> None:
    """Part 3: bnmean_running = 0.999·bnmean_running + 0.001·bnmeani, and the deviation alike."""
    net = network(NormConfig(eps=0.0, running="std"))
    params, buffers = parameters(net), net.buffers()
    mean, std = torch.zeros(1, HIDDEN), torch.ones(1, HIDDEN)
    for seed in range(5):
        trace = net.forward(params, batch(seed=seed))
        buffers = net.running(buffers, trace)
        hpreact = trace.saved["02.linear"]["y"]
        mean = 0.999 * mean + 0.001 * hpreact.mean(0, keepdim=True)
        std = 0.999 * std + 0.001 * hpreact.std(0, keepdim=True)
    torch.testing.assert_close(buffers["03.batchnorm"], {"running_mean": mean, "running_std": std})


@pytest.mark.parametrize("bessel", [True, False])
@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_running_statistics_and_evaluation_are_torchs(bessel: bool, eps: float) -> None:
    """torch keeps the unbiased running variance, whichever one it normalises by."""
    net = network(NormConfig(eps=eps, momentum=0.1, bessel=bessel))
    params, buffers = parameters(net), net.buffers()
    torchs = torch.nn.BatchNorm1d(HIDDEN, eps=eps, momentum=0.1)
    for seed in range(20):
        trace = net.forward(params, batch(seed=seed))
        buffers = net.running(buffers, trace)
        with torch.no_grad():
            torchs(trace.saved["02.linear"]["y"])
    running = buffers["03.batchnorm"]
    torch.testing.assert_close(running["running_mean"][0], torchs.running_mean)
    torch.testing.assert_close(running["running_var"][0], torchs.running_var)

    torchs.eval()
    trace = net.evaluation().forward(merge(params, buffers), batch(seed=99))
    with torch.no_grad():
        expected = torchs(trace.saved["02.linear"]["y"])
    torch.testing.assert_close(trace.saved["03.batchnorm"]["y"], expected)


def test_without_running_bessel_the_running_variance_is_the_biased_one() -> None:
    net = network(NormConfig(momentum=1.0, running_bessel=False))
    trace = net.forward(parameters(net), batch())
    after = net.running(net.buffers(), trace)["03.batchnorm"]["running_var"]
    expected = trace.saved["02.linear"]["y"].var(0, keepdim=True, unbiased=False)
    torch.testing.assert_close(after, expected)


def test_a_replicas_running_statistics_are_those_of_it_alone() -> None:
    net = network(NormConfig(momentum=0.1))
    params, together = parameters(net, replicas=3), batch(replicas=3)
    stacked = net.running(net.buffers(), net.forward(params, together))["03.batchnorm"]
    for replica in range(3):
        run = {node: {key: t[replica] for key, t in own.items()} for node, own in params.items()}
        alone = Batch(*(tensor[replica] for tensor in together))
        own = net.running(net.buffers(), net.forward(run, alone))["03.batchnorm"]
        for key, tensor in own.items():
            torch.testing.assert_close(stacked[key][replica], tensor)


# --- evaluation ----------------------------------------------------------------------------------


def evaluated(net: Net, rows: Batch) -> Trace:
    params = parameters(net)
    buffers = net.running(net.buffers(), net.forward(params, batch(seed=5)))
    return net.evaluation().forward(merge(params, buffers), rows)


def test_in_evaluation_a_row_knows_nothing_of_the_others() -> None:
    net, rows = network(NormConfig(momentum=0.1)), batch()
    together = evaluated(net, rows).saved["05.linear"]["y"]
    for row in range(ROWS):
        alone = evaluated(net, Batch(rows.tokens[row : row + 1], rows.targets[row : row + 1]))
        torch.testing.assert_close(alone.saved["05.linear"]["y"], together[row : row + 1])


def test_in_training_it_does() -> None:
    net, rows = network(), batch()
    params = parameters(net)
    together = net.forward(params, rows).saved["05.linear"]["y"]
    half = net.forward(params, Batch(rows.tokens[:4], rows.targets[:4])).saved["05.linear"]["y"]
    assert not torch.allclose(half, together[:4], atol=1e-3)


def test_the_evaluation_network_is_the_same_but_for_batchnorm() -> None:
    net = network()
    changed = [
        node.name
        for node, other in zip(net.nodes, net.evaluation().nodes, strict=True)
        if node != other
    ]
    assert changed == ["03.batchnorm"]
    for node, other in zip(net.nodes, net.evaluation().nodes, strict=True):
        assert replace(other, rule=node.rule) == node


@pytest.mark.parametrize("norm", ["none", "layernorm", "rmsnorm"])
def test_without_batchnorm_evaluation_is_training(norm: str) -> None:
    net = network(NormConfig(norm))
    assert net.evaluation() == net


def test_merge_puts_the_running_statistics_beside_the_parameters() -> None:
    net = network()
    params, buffers = parameters(net), net.buffers()
    merged = merge(params, buffers)
    assert list(merged) == list(params)
    assert list(merged["03.batchnorm"]) == ["gain", "bias", "running_mean", "running_var"]
    assert merged["03.batchnorm"]["gain"] is params["03.batchnorm"]["gain"]
    assert merged["03.batchnorm"]["running_mean"] is buffers["03.batchnorm"]["running_mean"]
    assert list(merged["02.linear"]) == list(params["02.linear"])
    assert list(params["03.batchnorm"]) == ["gain", "bias"]  # and leaves them as they were
