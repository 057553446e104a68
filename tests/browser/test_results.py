"""Results are filtered, asked to be more or less like some, and taken along."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections import Counter
from pathlib import Path

from playwright.sync_api import Download, Page, Route, expect

from tests.browser.conftest import Shown, Watched
from tests.browser.footage import COPY
from tests.browser.person import address, hits, hook, new_results, search, unfiltered


def test_a_camera_is_chosen_by_its_count(page: Page, shown: Shown) -> None:
    """What stands beside each camera is how many moments it has among the hundred best."""
    search(page, shown.pngs[0])
    counts = Counter(hit["camera"] for hit in unfiltered(page))
    for scene in shown.scenes:
        choice = page.locator("label", has=page.locator(f"[data-test=facet-camera][value={scene.camera}]"))
        assert choice.inner_text().split() == [scene.camera, str(counts[scene.camera])]
    wanted = shown.scenes[1].camera
    with new_results(page):
        page.locator(f"[data-test=facet-camera][value={wanted}]").check()
    assert [hit.camera for hit in hits(page)] == [wanted] * counts[wanted]
    assert address(page)["camera"] == [wanted]


def test_a_date_and_hours_are_those_of_the_clock_here(page: Page, shown: Shown) -> None:
    """In Zurich it is an hour later: the last recording begins at 22:45 on the 6th, the one before at 9:00."""
    search(page, shown.pngs[0])
    with new_results(page):
        hook(page, "since").fill("2026-01-06T00:00:00")
        hook(page, "since").blur()
    assert {hit.camera for hit in hits(page)} == {scene.camera for scene in shown.scenes[2:]}
    with new_results(page):
        hook(page, "time-of-day").fill("22:00-23:30")
        hook(page, "time-of-day").blur()
    assert {hit.camera for hit in hits(page)} == {shown.scenes[3].camera}
    assert address(page)["since"] == ["2026-01-05T23:00:00Z"]


def test_the_slider_hides_what_is_less_similar_and_says_how_many_are_left(page: Page, shown: Shown) -> None:
    all_hits = search(page, shown.pngs[0])
    scores = [hit["score"] for hit in unfiltered(page)][: len(all_hits)]
    least = round(scores[2], 3) - 0.001
    hook(page, "min").fill(f"{least:.3f}")
    left = sum(score >= least for score in scores)
    assert 3 <= left < len(all_hits)
    expect(hook(page, "hit")).to_have_count(left)
    expect(hook(page, "status")).to_have_text(f"{left} of {len(all_hits)} moments are similar enough")


def test_more_and_less_like_this_change_the_order(page: Page, shown: Shown) -> None:
    """Of a frame whose cosine to the picture is c, the mean of both is at a cosine of sqrt((1 + c) / 2)."""
    before, camera = search(page, shown.pngs[0]), shown.scenes[1].camera
    wanted = next(hit for hit in before if hit.camera == camera)
    cosine = best(page, camera)
    with new_results(page):
        page.locator(f"[data-id='{wanted.id}'] [data-test=hit-like]").click()
    assert best(page, camera) >= math.sqrt((1 + cosine) / 2) - 0.001
    assert hits(page) != before
    expect(hook(page, "example-like")).to_have_count(2)
    with new_results(page):
        hook(page, "hit").and_(page.locator(f"[data-camera={camera}]")).first.locator("[data-test=hit-unlike]").click()
    assert best(page, camera) < cosine
    assert len(address(page)["unlike"]) == 1
    expect(hook(page, "example-unlike")).to_have_count(1)


def test_each_hit_shows_its_frame(page: Page, shown: Shown) -> None:
    first = search(page, shown.pngs[0])[0]
    picture = page.locator(f"[data-id='{first.id}'] img")
    expect(picture).to_have_js_property("complete", True)
    width = picture.evaluate("image => image.naturalWidth")
    assert width == 320


def test_the_timeline_has_lanes_with_marks_and_a_brush_sets_the_range(page: Page, shown: Shown) -> None:
    """Brushed from just before the third recording to the end: the first two are left out, and the undated copy."""
    found = search(page, shown.pngs[0])
    hook(page, "view-timeline").click()
    lanes = hook(page, "lane").evaluate_all("lanes => lanes.map(lane => lane.dataset.camera)")
    assert sorted(lanes) == sorted([COPY, *(scene.camera for scene in shown.scenes)])
    expect(hook(page, "mark")).to_have_count(len(found))
    third = page.locator(f"[data-test=lane][data-camera={shown.scenes[2].camera}]").bounding_box()
    footage = page.locator(f"[data-test=lane][data-camera={shown.scenes[2].camera}] .footage").bounding_box()
    assert third
    assert footage
    with new_results(page):
        page.mouse.move(footage["x"] - 8, third["y"] + 4)
        page.mouse.down()
        page.mouse.move(footage["x"] + 8, third["y"] + 4)
        page.mouse.move(third["x"] + third["width"], third["y"] + 4)
        page.mouse.up()
    hook(page, "view-grid").click()
    assert {hit.camera for hit in hits(page)} == {scene.camera for scene in shown.scenes[2:]}
    [since] = address(page)["since"]
    assert "2026-01-05T09:30:00Z" < since <= "2026-01-06T08:00:00Z"


def test_what_is_shown_is_saved_as_a_table(page: Page, shown: Shown, tmp_path: Path) -> None:
    found = search(page, shown.pngs[0])
    with page.expect_download() as saved:
        hook(page, "export-csv").click()
    rows = list(csv.DictReader(io.StringIO(saved_to(tmp_path, saved.value).read_text(encoding="utf-8"))))
    assert [(row["id"], row["camera"], float(row["time_s"])) for row in rows] == [
        (hit.id, hit.camera, hit.time_s) for hit in found
    ]


def test_what_is_shown_is_saved_as_frames(page: Page, shown: Shown, tmp_path: Path) -> None:
    search(page, shown.pngs[3])
    with new_results(page):
        page.locator(f"[data-test=facet-camera][value={shown.scenes[3].camera}]").check()
    with page.expect_download() as saved:
        hook(page, "export-frames").click()
    found = hits(page)
    with zipfile.ZipFile(saved_to(tmp_path, saved.value)) as archive:
        pictures = [name for name in archive.namelist() if name.endswith(".jpg")]
        rows = list(csv.DictReader(io.StringIO(archive.read("hits.csv").decode())))
    assert len(pictures) == len(found)
    assert all(shown.scenes[3].camera in name for name in pictures)
    assert [row["id"] for row in rows] == [hit.id for hit in found]


def best(page: Page, camera: str) -> float:
    """The similarity of its best hit."""
    return max(hit["score"] for hit in unfiltered(page) if hit["camera"] == camera)


def saved_to(folder: Path, download: Download) -> Path:
    download.save_as(folder / download.suggested_filename)
    return folder / download.suggested_filename


def test_a_picture_that_the_service_was_too_busy_for_is_asked_for_again(
    page: Page, shown: Shown, watched: Watched
) -> None:
    asked: set[str] = set()

    def busy_at_first(route: Route) -> None:
        if route.request.url in asked:
            return route.continue_()
        asked.add(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "1"})

    page.route("**/thumb?*", busy_at_first)
    search(page, shown.pngs[0])
    picture = hook(page, "hit").first.locator("img")
    expect(picture).to_have_js_property("complete", True)
    page.wait_for_function("image => image.naturalWidth > 0", arg=picture.element_handle())
    assert all("503" in complaint for complaint in watched.complaints)
    watched.complaints.clear()
