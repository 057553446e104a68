"""Somebody who does not yet know what to look for begins with the library, and gets from each view to a search."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shown
from tests.browser.footage import COPY
from tests.browser.person import address, hits, hook, new_results


def test_the_library_is_there_by_cameras_and_days(page: Page, shown: Shown) -> None:
    page.goto("/ui")
    hook(page, "tab-browse").click()
    expect(hook(page, "recording")).to_have_count(len(shown.scenes) + 1)  # and the copy
    names = hook(page, "browse-camera").evaluate_all("buttons => buttons.map(one => one.dataset.camera)")
    assert names == ["", *sorted([COPY, *(scene.camera for scene in shown.scenes)])]
    wanted = shown.scenes[2].camera
    page.locator(f"[data-test=browse-camera][data-camera={wanted}]").click()
    expect(hook(page, "recording")).to_have_count(1)
    expect(page.get_by_role("heading", name="Tue 6 Jan")).to_be_visible()
    expect(hook(page, "recording")).to_contain_text("09:00")  # in Zurich


def test_a_recording_of_the_library_leads_to_a_search(page: Page, shown: Shown) -> None:
    """More like its middle: that finds the recording itself first."""
    page.goto("/ui?browse=cameras")
    wanted = shown.scenes[1].camera
    with new_results(page):
        page.locator(f"[data-test=recording][data-camera={wanted}] [data-test=hit-like]").click()
    assert hits(page)[0].camera == wanted
    assert "@" in address(page)["like"][0]


@pytest.mark.parametrize(("kind", "item"), [("outliers", "outlier"), ("clusters", "representative")])
def test_what_stands_out_leads_to_a_search(page: Page, kind: str, item: str) -> None:
    """More like a stored frame: the best hit is that frame, or one that is the same."""
    page.goto("/ui?browse=cameras")
    hook(page, f"browse-{kind}").click()
    first = hook(page, item).first
    expect(first).to_be_visible()
    camera = first.get_attribute("data-camera")
    with new_results(page):
        first.locator("[data-test=hit-like]").click()
    assert hits(page)[0].camera == camera
    page.go_back()
    expect(hook(page, item).first).to_be_visible()


def test_what_is_stored_twice_is_shown_side_by_side(page: Page, shown: Shown) -> None:
    page.goto("/ui?browse=duplicates")
    pair = hook(page, "duplicate")
    expect(pair).to_have_count(2)
    cameras = pair.evaluate_all("cards => cards.map(card => card.dataset.camera)")
    assert sorted(cameras) == sorted([COPY, shown.scenes[2].camera])
    pair.first.get_by_role("button").first.click()
    expect(hook(page, "viewer")).to_be_visible()
