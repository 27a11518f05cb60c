"""A page of real shape in Debian's Chromium."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.cli import main
from tests.analysis import made
from tests.analysis.made import Shape

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 132 runs: more than are shown at a time; one has HTML in its name."""
    base = tmp_path_factory.mktemp("browser")
    for seed in range(131):
        made.run(
            base / "outputs" / "study" / f"run{seed:03d}",
            Shape(looks=3),
            growth=0.01 if seed % 4 == 0 else 1.0,
            seed=seed,
            losses=made.DONE | {"validation": 2.0 + (seed * 37 % 131) / 100},
            config={"init": {"gain": ("0.5", "1", "5/3", "10")[seed % 4]}},
        )
    made.run(base / "outputs" / "study" / EVIL.replace("/", ""), diverged=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        assert main(["report"]) == 0
    return base / "reports" / "index.html"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any, page_file: Path) -> Iterator[Callable[..., Any]]:
    """Open the page; afterwards it must have said nothing, and asked nobody for anything."""
    own = page_file.as_uri()
    said: list[str] = []
    contexts: list[Any] = []

    def opened(**how: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1600, "height": 900}} | how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: said.append(request.url))
        page.goto(own)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [line for line in said if line != own and not line.startswith("data:")] == []
