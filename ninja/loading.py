"""While a program loads its modules: what an interrupt does, and that no garbage is looked for."""

import gc
import signal
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def loading() -> Generator[None]:
    """Let an interrupt end the process at once, by the signal and without a word.

    Raised in the middle of an import it would come out as a traceback, or, from OmegaConf's,
    as another fault. Where an interrupt is ignored or handled already, nothing changes.
    """
    with uncollected():
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def uncollected() -> Generator[None]:
    """Collect no garbage: modules leave little, and a tenth of torch's time goes to look for it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
