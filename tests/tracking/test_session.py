"""What is made of what the real `wandb` says of a server that fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wandb_server import Faults, WandbServer

FINISH = """
import sys
from pathlib import Path
from ninja.tracking import identity
from ninja.tracking.priority import Priority
from ninja.tracking.session import Heard, Session, end_service, load
from tests.tracking.made import config

class Listening(Heard):
    fatal = False

    def warning(self, msg):
        super().warning(msg)
        self.fatal = self.fatal or "Fatal error" in msg

heard, folder = Listening(), Path(sys.argv[1])
load(heard, Priority())
session = Session(folder, identity.identify(config(), folder), online=True, seconds=2.0)
session.send({"step": 0, "loss": 1.0, "layers": []})
try:
    session.finish(0)
    print("finished", heard.fatal, heard.lost)
except TimeoutError:
    print("late", heard.fatal, heard.lost)
end_service()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (Faults(hang=True, only="file_stream"), "late True False"),
        (Faults(fail_first=10**6, status=404, only="file_stream"), "finished True True"),
    ],
    ids=["silent", "refusing"],
)
def test_an_upload_that_wandb_broke_off_is_no_lost_one(
    faults: Faults, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says "Fatal error while uploading" of both."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with WandbServer(faults) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        done = subprocess.run(
            [sys.executable, "-c", FINISH, str(tmp_path)],
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.stdout == f"{expected}\n", done.stderr
