"""Runs on disk: where they lie, how they were configured, and what is wrong with them."""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ninja import checkpoint, diagnosis, records, result, words
from ninja.checks import check_run
from ninja.config import RunConfig
from ninja.diagnosis import About, Evidence, Finding, History
from ninja.errors import ConfigError, RecordError
from ninja.result import Result
from ninja.schema import config_of

COMPOSED = Path(".hydra/config.yaml")

MARKS = (result.RESULT, records.LINES, checkpoint.CURRENT, checkpoint.PREVIOUS)
"""Files of which a run's folder has one."""


def runs_in(place: Path) -> list[Path]:
    """The runs' folders: the given one, or all in a study or in an output; sorted.

    Raises:
        RecordError: there is none.
    """
    if not place.is_dir():
        raise RecordError(f"{str(place)!r}: no such folder: give a run's, outputs/study/run_id")
    if is_run(place):
        return [place]
    below = (folder for depth in ("*", "*/*") for folder in place.glob(depth))
    found = sorted(folder for folder in below if is_run(folder))
    if not found:
        raise RecordError(
            f"{str(place)!r}: no run lies here: give a run's folder, outputs/study/run_id"
        )
    return found


def is_run(folder: Path) -> bool:
    """Whether a run has begun there."""
    return any((folder / name).exists() for name in MARKS)


def config_in(folder: Path, done: Result | None) -> RunConfig:
    """A run's configuration: from its result; while there is none, as Hydra has kept it.

    Raises:
        RecordError: there is neither, or it is damaged or of another version.
    """
    try:
        if done is not None:
            plain = done.config
        else:
            plain = OmegaConf.to_container(OmegaConf.load(folder / COMPOSED), resolve=True)
        if not isinstance(plain, dict):
            raise ConfigError("it holds no keys")
        config = config_of(RunConfig, plain)
        check_run(config)
    except FileNotFoundError:
        raise RecordError(
            f"{str(folder)!r}: neither a {result.RESULT} nor a {COMPOSED}: finish the run first"
        ) from None
    except (OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
        name = COMPOSED if done is None else result.RESULT
        said = " ".join(str(error).split())
        raise RecordError(
            f"{str(folder / name)!r}: damaged or of another version ({said})"
        ) from None
    return config


@dataclass(frozen=True)
class Diagnosed:
    """A run, and what its record says now.

    Attributes:
        folder: of the run.
        about: what is known of it beside the record.
        history: its record.
        evidence: the numbers of its health.
        findings: what is wrong, causes first.
    """

    folder: Path
    about: About
    history: History
    evidence: list[Evidence]
    findings: list[Finding]

    @cached_property
    def verdict(self) -> str:
        """In words."""
        return diagnosis.verdict(self.findings, diagnosis.unknown(self.evidence))

    @property
    def is_sick(self) -> bool:
        """Whether anything lasts."""
        return any(finding.severity == "sick" for finding in self.findings)


def diagnosed(folder: Path) -> Diagnosed:
    """Read a run's record, finished or not, and judge it.

    Raises:
        RecordError: the record, the result or the configuration is damaged or missing.
    """
    done = result.read(folder)
    about = _about(folder, done)
    lines = folder / records.LINES
    if not lines.exists() and done is None:
        raise RecordError(f"{str(lines)!r}: not there: nothing was looked at yet")
    history = diagnosis.read(records.rows(folder))
    items = diagnosis.gather(history, about.losses, about.diverged)
    return Diagnosed(folder, about, history, items, diagnosis.diagnose(history, about))


def _about(folder: Path, done: Result | None) -> About:
    if done is not None:
        if done.status == "watched":
            return About(done.classes or None)
        return About(done.classes, done.losses, done.diverged, done.config)
    config = config_in(folder, None)
    letters = set("".join(words.read_words(config.data.path or words.NAMES)))
    return About(len(letters) + 1, config=asdict(config))  # one more ends a word
