"""What every program of ours does with its arguments, and with a fault: one line, an exit code."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ninja import streams
from ninja.errors import ConfigError, NinjaError


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Leave it to `run` to print."""
        shown = streams.printable(message)
        raise ConfigError(f"{shown} (see {self.prog} --help)")


def run(parser: Parser, arguments: Sequence[str] | None) -> int:
    """Run the command that the arguments name; return its exit code.

    Args:
        parser: of which each command sets `run`, a function of its options.
        arguments: those of the process, if none are given.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a C locale cannot write "×"; that is no fault
    try:
        options = parser.parse_args(arguments)
        code = options.run(options)
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] (python >&-)
            sys.stdout.flush()
    except NinjaError as error:
        for line in str(error).split("\n"):  # a fault each
            print(f"ninja: {line}", file=sys.stderr)
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
