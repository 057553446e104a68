"""A picture, or a part of one, finds the recording that shows it; and what goes wrong is said."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Shown, Watched
from tests.browser.person import address, choose, draw, drop, hits, hook, new_results, paste, search


@pytest.mark.parametrize("number", range(4))
def test_a_dropped_frame_finds_its_own_moment_first(page: Page, shown: Shown, number: int) -> None:
    first = search(page, shown.pngs[number])[0]
    assert first.is_of(shown.scenes[number])


@pytest.mark.parametrize("give", [paste, choose])
def test_a_picture_is_pasted_or_chosen(page: Page, shown: Shown, give: Callable[[Page, bytes], None]) -> None:
    page.goto("/ui")
    with new_results(page):
        give(page, shown.pngs[1])
    assert hits(page)[0].is_of(shown.scenes[1])


def test_a_box_searches_for_what_is_in_it(page: Page, shown: Shown) -> None:
    """A picture of two scenes side by side: a box on either finds that one first."""
    search(page, beside(shown.pngs[0], shown.pngs[1]))
    with new_results(page):
        draw(page, hook(page, "box"), 0.52, 0.02, 0.98, 0.98)
    assert hits(page)[0].camera == shown.scenes[1].camera
    with new_results(page):
        draw(page, hook(page, "box"), 0.02, 0.02, 0.46, 0.98)
    assert hits(page)[0].camera == shown.scenes[0].camera


def test_what_is_no_picture_is_refused_with_its_reason(page: Page, watched: Watched) -> None:
    page.goto("/ui")
    drop(page, b"just text", "notes.png")
    expect(hook(page, "error")).to_contain_text("notes.png")
    expect(hook(page, "error")).to_contain_text("not an image")
    watched.expected("status of 4")


def test_a_broken_picture_leaves_the_results_that_are_there(page: Page, shown: Shown, watched: Watched) -> None:
    """Half of a PNG, dropped by someone who has gone down the page."""
    before = search(page, shown.pngs[0])
    hook(page, "hit").last.scroll_into_view_if_needed()
    drop(page, shown.pngs[1][: len(shown.pngs[1]) // 2], "half.png")
    expect(hook(page, "error")).to_contain_text("broken image")
    expect(hook(page, "error")).to_be_in_viewport()
    assert hits(page) == before
    watched.expected("status of 400")


def test_a_service_that_is_gone_is_said_and_asked_again(
    page: Page, context: BrowserContext, shown: Shown, watched: Watched
) -> None:
    before = search(page, shown.pngs[0])
    context.set_offline(True)
    hook(page, "facet-camera").first.check()
    expect(hook(page, "error")).to_contain_text("service does not answer")
    assert hits(page) == []
    context.set_offline(False)
    with new_results(page):
        page.get_by_role("button", name="Try again").click()
    expect(hook(page, "error")).to_be_hidden()
    assert 0 < len(hits(page)) < len(before)
    watched.expected("ERR_INTERNET_DISCONNECTED")


def test_the_url_restores_the_search(page: Page, shown: Shown) -> None:
    """Somebody else opens it: the page was never open there."""
    search(page, beside(shown.pngs[0], shown.pngs[1]))
    with new_results(page):
        draw(page, hook(page, "box"), 0.52, 0.02, 0.98, 0.98)
    with new_results(page):
        hook(page, "facet-camera").last.check()
    found, asked = hits(page), address(page)
    assert "#" in asked["like"][0]
    with new_results(page):
        page.reload()
    assert (hits(page), address(page)) == (found, asked)
    expect(hook(page, "facet-camera").last).to_be_checked()


def test_back_goes_back_to_the_search_before(page: Page, shown: Shown) -> None:
    first = search(page, shown.pngs[0])
    with new_results(page):
        drop(page, shown.pngs[1])
    second = hits(page)
    assert second[0].is_of(shown.scenes[1])
    with new_results(page):
        page.go_back()
    assert hits(page) == first
    with new_results(page):
        page.go_forward()
    assert hits(page) == second


def test_back_goes_back_to_the_results_without_a_filter(page: Page, shown: Shown) -> None:
    before = search(page, shown.pngs[0])
    with new_results(page):
        hook(page, "facet-camera").last.check()
    page.go_back()
    expect(hook(page, "facet-camera").last).not_to_be_checked()
    expect(hook(page, "hit")).to_have_count(len(before))
    assert hits(page) == before


def beside(one: bytes, other: bytes) -> bytes:
    """Two pictures as one PNG, each 320 x 240."""
    both, file = Image.new("RGB", (640, 240)), io.BytesIO()
    for left, data in ((0, one), (320, other)):
        both.paste(Image.open(io.BytesIO(data)).resize((320, 240)), (left, 0))
    both.save(file, "PNG")
    return file.getvalue()


def test_an_encoder_of_one_piece_has_no_sliders_for_parts(page: Page, shown: Shown) -> None:
    search(page, shown.pngs[0])
    expect(hook(page, "weight-colour")).to_be_hidden()
    expect(hook(page, "weight-layout")).to_be_hidden()
