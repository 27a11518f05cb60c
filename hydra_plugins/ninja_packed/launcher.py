"""``hydra/launcher=packed``: all jobs of a batch at once, as stacks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import (
    JobReturn,
    JobStatus,
    configure_log,
    env_override,
    run_job,
    setup_globals,
)
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from hydra_plugins.ninja_packed import config as _config  # registers the names

if TYPE_CHECKING:
    from ninja.sweep.compose import Composer
    from ninja.sweep.jobs import Ended

__all__ = ["PackedLauncher"]
del _config


class PackedLauncher(Launcher):
    """Hands the jobs to the task's own ``sweep``; a task that has none is called job by job."""

    def __init__(self, **settings: Any) -> None:
        """Args: ``settings`` of `ninja.sweep.settings.Settings`."""
        self.settings: Mapping[str, Any] = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in settings.items()
        }
        self.composer: Composer | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra gives."""
        self.config, self.context, self.task = config, hydra_context, task_function

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Train all of them; one return each, in their order.

        Raises:
            NinjaError: nothing can be trained, as the launcher's keys say it.
        """
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        sweep = getattr(self.task, "sweep", None)
        if sweep is None:
            return [
                self._run(overrides, initial_job_idx + place)
                for place, overrides in enumerate(job_overrides)
            ]
        from ninja.errors import ConfigError
        from ninja.sweep.compose import Composer
        from ninja.sweep.executors import executor
        from ninja.sweep.settings import Settings, check

        settings = Settings(**self.settings)
        check(settings)
        if self.config.hydra.job.chdir:
            raise ConfigError(
                "hydra.job.chdir: runs that are trained side by side share one working directory, "
                "leave it false, or use hydra/launcher=basic"
            )
        # the workers load torch while the jobs are composed
        with env_override(self.config.hydra.job.env_set), executor(settings) as workers:
            self.composer = self.composer or Composer(self.context.config_loader, self.config)
            jobs = self.composer.jobs(job_overrides, initial_job_idx)
            return [_returned(ended) for ended in sweep(jobs, workers, settings)]

    def _run(self, overrides: Sequence[str], number: int) -> JobReturn:
        """One job, as Hydra's basic launcher runs it."""
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        loader = self.context.config_loader
        config = loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = number
            config.hydra.job.num = number
        done = run_job(
            hydra_context=self.context,
            task_function=self.task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return done


def _returned(ended: "Ended") -> JobReturn:
    """What a sweeper reads: the validation loss; infinity of a run that diverged."""
    from ninja.errors import RunError
    from ninja.sweep.jobs import Job

    job = ended.job
    made = JobReturn(overrides=list(job.overrides), task_name="task")
    if isinstance(job, Job):
        made.working_dir = str(job.folder)
    if ended.status in ("done", "diverged"):
        made.status = JobStatus.COMPLETED
        made.return_value = float("inf") if ended.validation is None else ended.validation
    else:
        made.status = JobStatus.FAILED
        made.return_value = RunError(ended.why)
    return made
