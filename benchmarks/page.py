"""Measure the time from dropping a picture on the page to the first hit on the screen, in a real browser.

    python -m benchmarks.page encoder.onnx recordings/

The index holds two frames of each second of the recordings, and copies of them up to the wanted size: separate files of
separate cameras, each a day later, whose vectors are those of the originals, perturbed (cosine about .96). Pictures are
frames of the recordings, JPEGs of 768 x 432, each dropped on an empty page of `lookalike serve`, without cached
thumbnails.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import math
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from cyclopts import App
from playwright.sync_api import Page

from benchmarks.machine import describe
from benchmarks.serve import jpegs, server
from lookalike.console import say
from lookalike.encoder import Encoder
from lookalike.footage import Frame, Source, find_sources, read_source
from lookalike.footage.sampling import Sampling
from lookalike.index import FrameIndex, open_index
from lookalike.ingest.batches import embed_small
from lookalike.ingest.settings import USUAL
from tests.browser.chromium import chromium
from training.train import pick_device

BATCH = USUAL.batch_frames
AIM_MS, FPS, WARM_UP, PORT = 300, 2.0, 3, 4150
BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)
WAIT_MS = 30_000
DROP = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

app = App(name="benchmarks.page", help=__doc__, help_format="plaintext")


@app.default
def main(encoder: Path, *sources: str, frames: int = 20_000, drops: int = 30) -> None:
    """Measure, and print a Markdown table."""
    model, pictures = Encoder(encoder, "cpu"), jpegs(sources)
    asked = list(itertools.islice(itertools.cycle(pictures), WARM_UP + drops))
    with tempfile.TemporaryDirectory() as folder:
        with open_index(Path(folder, "index"), model.spec, create=True) as index:
            fill(index, model, find_sources(sources), frames, Path(folder))
            stored = index.count()
        flags = ["--encoder", str(encoder), "--index", f"{folder}/index", "--cache", f"{folder}/cache"]
        command = [sys.executable, "-m", "lookalike", "serve", *flags, "--device", "cpu", "--port", str(PORT)]
        with server(command, PORT), chromium() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            found = [drop(page, picture) for picture in asked][WARM_UP:]
            alone = by_themselves(asked[WARM_UP:])
            print(f"{describe(pick_device('cpu'))}; Chromium {browser.version}; {model.spec.name}, {stored:,} frames\n")
    report(found, alone)


def fill(index: FrameIndex, model: Encoder, sources: Sequence[Source], count: int, folder: Path) -> None:
    """Store `count` frames, as the module says; the copies' files go into the folder."""
    videos = [source for source in sources if source.kind == "video"]
    read = [frame for source in videos for frame in _read(source, model)]
    vectors = np.concatenate([embed_small(model, read[row : row + BATCH]) for row in range(0, len(read), BATCH)])
    for day in range(math.ceil(count / len(read))):
        say(f"{day * len(read):,} of {count:,} frames stored")
        part = read[: count - day * len(read)]
        as_of = {one.path: copied(one.path, day, folder / f"{day}-{number}") for number, one in enumerate(videos)}
        index.add([_moved(frame, day, *as_of[frame.source]) for frame in part], perturbed(vectors[: len(part)], day))
    index.mark_complete([])
    index.optimize()


def copied(video: str, day: int, folder: Path) -> tuple[str, str]:
    """Another file that shows the same: 16 bytes are added, which players skip. Returns: its path, and its id."""
    folder.mkdir()
    copy = folder / Path(video).name
    shutil.copyfile(video, copy)
    with copy.open("r+b") as file:
        file.seek(0, 2)
        file.write(struct.pack(">I4sQ", 16, b"free", day))
        file.seek(0)
        return str(copy), hashlib.file_digest(file, "sha256").hexdigest()


def perturbed(vectors: np.ndarray, day: int) -> np.ndarray:
    """float32 (N, D), of length 1; those of the first day as they are."""
    noise = np.random.default_rng(day).standard_normal(vectors.shape)
    noise *= (0.3 if day else 0.0) / np.linalg.norm(noise, axis=1, keepdims=True)
    moved = vectors + noise
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


def drop(page: Page, picture: bytes) -> dict[str, Any]:
    """What benchmarks/page.js returns, of a page that was just opened and has come to rest."""
    page.goto(f"http://127.0.0.1:{PORT}/ui", wait_until="networkidle")
    return page.evaluate(DROP, {"data": base64.b64encode(picture).decode(), "wait": WAIT_MS})


def by_themselves(pictures: Sequence[bytes]) -> dict[str, list[float]]:
    """Milliseconds of the two things that the service does for an answer, asked for alone over HTTP."""
    took: dict[str, list[float]] = {"decode and encode, alone": [], "search, alone": []}
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", trust_env=False) as client:
        for picture in pictures:
            files = {"image": picture}
            found = client.post("/search", files=files).raise_for_status().json()["hits"][0]["id"]
            for name, ask in (
                ("decode and encode, alone", {"url": "/embed", "files": {"images": picture}}),
                ("search, alone", {"url": "/search", "json": {"id": found}}),
            ):
                began = time.perf_counter()
                client.post(**ask).raise_for_status()
                took[name].append((time.perf_counter() - began) * 1e3)
    return took


def report(found: Sequence[dict[str, Any]], alone: dict[str, list[float]]) -> None:
    answers = [one["answer"] for one in found]
    rows = {"until the first answer is on the page": answers}
    rows["until the first row of pictures is"] = [one["pictures"] for one in found]
    parts = [spent(one) for one in found]
    rows |= {name: [part.get(name, 0.0) for part in parts] for name in dict.fromkeys(itertools.chain(*parts))}
    print("| from the drop | p50 ms | p90 ms | longest ms |\n|---|---|---|---|")
    for name, took_ms in (rows | alone).items():
        p50, p90, longest = np.percentile(took_ms, [50, 90, 100])
        print(f"| {name} | {p50:.0f} | {p90:.0f} | {longest:.0f} |")
    within = sum(took_ms <= AIM_MS for took_ms in answers)
    print(f"\nWithin {AIM_MS} ms: {within} of {len(answers)} first answers.")


def spent(one: dict[str, Any]) -> dict[str, float]:
    """What the time until the first answer went to, in milliseconds: requests by their paths, and the page itself.

    Requests that run side by side count for what each adds.
    """
    until, covered, before, by_path = one["answer"], 0.0, 0.0, {}
    for path, began, ended in sorted(one["requests"], key=lambda request: request[2]):
        if covered < ended <= until:
            before += max(0.0, began - covered)
            name = f"of that, /{path.split('/')[1]}"
            by_path[name] = by_path.get(name, 0.0) + ended - max(began, covered)
            covered = ended
    return by_path | {"of that, the page, before the answer came": before, "of that, the page, then": until - covered}


def _read(source: Source, model: Encoder) -> Iterator[Frame]:
    return (
        one
        for one in read_source(source, Sampling(fps=FPS, regions=None), model.spec.input_px)
        if isinstance(one, Frame)
    )


def _moved(frame: Frame, day: int, source: str, source_id: str) -> Frame:
    """As if another camera had taken it on that day."""
    captured_at = BEGAN + timedelta(days=day, seconds=frame.time_s)
    camera = f"{frame.camera}-{day}"
    return dataclasses.replace(frame, source=source, source_id=source_id, camera=camera, captured_at=captured_at)


if __name__ == "__main__":
    app()
