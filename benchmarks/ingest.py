"""Measure frames a second from recordings into an index, compared with single stages and with a plain loop.

    python -m benchmarks.ingest encoder.onnx recordings/gate.mp4

All take turns on every frame of the same videos: decoding alone (PyAV), decoding and making small, encoding
alone (frames in memory, batches of 32), `lookalike index` into a new embedded index, and a plain loop: OpenCV reads a
frame, Pillow resizes it, the session runs it, and the Qdrant client stores it in its local mode. OpenCV is installed
temporarily. Then the first of the videos, repeated to an hour: its key frames alone, decoded and indexed; and the most
memory that `lookalike index --fps 1` takes for a minute of it and for the hour.
"""

from __future__ import annotations

import math
import re
import statistics
import subprocess
import sys
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
from lookalike.footage import Frame, Source, find_sources, read_frames, read_source
from lookalike.footage.decode import video_stream
from lookalike.footage.sampling import ALL, Sampling
from lookalike.index import open_index
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import USUAL, WHOLE_FRAMES, IngestSettings
from training.train import pick_device

Timed = tuple[int, float]  # frames, seconds

RUNS = 64  # of the encoder alone
OPENCV = "opencv-python-headless==4.13.0.92"

app = App(name="benchmarks.ingest", help=__doc__, help_format="plaintext")


@app.default
def main(encoder: Path, *sources: str, rounds: int = 3, loop: bool = True, hour: bool = True) -> None:
    """Measure, and print a Markdown table. loop: whether the plain loop is one of the ways. hour: and the rest."""
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
    if hour:
        with tempfile.TemporaryDirectory() as folder:
            minute, whole = (repeat(found[0].path, length_s, Path(folder)) for length_s in (60, 3600))
            by_key_frames(whole, model, rounds, Path(folder))
            print("\nMost memory of `lookalike index --fps 1`: ", end="", flush=True)
            print(f"{peak_mb(minute, encoder)} MB for a minute, {peak_mb(whole, encoder)} MB for an hour")


def by_key_frames(long: Path, model: Encoder, rounds: int, folder: Path) -> None:
    """Print how fast the key frames of a long video are indexed, to decoding them alone."""
    only, sources = IngestSettings(Sampling(keyframes=True)), find_sources([long])
    ratios: list[float] = []
    for _ in range(rounds):
        (frames, alone), (_, indexed) = decode(sources, keyframes=True), index(sources, model, folder, only)
        ratios.append(alone / indexed)
    print(f"\nKey frames only, {frames} of an hour: {statistics.median(ratios):.2f} of decoding them alone")


def repeat(path: str, length_s: int, folder: Path) -> Path:
    """A video's packets again and again, for so many seconds."""
    out = folder / f"{length_s}.mp4"
    with av.open(path) as read, av.open(str(out), "w") as written:
        stream = read.streams.video[0]
        copied = written.add_stream_from_template(stream)
        packets = [packet for packet in read.demux(stream) if packet.dts is not None]
        first = min(packet.pts or 0 for packet in packets)
        span = max((packet.pts or 0) + (packet.duration or 1) for packet in packets) - first
        assert stream.time_base is not None
        times = [(packet.pts or 0, packet.dts or 0) for packet in packets]
        for turn in range(math.ceil(length_s / float(span * stream.time_base))):
            for packet, (pts, dts) in zip(packets, times, strict=True):
                packet.pts, packet.dts, packet.time_base = pts + turn * span, dts + turn * span, stream.time_base
                packet.stream = copied
                written.mux(packet)
    return out


def peak_mb(video: Path, encoder: Path) -> int:
    """Of a process that indexes it, one frame a second. Only Linux says it."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["index", str(video), "--encoder", str(encoder), "--index", f"{folder}/index", "--fps", "1"]
        process, peak_kb = subprocess.Popen([sys.executable, "-m", "lookalike", *words], stdout=subprocess.DEVNULL), 0
        while process.poll() is None:
            # What wait4 tells begins with the memory of the process that started it.
            found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            peak_kb = max(peak_kb, int(found[1])) if found else peak_kb
            time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"lookalike index: exit status {process.returncode}")
    return round(peak_kb / 1024)


def decode(sources: Sequence[Source], keyframes: bool = False) -> Timed:
    """keyframes: nothing else."""
    frames, started = 0, time.perf_counter()
    for source in sources:
        with av.open(source.path) as container:
            stream = video_stream(container, keyframes)
            frames += sum(1 for _ in container.decode(stream))
    return frames, time.perf_counter() - started


def read(sources: Sequence[Source], model: Encoder) -> Timed:
    frames, started = 0, time.perf_counter()
    for source in sources:
        frames += sum(isinstance(one, Frame) for one in read_source(source, ALL, model.spec.input_px))
    return frames, time.perf_counter() - started


def encode(sources: Sequence[Source], model: Encoder) -> Timed:
    """The first batch again and again, for RUNS times."""
    images = [frame.image for frame, _ in zip(read_frames(sources), range(USUAL.batch_frames), strict=False)]
    batch = np.stack([pixels.fit(image, model.spec.input_px) for image in images])
    started = time.perf_counter()
    for _ in range(RUNS):
        model.embed(batch)
    return RUNS * len(batch), time.perf_counter() - started


def index(sources: Sequence[Source], model: Encoder, folder: Path, settings: IngestSettings = WHOLE_FRAMES) -> Timed:
    started = time.perf_counter()
    with open_index(folder / str(uuid.uuid4()), model.spec, create=True) as store:
        summary = index_footage(sources, model, store, settings)
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
