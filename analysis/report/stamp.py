"""Whether anything is new since the report was written; needs no pandas, so that a no is quick."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from analysis import cache
from analysis.report.versions import ours
from experiments import cache as claims_cache
from ninja import durable

FILE = ".report.json"
ROOT = Path(__file__).parents[2]
SOURCES = ("analysis", "experiments", "ninja")
KINDS = (".py", ".yaml", ".j2", ".css", ".js")


@dataclass(frozen=True)
class Stamp:
    """Of a report that was written.

    Attributes:
        key: of all that it was made of.
        lines: the answer.
        files: its files by their names in its folder, and the hash of each.
    """

    key: str
    lines: tuple[str, ...]
    files: Mapping[str, str]


def key(places: Sequence[Path], folders: Iterable[Path]) -> str:
    """Of code, versions, what was asked for, the runs' files and the studies' measurements.

    Args:
        places: as they were typed.
        folders: of all runs there.
    """
    digest = hashlib.sha256()
    told = [*(f"place {place}" for place in places), *map(" ".join, ours().items())]
    told += [f"{folder} {cache.signature(folder)}" for folder in folders]
    told += [
        f"{path} {(about := path.stat()).st_size} {about.st_mtime_ns}"
        for path in claims_cache.files()
    ]
    digest.update(os.fsencode("\n".join(told)))
    for name in SOURCES:
        for path in sorted((ROOT / name).rglob("*")):
            if path.suffix in KINDS:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def read(out: Path) -> Stamp | None:
    """Of the report in a folder; none if there is none, or it is damaged."""
    try:
        found = orjson.loads((out / FILE).read_bytes())
        return Stamp(found["key"], tuple(found["lines"]), dict(found["files"]))
    except (OSError, ValueError, KeyError, TypeError):  # then the report is written again
        return None


def is_whole(out: Path, stamp: Stamp) -> bool:
    """Whether all its files are as they were written."""
    try:
        return all(digest(out / name) == of for name, of in stamp.files.items())
    except OSError:
        return False


def digest(path: Path) -> str:
    """Of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(out: Path, key: str, lines: Sequence[str], names: Iterable[str]) -> None:
    """Keep it, and take away what the report before had and this one has not."""
    before = read(out)
    made = {name: digest(out / name) for name in sorted(names)}
    for name in before.files if before else ():
        path = (out / name).resolve()
        if name not in made and path.is_relative_to(out.resolve()):
            path.unlink(missing_ok=True)
    content = {"key": key, "lines": list(lines), "files": made}
    durable.write(out / FILE, orjson.dumps(content, option=orjson.OPT_INDENT_2))
