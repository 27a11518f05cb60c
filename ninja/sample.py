"""Words from a trained run: its folder, its network as it is evaluated, and a generator."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor

from ninja import checkpoint, data, durable, evaluate, result, runs, words
from ninja.config import RunConfig
from ninja.distinct import Distinct
from ninja.errors import RecordError, RunError
from ninja.folders import COMPOSED, config_in, runs_in
from ninja.net import Net, merge
from ninja.networks import build
from ninja.types import Batch, Params

SEED = 2147483647 + 10
"""The lecture's, where it samples."""

_LISTED = 10  # runs that a refusal names


@dataclass(frozen=True)
class Trained:
    """A network that can be asked for words.

    Attributes:
        folder: of the run.
        config: of the run.
        step: trained up to here.
        net: as it is evaluated, up to the logits.
        params: of it, with the statistics that it is evaluated by.
        vocabulary: of its word list.
        known: the words it was trained on.
    """

    folder: Path
    config: RunConfig
    step: int
    net: Net
    params: Params
    vocabulary: data.Vocabulary
    known: frozenset[str]


@dataclass(frozen=True)
class Word:
    """What came out.

    Attributes:
        word: without its end token.
        new: not among the words of the training split.
        cut: it had not ended when it was twice as long as the longest of those.
    """

    word: str
    new: bool
    cut: bool


# --- a run's folder -------------------------------------------------------------------------------


def find(place: Path) -> Path:
    """The folder of a run: the given one, or the only one in a study or in an output.

    Raises:
        RecordError: there is none, or more than one.
    """
    found = runs_in(place)
    if len(found) > 1:
        shown = ", ".join(str(folder) for folder in found[:_LISTED])
        more = ", …" if len(found) > _LISTED else ""
        raise RecordError(f"{str(place)!r}: {len(found)} runs lie here, give one: {shown}{more}")
    return found[0]


def trained(folder: Path) -> Trained:
    """The network of a run, from its checkpoint.

    Raises:
        NinjaError: the run diverged, its files are damaged, or its words are not those it was
            trained on.
    """
    done = result.read(folder)
    if done is not None and done.diverged is not None:
        raise RecordError(
            f"{str(folder)!r}: this run diverged at step {done.diverged['step']:,}: it has no words"
        )
    config = config_in(folder, done)
    path = config.data.path or words.NAMES
    dataset = data.load(path, config.data.block_size)
    if done is not None and done.data_sha256 != dataset.sha256:
        raise RecordError(
            f"{str(path)!r}: not the words that the run was trained on (SHA-256 "
            f"{done.data_sha256[:12]}…, now {dataset.sha256[:12]}…): put them back"
        )
    run_id = runs.run_id(config) if done is None else done.run_id
    if done is None and run_id != folder.resolve().name:
        raise RecordError(
            f"{str(folder)!r}: not the run {run_id} that its {COMPOSED} and the words in "
            f"{str(path)!r} make: one of them has changed, put it back"
        )
    state, damaged = checkpoint.load(folder, run_id)
    if state is None or (done is not None and state.step != done.steps):
        why = damaged[0] if damaged else f"{str(folder / durable.CURRENT)!r}: not there"
        first = f"remove {result.RESULT} and " if done is not None else ""
        raise RecordError(f"{why}: {first}type the run's command again, it finishes the run")
    net = build(config.network, dataset.vocabulary.size)
    buffers = state.buffers
    if config.norm.calibrate:
        distinct = Distinct.of(dataset.train, dataset.vocabulary.size)
        counts = distinct.counts(slice(None))
        buffers = evaluate.calibrate(net, state.params, buffers, distinct, counts)
    return Trained(
        folder,
        config,
        state.step,
        Net(net.nodes[:-1]).evaluation(),  # the last is the loss, and there is no target
        merge(state.params, buffers),
        dataset.vocabulary,
        frozenset(data.split(words.read_words(path))[0]),
    )


# --- words ----------------------------------------------------------------------------------------


def probabilities(of: Trained, contexts: Tensor) -> Tensor:
    """What comes next: contexts are int64 (N, block_size), the probabilities (N, V)."""
    batch = Batch(contexts, contexts[:, 0])  # no rule before the loss reads the targets
    logits = of.net.forward(of.params, batch).saved[of.net.nodes[-1].name]["y"]
    return logits.softmax(-1)


def sample(of: Trained, count: int, generator: Generator) -> list[Word]:
    """Words letter by letter, all of them at once, each until its end token.

    Args:
        of: the network.
        count: of words.
        generator: of the draws; a word depends on how many are asked for.

    Raises:
        RunError: a probability is none, as after a step that diverged.
    """
    longest = 2 * max(map(len, of.known))  # an untrained network knows no end
    contexts = torch.zeros((count, of.config.data.block_size), dtype=torch.int64)
    going = torch.ones(count, dtype=torch.bool)
    letters: list[Tensor] = []
    while going.any() and len(letters) <= longest:
        chances = probabilities(of, contexts)
        if not chances.isfinite().all():
            raise RunError(f"{str(of.folder)!r}: the network's probabilities are no numbers")
        letters.append(torch.multinomial(chances, 1, generator=generator))
        contexts = torch.cat((contexts[:, 1:], letters[-1]), -1)
        going &= letters[-1][:, 0] != 0
    return [_word(of, row) for row in torch.cat(letters, -1).tolist()]


def _word(of: Trained, drawn: list[int]) -> Word:
    cut = 0 not in drawn
    word = of.vocabulary.decode(drawn[:-1] if cut else drawn[: drawn.index(0)])
    return Word(word, word not in of.known, cut)
