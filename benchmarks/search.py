"""Measure searches over 200,000 frames: latency, recall, and the cost of filling and of opening an index.

    python -m benchmarks.search
    python -m benchmarks.search --frames 2000000 [--kept FOLDER]
    python -m benchmarks.search weights

Frames are synthetic: 50 cameras, each a random direction; clips of 400 frames, two a second, each near its camera's
direction (two clips of a camera have a cosine of about .8); within a clip a random walk, so that neighbours have a
cosine of .99 and frames 100 s apart one of .83. It compares the embedded engine with the Qdrant client's local mode,
on fewer frames (it takes minutes for all), and with exact search in numpy, which is the reference of recall. `at first`
are other queries, right after the index was opened: a page of its files takes longer when it is read first. At the end
the index of a service takes 20,000 more frames, and rebuilds its graph unless they are too few for that, while searches
come at a steady rate, timed from when each was due. `weights` measures recall where the parts of an embedding are
weighed at query time, though the graph was built for all of them alike: each part is made as above, at random and
apart from the others.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np
from cyclopts import App

from benchmarks.machine import describe
from lookalike.console import say
from lookalike.contract import EncoderSpec
from lookalike.footage import Frame
from lookalike.index import Filters, FrameIndex, open_index
from lookalike.index.embedded.live import CHANGED, LiveEngine
from lookalike.index.engine import Engine
from lookalike.ingest.settings import USUAL as USUAL_SETTINGS
from lookalike.parts import FRAME, Part, Weights, join, weigh
from lookalike.search_fields import SearchOptions
from training.train import pick_device

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

BATCH, FLUSH_EVERY = USUAL_SETTINGS.batch_frames, USUAL_SETTINGS.flush_batches
P = ParamSpec("P")
T = TypeVar("T")
DIM, CAMERAS, CLIP, FPS, TOP = 256, 50, 400, 2, 10
SPEC = EncoderSpec(name="made", input_px=2, dim=DIM, weights_sha256="a" * 64, steps=0, frames=0)
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
IMAGE = np.zeros((2, 2, 3), np.uint8)
BLOCK = 50_000  # frames that are compared with all queries at a time
SCANNED = 20_000_000  # frames that numpy compares for a condition, all queries together: some 4 s
RATE = 20  # searches a second, while frames come in
INGEST = 1000  # frames a second that come in: about what an encoder gives on a CPU
IDLE_S = 10.0  # before anything happens
PARTS = (Part("content", 172), Part("layout", 128), Part("colour", 36))  # as of the pretrained encoder
PARTS_SPEC = replace(SPEC, dim=sum(part.dim for part in PARTS), parts=PARTS)
WEIGHTS = {
    "a whole picture": FRAME,
    "content alone": Weights(colour=0, layout=0),
    "layout alone": Weights(colour=0, layout=1),
    "colour alone": Weights(colour=1, layout=0),
}

Opened = tuple[float, float, float]  # seconds, MB of its own, MB of files that it maps
Question = Callable[[np.ndarray, Filters], list[float]]  # float32 (D,) -> the scores of the TOP nearest, best first


@dataclass(frozen=True, eq=False)
class Nearest:
    """What exact search finds for each query.

    least: the lowest score of the `count` nearest, float32 (queries,). count: TOP, or all frames if those are fewer.
    """

    least: np.ndarray
    count: int


app = App(name="benchmarks.search", help=__doc__, help_format="plaintext")


@app.default
def main(
    frames: int = 200_000,
    peer_frames: int = 20_000,
    ingest: int = 20_000,
    queries: int = 500,
    kept: Path | None = None,
) -> None:
    """Measure, and print Markdown tables.

    peer_frames: of the client's local mode. kept: folder for the index, which stays, so that it is filled once; the
    part with a service is left out then, since it would change the index.
    """
    vectors = clustered(frames + ingest)
    stored = vectors[:frames]
    asked = near(stored, queries)
    print(f"{describe(pick_device('cpu'))}; {frames:,} frames of {DIM} dimensions, {queries} queries\n")
    with tempfile.TemporaryDirectory() as folder:
        ours, peer = kept or Path(folder, "index"), Path(folder, "peer")
        filled(ours, stored).close()
        nearest = exactly(stored, asked, meeting(frames))
        print("| | frames | condition | p50 ms | p99 ms | recall@10 |\n|---|---|---|---|---|---|")
        with open_index(ours, SPEC) as index:
            report("embedded, at first", by_engine(index.engine), frames, near(stored, queries, seed=2))
            report("embedded", by_engine(index.engine), frames, asked, nearest)
            report("moments, embedded", by_moment(index), frames, asked)
        some = asked[: max(1, min(queries // 10, SCANNED // frames))]
        report("exact, numpy", by_numpy(stored), frames, some, exactly(stored, some, meeting(frames)))
        fill_peer(peer, vectors[:peer_frames])
        some = near(vectors[:peer_frames], max(1, queries // 25))
        opened = apart(reopened_peer, peer, some)
        nearest = exactly(vectors[:peer_frames], some, meeting(peer_frames))
        report("client, local mode", by_peer(peer), peer_frames, some, nearest)
        print("\n| | frames | reopened in s | memory added, MB | and of mapped files, MB |\n|---|---|---|---|---|")
        for name, count, (seconds, own, mapped) in (
            ("embedded", frames, apart(reopened, ours, asked)),
            ("client, local mode", peer_frames, opened),
        ):
            print(f"| {name} | {count:,} | {seconds:.2f} | {own:.0f} | {mapped:.0f} |")
        if kept:
            return
        print(f"\nA service of {frames:,} frames, {RATE} searches a second for {TOP} moments:\n")
        print("| while | searches | p50 ms | p99 ms | longest ms | failed |\n|---|---|---|---|---|---|")
        with open_index(ours, SPEC, live=True) as index:
            watch(index, vectors, frames, asked)


@app.command
def weights(frames: int = 20_000, queries: int = 200) -> None:
    """Measure recall by the weights of a search, and print a Markdown table."""
    parts = [clustered(frames, seed, part.dim) for seed, part in enumerate(PARTS)]
    asked = join([near(part, queries) for part in parts])
    vectors = join(parts)
    print(f"{describe(pick_device('cpu'))}; {frames:,} frames of {PARTS_SPEC.dim} dimensions, {queries} queries\n")
    print("| weights | p50 ms | recall@10 |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, filled(Path(folder, "index"), vectors, PARTS_SPEC) as index:
        for name, one in WEIGHTS.items():
            weighed = _unit(np.stack([weigh(query, PARTS, one) for query in asked]))
            took_s, found = zip(*(_timed(by_engine(index.engine), query, Filters()) for query in weighed), strict=True)
            recall = recall_of(found, exactly(vectors, weighed, {name: np.ones(frames, bool)})[name])
            print(f"| {name} | {np.median(took_s) * 1e3:.2f} | {recall:.4f} |", flush=True)


def clustered(frames: int, seed: int = 0, dim: int = DIM) -> np.ndarray:
    """float32 (frames, dim), each of length 1, as the module says."""
    random = np.random.default_rng(seed)
    cameras = _unit(random.standard_normal((CAMERAS, dim)))
    made = np.empty((frames, dim), np.float32)
    for clip, start in enumerate(range(0, frames, CLIP)):
        scene = _unit(cameras[clip % CAMERAS] + 0.5 * _unit(random.standard_normal(dim)))
        steps, noise = random.standard_normal((2, min(CLIP, frames - start), dim)) / np.sqrt(dim)
        made[start : start + CLIP] = _unit(scene + np.cumsum(0.05 * steps, axis=0) + 0.12 * noise)
    return made


def near(vectors: np.ndarray, queries: int, seed: int = 1) -> np.ndarray:
    """float32 (queries, D): perturbed frames; the nearest has a cosine of about .95."""
    random = np.random.default_rng(seed)
    chosen = vectors[random.integers(0, len(vectors), queries)]
    return _unit(chosen + 0.3 * _unit(random.standard_normal(chosen.shape))).astype(np.float32)


def frame(number: int) -> Frame:
    """The cameras record at the same time, clip after clip."""
    clip, within = divmod(number, CLIP)
    camera, time_s = f"camera{clip % CAMERAS}", within / FPS
    captured_at = BEGAN + timedelta(seconds=time_s + clip // CAMERAS * CLIP / FPS)
    return Frame(IMAGE, f"{camera}/{clip}.mp4", f"clip{clip}", camera, time_s, int(time_s * 1e6), captured_at)


def conditions(frames: int) -> dict[str, tuple[Filters, np.ndarray]]:
    """By name: what is asked, and which frames meet it, bool (frames,)."""
    clip, within = np.divmod(np.arange(frames), CLIP)
    since_s = clip // CAMERAS * CLIP / FPS + within / FPS  # since BEGAN
    last_s = float(since_s.max())
    camera = clip % CAMERAS == 0
    found: dict[str, tuple[Filters, np.ndarray]] = {
        "none": (Filters(), np.ones(frames, bool)),
        "a camera": (Filters(("camera0",)), camera),
    }
    for name, start, end in (("a seventh of the time", 0.4, 0.54), ("half of the time", 0.3, 0.8)):
        since, until = (BEGAN + timedelta(seconds=round(share * last_s)) for share in (start, end))
        meets = (since_s >= round(start * last_s)) & (since_s <= round(end * last_s))
        found[name] = (Filters(since=since, until=until), meets)
        found[f"a camera, {name}"] = (Filters(("camera0",), since=since, until=until), meets & camera)
    return found


def meeting(frames: int) -> dict[str, np.ndarray]:
    """By condition, which frames meet it, bool (frames,)."""
    return {name: meets for name, (_, meets) in conditions(frames).items()}


def report(
    name: str, ask: Question, frames: int, asked: np.ndarray, nearest: Mapping[str, Nearest] | None = None
) -> None:
    """Print a line for each condition. nearest: what is to be found, by condition; None leaves recall out."""
    for condition, (filters, _) in conditions(frames).items():
        say(f"{name}: {condition}")
        ask(asked[0], filters)
        took_s, found = zip(*(_timed(ask, query, filters) for query in asked), strict=True)
        p50, p99 = np.percentile(took_s, [50, 99]) * 1e3
        share = f"{recall_of(found, nearest[condition]):.4f}" if nearest else ""
        print(f"| {name} | {frames:,} | {condition} | {p50:.2f} | {p99:.2f} | {share} |", flush=True)


def exactly(vectors: np.ndarray, asked: np.ndarray, meeting: Mapping[str, np.ndarray]) -> dict[str, Nearest]:
    """Compare all queries with all frames, a block at a time.

    vectors: float32 (N, D). asked: float32 (queries, D). meeting: by condition, which frames meet it, bool (N,).
    """
    best = {name: np.full((len(asked), TOP), -np.inf, np.float32) for name in meeting}
    for start in range(0, len(vectors), BLOCK):
        scores = asked @ vectors[start : start + BLOCK].T  # (queries, BLOCK)
        for name, meets in meeting.items():
            scored = np.concatenate([best[name], scores[:, meets[start : start + BLOCK]]], axis=1)
            best[name] = np.partition(scored, -TOP, axis=1)[:, -TOP:]
    counts = {name: min(TOP, int(np.count_nonzero(meets))) for name, meets in meeting.items()}
    return {name: Nearest(np.sort(best[name])[:, -max(1, count)], count) for name, count in counts.items()}


def recall_of(found: Sequence[list[float]], nearest: Nearest) -> float:
    """How many of the found are at least as similar as the last of those that exact search finds."""
    shares = [
        sum(score >= least - 1e-5 for score in scores) / max(1, nearest.count)
        for scores, least in zip(found, nearest.least, strict=True)
    ]
    return float(np.mean(shares))


def by_engine(engine: Engine) -> Question:
    return lambda query, filters: [one.score for one in engine.nearest(query, TOP, filters)]


def by_moment(index: FrameIndex) -> Question:
    return lambda query, where: [hit.score for hit in index.search(query, where, SearchOptions(TOP))]


def by_numpy(vectors: np.ndarray) -> Question:
    meet = dict(conditions(len(vectors)).values())

    def ask(query: np.ndarray, filters: Filters) -> list[float]:
        scores = np.where(meet[filters], vectors @ query, -2)
        best = np.argpartition(-scores, TOP)[:TOP]
        return sorted(scores[best].tolist(), reverse=True)

    return ask


def by_peer(folder: Path) -> Question:
    from qdrant_client import QdrantClient

    engine = _peer(QdrantClient(path=str(folder)))
    return lambda query, filters: [one.score for one in engine.nearest(query, TOP, filters)]


def filled(folder: Path, vectors: np.ndarray, spec: EncoderSpec = SPEC) -> FrameIndex:
    """An embedded index whose graph is built. It is not filled if it has as many frames."""
    index = open_index(folder, spec, create=True)
    if index.count() == len(vectors):
        return index
    filling_s, _ = _timed(_fill, index, vectors)
    say("embedded: building the graph")
    building_s, _ = _timed(index.optimize)
    index.mark_complete([])
    took = f"stored in {filling_s:.0f} s, graph built in {building_s:.0f} s, {_on_disk_mb(folder):.0f} MB on disk"
    say(f"embedded: {len(vectors):,} frames {took}")
    return index


def fill_peer(folder: Path, vectors: np.ndarray) -> None:
    from qdrant_client import QdrantClient

    with closing(QdrantClient(path=str(folder))) as client:
        _fill(FrameIndex(_peer(client, create=True), SPEC), vectors)


def reopened(folder: Path, asked: np.ndarray) -> Opened:
    """What it takes to open the index, and to answer all queries."""
    import lookalike.index.embedded.edge  # noqa: F401 (else loading the engine would be part of it)

    return _grown(lambda: by_engine(open_index(folder, SPEC).engine), asked)


def reopened_peer(folder: Path, asked: np.ndarray) -> Opened:
    import qdrant_client  # noqa: F401

    return _grown(lambda: by_peer(folder), asked)


def apart(measure: Callable[[Path, np.ndarray], Opened], *arguments: object) -> Opened:
    """In a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)


@dataclass
class Latencies:
    """took_s: of searches, from when each was due. failed: how many were not answered."""

    took_s: list[float]
    failed: int = 0

    def line(self, name: str) -> str:
        p50, p99, longest = np.percentile(self.took_s, [50, 99, 100]) * 1e3
        return f"| {name} | {len(self.took_s)} | {p50:.1f} | {p99:.1f} | {longest:.1f} | {self.failed} |"


def watch(index: FrameIndex, vectors: np.ndarray, frames: int, asked: np.ndarray) -> None:
    """Search while nothing happens, while the frames from `frames` on come in, and while the graph is rebuilt."""
    live = index.engine
    assert isinstance(live, LiveEngine)
    for query in asked:  # each camera's frames are drawn when it is first found
        index.search(query, options=SearchOptions(TOP))
    gc.freeze()  # as the service does when it has loaded

    def build() -> None:
        index.optimize()
        live.wait()

    steps: dict[str, Callable[[], None]] = {
        "nothing happens": lambda: time.sleep(IDLE_S),
        f"{len(vectors) - frames:,} frames come in": lambda: _fill(index, vectors, frames, INGEST),
    }
    if len(vectors) - frames >= CHANGED * len(vectors):  # else the service leaves its graph as it is
        steps["the graph is built"] = build
    for name, work in steps.items():
        say(f"a service: {name}")
        print(searched_while(work, index, asked).line(name), flush=True)
    if index.count() != len(vectors):
        raise SystemExit(f"{index.count():,} frames are there, expected {len(vectors):,}")


def searched_while(work: Callable[[], None], index: FrameIndex, asked: np.ndarray) -> Latencies:
    """Searches by two threads, RATE a second together, until the work is done."""
    seen, number, turn = Latencies([]), iter(range(10**9)), threading.Lock()
    worker = threading.Thread(target=work)
    began = time.perf_counter()
    worker.start()

    def search() -> None:
        while worker.is_alive():
            with turn:
                mine = next(number)
            due = began + mine / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                index.search(asked[mine % len(asked)], options=SearchOptions(TOP))
            except Exception:  # noqa: BLE001 (counted, whatever it is)
                seen.failed += 1
            seen.took_s.append(time.perf_counter() - due)

    searchers = [threading.Thread(target=search) for _ in range(2)]
    for thread in searchers:
        thread.start()
    for thread in (*searchers, worker):
        thread.join()
    return seen


def _fill(index: FrameIndex, vectors: np.ndarray, start: int = 0, rate: float = np.inf) -> None:
    """Store the frames from `start` on as an ingest does: look which are missing, store, flush from time to time."""
    began = time.perf_counter()
    for batch, first in enumerate(range(start, len(vectors), BATCH)):
        index.add(index.missing(list(_frames(first, len(vectors)))), vectors[first : first + BATCH])
        if batch % FLUSH_EVERY == 0:
            index.mark_complete([])
        time.sleep(max(0.0, began + (first - start) / rate - time.perf_counter()))
        if batch % 1000 == 999:
            say(f"{first:,} of {len(vectors):,} frames stored")
    index.mark_complete([])


def _frames(first: int, end: int) -> Iterator[Frame]:
    return (frame(number) for number in range(first, min(end, first + BATCH)))


def _peer(client: QdrantClient, create: bool = False) -> Engine:
    from lookalike.index.server.engine import ServerEngine

    for said in ("Payload indexes have no effect", "Local mode performs exact"):
        warnings.filterwarnings("ignore", said, UserWarning)
    return ServerEngine(client, "frames", SPEC.space, SPEC.dim, create)


def _grown(opened: Callable[[], Question], asked: np.ndarray) -> Opened:
    before, started = _memory_mb(), time.perf_counter()
    ask = opened()
    seconds = time.perf_counter() - started
    for query in asked:
        ask(query, Filters())
    own, mapped = (after - earlier for after, earlier in zip(_memory_mb(), before, strict=True))
    return seconds, own, mapped


def _memory_mb() -> tuple[float, float]:
    """Of this process: what is its own, and what it has in memory of files, which is given back when others need it.

    Source: proc_pid_statm(5).
    """
    pages = [int(field) for field in Path("/proc/self/statm").read_text().split()]
    resident, mapped = (count * os.sysconf("SC_PAGE_SIZE") / 1e6 for count in pages[1:3])
    return resident - mapped, mapped


def _on_disk_mb(folder: Path) -> float:
    """What the files take, without the holes in them."""
    return sum(path.stat().st_blocks for path in folder.rglob("*")) * 512 / 1e6


def _timed(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> tuple[float, T]:
    """Seconds that `work` took, and what it gave."""
    started = time.perf_counter()
    found = work(*arguments, **named)
    return time.perf_counter() - started, found


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


if __name__ == "__main__":
    app()
