"""``python -m analysis COMMAND``: the parser; each command says what its exit codes mean."""

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
    parser = Parser(prog="python -m analysis", description=(analysis.__doc__ or "").splitlines()[0])
    parser.add_argument("--version", action="version", version=f"gradient-ninja {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _commands():
        command.add(commands)
    return command_line.run(parser, arguments)


def _commands() -> Iterator[Any]:
    """Every folder here that has a command; what it needs, it imports when it runs."""
    for place in sorted(Path(path) for path in analysis.__path__):
        for path in sorted(place.glob("*/command.py")):
            yield import_module(f"analysis.{path.parent.name}.command")
