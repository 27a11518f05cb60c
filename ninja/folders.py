"""Runs on disk: where they lie, how they were configured, and what is wrong with them."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ninja import diagnosis, durable, records, result, runs, words
from ninja.checks import check_run, check_values, gain_value
from ninja.config import RunConfig
from ninja.diagnosis import About, Evidence, Finding, History
from ninja.errors import ConfigError, DataError, NoRunError, RecordError
from ninja.result import Result
from ninja.schema import config_of

COMPOSED = Path(".hydra/config.yaml")

MARKS = (result.RESULT, records.LINES, durable.CURRENT, durable.PREVIOUS)
"""Files of which a run's folder has one."""

UNWATCHED = {"gap", "mismatch"}
"""What no watched training can tell: it has one engine, and its losses are not evaluated."""


def runs_in(place: Path) -> list[Path]:
    """The runs' folders: the given one, or all in a study or in an output; sorted.

    Those that cannot be looked into are among them: whoever reads them is told why.

    Raises:
        NoRunError: there is none.
        RecordError: there is none that can be looked into.
    """
    try:
        if not place.is_dir():
            raise NoRunError(f"{str(place)!r}: no such folder: give a run's, outputs/study/run_id")
        if is_run(place):
            return [place]
        names = list(place.iterdir())
    except OSError as error:
        raise _unreadable(place, error) from None
    found: list[Path] = []
    closed: dict[Path, OSError] = {}
    for depth in range(2):
        below: list[Path] = []
        for folder in names:
            try:
                if not folder.is_dir():
                    continue
                if is_run(folder):
                    found.append(folder)
                if depth == 0:
                    below += folder.iterdir()
            except OSError as error:
                closed[folder] = error
        names = below
    if found:
        return sorted([*found, *(folder for folder in closed if folder not in found)])
    if closed:
        raise _unreadable(*min(closed.items(), key=lambda item: item[0]))
    raise NoRunError(f"{str(place)!r}: no run lies here: give a run's folder, outputs/study/run_id")


def every_run(places: Iterable[Path]) -> list[Path]:
    """The runs in several places, sorted; each once, by whatever paths and links it is reached.

    Raises:
        RecordError: as `runs_in`.
    """
    found = dict[object, Path]()
    for place in places:
        for folder in runs_in(place):
            found.setdefault(_identity(folder), folder)
    return sorted(found.values())


def _identity(folder: Path) -> object:
    """By the file system's word: to resolve a path takes ten times as long."""
    try:
        about = folder.stat()
        return about.st_dev, about.st_ino
    except OSError:  # whoever reads it is told why
        return folder


def _unreadable(place: Path, error: OSError) -> RecordError:
    return RecordError(f"{str(place)!r}: cannot be read ({error.strerror})")


def is_run(folder: Path) -> bool:
    """Whether a run has begun there.

    Raises:
        OSError: the folder cannot be looked into.
    """
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
            text = durable.read(folder / COMPOSED).decode()
            plain = OmegaConf.to_container(OmegaConf.load(io.StringIO(text)), resolve=True)
        if not isinstance(plain, dict):
            raise ConfigError("it holds no keys")
        config = config_of(RunConfig, plain)
        check_run(config)
    except FileNotFoundError:
        raise RecordError(
            f"{str(folder)!r}: neither a {result.RESULT} nor a {COMPOSED}: finish the run first"
        ) from None
    except (OmegaConfBaseException, YAMLError, OSError, ValueError, RecursionError) as error:
        raise _other(folder / (COMPOSED if done is None else result.RESULT), error) from None
    return config


def _other(path: Path, error: Exception) -> RecordError:
    said = " ".join(str(error).split())
    return RecordError(f"{str(path)!r}: damaged or of another version ({said})")


def _whole_config(folder: Path, done: Result) -> dict[str, Any]:
    """The configuration of a run that is done, of which no key is missing.

    What only this machine lacks, such as a GPU, is no damage: nothing is trained here.

    Raises:
        RecordError: it is damaged or of another version.
    """
    try:
        config = config_of(RunConfig, done.config)
        if missing := _missing(asdict(config), done.config):
            raise ConfigError(f"config: it has no {missing!r}")
        check_values(config)
        if not str(config.init.gain).isalpha():  # an activation's, perhaps one that is unknown here
            gain_value(config.init.gain)
    except (ValueError, RecursionError) as error:
        raise _other(folder / result.RESULT, error) from None
    return done.config


def _missing(whole: Mapping[str, Any], plain: Mapping[str, Any], prefix: str = "") -> str:
    """The first key that only the first has; empty if there is none."""
    for key, value in whole.items():
        if key not in plain:
            return f"{prefix}{key}"
        if isinstance(value, Mapping) and (found := _missing(value, plain[key], f"{prefix}{key}.")):
            return found
    return ""


@dataclass(frozen=True)
class Diagnosed:
    """A run, and what its record says now.

    Attributes:
        folder: of the run.
        about: what is known of it beside the record.
        history: its record.
        evidence: the numbers of its health.
        findings: what is wrong, causes first.
        watched: it is a training of somebody else's.
    """

    folder: Path
    about: About
    history: History
    evidence: list[Evidence]
    findings: list[Finding]
    watched: bool = False

    @cached_property
    def verdict(self) -> str:
        """In words."""
        unknown = diagnosis.unknown(self.evidence)
        told = [name for name in unknown if not (self.watched and name in UNWATCHED)]
        return diagnosis.verdict(self.findings, told)

    @property
    def is_sick(self) -> bool:
        """Whether anything lasts."""
        return any(finding.severity == "sick" for finding in self.findings)


NO_SETTINGS = (*runs.NO_MATTER, "device", "threads")
"""What changes no number of a run, or none that is worth a word."""


def settings(found: Sequence[Diagnosed]) -> list[str]:
    """What of the configuration differs between these runs, as overrides; "" of one of ours not."""
    configs = [dict(flat(one.about.config or {})) for one in found]
    keys = differing(configs)
    return [" ".join(f"{key}={of[key]}" for key in keys if key in of) for of in configs]


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that differ between flat configurations; empty ones are none. The seed is last."""
    keys = dict.fromkeys(key for of in configs for key in of)
    differ = [key for key in keys if len({repr(of.get(key)) for of in configs if of}) > 1]
    return sorted(differ, key=lambda key: key == "seed")  # it tells least


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Its dotted keys and their values, but for what changes no number of a run."""
    for key, value in config.items():
        if not prefix and key in NO_SETTINGS:
            continue
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


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
    history = diagnosis.read(records.checked(folder))
    if done is not None:
        _check_end(lines, history, done)
    items = diagnosis.gather(history, about.losses, about.diverged)
    findings = diagnosis.diagnose(history, about)
    watched = done is not None and done.status == "watched"
    return Diagnosed(folder, about, history, items, findings, watched)


def _check_end(lines: Path, history: History, done: Result) -> None:
    """Refuse a record that ends before the numbers that its result has of it.

    Raises:
        RecordError: it does.
    """
    if done.diverged is not None:  # after the last look, perhaps: of that no row tells
        return
    steps = [step for item in done.evidence if isinstance(step := item.get("step"), int)]
    last = -1 if history.last is None else history.last
    if max(steps, default=-1) > last:
        end = "it is empty" if history.last is None else f"it ends at step {last:,}"
        raise RecordError(
            f"{str(lines)!r}: {end}, but the {result.RESULT} beside it knows of step "
            f"{max(steps):,}: damaged: remove the run's folder to start it anew"
        )


def _about(folder: Path, done: Result | None) -> About:
    if done is not None:
        if done.status == "watched":
            return About(done.classes or None)
        return About(done.classes, done.losses, done.diverged, _whole_config(folder, done))
    config = config_in(folder, None)
    path = config.data.path or words.NAMES
    try:
        if Path(path).is_fifo():
            raise DataError(f"{str(path)!r}: a pipe: its words have gone by")
        letters = set("".join(words.read_words(path)))
    except DataError as error:
        raise RecordError(f"{str(folder)!r}: its word list: {error}") from None
    return About(len(letters) + 1, config=asdict(config))  # one more ends a word
