"""Memory that is kept: in a process of its own, as the setting cannot be taken back."""

import platform
import subprocess
import sys

import pytest

from ninja import allocator

FAULTS = """
import resource, sys, torch
from ninja.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
torch.set_num_threads(1)
def step():
    a, b = torch.empty(300_000).fill_(1.0), torch.empty(900_000).fill_(1.0)
    return (a.sum() + b.sum()).item()
for _ in range(5): step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50): step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    command = [sys.executable, "-c", FAULTS, mode]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's malloc")
def test_no_page_is_faulted_in_twice() -> None:
    assert page_faults("keep") < 50 < page_faults("leave")


def test_elsewhere_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep_freed_memory()
