"""What a worker of somebody else's engine does: it trains a stack, and returns its last words."""

from collections.abc import Callable

from ninja.errors import ConfigError
from ninja.sweep.executors.base import Stack, Work
from ninja.sweep.jobs import Message


def train(work: Work, stack: Stack, live: Callable[[Message], None]) -> list[Message]:
    """Train a stack.

    The ends of its runs are returned and not told: what is told may be lost, or come late. A worker
    that takes the stack over finds the runs that are done, and says so again.

    Args:
        work: what to do.
        stack: with which jobs.
        live: is told the rest, as it happens.
    """
    ended: list[Message] = []

    def tell(message: Message) -> None:
        if message["do"] == "ended":
            ended.append(message)
        else:
            live(message)

    work(stack, tell)
    return ended


def silent(_: Message) -> None:
    """Tell nobody."""


def missing(extra: str) -> ConfigError:
    """An engine that is not installed."""
    return ConfigError(
        f"hydra/launcher: packed_{extra} needs the extra {extra!r}: "
        f"pip install 'gradient-ninja[{extra}]'"
    )


def said(error: BaseException) -> str:
    """An engine's own error, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
