"""What makes the report."""

import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata

from ninja.version import __version__

PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "matplotlib", "Jinja2")


@cache
def ours() -> Mapping[str, str]:
    """By the names of packages."""
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "gradient-ninja": __version__, **found}
