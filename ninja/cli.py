"""``python -m ninja COMMAND``: the parser.

Exit codes: 0, all is right; 1, a gradient is wrong or sick; 2, the command or its input is.
"""

from collections.abc import Sequence

import ninja
from ninja import command_line
from ninja.command_line import Parser
from ninja.commands import (
    diagnose,
    doctor,
    exercise,
    gradcheck,
    mutants,
    sample,
    sync,
    theory,
    verify,
)


def main(arguments: Sequence[str] | None = None, program: str = "python -m ninja") -> int:
    """Run one command of a program of that name; return its exit code."""
    parser = Parser(prog=program, description=ninja.__doc__)
    version = f"gradient-ninja {ninja.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (verify, gradcheck, mutants, theory, diagnose, exercise, sample, sync, doctor):
        command.add(commands)
    return command_line.run(parser, arguments)
