"""The rules that the handbook quotes, as they are in the source.

A comment ``<!-- quote ninja.rules.linear.Linear.backward -->`` in a document is followed by a block
with that function or class. ``.venv/bin/python docs/quotes.py`` writes each again as it is now; a
test tells when one differs.
"""

import inspect
import re
from functools import reduce
from importlib import import_module
from pathlib import Path
from textwrap import dedent

DOCS = Path(__file__).parent
QUOTE = re.compile(r"(<!-- quote (\S+) -->\n+```py\n)(.*?)(```)", re.DOTALL)


def source(place: str) -> str:
    """The source of a function or a class by its full name; of a method without its indent."""
    parts = place.split(".")
    module = next(
        ".".join(parts[:end])
        for end in range(len(parts), 0, -1)
        if (DOCS.parent / Path(*parts[:end])).with_suffix(".py").exists()
    )
    names = place.removeprefix(f"{module}.").split(".")
    return dedent(inspect.getsource(reduce(getattr, names, import_module(module))))


def renewed(text: str) -> str:
    """A document with its quotations as they are now."""
    return QUOTE.sub(lambda found: found[1] + source(found[2]) + found[4], text)


def main() -> None:
    """Renew all documents."""
    for document in sorted(DOCS.glob("*.md")):
        text = document.read_text(encoding="utf-8")
        if (new := renewed(text)) != text:
            document.write_text(new, encoding="utf-8")
            print(document)


if __name__ == "__main__":
    main()
