"""Memory that is freed and asked for again on every step should not go back to the system between.

A stack's activations are a few hundred KiB each. glibc takes blocks of that size fresh from the
kernel and gives them back when they are freed, so that every step faults its pages in anew: up to
half its time (`benchmarks/step.py --default-malloc`).
"""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_LARGEST_BLOCK = 1 << 30
_NEVER = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Let malloc keep what is freed, for this process. A program calls it once, before it trains.

    Returns:
        Whether it took effect: with glibc. Elsewhere nothing is changed.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = (
        (_M_MMAP_THRESHOLD, _LARGEST_BLOCK),
        (_M_TRIM_THRESHOLD, _NEVER),
        (_M_TOP_PAD, 1 << 26),
    )
    return all(mallopt(option, value) == 1 for option, value in settings)
