"""``python -m ninja COMMAND``: the parser, and what every command does with a fault.

Exit codes: 0, all is right; 1, a gradient is wrong or sick; 2, the command or its input is.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import ninja
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
from ninja.errors import ConfigError, NinjaError


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Leave it to `main` to print."""
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message)
        raise ConfigError(f"{shown} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None, program: str = "python -m ninja") -> int:
    """Run one command of a program of that name; return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a C locale cannot write "×"; that is no fault
    parser = _Parser(prog=program, description=ninja.__doc__)
    version = f"gradient-ninja {ninja.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (verify, gradcheck, mutants, theory, diagnose, exercise, sample, sync, doctor):
        command.add(commands)
    try:
        options = parser.parse_args(arguments)
        code = options.run(options)
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] (python >&-)
            sys.stdout.flush()
    except NinjaError as error:
        print(f"ninja: {error}", file=sys.stderr)
        return 2
    except MemoryError:
        print("ninja: out of memory: give smaller sizes", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ninja: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, head perhaps, has seen enough
        _close_output()
        return 0
    except OSError as error:  # of the output: a full disk
        print(f"ninja: the output cannot be written: {error.strerror}", file=sys.stderr)
        _close_output()
        return 2
    return code


def _close_output() -> None:
    """Else the interpreter tries to flush it once more, and complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
