"""A hit opens at its moment, plays, steps by frames, and leads on to other searches."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shown
from tests.browser.person import address, draw, hits, hook, new_results, search, unfiltered

STANDS_AT = """([video, time, within]) =>
  video.readyState >= 2 && !video.seeking && Math.abs(video.currentTime - time) <= within"""


def open_viewer(page: Page, shown: Shown, number: int) -> tuple[float, dict[str, Any]]:
    """Open the first hit. Returns: currentTime that shows it, and what the service says of its recording."""
    first = search(page, shown.pngs[number])[0]
    recording = page.request.get(f"/recordings/{unfiltered(page, 1)[0]['source_id']}").json()
    page.locator(f"[data-id='{first.id}'] button").first.click()
    expect(hook(page, "viewer")).to_be_visible()
    return first.time_s + recording["offset_s"], recording


def wait_until_at(page: Page, time_s: float, within_s: float = 0.5) -> None:
    page.wait_for_function(STANDS_AT, arg=[hook(page, "viewer-video").element_handle(), time_s, within_s])


@pytest.mark.parametrize("number", [0, 1, 3], ids=["H.264 with sound", "H.264", "Matroska"])
def test_a_hit_opens_at_its_moment(page: Page, shown: Shown, number: int) -> None:
    """No browser plays Matroska: of that a copy is made, which the page waits for."""
    time_s, _ = open_viewer(page, shown, number)
    expect(hook(page, "viewer-video")).to_be_visible()
    wait_until_at(page, time_s)


def test_arrow_keys_step_by_a_frame_and_space_plays(page: Page, shown: Shown) -> None:
    time_s, recording = open_viewer(page, shown, 0)
    wait_until_at(page, time_s)
    frame_s, at = 1 / recording["fps"], hook(page, "viewer-video").evaluate("video => video.currentTime")
    for key, frames in (
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("Shift+ArrowLeft", 1 - recording["fps"]),
    ):
        page.keyboard.press(key)
        wait_until_at(page, at + frames * frame_s, frame_s / 4)
    page.keyboard.press("Space")
    page.wait_for_function(
        "video => !video.paused && video.played.length", arg=hook(page, "viewer-video").element_handle()
    )


def test_neighbours_lead_to_what_was_before_and_after(page: Page, shown: Shown) -> None:
    time_s, _ = open_viewer(page, shown, 1)
    wait_until_at(page, time_s)
    neighbour = hook(page, "neighbour").last
    later_s = float(neighbour.get_attribute("data-time") or "nan")
    neighbour.click()
    wait_until_at(page, time_s + later_s - hits(page)[0].time_s)
    assert later_s > hits(page)[0].time_s


def test_a_region_of_the_paused_frame_is_searched_for(page: Page, shown: Shown) -> None:
    time_s, _ = open_viewer(page, shown, 1)
    wait_until_at(page, time_s)
    draw(page, hook(page, "viewer-box"), 0.25, 0.25, 0.75, 0.75)
    with new_results(page):
        hook(page, "viewer-region").click()
    expect(hook(page, "viewer")).to_be_hidden()
    [like] = address(page)["like"]
    region = [float(share) for share in like.split("#")[1].split(",")]
    assert region == pytest.approx([0.25, 0.25, 0.5, 0.5], abs=0.01)
    assert hits(page)


@pytest.mark.parametrize("side", ["like", "unlike"])
def test_what_is_looked_at_becomes_an_example(page: Page, shown: Shown, side: str) -> None:
    time_s, _ = open_viewer(page, shown, 1)
    wait_until_at(page, time_s)
    found_s = hits(page)[0].time_s
    page.keyboard.press("Shift+ArrowRight")
    wait_until_at(page, time_s + 1, 0.1)
    with new_results(page):
        hook(page, f"viewer-{side}").click()
    expect(hook(page, "viewer")).to_be_hidden()
    example = address(page)[side][-1]
    assert float(example.partition("@")[2]) == pytest.approx(found_s + 1, abs=0.1)


def test_the_url_restores_what_is_looked_at_and_escape_closes_it(page: Page, shown: Shown) -> None:
    time_s, _ = open_viewer(page, shown, 0)
    opened = address(page)["moment"]
    page.reload()
    expect(hook(page, "viewer")).to_be_visible()
    wait_until_at(page, time_s)
    assert address(page)["moment"] == opened
    page.keyboard.press("Escape")
    expect(hook(page, "viewer")).to_be_hidden()
    assert "moment" not in address(page)


def test_back_closes_what_is_looked_at(page: Page, shown: Shown) -> None:
    open_viewer(page, shown, 0)
    before = hits(page)
    page.go_back()
    expect(hook(page, "viewer")).to_be_hidden()
    assert hits(page) == before
