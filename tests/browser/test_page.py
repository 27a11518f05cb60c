"""The report's page in a real browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import EVIL

pytestmark = pytest.mark.browser

Opened = Callable[..., Any]


def cells(page: Any, column: str) -> list[str]:
    """The texts of a column, as they stand on the page."""
    titles = [title.strip() for title in page.locator("#table thead th").all_inner_texts()]
    at = titles.index(column) + 1
    return page.locator(f"#table > tbody > tr:not(.opened) > :nth-child({at})").all_inner_texts()


def is_wide(page: Any) -> bool:
    """Whether the page itself scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_it_loads_without_an_error_or_a_request(opened: Opened) -> None:
    page = opened()
    assert "of 132 runs are healthy" in page.inner_text("h1")
    assert len(cells(page, "run")) == 100
    assert page.inner_text("#count") == "132 runs"
    assert page.locator("#evidence svg").count() > 0
    assert all(
        page.locator(".drawing:visible").nth(at).bounding_box()["height"] > 50 for at in (0,)
    )


def test_it_sorts(opened: Opened) -> None:
    page = opened()
    title = page.locator("#table thead th", has_text="val. loss")
    title.get_by_role("button").click()
    assert title.get_attribute("aria-sort") == "ascending"
    losses = cells(page, "val. loss")
    assert losses == [f"{2 + at / 100:.3f}" for at in range(100)]
    title.get_by_role("button").click()
    assert title.get_attribute("aria-sort") == "descending"
    losses = cells(page, "val. loss")
    assert losses == [f"{3.3 - at / 100:.3f}" for at in range(100)]
    page.locator("#next").click()
    assert cells(page, "val. loss")[-1] == ""  # the one that diverged has none, and is last
    page.locator("#table thead th", has_text="init.gain").get_by_role("button").click()
    assert list(dict.fromkeys(cells(page, "init.gain"))) == ["0.5", "1", "5/3", "10"][:3]
    assert page.locator("[aria-sort]").count() == 1


def test_it_filters(opened: Opened) -> None:
    page = opened()
    page.fill("#filter", "init.gain=0.5 vanishing")
    assert page.inner_text("#count") == "33 of 132 runs"
    assert set(cells(page, "init.gain")) == {"0.5"}
    page.fill("#filter", "init.gain=1")
    assert set(cells(page, "init.gain")) == {"1"}  # and not 10
    page.fill("#filter", "")
    page.select_option("#kind", label="vanishing")
    assert {cell.strip() for cell in cells(page, "verdict")} == {"vanishing"}
    page.fill("#filter", "nothing has this")
    assert cells(page, "run") == []
    assert page.inner_text("#where") == "none"


def test_it_turns_its_pages(opened: Opened) -> None:
    page = opened()
    first = cells(page, "run")
    assert page.locator("#previous").is_disabled()
    page.locator("#next").click()
    rest = cells(page, "run")
    assert len({*first, *rest}) == 132
    assert page.locator("#next").is_disabled()


def test_it_opens_down_to_the_layers_by_keyboard(opened: Opened) -> None:
    page = opened()
    page.fill("#filter", "run004")
    page.locator("#kind").focus()
    reached = ""
    for _ in range(40):
        page.keyboard.press("Tab")
        reached = page.evaluate("document.activeElement.textContent")
        if reached == "run004":
            break
    assert reached == "run004"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name="run004")
    assert button.get_attribute("aria-expanded") == "true"
    inner = page.inner_text(".opened")
    assert "vanishing (sick)" in inner
    assert "First look, step 0" in inner
    assert "Last look, step 20" in inner
    assert page.locator(".opened table").first.locator("tbody tr").count() == 6
    page.keyboard.press("Enter")
    assert page.locator(".opened").count() == 0


def test_html_in_a_name_is_text(opened: Opened) -> None:
    page = opened()
    page.fill("#filter", "onerror")
    assert cells(page, "run") == [EVIL]
    page.get_by_role("button", name=EVIL).click()
    assert EVIL in page.inner_text(".opened")
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_light_or_dark_as_the_system_and_as_asked(opened: Opened, scheme: str) -> None:
    page = opened(color_scheme=scheme)

    def shown() -> tuple[str, bool, bool]:
        paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        drawings = (page.locator(f".on-{of}").first.is_visible() for of in ("light", "dark"))
        return paper, *drawings

    light, dark = ("rgb(255, 255, 255)", True, False), ("rgb(22, 24, 29)", False, True)
    before, after = (light, dark) if scheme == "light" else (dark, light)
    assert shown() == before
    page.click("#theme")
    assert shown() == after
    page.reload()
    assert shown() == after
    page.emulate_media(media="print")
    assert shown()[1:] == light[1:]


@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits(opened: Opened, width: int) -> None:
    page = opened(viewport={"width": width, "height": 900})
    assert not is_wide(page)
    page.locator("#table tbody th button").first.click()
    assert not is_wide(page)
    for summary in page.locator("summary").all():
        summary.click()
    assert not is_wide(page)


def test_without_a_script_it_is_a_page_too(opened: Opened) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("#table tbody tr").count() == 100
    assert page.locator(".scripted:visible").count() == 0
    assert "does not sort" in page.inner_text("noscript")


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(opened: Opened, scheme: str, width: int) -> None:
    """No violation of level serious or above, with a row and all details open."""
    from axe_core_python.sync_playwright import Axe

    page = opened(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page.locator("#table tbody th button").first.click()
    for summary in page.locator("summary").all():
        summary.click()
    page.wait_for_timeout(100)
    found = Axe().run(page)["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in serious] == []


def test_on_paper_everything_is_open(opened: Opened, tmp_path: Path) -> None:
    page = opened()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.emulate_media(media="print")
    assert page.locator("button:visible").count() == page.locator("#table button:visible").count()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 10_000
