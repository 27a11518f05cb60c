"""The page as one file: style and script within, nothing from anywhere else."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.report import answer as answers
from analysis.report.page import FIRST, Page, sentence

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    ours: dict[str, Any] = {"few": answers.few, "plural": answers.plural}
    found.filters.update(ours)
    return found


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def render(page: Page) -> str:
    """HTML. Whatever the records hold is shown as text; only drawings are taken as they are."""
    script = _text("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            page=page,
            headline=_sentence(answers.headline(page.answer)),
            read=sentence(page),
            proof=_sentence(answers.proof(page.answer)),
            place=answers.place,
            gain=answers.gain,
            first=min(FIRST, page.rows),
            light={one.name: Markup(one.light) for one in page.pictures},
            dark={one.name: Markup(one.dark) for one in page.pictures},
            data=Markup(page.script),
            style=Markup(_text("style.css")),
            script=Markup(script),
            script_hash=digest,
        )
    )


def _sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""
