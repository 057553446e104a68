"""The page is there for everyone: axe finds nothing serious in any view, and a narrow screen has room for all of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, WIDE, Shown, Watched
from tests.browser.person import drop, hits, hook, new_results, search

Reach = Callable[[Page, Shown], object]
SERIOUS = ("serious", "critical")
SMALLEST_PX = 360
RULES: dict[str, dict[str, object]] = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}  # nothing else differs


def empty(page: Page, shown: Shown) -> None:
    page.goto("/ui")
    expect(page.locator("[data-test=suggestion] img").first).to_be_visible()


def grid(page: Page, shown: Shown) -> None:
    """Few hits: axe looks at each."""
    search(page, shown.pngs[0])
    with new_results(page):
        page.goto(f"{page.url}&top=9")


def filtered(page: Page, shown: Shown) -> None:
    """Nothing is left."""
    grid(page, shown)
    page.goto(f"{page.url}&since=2027-01-01T00:00:00Z")
    expect(page.get_by_role("button", name="Search without filters")).to_be_visible()


def timeline(page: Page, shown: Shown) -> None:
    grid(page, shown)
    hook(page, "view-timeline").click()
    expect(hook(page, "mark").first).to_be_visible()


def viewer(page: Page, shown: Shown) -> None:
    grid(page, shown)
    hook(page, "hit").first.get_by_role("button").first.click()
    expect(hook(page, "viewer-video")).to_be_visible()


def failed(page: Page, shown: Shown) -> None:
    grid(page, shown)
    drop(page, b"just text", "notes.png")
    expect(hook(page, "error")).to_be_visible()


def browse(kind: str, item: str) -> Reach:
    def reach(page: Page, shown: Shown) -> None:
        page.goto(f"/ui?browse={kind}")
        expect(hook(page, item).first).to_be_visible()

    return reach


VIEWS: dict[str, Reach] = {
    "empty": empty,
    "grid": grid,
    "nothing is left": filtered,
    "timeline": timeline,
    "viewer": viewer,
    "failed": failed,
    "cameras": browse("cameras", "recording"),
    "outliers": browse("outliers", "outlier"),
    "duplicates": browse("duplicates", "duplicate"),
    "clusters": browse("clusters", "cluster"),
}


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious_and_nothing_lies_beyond_the_edge(
    page: Page, shown: Shown, watched: Watched, view: str
) -> None:
    VIEWS[view](page, shown)
    if view == "failed":
        watched.expected("status of 4")
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert serious(page, RULES[scheme]) == []
    page.set_viewport_size({"width": SMALLEST_PX, "height": 640})
    assert page.evaluate("document.scrollingElement.scrollWidth") <= SMALLEST_PX


def serious(page: Page, rules: dict[str, object]) -> list[str]:
    """Which rule, and where."""
    found = Axe().run(page, options={"resultTypes": ["violations"]} | rules).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def test_the_keyboard_alone_gets_from_a_picture_to_a_moment_and_back(page: Page, shown: Shown) -> None:
    """Tab reaches the first hit, an arrow the second, Enter opens it, Escape leads back to it."""
    search(page, shown.pngs[0])
    focused_hit = "document.activeElement.closest('[data-test=hit]')?.dataset.id"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(focused_hit):
            break
    first, second = hits(page)[:2]
    assert page.evaluate(focused_hit) == first.id
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused_hit) == second.id
    page.keyboard.press("Enter")
    expect(hook(page, "viewer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(hook(page, "viewer")).to_be_hidden()
    assert page.evaluate(focused_hit) == second.id
