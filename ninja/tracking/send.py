"""What W&B has missed, sent from the local records."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ninja import records
from ninja.errors import NinjaError, RecordError
from ninja.lock import held
from ninja.result import RESULT
from ninja.tracking import identity
from ninja.tracking.client import PATIENCE, Process
from ninja.tracking.mirror import slow_line


class SyncError(NinjaError):
    """There is nothing to send, or nobody who takes it."""


@dataclass
class Report:
    """What became of the runs of a folder.

    Attributes:
        sent: W&B has all of them now.
        begun: sent as far as they are; they were interrupted, and are not done.
        complete: W&B had them before.
        training: left alone, as a process is training them.
        refused: by W&B, or damaged: with the reason, in a line each.
        failed: why the server could not be used, if it could not.
    """

    sent: list[Path] = field(default_factory=list)
    begun: list[Path] = field(default_factory=list)
    complete: list[Path] = field(default_factory=list)
    training: list[Path] = field(default_factory=list)
    refused: dict[Path, str] = field(default_factory=dict)
    failed: str | None = None


def send(path: Path) -> Report:
    """Send every run in a folder that W&B has not got all of.

    Args:
        path: a run's folder, a study's, or that of all studies.

    Raises:
        SyncError: there is no such folder, or no run in it that W&B should show.
    """
    if not path.is_dir():
        raise SyncError(f"{str(path)!r}: there is no such folder")
    found = [file.parent for deep in ("", "*/", "*/*/") for file in path.glob(deep + identity.FILE)]
    if not found:
        raise SyncError(
            f"{str(path)!r}: no run that W&B should show (none with a {identity.FILE}): train with "
            "tracker=offline or tracker=online"
        )
    report, waiting = Report(), list[Path]()
    seconds = 0.0
    for folder in sorted(found):
        try:
            known = identity.read(folder)
            record = folder / records.LINES
            if known is None or known.state == "complete":
                report.complete.append(folder)
            elif held(folder / ".lock"):
                report.training.append(folder)
            elif record.exists() and (size := record.stat().st_size):
                waiting.append(folder)
                seconds = max(seconds, known.timeout + slow_line(size))
        except RecordError as error:
            report.refused[folder] = str(error)
        except OSError as error:
            report.refused[folder] = f"{error.filename or str(folder)!r}: {error.strerror}"
    if waiting:
        _send(waiting, seconds, report)
    return report


def _send(folders: Sequence[Path], seconds: float, report: Report) -> None:
    paths = {str(folder.absolute()): folder for folder in folders}

    def hear(answer: dict[str, Any]) -> None:
        if "handed" in answer:
            folder = paths[answer["handed"]]
            done = (folder / RESULT).exists()
            (report.sent if done else report.begun).append(folder)
        elif "refused" in answer:
            report.refused[paths[answer["refused"]]] = answer["why"]
        elif "busy" in answer:
            report.training.append(paths[answer["busy"]])
        elif "failed" in answer:
            report.failed = answer["failed"]
        elif "died" in answer:
            report.failed = f"the process that feeds W&B ended ({answer['died']})"

    process = Process(hear)
    for path in paths:
        process.say(do="follow", folder=path, mode="sync")
    process.say(do="close", seconds=None)
    if not process.join(seconds + PATIENCE):
        report.failed = f"W&B was silent for {seconds + PATIENCE:g} s"
