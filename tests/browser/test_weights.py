"""What counts in a search, as sliders, and the parts of a picture that it was asked by, on the page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from lookalike.encoder import Encoder
from lookalike.footage import find_sources
from lookalike.footage.sampling import Sampling
from lookalike.index import open_index
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import IngestSettings
from tests.browser.conftest import NARROW, Shown
from tests.browser.person import address, draw, drop, hits, hook, new_results, search
from tests.passes import RED, RED_PASSES, empty_view, pass_at, write_passes
from tests.serving.running import ROOT, bentoml_env, served
from tests.tiny import PARTS_SPEC

NEARLY_WHITE = 240  # of 255: a side may lie between two pixels


@pytest.fixture(scope="module")
def passing(parts_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shown, str, str]]:
    """The service over recordings in which something passes; the ids of a frame with a pass, and of an empty one."""
    home = tmp_path_factory.mktemp("passing")
    write_passes(home / "recordings")
    with open_index(home / "index", PARTS_SPEC, create=True) as index:
        sources = find_sources([home / "recordings"])
        index_footage(sources, Encoder(parts_encoder, "cpu"), index, IngestSettings(Sampling(fps=2)))
        ids = {(one.camera, one.time_s): one.id for one in index.frames() if one.region is None}
    settings = {
        "LOOKALIKE_ENCODER": parts_encoder,
        "LOOKALIKE_INDEX": home / "index",
        "LOOKALIKE_CACHE": home / "cache",
    }
    with served("serving.service:Lookalike", bentoml_env(home, settings), ROOT, home / "log") as client:
        yield Shown(str(client.base_url).rstrip("/"), [], []), ids["gate", 12.0], ids["gate", 5.0]


@pytest.fixture
def shown(passing: tuple[Shown, str, str]) -> Shown:
    return passing[0]


def ask_by(page: Page, frame_id: str, more: str = "") -> None:
    with new_results(page):
        page.goto(f"/ui?like={frame_id}{more}")


def test_the_part_that_was_asked_by_is_drawn_on_the_picture(page: Page, passing: tuple[Shown, str, str]) -> None:
    """And a box around what was found on each card that has one. Who draws a box asks by that instead."""
    _, moving, _ = passing
    ask_by(page, moving)
    assert {pass_at(hit.camera, hit.time_s) for hit in hits(page)[:3]} == RED_PASSES
    asked = hook(page, "asked")
    expect(asked).to_have_count(1)
    surface, part = hook(page, "box").bounding_box(), asked.bounding_box()
    assert surface
    assert part
    x, y, w, h = (float(share) for share in (asked.get_attribute("data-region") or "").split(","))
    assert part["x"] == pytest.approx(surface["x"] + x * surface["width"], abs=2)
    assert part["y"] == pytest.approx(surface["y"] + y * surface["height"], abs=2)
    assert part["width"] == pytest.approx(w * surface["width"], abs=2)
    assert part["height"] == pytest.approx(h * surface["height"], abs=2)
    expect(page.get_by_text("Searched by what moves in this frame")).to_be_visible()
    expect(hook(page, "hit").first.locator(".found")).to_be_visible()
    with new_results(page):
        draw(page, hook(page, "box"), 0.1, 0.1, 0.9, 0.9)
    expect(asked).to_have_count(0)
    expect(page.get_by_text("Searched by what moves in this frame")).to_be_hidden()


def test_boxes_that_reach_the_edges_of_a_picture_have_four_sides(page: Page, passing: tuple[Shown, str, str]) -> None:
    _, moving, _ = passing
    ask_by(page, moving)
    assert_four_white_sides(hook(page, "asked"))
    with new_results(page):
        draw(page, hook(page, "box"), 0.1, 0.1, 0.9, 0.9)
    assert_four_white_sides(page.locator(".box-frame:visible"))


def assert_four_white_sides(box: Locator) -> None:
    """The box is made as large as what it lies on; two pixels of each side are white then."""
    box.evaluate("box => Object.assign(box.style, {left: 0, top: 0, width: '100%', height: '100%'})")
    rgb = np.asarray(Image.open(io.BytesIO(box.screenshot())).convert("RGB"))
    y, x = rgb.shape[0] // 2, rgb.shape[1] // 2
    sides = rgb[:2, x], rgb[-2:, x], rgb[y, :2], rgb[y, -2:]
    assert min(side.min() for side in sides) >= NEARLY_WHITE


def test_an_empty_moment_is_asked_as_a_whole(page: Page, passing: tuple[Shown, str, str]) -> None:
    _, _, empty = passing
    ask_by(page, empty)
    expect(hook(page, "asked")).to_have_count(0)


def test_sliders_stand_where_the_encoder_has_them_and_go_into_the_address(
    page: Page, passing: tuple[Shown, str, str]
) -> None:
    _, _, empty = passing
    ask_by(page, empty)
    colour, layout = hook(page, "weight-colour"), hook(page, "weight-layout")
    expect(colour).to_have_value("0.2")
    expect(layout).to_have_value("0.5")
    assert "colour" not in address(page)
    before = hits(page)
    with new_results(page):
        colour.focus()
        page.keyboard.press("End")
    assert address(page)["colour"] == ["1"]
    found = hits(page)
    assert found != before
    with new_results(page):
        page.reload()
    expect(colour).to_have_value("1")
    assert hits(page) == found
    with new_results(page):
        page.get_by_role("button", name="As usual").click()
    expect(colour).to_have_value("0.2")
    assert "colour" not in address(page)
    assert hits(page) == before


def test_a_part_of_a_picture_may_be_anywhere(page: Page, passing: tuple[Shown, str, str]) -> None:
    _, moving, _ = passing
    ask_by(page, moving, "%230.1,0.4,0.4,0.5")
    expect(hook(page, "weight-layout")).to_have_value("0")
    expect(page.get_by_text(re.compile("same place"))).to_be_visible()


def test_a_picture_that_is_asked_by_what_differs_says_so(page: Page) -> None:
    """Something large and red before the gate finds what is red. A box, or an empty picture, is asked otherwise."""
    found = search(page, something_red())
    assert {pass_at(hit.camera, hit.time_s) for hit in found[:3]} == RED_PASSES
    note = hook(page, "difference-note")
    expect(note).to_be_visible()
    expect(note).to_have_text(
        "Searched by what differs from the usual view of this camera. Draw a box to search by a part."
    )
    expect(hook(page, "asked")).to_have_count(0)
    expect(hook(page, "asked-note")).to_be_hidden()
    with new_results(page):
        draw(page, hook(page, "box"), 0.3, 0.4, 0.9, 0.9)
    expect(note).to_be_hidden()
    page.get_by_role("button", name="Whole picture").click()
    expect(note).to_be_visible()
    with new_results(page):
        drop(page, png(empty_view("gate")))
    expect(note).to_be_hidden()


def test_the_note_can_be_read_on_a_telephone(page: Page) -> None:
    page.set_viewport_size(NARROW)
    search(page, something_red())
    expect(hook(page, "difference-note")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("rgb", [empty_view("gate"), 255 - empty_view("gate")], ids=["as usual", "of another camera"])
def test_other_pictures_are_not_said_to_differ(page: Page, rgb: np.ndarray) -> None:
    search(page, png(rgb))
    expect(hook(page, "difference-note")).to_be_hidden()
    expect(hook(page, "asked-note")).to_be_hidden()


def test_stored_frames_and_what_to_keep_away_from_take_the_place_of_the_usual_view(
    page: Page, passing: tuple[Shown, str, str]
) -> None:
    _, moving, empty = passing
    search(page, something_red())
    expect(hook(page, "difference-note")).to_be_visible()
    ask_by(page, address(page)["like"][0], f"&unlike={empty}")
    expect(hook(page, "difference-note")).to_be_hidden()
    ask_by(page, moving)
    expect(hook(page, "asked-note")).to_be_visible()
    expect(hook(page, "difference-note")).to_be_hidden()


def something_red() -> bytes:
    """A picture of the gate, PNG, with something red before it that is larger than all that passes."""
    rgb = empty_view("gate")
    rgb[20:48, 20:52] = RED
    return png(rgb)


def png(rgb: np.ndarray) -> bytes:
    """rgb: uint8 (H, W, 3)."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return file.getvalue()
