"""How a refusal is read in the tests."""

from collections.abc import Callable

import pytest

from ninja.errors import DataError, NinjaError


def fault_of(call: Callable[[], object], kind: type[NinjaError] = DataError) -> str:
    """Return the message of the fault that `call` ends in, which must be one line."""
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert message.isprintable()  # so no line break of any kind, however odd the input
    return message
