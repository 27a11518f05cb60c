"""mkdocs: formulas become MathML while the site is built, so that a page needs no script for them.

`pymdownx.arithmatex` finds ``$…$`` and ``$$…$$``; latex2mathml makes of each what browsers draw.
"""

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Called by mkdocs with the HTML of each page.

    Raises:
        PluginError: a formula holds what latex2mathml does not know.
    """

    def drawn(found: re.Match[str]) -> str:
        formula = unescape(found[3]).strip()
        mathml = convert(formula, display="inline" if found[2] == "(" else "block")
        if "\\" in mathml:
            raise PluginError(f"{page.file.src_path}: cannot be drawn: {formula}")
        return mathml if found[1] == "span" else f'<div class="formula">{mathml}</div>'

    return FORMULA.sub(drawn, html)
