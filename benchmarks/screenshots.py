"""Take screenshots of each view of the page, wide and narrow, light and dark, over rendered recordings of four cameras.

python -m benchmarks.screenshots encoder.onnx docs/page
python -m benchmarks.screenshots report demo/report.html docs/report.png  # the top of the demo's report
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from cyclopts import App
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from benchmarks.serve import server
from lookalike.console import say
from lookalike.demo.scenes import encode, scene_frames
from lookalike.demo.schedule import CAMERAS, Camera, scene_events
from lookalike.encoder import Encoder
from lookalike.footage import find_sources, frame_at
from lookalike.footage.sampling import Sampling
from lookalike.index import open_index
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import IngestSettings
from tests.browser.chromium import chromium
from tests.browser.person import drop, hook, search
from tests.explore.copies import write_copy

PORT, DAYS, LENGTH_S, FPS, SIZE_PX = 4160, 4, 30.0, 10, (640, 360)
SIZES = {1440: ViewportSize(width=1440, height=900), 390: ViewportSize(width=390, height=844)}
QUALITY = 60
REPORT_PX = ViewportSize(width=1080, height=1240)  # the verdict, the table and the first comparisons
COLOURS = 256  # of the report's picture, so that it stays small
LOOKED_FOR = "red_car"
WAIT_MS = 60_000


@dataclass(frozen=True)
class Pictures:
    """Frames of the first camera as somebody would upload them, PNG: one that is stored, and one of a later day."""

    stored: bytes
    later: bytes


app = App(name="benchmarks.screenshots", help=__doc__, help_format="plaintext")


@app.default
def main(encoder: Path, out: Path) -> None:
    """Write `out`/VIEW-WIDTH-SCHEME.webp."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = write_recordings(folder / "recordings")
        with open_index(folder / "index", (model := Encoder(encoder, "cpu")).spec, create=True) as index:
            index_footage(find_sources([folder / "recordings"]), model, index, IngestSettings(Sampling(fps=4)))
        flags = ["--encoder", str(encoder), "--index", str(folder / "index"), "--cache", str(folder / "cache")]
        command = [sys.executable, "-m", "lookalike", "serve", *flags, "--device", "cpu", "--port", str(PORT)]
        with server(command, PORT), chromium() as browser:
            for view, reach in VIEWS.items():
                for width, scheme, shot in shots(browser, reach, pictures):
                    say(f"{view}, {width} px, {scheme}")
                    shot.save(out / f"{view}-{width}-{scheme}.webp", quality=QUALITY, method=6)


@app.command
def report(page: Path, out: Path) -> None:
    """Write the top of a demo's report.html as a PNG."""
    with chromium() as browser:
        tab = browser.new_page(viewport=REPORT_PX)
        tab.goto(page.absolute().as_uri())
        settle(tab)
        shot = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    shot.quantize(COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)


def write_recordings(folder: Path) -> Pictures:
    """Four cameras on four days, and a part of one recording again, encoded again."""
    for camera in CAMERAS:
        (folder / camera.name).mkdir(parents=True)
        for day in range(DAYS):
            say(f"rendering {camera.name}, day {day + 1} of {DAYS}")
            recorded_at, frames = recording(camera, day)
            list(encode(folder / camera.name / f"{day + 1}.mp4", frames, FPS, SIZE_PX, recorded_at))
    first = folder / CAMERAS[0].name / "1.mp4"
    (folder / "copies").mkdir()
    write_copy(first, folder / "copies" / "copy.mp4", 8.0, 12.0)
    _, later = recording(CAMERAS[0], DAYS)
    frame = next(itertools.islice(later, round(passing_s(DAYS) * FPS), None))
    return Pictures(png(frame_at(str(first), passing_s(0))), png(frame))


def recording(camera: Camera, day: int) -> tuple[str, Iterator[np.ndarray]]:
    """Returns: when it began; its frames, uint8 (H, W, 3)."""
    recorded_at = (datetime.fromisoformat(camera.recorded_at) + timedelta(days=day)).isoformat()
    dated = dataclasses.replace(camera, recorded_at=recorded_at)
    return recorded_at, iter(scene_frames(dated, LENGTH_S, FPS, day, SIZE_PX))


def passing_s(day: int) -> float:
    """When what is looked for is in the middle of its way past the first camera."""
    passing = next(one for one in scene_events(CAMERAS[0], LENGTH_S, FPS, day) if one.label == LOOKED_FOR)
    return (passing.start_s + passing.end_s) / 2


def png(rgb: np.ndarray) -> bytes:
    """rgb: uint8 (H, W, 3)."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return file.getvalue()


def shots(browser: Browser, reach: Reach, pictures: Pictures) -> Iterator[tuple[int, str, Image.Image]]:
    """A view is reached once, and seen in each width and scheme."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{PORT}", locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    page = context.new_page()
    for width, size in SIZES.items():
        page.set_viewport_size(size)
        reach(page, context, pictures)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            settle(page)
            yield width, scheme, Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        context.set_offline(False)
    context.close()


def settle(page: Page) -> None:
    """Wait until every picture that can be seen is drawn."""
    page.wait_for_function("""() => [...document.images].every(image => image.complete
      || !image.checkVisibility() || image.getBoundingClientRect().top > innerHeight)""")


Reach = Callable[[Page, BrowserContext, Pictures], object]


def empty(page: Page, context: BrowserContext, pictures: Pictures) -> None:
    page.goto("/ui", wait_until="networkidle")


def grid(page: Page, context: BrowserContext, pictures: Pictures) -> None:
    search(page, pictures.later)


def timeline(page: Page, context: BrowserContext, pictures: Pictures) -> None:
    search(page, pictures.stored)
    hook(page, "view-timeline").click()


def viewer(page: Page, context: BrowserContext, pictures: Pictures) -> None:
    search(page, pictures.stored)
    hook(page, "hit").first.get_by_role("button").first.click()
    page.mouse.move(0, 0)
    page.wait_for_function("() => document.querySelector('[data-test=viewer-video]').readyState >= 2")


def failed(page: Page, context: BrowserContext, pictures: Pictures) -> None:
    search(page, pictures.stored)
    context.set_offline(True)
    drop(page, pictures.stored, "car.png")
    expect(hook(page, "error")).to_be_visible()


def browse(kind: str, item: str) -> Reach:
    def reach(page: Page, context: BrowserContext, pictures: Pictures) -> None:
        page.goto(f"/ui?browse={kind}", wait_until="networkidle")
        expect(hook(page, item).first).to_be_visible()

    return reach


VIEWS: dict[str, Reach] = {
    "empty": empty,
    "grid": grid,
    "timeline": timeline,
    "viewer": viewer,
    "cameras": browse("cameras", "recording"),
    "outliers": browse("outliers", "outlier"),
    "duplicates": browse("duplicates", "duplicate"),
    "clusters": browse("clusters", "cluster"),
    "failed": failed,
}


if __name__ == "__main__":
    app()
