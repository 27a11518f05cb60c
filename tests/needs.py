"""What some tests cannot do without, and are skipped with that reason where it is not there."""

import pytest

from ninja import compiler
from ninja.errors import RunError


def _has_compiler() -> bool:
    try:
        compiler.find()
    except RunError:
        return False
    return True


needs_compiler = pytest.mark.skipif(not _has_compiler(), reason="needs a C++ compiler")
