"""The documents say what is so: their code runs, their links lead somewhere."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.reader import Reader, blocks

ROOT = Path(__file__).parents[1]
HANDBOOK = sorted(ROOT.glob("docs/**/*.md"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *HANDBOOK, *ROOT.glob("data/*.md")])
LONG = {"fixes.md", "plots.md", "questions.md"}
"""Documents that train many networks."""
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)[^)]*\)")

INSERTED = re.compile(r"^```py\n(.*?)^```", re.MULTILINE | re.DOTALL)


MEASURED = re.compile(
    r"(?<![\w.\-/:])(?!\d{4}\.\d{5}\b)\d[\d,]*\.\d+"  # but for the names of arXiv's papers
    r"|\b\d[\d,.]* ?(?:%|(?:times|µs|ms|s|MiB|GiB|nats|min)\b)"
)
"""What somebody has measured or computed: a decimal, or a number with its unit."""

COMMAND = re.compile(
    r"^```(?:bash|python)$|`(?:\.venv/bin/)?(?:make|python|gradninja) [^`]+`|`\w+\.py[^`]*`",
    re.MULTILINE,
)
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    one = Reader()
    yield one
    one.close()


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(
            document,
            id=named(document),
            marks=[pytest.mark.slow] if document in HANDBOOK and document.name in LONG else [],
        )
        for document in DOCUMENTS
        if blocks(document)
    ],
)
def test_code_runs_and_prints_what_stands_below_it(document: Path, reader: Reader) -> None:
    read = reader.read(document)
    assert read.error is None, read.error
    for block, printed in zip(blocks(document), read.printed, strict=True):
        if block.printed is not None:
            assert alike(block.printed, printed), f"line {block.line}: it prints\n{printed}"
        else:
            assert document not in HANDBOOK or not printed, f"line {block.line}: {printed}"


def alike(said: str, printed: str) -> bool:
    """The same words and, but for rounding, the same numbers.

    Another processor rounds otherwise: what training ends with may differ by a tenth, and what is
    rounding itself, below 1e-6, by a factor of ten.
    """
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (said, printed)]
    pairs = zip(*([_number(of) for of in NUMBER.findall(text)] for text in (said, printed)))
    return words[0] == words[1] and all(_close(a, b) for a, b in pairs)


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _close(a: float, b: float) -> bool:
    small, large = sorted((abs(a), abs(b)))
    if a * b < 0:
        return False
    return large <= (10 * small if 0 < large < 1e-6 else 1.1 * small + 1e-12)


@pytest.mark.parametrize(
    ("said", "printed", "same"),
    [
        ("loss 2.42, gap 0.0e+00", "loss 2.40,  gap 0.0", True),
        ("loss 2.42", "loss 2.82", False),
        ("1,024 rows, 3e-09", "1024 rows, 1e-08", True),
        ("3e-09", "3e-05", False),
        ("0", "1e-09", False),
        ("-1.26", "1.26", False),
        ("dx 5, dy 5", "dx 5", False),
    ],
)
def test_numbers_are_compared_to_their_rounding(said: str, printed: str, same: bool) -> None:
    assert alike(said, printed) == same


def test_a_traceback_has_the_lines_of_the_document(tmp_path: Path, reader: Reader) -> None:
    document = tmp_path / "wrong.md"
    document.write_text("```python\nx = 1\nprint(x)\n```\n\n```python\n\nassert x == 2\n```\n")
    read = reader.read(document)
    assert read.printed == ["1\n"]
    assert read.error is not None
    assert f'"{document}", line 8' in read.error
    assert "AssertionError" in read.error


def script(name: str) -> ModuleType:
    """A program of docs, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_handbook_quotes_the_rules_as_they_are() -> None:
    quotes, quoted = script("quotes"), 0
    for document in HANDBOOK:
        text = document.read_text(encoding="utf-8")
        assert quotes.renewed(text) == text, f"{document}: python docs/quotes.py renews it"
        quoted += len(quotes.QUOTE.findall(text))
    assert quoted > 10


def test_every_diagnosis_has_its_section() -> None:
    from ninja.diagnosis import KINDS

    text = (ROOT / "docs/fixes.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^## (.*)$", text, re.MULTILINE)[: len(KINDS)]) == KINDS


@pytest.mark.slow
def test_the_site_is_built_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = sorted(tmp_path.glob("*.html"))
    assert len(pages) > len(HANDBOOK)  # and a page for what is not found
    formulas = 0
    for page in pages:
        html = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\bsrc=\"?([^\"\s>]+)", html)
        loaded += re.findall(r"<link[^>]*rel=\"?(?:stylesheet|icon)\"?[^>]*", html)
        assert not [one for one in loaded if "//" in one], page
        assert "arithmatex" not in html, page
        formulas += html.count("<math")
    assert formulas > 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken", ["[gone](gone.md)", "[gone](exercise-1.md#gone)", "![gone](img/gone.svg)", "$\\gone$"]
)
def test_the_site_is_not_built_with_a_dead_link(tmp_path: Path, broken: str) -> None:
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    with (tmp_path / "docs/history.md").open("a", encoding="utf-8") as document:
        document.write(f"\n{broken}\n")
    command = [sys.executable, "-m", "mkdocs", "build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "gone" in done.stderr


@pytest.mark.slow
def test_the_pictures_are_drawn_alike_twice(tmp_path: Path) -> None:
    pictures = script("pictures")
    for folder in ("first", "second"):
        pictures.main(tmp_path / folder)
    drawn = sorted((tmp_path / "first").iterdir())
    assert [path.name for path in drawn] == ["push_pull.svg", "tanh_outputs.svg"]
    for path in drawn:
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
        assert (ROOT / "docs/img" / path.name).exists()


@pytest.mark.slow
def test_an_activation_is_one_class_and_one_line(tmp_path: Path) -> None:
    """CONTRIBUTING's two blocks, put where it says, in a copy of the project."""
    class_, line = INSERTED.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    skipped = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__")
    copy = Path(shutil.copytree(ROOT, tmp_path / "copy", ignore=skipped))
    insert(copy / "ninja/rules/activations.py", class_ + "\n\n", before="def activations()")
    insert(copy / "tests/rules/settings.py", line, before='    "gelu": activation(')
    about_rules = "rules test_cases.py test_gradcheck.py test_identities.py test_mutants.py"
    everything = f"{about_rules} test_engines.py test_cli.py test_checks.py test_verify.py"
    tests = ["-m", "pytest", "-q", "-m", "not slow", *(f"tests/{of}" for of in everything.split())]
    collected = in_copy(copy, *tests, "--collect-only").splitlines()
    named = [test for test in collected if "::" in test]
    told = [test for test in named if "silu" in test or "[" not in test]  # of others nothing is new
    assert 100 < len(told) < len(named) / 2
    in_copy(copy, "-m", "ruff", "check", ".")
    in_copy(copy, "-m", "ruff", "format", "--check", ".")
    in_copy(copy, "-m", "pytest", "-q", *told)
    assert "silu" in in_copy(copy, "-m", "ninja", "gradcheck")


def in_copy(copy: Path, *command: str) -> str:
    """What it prints; a source folder before the installed package: the copy is what runs."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def insert(path: Path, text: str, before: str) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count(before) == 1
    path.write_text(source.replace(before, text + before), encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), target


def sections(document: Path) -> Iterator[str]:
    """From one heading to the next; a comment in a block of code is none."""
    lines: list[str] = []
    in_code = False
    for line in document.read_text(encoding="utf-8").splitlines():
        in_code ^= line.startswith("```")
        if not in_code and re.match("#{1,4} ", line):
            yield "\n".join(lines)
            lines = []
        lines.append(line)
    yield "\n".join(lines)


def prose(section: str) -> str:
    """Without blocks, code and formulas."""
    for left_out in (r"^```.*?^```", r"`[^`]*`", r"\$\$.*?\$\$", r"\$[^$\n]*\$"):
        section = re.sub(left_out, "", section, flags=re.MULTILINE | re.DOTALL)
    return section


@pytest.mark.parametrize("document", [ROOT / "README.md", *HANDBOOK], ids=named)
def test_no_number_stands_without_what_prints_it(document: Path) -> None:
    for section in sections(document):
        if found := MEASURED.findall(prose(section)):
            assert COMMAND.search(section), f"{section.splitlines()[0]}: {found}"


def test_a_number_without_its_command_is_seen(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(
        "# A\n\nIt takes 0.7 s: `make bench`.\n\n## B\n\n```text\n# 3\n```\n\nAnd 3 %.\n"
    )
    told = [bool(COMMAND.search(one)) for one in sections(document) if MEASURED.findall(prose(one))]
    assert told == [True, False]


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = re.findall(r"`?make ([a-z-]+)", document.read_text(encoding="utf-8"))
        commands = [name for name in named if f"`make {name}" in document.read_text("utf-8")]
        assert set(commands) <= targets, document


def test_architecture_names_what_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        paths = re.findall(r"`([^`]+)`", row)
        folder = ""
        for path in paths:
            folder = path.rpartition("/")[0] or folder
            assert (ROOT / path).exists() or (ROOT / folder / path).exists(), path


def test_architecture_names_every_module() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for module in (ROOT / "ninja").iterdir():
        if module.name.startswith(("_", ".")) or module.name == "py.typed":
            continue
        assert f"{module.name}`" in text or f"{module.name}/`" in text, module.name
