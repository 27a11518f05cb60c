"""Reads documents as a reader types them: the blocks of one in order, in a process of its own.

As a program it has loaded torch once, and forks for each document whose path it is told on its
standard input; it answers with a line of JSON. `Reader` starts it and asks.
"""

import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from traceback import format_exc
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code, the line its fence stands on, and what the document says that it prints."""

    code: str
    line: int
    printed: str | None


def blocks(document: Path) -> list[Block]:
    """The python blocks; a text block that follows one with nothing between is what it prints."""
    text = document.read_text(encoding="utf-8")
    fences = list(FENCE.finditer(text))
    found: list[Block] = []
    for at, fence in enumerate(fences):
        if fence[1] != "python":
            continue
        printed = None
        if at + 1 < len(fences) and fences[at + 1][1] == "text":
            follows = not text[fence.end() : fences[at + 1].start()].strip()
            printed = fences[at + 1][2] if follows else None
        found.append(Block(fence[2], text.count("\n", 0, fence.start()) + 1, printed))
    return found


class Read(NamedTuple):
    """What came of a document: what each block printed, and the traceback of the one that failed.

    A traceback's lines are the document's.
    """

    printed: list[str]
    error: str | None


class Reader:
    """Asks the program below; one at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def read(self, document: Path) -> Read:
        """Run its blocks."""
        if self._process is None:
            command = [sys.executable, "-W", "error", __file__]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{document}\n")
        self._process.stdin.flush()
        return Read(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """Let it end."""
        if self._process is not None:
            self._process.communicate()


def typed(document: Path) -> Read:
    """Run the blocks here, one after the other in one namespace, up to the first that fails."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed: list[str] = []
    for block in blocks(document):
        out = StringIO()
        try:
            # as far down the file as in the document, so that a traceback shows its lines
            code = compile("\n" * block.line + block.code, str(document), "exec")
            with redirect_stdout(out):
                exec(code, names)
        except BaseException:
            return Read(printed, format_exc())
        printed.append(out.getvalue())
    return Read(printed, None)


def main() -> None:
    """Answer until nobody asks any more."""
    import torch  # noqa: F401  # once, and every document has it

    sys.stdout.flush()
    for line in sys.stdin:
        receiving, sending = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(2, 1)  # what is printed past Python is no answer
            with open(sending, "w", encoding="utf-8") as pipe:
                json.dump(typed(Path(line.rstrip("\n"))), pipe)
            os._exit(0)
        os.close(sending)
        with open(receiving, encoding="utf-8") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        print(answer or json.dumps(Read([], "its process died")), flush=True)


if __name__ == "__main__":
    main()
