"""Words from trained runs, and one line for what is no trained run."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from ninja import data, evaluate, result, runs
from ninja.checkpoint import TrainState, load, save
from ninja.cli import main
from ninja.config import DataConfig, ModelConfig, NormConfig, RunConfig
from ninja.distinct import Distinct
from ninja.durable import CURRENT, PREVIOUS
from ninja.errors import RecordError, RunError
from ninja.fit import fit
from ninja.net import merge
from ninja.networks import build
from ninja.sample import SEED, Trained, find, probabilities, sample, trained
from ninja.types import Batch
from tests.faults import fault_of

WORDS = [f"{a}{b}{c}" for a in "abc" for b in "xyzu" for c in ("no", "nn", "o")]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "words.txt"
    path.write_text("\n".join(WORDS))
    return path


def config_of(words: Path, **values: object) -> RunConfig:
    model = ModelConfig(n_embd=4, n_hidden=16)
    base = RunConfig(data=DataConfig(path=str(words)), model=model, steps=200)
    return replace(base, **values)  # pyright: ignore[reportArgumentType]


def run_of(config: RunConfig, output: Path) -> Path:
    folder = output / "default" / runs.run_id(config)
    fit(config, folder)
    return folder


@pytest.fixture(scope="module")
def done(words: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder. No test changes it."""
    return run_of(config_of(words), tmp_path_factory.mktemp("out"))


@pytest.fixture
def copy(words: Path, tmp_path: Path) -> Path:
    """A run's folder that a test may change."""
    return run_of(config_of(words, steps=20), tmp_path / "out")


def generator(seed: int = SEED) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- the network that is asked -------------------------------------------------------------------


@pytest.mark.parametrize("calibrate", [False, True])
@pytest.mark.parametrize("norm", ["batchnorm", "none", "layernorm"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_are_those_that_the_evaluation_counts_by(
    words: Path, tmp_path: Path, norm: str, calibrate: bool, dtype: str
) -> None:
    normed = NormConfig(name=norm, calibrate=calibrate)  # pyright: ignore[reportArgumentType]
    config = config_of(words, norm=normed, dtype=dtype)
    folder = run_of(config, tmp_path)
    of = trained(folder)
    dataset = data.load(words)
    state, _ = load(folder, runs.run_id(config))
    assert state is not None
    net = build(config.network, dataset.vocabulary.size)
    buffers = state.buffers
    if calibrate:
        distinct = Distinct.of(dataset.train, dataset.vocabulary.size)
        counts = distinct.counts(slice(None))
        buffers = evaluate.calibrate(net, state.params, buffers, distinct, counts)
    batch = Batch(dataset.test.contexts, dataset.test.targets)
    trace = net.evaluation().forward(merge(state.params, buffers), batch)
    probs = trace.saved[net.nodes[-1].name]["probs"]
    found = probabilities(of, dataset.test.contexts)
    assert found.dtype == getattr(torch, dtype)
    torch.testing.assert_close(found, probs)
    likelihood = found.gather(-1, batch.targets.unsqueeze(-1)).log().mean()
    ended = result.read(folder)
    assert ended is not None
    assert -likelihood.item() == pytest.approx(ended.losses["test"], rel=1e-5)


def test_letters_are_drawn_as_they_are_probable(done: Path) -> None:
    """First letters, against the network's own probabilities of them."""
    of = trained(done)
    count = 4096
    drawn = [word.word[:1] for word in sample(of, count, generator())]
    start = torch.zeros((1, of.config.data.block_size), dtype=torch.int64)
    for index, p in enumerate(probabilities(of, start)[0].tolist()):
        letter = of.vocabulary.decode([index]) if index else ""
        assert abs(drawn.count(letter) / count - p) < 5 * (p * (1 - p) / count) ** 0.5 + 1e-9


def test_a_context_is_what_came_before(done: Path) -> None:
    """One word, letter by letter, by hand."""
    of, by_hand = trained(done), generator(7)
    context, expected = [0, 0, 0], ""
    while True:
        chances = probabilities(of, torch.tensor([context]))
        drawn = int(torch.multinomial(chances, 1, generator=by_hand))
        if drawn == 0:
            break
        context, expected = [*context[1:], drawn], expected + of.vocabulary.decode([drawn])
    (word,) = sample(of, 1, generator(7))
    assert (word.word, word.cut) == (expected, False)


# --- words ---------------------------------------------------------------------------------------


def test_a_seed_means_the_same_words(done: Path) -> None:
    of = trained(done)
    first = sample(of, 30, generator())
    assert sample(of, 30, generator()) == first
    assert sample(of, 30, generator(1)) != first
    assert len(first) == 30


def test_new_words_are_those_it_was_not_trained_on(done: Path) -> None:
    of = trained(done)
    assert of.known < set(WORDS)
    assert of.known == set(data.split(WORDS)[0])
    found = sample(of, 200, generator())
    assert all(word.new == (word.word not in of.known) for word in found)
    assert {word.new for word in found} == {True, False}
    assert all(set(word.word) <= set("".join(WORDS)) for word in found)


def without_end(of: Trained) -> Trained:
    """The same network, which never draws the end token."""
    last = of.net.nodes[-1].name
    bias = of.params[last]["b"].clone()
    bias[0] = -1e9
    return replace(of, params={**of.params, last: {**of.params[last], "b": bias}})


def test_a_word_without_an_end_is_cut(done: Path) -> None:
    of = trained(done)
    longest = 2 * max(map(len, of.known))
    for word in sample(without_end(of), 5, generator()):
        assert word.cut
        assert len(word.word) == longest
    assert not any(word.cut for word in sample(of, 5, generator()))


def test_probabilities_that_are_none(done: Path) -> None:
    of = trained(done)
    params = {
        node: {name: tensor * float("nan") for name, tensor in tensors.items()}
        for node, tensors in of.params.items()
    }
    broken = replace(of, params=params)
    message = fault_of(lambda: sample(broken, 1, generator()), RunError)
    assert "probabilities are no numbers" in message


# --- the command ---------------------------------------------------------------------------------


def test_one_word_a_line(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(done)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [w.word for w in sample(trained(done), 20, generator())]
    assert err == ""
    for place in (done.parent, done.parent.parent):
        assert main(["sample", str(place)]) == 0
        assert capsys.readouterr().out == out


def test_json(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(done), "--json", "--words", "7", "--seed", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["step"], found["steps"], found["seed"]) == (200, 200, 3)
    assert found["words"] == [asdict(w) for w in sample(trained(done), 7, generator(3))]


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["sample", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ninja: ")
    assert err.removesuffix("\n").isprintable()
    return err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--words", "0"], "--words"),
        (["--words", "100000"], "--words"),
        (["--words", "many"], "--words"),
        (["--seed", "-1"], "seed: -1 is out of range"),
        (["--seed", "x"], "invalid int value: 'x'"),
    ],
    ids=" ".join,
)
def test_bad_options(
    done: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(capsys, str(done), *options)


def test_no_run_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such folder" in refusal(capsys, str(tmp_path / "none"))
    assert "no run lies here" in refusal(capsys, str(tmp_path))
    (tmp_path / "file").write_text("")
    assert "no such folder" in refusal(capsys, str(tmp_path / "file"))


def test_several_runs_are_listed(tmp_path: Path) -> None:
    folders = [tmp_path / "study" / f"{number:02}" for number in range(12)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / CURRENT).write_bytes(b"")
    message = fault_of(lambda: find(tmp_path), RecordError)
    assert "12 runs lie here, give one: " in message
    assert str(folders[9]) in message
    assert str(folders[10]) not in message
    assert message.endswith(", …")
    for folder in folders[2:]:
        (folder / CURRENT).unlink()
    assert fault_of(lambda: find(tmp_path / "study"), RecordError).endswith(
        f"2 runs lie here, give one: {folders[0]}, {folders[1]}"
    )


def test_a_run_that_diverged(copy: Path) -> None:
    ended = result.read(copy)
    assert ended is not None
    where = {"step": 1234, "node": "03.tanh", "tensor": "y"}
    result.write(copy, replace(ended, status="diverged", losses={}, diverged=where))
    message = fault_of(lambda: trained(copy), RecordError)
    assert "diverged at step 1,234: it has no words" in message


def test_a_damaged_checkpoint(copy: Path) -> None:
    path = copy / CURRENT
    path.write_bytes(path.read_bytes()[:-1])
    message = fault_of(lambda: trained(copy), RecordError)
    assert f"{CURRENT}': damaged (its bytes are not those that were written)" in message
    path.unlink()
    assert f"{CURRENT}': not there" in fault_of(lambda: trained(copy), RecordError)


def test_the_checkpoint_before_is_not_the_trained_network(copy: Path) -> None:
    state, _ = load(copy, copy.name)
    assert state is not None
    (copy / CURRENT).unlink()
    save(copy, copy.name, replace(state, step=10))
    (copy / CURRENT).rename(copy / PREVIOUS)
    assert "not there" in fault_of(lambda: trained(copy), RecordError)


def test_a_damaged_result(copy: Path) -> None:
    (copy / result.RESULT).write_text("[]")
    assert "damaged (it holds no object)" in fault_of(lambda: trained(copy), RecordError)


def test_a_result_whose_config_is_another_versions(copy: Path) -> None:
    ended = result.read(copy)
    assert ended is not None
    result.write(copy, replace(ended, config={**ended.config, "more": 1}))
    message = fault_of(lambda: trained(copy), RecordError)
    assert "damaged or of another version (more: there is no such key" in message


def test_other_words_than_it_was_trained_on(words: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(words.read_bytes())
    folder = run_of(config_of(mine, steps=20), tmp_path)
    mine.write_text("\n".join([*WORDS, "abc"]))
    message = fault_of(lambda: trained(folder), RecordError)
    assert message.startswith(f"{str(mine)!r}: not the words that the run was trained on")
    mine.unlink()
    assert "no such file" in fault_of(lambda: trained(folder))


# --- a run that is not done ----------------------------------------------------------------------


def unfinish(folder: Path, config: RunConfig, step: int) -> TrainState:
    """Leave what a run that is stopped at a step leaves: its checkpoint, and what Hydra wrote."""
    state, _ = load(folder, folder.name)
    assert state is not None
    state = replace(state, step=step)
    save(folder, folder.name, state)
    (folder / result.RESULT).unlink()
    (folder / ".hydra").mkdir()
    OmegaConf.save(OmegaConf.create(asdict(config)), folder / ".hydra/config.yaml")
    return state


def test_a_run_that_is_not_done_says_at_which_step(
    words: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sample(trained(copy), 20, generator())
    unfinish(copy, config_of(words, steps=20), 11)
    assert main(["sample", str(copy)]) == 0
    out, err = capsys.readouterr()
    assert err == "ninja: unfinished: words of step 11 of 20\n"
    assert out.splitlines() == [word.word for word in before]
    assert main(["sample", str(copy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 11


def test_a_run_that_is_not_done_and_what_it_was_made_from(words: Path, copy: Path) -> None:
    config = config_of(words, steps=20)
    unfinish(copy, config, 11)
    composed = copy / ".hydra/config.yaml"
    OmegaConf.save(OmegaConf.create(asdict(replace(config, seed=1))), composed)
    assert "one of them has changed" in fault_of(lambda: trained(copy), RecordError)
    for content in ("- a list", "{", "sed: 1", "seed: x", "steps: 0", "\udcff"):
        composed.write_bytes(content.encode(errors="surrogateescape"))
        message = fault_of(lambda: trained(copy), RecordError)
        assert "config.yaml': damaged or of another version (" in message
    OmegaConf.save(OmegaConf.create(asdict(config)), composed)
    for name in (CURRENT, PREVIOUS):
        (copy / name).write_bytes(b"torn")
    message = fault_of(lambda: trained(copy), RecordError)
    assert f"{CURRENT}': damaged (" in message
    assert "result.json" not in message
    composed.unlink()
    assert "finish the run first" in fault_of(lambda: trained(copy), RecordError)
