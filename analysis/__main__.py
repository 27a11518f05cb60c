"""``python -m analysis COMMAND``."""

import argparse
import sys
from collections.abc import Sequence

import analysis
from analysis.compare import command as compare
from analysis.dashboard import command as dashboard
from ninja.errors import NinjaError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 2 where its input or a server is at fault."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description=analysis.__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (compare, dashboard):
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except NinjaError as error:
        print(f"analysis: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
