"""Frames a second from recordings into an index, beside its stages alone and beside the loop that one writes first.

    python -m benchmarks.ingest encoder.onnx recordings/gate.mp4

Everything takes turns on every frame of the same videos: decoding alone (PyAV), decoding and making small, encoding
alone (frames in memory, batches of 32), `lookalike index` into a new embedded index, and a plain loop: OpenCV reads a
frame, Pillow resizes it, the session runs it, and the Qdrant client stores it in its local mode. OpenCV is installed
for the run.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
from cyclopts import App
from PIL import Image

from benchmarks.install import install
from benchmarks.machine import describe
from lookalike import pixels
from lookalike.encoder import Encoder
from lookalike.footage import Source, find_sources, read_frames
from lookalike.index import open_index
from lookalike.ingest import BATCH, index_footage
from lookalike.sampling import ALL
from training.train import pick_device

Timed = tuple[int, float]  # frames, seconds

RUNS = 64  # of the encoder alone
OPENCV = "opencv-python-headless==4.13.0.92"

app = App(name="benchmarks.ingest", help=__doc__, help_format="plaintext")


@app.default
def main(encoder: Path, *sources: str, rounds: int = 3, loop: bool = True) -> None:
    """Measure, and print a Markdown table. loop: whether the plain loop is one of the ways."""
    found, model = [one for one in find_sources(sources) if one.kind == "video"], Encoder(encoder, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Callable[[], Timed]] = {
            "decode alone": lambda: decode(found),
            "decode, make small": lambda: read(found, model),
            "encode alone": lambda: encode(found, model),
            "lookalike index": lambda: index(found, model, Path(folder)),
        }
        if loop:
            install(OPENCV, Path(folder, "opencv"), "--no-loop")
            ways["a plain loop"] = lambda: plain_loop(found, model, Path(folder))
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                frames, seconds = way()
                rates[name].append(frames / seconds)
    print(f"{describe(pick_device('cpu'))}; {model.spec.name}, {frames:,} frames\n")
    print("| | frames/s | lookalike index to that |")
    print("|---|---|---|")
    ours = rates["lookalike index"]
    for name, found_rates in rates.items():
        ratio = statistics.median(one / other for one, other in zip(ours, found_rates, strict=True))
        print(f"| {name} | {statistics.median(found_rates):.0f} | {ratio:.2f} |")
    slower = [min(pair) for pair in zip(rates["decode alone"], rates["encode alone"], strict=True)]
    ratio = statistics.median(one / other for one, other in zip(ours, slower, strict=True))
    print(f"\nOf the slower of decoding and encoding alone: {ratio:.2f}")


def decode(sources: Sequence[Source]) -> Timed:
    frames, started = 0, time.perf_counter()
    for source in sources:
        with av.open(source.path) as container:
            container.streams.video[0].thread_type = "AUTO"
            frames += sum(1 for _ in container.decode(video=0))
    return frames, time.perf_counter() - started


def read(sources: Sequence[Source], model: Encoder) -> Timed:
    frames, started = 0, time.perf_counter()
    for frame in read_frames(sources):
        pixels.fit(frame.image, model.spec.input_px)
        frames += 1
    return frames, time.perf_counter() - started


def encode(sources: Sequence[Source], model: Encoder) -> Timed:
    """The first batch again and again, for RUNS times."""
    images = [frame.image for frame, _ in zip(read_frames(sources), range(BATCH), strict=False)]
    batch = np.stack([pixels.fit(image, model.spec.input_px) for image in images])
    started = time.perf_counter()
    for _ in range(RUNS):
        model.embed(batch)
    return RUNS * len(batch), time.perf_counter() - started


def index(sources: Sequence[Source], model: Encoder, folder: Path) -> Timed:
    started = time.perf_counter()
    with open_index(folder / str(uuid.uuid4()), model.spec, create=True) as store:
        summary = index_footage(sources, model, store, ALL, lambda frames: None)
    return summary.frames, time.perf_counter() - started


def plain_loop(sources: Sequence[Source], model: Encoder, folder: Path) -> Timed:
    """Frame by frame, as in a first script."""
    import cv2  # pyright: ignore[reportMissingImports]
    from qdrant_client import QdrantClient, models

    client, frames = QdrantClient(path=str(folder / str(uuid.uuid4()))), 0
    client.create_collection("frames", models.VectorParams(size=model.spec.dim, distance=models.Distance.COSINE))
    started = time.perf_counter()
    for source in sources:
        capture = cv2.VideoCapture(source.path)
        while True:
            there, bgr = capture.read()
            if not there:
                break
            rgb = Image.fromarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
            small = rgb.resize((model.spec.input_px, model.spec.input_px))
            vector = model.embed(np.asarray(small)[None])[0].tolist()
            payload = {"source": source.path, "frame": frames}
            client.upsert("frames", [models.PointStruct(id=frames, vector=vector, payload=payload)])
            frames += 1
    seconds = time.perf_counter() - started
    client.close()
    return frames, seconds


if __name__ == "__main__":
    app()
