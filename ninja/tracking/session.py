"""One W&B run that is open: rows in, and an end. Only it and `account` call `wandb`."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ninja.tracking import curves, metrics
from ninja.tracking.identity import Identity
from ninja.tracking.priority import Priority

if TYPE_CHECKING:
    import wandb
    from wandb.plot.custom_chart import CustomChart

INTERRUPTED = 255
"""The exit code by which W&B itself marks a run as killed, after a Ctrl-C; it can be resumed."""


class Heard:
    """What `wandb` would print. It reports a lost upload in no other way.

    Attributes:
        lost: the server would not take an upload, for good.
        late: `wandb` has given up waiting for the server.
    """

    def __init__(self) -> None:
        self.lost = self.late = False

    def info(self, msg: str) -> None:
        """Nothing that matters."""

    def warning(self, msg: str) -> None:
        """One of them says that rows were thrown away.

        It is also said of an upload that `wandb` itself has broken off, at its time-out, which it
        tells before.
        """
        self.late = self.late or "Timed out" in msg
        self.lost = self.lost or ("Fatal error" in msg and not self.late)

    def error(self, msg: str) -> None:
        """It goes on after an error too."""
        self.lost = True


def load(heard: Heard, priority: Priority) -> str:
    """Import `wandb`, as quiet as it gets; returns the address of its server.

    Args:
        heard: is told what `wandb` would print.
        priority: of this process, and from now on of `wandb-core`, which has a session of its own.

    Raises:
        ImportError: it is not installed.
    """
    os.environ |= {"WANDB_SILENT": "true", "WANDB_QUIET": "true"}  # before the import
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.pop("WANDB_SERVICE", None)  # a process of our own, that ends with us
    import wandb

    library = wandb.setup(settings=wandb.Settings(silent=True))
    wandb.termsetup(wandb.Settings(silent=True), heard)
    service = library.ensure_service()
    if service._proc is not None:
        priority.let_go(service._proc._process.pid)
    return library.settings.base_url


def end_service(seconds: float = 0.0) -> None:
    """End `wandb-core`, which else would notice by itself, later, that its parent is gone.

    When a run's `finish` returns, its last rows may still be on their way to its file.

    Args:
        seconds: it has to write what it was given; a hanging server would have it wait for ever.
    """
    import wandb

    service = wandb.setup()._connection
    if service is None or service._proc is None:
        return
    process = service._proc._process
    if seconds and process.poll() is None:
        threading.Thread(target=service.teardown, args=(0,), daemon=True).start()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    process.kill()
    process.wait()


def exit_at_once(code: int) -> NoReturn:
    """End this process, past threads that still wait for a server."""
    try:
        if "wandb" in sys.modules:
            end_service()
    finally:
        os._exit(code)


class Session:
    """A W&B run, open.

    Attributes:
        sent: rows of the record that W&B has; the server's own count when it is resumed.
    """

    def __init__(self, folder: Path, identity: Identity, *, online: bool, seconds: float) -> None:
        """Open it, in place of what an earlier attempt left in the folder.

        Args:
            folder: of the run; W&B's files go to ``folder/wandb``.
            identity: of the run.
            online: resume or begin it on the server; else write local files from the first row.
            seconds: to wait for the server, on opening and at the end.

        Raises:
            OSError: a file of the folder is in the way, or the disk is full.
            Exception: whatever `wandb` raises when the server fails.
        """
        import wandb

        mine = folder / "wandb"
        mine.mkdir(exist_ok=True)  # where it cannot, `wandb` would write somewhere else
        self._earlier = list(mine.glob("*run-*"))
        if not online:  # else it stays until the server has it all
            self._forget()
        self._run = wandb.init(
            dir=folder,
            id=identity.id,
            name=identity.name,
            project=identity.project,
            entity=identity.entity,
            group=identity.group,
            job_type=identity.job_type,
            tags=identity.tags,
            config=identity.config,
            mode="online" if online else "offline",
            resume="allow" if online else None,
            reinit="create_new",
            settings=_settings(seconds),
        )
        self._run.define_metric(metrics.STEP)
        for name, summary in metrics.SUMMARIES.items():
            self._run.define_metric(name, step_metric=metrics.STEP, summary=summary)
        self.sent = self._run.starting_step

    def send(self, row: Mapping[str, Any]) -> None:
        """One more row; W&B's own step is its number in the record."""
        import numpy as np
        import wandb

        plain: dict[str, Any] = metrics.metrics(row)
        for name, counts, edges in metrics.histograms(row):
            plain[name] = wandb.Histogram(np_histogram=(np.asarray(counts), np.asarray(edges)))
        self._run.log(plain)
        self.sent += 1

    def end(self, rows: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> None:
        """The row after the last, with the depth profile, and the summary.

        Args:
            rows: the whole record.
            result: of the run.
        """
        if self.sent == len(rows):
            last: dict[str, Any] = metrics.last_row(result)
            if rows:
                last[curves.CHART] = _chart(rows)
            if result["findings"]:
                last[metrics.FINDINGS] = _findings(result)
            self._run.log(last)
            self.sent += 1
        self._run.summary.update(metrics.summary(result))

    def finish(self, exit_code: int) -> None:
        """Wait until W&B has it all.

        Raises:
            TimeoutError: the server did not take it in time.
        """
        self._run.finish(exit_code=exit_code)
        self._forget()

    def _forget(self) -> None:
        """Remove what an earlier attempt left: all of it was sent, or is written again."""
        for path in self._earlier:
            shutil.rmtree(path)
        self._earlier.clear()


def _findings(result: Mapping[str, Any]) -> "wandb.Table":
    return _table(metrics.FINDING, metrics.findings(result))


def _chart(rows: Sequence[Mapping[str, Any]]) -> "CustomChart":
    """The depth profile; the table behind it has the last histograms too (`analysis.dashboard`)."""
    import wandb

    spread = next((row for row in reversed(rows) if "histograms" in row), rows[-1])
    return wandb.plot_table(
        vega_spec_name=curves.LINES,
        data_table=_table(curves.CURVES, curves.curves(rows[0], rows[-1], spread)),
        fields={"step": "depth", "lineKey": "line", "lineVal": "log10"},
        string_fields={"title": "log10 against depth", "xname": "depth"},
    )


def _table(columns: Sequence[str], rows: list[list[Any]]) -> "wandb.Table":
    """A table whose rows are not held against the types of those before, one by one."""
    import wandb

    table = wandb.Table(columns=list(columns), allow_mixed_types=True)
    table.data = rows
    return table


@cache
def _settings(seconds: float) -> "wandb.Settings":
    """Quiet and fast: no console, no code, no git, no statistics of the machine."""
    import wandb

    return wandb.Settings(
        console="off",
        silent=True,
        disable_code=True,
        disable_git=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        x_transaction_log_flush_interval=1,
        use_dot_wandb=False,
        symlink=False,
        program="run.py",
        allow_offline_artifacts=False,  # they would lie in the user's home, and the record has all
        init_timeout=seconds,
        finish_timeout=seconds,
        finish_timeout_raises=True,
    )
