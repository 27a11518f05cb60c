"""Calls to a server: what is told of one that fails, and that none outlasts its time."""

import errno
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ninja.tracking import server
from ninja.tracking.server import RefusedError, Server, ServerError
from ninja.tracking.session import Heard


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GRACE", 0.1)


@pytest.fixture
def hang() -> Iterator[Callable[[], None]]:
    """A call that does not return while the test lasts."""
    over = threading.Event()
    yield lambda: (over.wait(), None)[1]
    over.set()


def raising(error: Exception) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def test_an_answer() -> None:
    asked = Server(Heard())
    assert asked.ask(lambda: 3, 1.0) == 3
    assert asked.usable


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError("Timed out finishing run."), "did not answer within 1 s (wandb.timeout)"),
        (RuntimeError("context deadline exceeded"), "did not answer within 1 s (wandb.timeout)"),
        (RuntimeError("returned error 401: who?"), "refuses the API key (401)"),
        (RuntimeError("HTTP 503: busy"), "fails (HTTP 503)"),
        (RuntimeError("dial tcp: connection refused"), "cannot be reached (connection refused)"),
        (OSError(errno.ECONNRESET, "reset"), "failed: "),
        (ValueError(), "failed: ValueError"),
        (ValueError("of\ntwo lines"), "failed: of two lines"),
    ],
)
def test_what_it_did_is_told(error: Exception, said: str) -> None:
    asked = Server(Heard())
    with pytest.raises(ServerError) as caught:
        asked.ask(raising(error), 1.0)
    assert str(caught.value).startswith(said)
    assert str(caught.value).isprintable()
    assert not asked.usable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("returned error 409: deleted"), RefusedError),
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
        (FileExistsError(errno.EEXIST, "File exists", "wandb"), OSError),
    ],
)
def test_what_is_no_fault_of_the_servers(error: Exception, kind: type[Exception]) -> None:
    asked = Server(Heard())
    with pytest.raises(kind):
        asked.ask(raising(error), 1.0)
    assert asked.usable


def test_silence_costs_one_time_out(hang: Callable[[], None]) -> None:
    asked = Server(Heard())
    began = time.monotonic()
    with pytest.raises(ServerError, match=r"did not answer within 0\.2 s"):
        asked.ask(hang, 0.2)
    assert 0.2 <= time.monotonic() - began < 5
    assert not asked.usable


def test_none_goes_on_when_the_command_ends(hang: Callable[[], None]) -> None:
    asked = Server(Heard())
    asked.until = time.monotonic() + 0.2
    with pytest.raises(ServerError, match="did not answer"):
        asked.ask(hang, 60.0)


def test_a_lost_upload_is_told(hang: Callable[[], None]) -> None:
    """Whether the call returns as if nothing had been, or hangs."""
    for call in (lambda: None, hang):
        heard = Heard()
        heard.warning("Fatal error while uploading data.")
        with pytest.raises(ServerError, match="an upload failed for good"):
            Server(heard).ask(call, 0.1)


def test_what_is_broken_off_at_the_time_out_was_silence(hang: Callable[[], None]) -> None:
    heard = Heard()

    def call() -> None:
        heard.warning("Timed out finishing run.")
        heard.warning("Fatal error while uploading data.")
        hang()

    with pytest.raises(ServerError, match="did not answer"):
        Server(heard).ask(call, 0.1)
