"""The commands as a user meets them: real processes, exit codes, one line for a fault."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ninja.cases import cases
from ninja.cli import main
from ninja.mutants import MUTANTS, Mutant, planted, trial
from ninja.networks import PRESETS


def ninja(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ninja", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_verify_prints_26_of_26() -> None:
    done = ninja("verify")
    assert done.returncode == 0
    assert "26 of 26 rows exact" in done.stdout
    assert "logit_maxes is truly 0" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stderr == ""


@pytest.mark.parametrize(
    "options",
    [
        ["--hidden", "200"],
        ["--seed", "7", "--dtype", "float64"],
        ["--stack", "4"],
        ["--engine", "manual_fused", "--stack", "16"],
        ["--batch-size", "5"],
        *(["--network", name] for name in [*PRESETS, "mlp", "mlp_residual", "mlp_rmsnorm"]),
    ],
    ids=" ".join,
)
def test_verify_json(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"]
    assert set(found["rows"][0]) == {"name", "shape", "exact", "approx", "maxdiff"}
    assert found["gap"] < 1e-6
    if "manual_fused" not in options:
        assert all(row["exact"] for row in found["rows"])


def test_verify_other_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "words.txt"
    path.write_text(
        "\n".join(["ありがとう", "こんにちは", "さようなら", "おはよう"] * 5), encoding="utf-8"
    )
    assert main(["verify", "--json", "--data", str(path)]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["C"]["shape"] == [16, 10]
    assert all(row["exact"] for row in rows.values())


def test_verify_exits_with_1_when_a_row_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    (mutant,) = (m for m in MUTANTS if m.name == "Embedding.backward: = for += on duplicate tokens")
    with planted(mutant):
        assert main(["verify"]) == 1
        assert "wrong: C" in capsys.readouterr().out
        assert main(["verify", "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["wrong"] is True


def test_verify_tells_infinity_in_valid_json(capsys: pytest.CaptureFixture[str]) -> None:
    (mutant,) = (
        m for m in MUTANTS if m.name == "standardize_backward: (n,) for (1, n) in dvar_inv"
    )
    with planted(mutant):
        assert main(["verify", "--json"]) == 1
    out = capsys.readouterr().out
    assert "NaN" not in out
    (row,) = (row for row in json.loads(out)["rows"] if row["name"] == "bnvar_inv")
    assert row["maxdiff"] is None


def test_gradcheck(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcheck", "--stack", "2"]) == 0
    forms = 2 * len(cases())
    assert f"{forms} of {forms} pass" in capsys.readouterr().out
    (mutant,) = (m for m in MUTANTS if m.name == "Tanh.backward: 1 + y² for 1 − y²")
    with planted(mutant):
        assert main(["gradcheck"]) == 1
        assert "tanh, step by step, delta of x0: at (" in capsys.readouterr().out
        assert main(["gradcheck", "--json"]) == 1
        rules = json.loads(capsys.readouterr().out)["rules"]
    assert {rule["rule"] for rule in rules if not rule["passed"]} == {"tanh"}


@pytest.fixture
def few_mutants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to print; tests/test_mutants.py tries them all."""
    few = tuple(m for m in MUTANTS if m.target in ("Tanh.backward", "CrossEntropy.backward_fused"))
    monkeypatch.setattr(trial, "MUTANTS", few)


@pytest.mark.usefixtures("few_mutants")
def test_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants"]) == 0
    out = capsys.readouterr().out
    assert f"{len(trial.MUTANTS)} mutants: {len(trial.MUTANTS) - 1} caught, 1 equivalent" in out
    assert "equivalent: Tanh.backward: rounded twice: " in out


@pytest.mark.usefixtures("few_mutants")
def test_mutants_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["mutants"]) == len(trial.MUTANTS)


def test_a_missed_mutant_is_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake that changes nothing cannot be caught, and must be reported as missed."""
    harmless = Mutant("Linear.backward", "nothing at all", "dy.sum(-2)", "dy.sum(dim=-2)")
    monkeypatch.setattr(trial, "MUTANTS", (harmless,))
    assert main(["mutants"]) == 1
    assert "missed: Linear.backward: nothing at all" in capsys.readouterr().out


BAD_LISTS: dict[str, bytes] = {
    "empty": b"",
    "not UTF-8": b"emma\nol\xffivia\n",
    "NUL": b"emma\x00\n",
    "blank": b"\n \n\n",
    "reserved": b"emma\nol.ivia\n",
    "whitespace": b"emma\nol ivia\n",
    "too few": b"emma\nolivia\nava\n",
}


@pytest.mark.parametrize(("what", "content"), BAD_LISTS.items(), ids=BAD_LISTS)
def test_bad_word_lists(
    what: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    assert what in refusal(capsys, "verify", "--data", str(path))


def test_missing_word_list_and_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no such file" in refusal(capsys, "verify", "--data", str(tmp_path / "none.txt"))
    assert "a directory" in refusal(capsys, "verify", "--data", str(tmp_path))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["verify", "--network", "lectur"], "did you mean lecture?"),
        (["verify", "--engine", "manual"], "did you mean manual_"),
        (["verify", "--dtype", "float16"], "--dtype: unknown name 'float16'"),
        (["verify", "--block-size", "0"], "data.block_size"),
        (["verify", "--block-size", "-3"], "data.block_size"),
        (["verify", "--batch-size", "1"], "batch_size: BatchNorm needs 2 rows"),
        (["verify", "--batch-size", "0"], "--batch-size"),
        (["verify", "--hidden", "0"], "model.n_hidden"),
        (["verify", "--hidden", "1" + "0" * 21], "model.n_hidden"),
        (["verify", "--batch-size", "100000000000"], "--batch-size"),
        (["verify", "--block-size", "100000"], "data.block_size"),
        (["verify", "--stack", "100000"], "--stack"),
        (["verify", "--hidden", "many"], "invalid int value: 'many'"),
        (["verify", "--stack", "0"], "--stack"),
        (["verify", "--seed", "-1"], "seed: -1 is out of range"),
        (["verify", "--seed", str(2**64)], "seed"),
        (["verify", "--network", "lecture_wavenet", "--block-size", "5"], "model.consecutive"),
        (["verify", "--unknown"], "--unknown"),
        (["gradcheck", "--seed", "-1"], "seed"),
        (["gradcheck", "--stack", "0"], "--stack"),
        (["verif"], "verif"),
        ([], "COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_options(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refusal(capsys, *options)


def test_a_refusal_is_the_process_s_exit_code() -> None:
    done = ninja("verify", "--network", "lectur")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ninja: network: unknown name 'lectur'")
    assert done.stderr.count("\n") == 1


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("ninja: ")
    return err


def test_version_and_help_do_not_wait_for_torch() -> None:
    code = (
        "import sys, ninja.cli\n"
        "try: ninja.cli.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    for option in ("--version", "--help"):
        done = subprocess.run(
            [sys.executable, "-c", code, option], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "ninja" in done.stdout


def in_shell(line: str) -> subprocess.CompletedProcess[str]:
    """Bash, so that a pipe's first exit code is told: ninja stands for the command."""
    line = line.replace("ninja", f"{sys.executable} -m ninja")
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, check=False
    )


def test_a_reader_that_leaves_is_no_fault() -> None:
    done = in_shell("ninja verify | head -n 1")
    assert (done.returncode, done.stderr) == (0, "")


def test_nobody_listens() -> None:
    done = in_shell("ninja verify >&-")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_the_output() -> None:
    done = in_shell("ninja verify > /dev/full")
    assert done.returncode == 2
    assert done.stderr == "ninja: the output cannot be written: No space left on device\n"


def test_an_output_that_cannot_write_every_character() -> None:
    done = in_shell("PYTHONIOENCODING=ascii ninja verify")
    assert done.returncode == 0
    assert "26 of 26 rows exact" in done.stdout


def test_odd_characters_in_arguments_stay_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for odd in ("a\nb", "--bad\nopt", "x\r\x1b[31m"):
        assert refusal(capsys, "verify", odd).removesuffix("\n").isprintable()


def test_an_endless_word_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert "a device" in refusal(capsys, "verify", "--data", "/dev/zero")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("network", ["lecture", "lecture_deep", "mlp"])
def test_two_rows_under_a_batchnorm_are_rounding_and_no_mistake(
    network: str, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its delta is the difference of nearly equal numbers: float32 keeps few digits of it."""
    options = ["--network", network, "--batch-size", "2", "--seed", str(seed)]
    assert main(["verify", *options]) == 0
    capsys.readouterr()
    (mutant,) = (m for m in MUTANTS if m.name == "standardize_backward_fused: scale forgotten")
    with planted(mutant):
        assert main(["verify", *options]) == 1
    assert "wrong: " in capsys.readouterr().out
