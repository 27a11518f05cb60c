"""Memory that is kept: in a process of its own, as the setting cannot be taken back."""

import platform
import subprocess
import sys

import pytest

from ninja import allocator

# malloc's own account: blocks taken straight from the kernel, and bytes held between allocations.
ACCOUNT = """
import ctypes, sys, torch
from ninja.allocator import keep_freed_memory

class Account(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Account
if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = mallinfo()
block = torch.ones(24 << 20, dtype=torch.uint8)
during = mallinfo()
del block
after = mallinfo()
print(during.hblks - before.hblks, int(after.arena - before.arena >= 24 << 20))
"""


def account(mode: str) -> tuple[int, int]:
    command = [sys.executable, "-c", ACCOUNT, mode]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    from_kernel, held = done.stdout.split()
    return int(from_kernel), int(held)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's malloc")
def test_a_freed_block_is_held() -> None:
    assert account("leave") == (1, 0)
    assert account("keep") == (0, 1)


def test_elsewhere_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep_freed_memory()
