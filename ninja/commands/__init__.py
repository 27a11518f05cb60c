"""One module a command: its options, what it runs, how it prints. Torch is imported on running."""

import argparse


def positive(text: str) -> int:
    """An option's value: a whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 1 or more")
    return int(text)
