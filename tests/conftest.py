"""One thread per process: the promise of bit-identity is made for one, and so are the timings."""

import os

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

# The same examples on every run unless asked otherwise: a red test is then red for everyone.
settings.register_profile("default", derandomize=True, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, the others in their order."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
