"""Draw the handbook's pictures into docs/img, from the rules themselves.

Run it in the checkout: ``.venv/bin/python docs/pictures.py``. The same numbers make the same bytes.
The ground is white, so that a dark page shows them as they are.
"""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm
from torch import Generator, Tensor

from ninja import data
from ninja.engines import engine
from ninja.networks import build
from ninja.rules import Linear, Tanh
from ninja.verify import first_step, network

IMAGES = Path(__file__).parent / "img"
STYLE = {
    "svg.hashsalt": "gradient-ninja",
    "svg.fonttype": "path",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"  # told apart by colour-blind people
WIDTH, ROWS, DEPTH = 100, 2000, 10


def main(folder: Path = IMAGES) -> None:
    """Draw both."""
    folder.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    with drawn(folder / "push_pull.svg", (9, 4.4)) as figure:
        push_pull(figure)
    with drawn(folder / "tanh_outputs.svg", (9, 5.6)) as figure:
        tanh_outputs(figure)


@contextmanager
def drawn(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """A figure that is saved in the end."""
    with matplotlib.rc_context(STYLE):
        figure = plt.figure(figsize=size, layout="constrained")
        yield figure
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    print(path)


def push_pull(figure: Figure) -> None:
    """Softmax minus one-hot: a batch of the lecture's network at its first step, and one row."""
    words = data.load()
    net = build(network("lecture"), words.vocabulary.size)
    params, batch = first_step(net, words, 2147483647, 32, torch.float32, None)
    trace = net.forward(params, batch)
    delta = engine("manual_fused")(net, trace, "all").deltas["05.linear"]["y"] * len(batch.targets)
    letters = [".", *"abcdefghijklmnopqrstuvwxyz"]

    whole, single = figure.subplots(1, 2, width_ratios=[1, 1.25])
    image = whole.imshow(delta.numpy(), cmap="gray", vmin=-1, vmax=1, aspect="auto")
    figure.colorbar(image, ax=whole, label="N · ∂loss/∂logit = softmax − one-hot")
    whole.set(xlabel="letter", ylabel="row of the batch", xticks=range(0, 27, 2))
    whole.set_xticklabels(letters[::2])
    whole.set_title("32 rows: dark at the targets")

    row = 0
    target = int(batch.targets[row])
    force = -delta[row]
    colours = [BLUE if letter == target else ORANGE for letter in range(27)]
    single.bar(range(27), force.numpy(), color=colours)
    single.axhline(0, color="black", linewidth=0.8)
    single.set(xlabel="letter", ylabel="force on the logit, against the delta")
    single.set_xticks(range(27), letters)
    single.set_title(f"one row, its target is “{letters[target]}”")
    single.annotate(
        "pulled up by 1 − p",
        (target, float(force[target])),
        (target + (3 if target < 13 else -11), float(force[target]) * 0.9),
        color=BLUE,
    )
    single.annotate("all others pushed down, each by its p", (4, -0.28), color=ORANGE)
    single.set_ylim(-0.35, 1.05)


def tanh_outputs(figure: Figure) -> None:
    """Three networks of ten tanh layers: outputs of the last one, deltas of all."""
    within = math.atanh(0.1) / norm.ppf(0.95)
    beyond = math.atanh(0.9) / norm.ppf(0.55)
    made = {
        "90 % within ±0.1": (layers(deviation=within), BLUE, "o"),
        "gain 5/3": (layers(gain=5 / 3), GREEN, "s"),
        "90 % beyond ±0.9": (layers(deviation=beyond), ORANGE, "^"),
    }
    grid = figure.add_gridspec(2, 3, height_ratios=[1, 1.2])
    below = figure.add_subplot(grid[1, :])
    for column, (name, ((weights, outputs), colour, marker)) in enumerate(made.items()):
        last = outputs[-1]
        histogram(figure.add_subplot(grid[0, column]), name, last, colour)
        profile = pulled(weights, outputs)
        below.semilogy(range(1, DEPTH + 1), profile, marker=marker, color=colour, label=name)
    below.set(xlabel="layer", ylabel="RMS of ∂loss/∂pre-activation", xticks=range(1, DEPTH + 1))
    below.set_title("on the way back, from right to left: kept, kept, exploding")
    below.legend(loc="upper right", frameon=False)


def histogram(axes: Axes, name: str, outputs: Tensor, colour: str) -> None:
    """Of a layer's outputs, and how open its gates are in the mean."""
    counts = torch.histc(outputs, 50, -1, 1) / outputs.numel()
    axes.stairs(counts.numpy(), torch.linspace(-1, 1, 51).numpy(), fill=True, color=colour)
    axes.set(xlabel="tanh output, layer 10", xlim=(-1.05, 1.05))
    axes.set_title(f"{name}\nmean gate {float((1 - outputs**2).mean()):.2f}", fontsize=10)
    axes.set_ylabel("share" if "within" in name else "")


def layers(
    deviation: float | None = None, gain: float | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and outputs, by the deviation of every pre-activation or by a gain.

    They are those of docs/questions.md.
    """
    draws = Generator().manual_seed(6)
    h, weights, outputs = torch.randn(ROWS, WIDTH, generator=draws), [], []
    for _ in range(DEPTH):
        W = torch.randn(WIDTH, WIDTH, generator=draws) / WIDTH**0.5
        W = W * gain if gain is not None else W * (deviation / (h @ W).std())
        h = Tanh().forward({}, h @ W)["y"]
        weights.append(W)
        outputs.append(h)
    return weights, outputs


def pulled(weights: list[Tensor], outputs: list[Tensor]) -> list[float]:
    """The RMS of the delta of each pre-activation, the first layer's first."""
    delta, found = torch.randn(ROWS, WIDTH, generator=Generator().manual_seed(7)), []
    for W, y in zip(reversed(weights), reversed(outputs), strict=True):
        dz, _ = Tanh().backward({}, {"y": y}, delta)
        found.append(dz.square().mean().sqrt().item())
        delta, _ = Linear(WIDTH, WIDTH, bias=False).backward({"W": W}, {"x": y}, dz)
    return found[::-1]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
