"""``python -m analysis COMMAND``: the parser; each command says what its exit codes mean."""

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import analysis
from ninja import command_line
from ninja.command_line import Parser
from ninja.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = Parser(prog="python -m analysis", description=(analysis.__doc__ or "").splitlines()[0])
    parser.add_argument("--version", action="version", version=f"gradient-ninja {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _commands(given[0] if given else ""):
        command.add(commands)
    return command_line.run(parser, given)


def _commands(name: str) -> Iterator[Any]:
    """The command of that name, or all that there are: each is a folder with `command.py`.

    Only what is asked for is imported, because some of it takes seconds.
    """
    found = {
        path.parent.name: f"analysis.{path.parent.name}.command"
        for place in analysis.__path__
        for path in Path(place).glob("*/command.py")
    }
    asked = [of for of in (name, f"{name}s") if of in found]  # `figure` draws one of the figures
    for of in asked or sorted(found):
        yield import_module(found[of])
