"""The loop from footage to embedded frames, which files and indexes share."""

from __future__ import annotations

import errno
import itertools
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.footage import Ended, Frame, Source, find_sources
from lookalike.footage.sampling import Sampling
from lookalike.index import open_index
from lookalike.ingest.embed import EmbedJob
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import WHOLE_FRAMES, IngestSettings
from lookalike.ingest.to_file import embed_footage, embed_rows
from lookalike.interruption import interruption_waits
from tests.clips import picture, write_clip
from tests.footage.rtsp_server import Visit, rtsp_server
from tests.tiny import SPEC

BATCH = 4
SETTINGS = replace(WHOLE_FRAMES, batch_frames=BATCH)
GATE, CLIP = Source("rtsp://gate/live", "stream", "gate"), Source("clip.mp4", "video", "clip", track=1)
Read = Callable[..., Iterator[Frame | Ended]]


def made(source: Source, reading: str, count: int) -> list[Frame]:
    """Frames of one reading of a source, a second apart."""
    image = np.full((SPEC.input_px, SPEC.input_px, 3), 100, np.uint8)
    return [
        Frame(image, source.name, reading, source.camera, float(second), second * 1_000_000) for second in range(count)
    ]


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[Read], None]:
    """Replaces how sources are read."""
    return lambda read: monkeypatch.setattr("lookalike.ingest.embed.read_source", read)


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """What is waited for until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def stop(frames: Sequence[Frame]) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("dedupe", [None, 0.95])
def test_a_source_ends_with_its_last_frames_and_not_before(tiny: Encoder, tmp_path: Path, dedupe: float | None) -> None:
    """Two clips of 10 and 7 frames, and six photographs: batches of 4 hold frames of several sources."""
    for name, frames in (("a", 10), ("b", 7)):
        write_clip(tmp_path / f"{name}.mp4", range(0, 40 * frames, 40), [picture(number) for number in range(frames)])
    for number in range(6):
        Image.fromarray(picture(number * 8)).save(tmp_path / f"c{number}.png")
    given: Counter[str] = Counter()
    ended: dict[str, int] = {}
    for batch in EmbedJob(
        find_sources([tmp_path]), tiny, replace(SETTINGS, sampling=Sampling(dedupe=dedupe, regions=None))
    ):
        assert batch.embeddings.shape == (len(batch.frames), SPEC.dim)
        for frame in batch.frames:
            assert frame.source not in ended
            given[frame.source] += frame.stands_for
        for end in batch.ends:
            ended[end.ended.source.name] = end.ended.frames
            assert given[end.ended.source.name] == end.ended.frames
    assert ended == {str(path): {"a": 10, "b": 7}.get(path.stem, 1) for path in sorted(tmp_path.iterdir())}


def test_photographs_share_runs_of_the_encoder_and_row_groups(tiny: Encoder, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(10):
        Image.fromarray(picture(number)).save(tmp_path / "photos" / f"{number}.png")
    counts: list[int] = []
    out = tmp_path / "frames.parquet"
    embed_footage(find_sources([tmp_path / "photos"]), tiny, out, SETTINGS, lambda frames: counts.append(len(frames)))
    assert counts == [4, 4, 2]
    assert (pq.read_metadata(out).num_rows, pq.read_metadata(out).num_row_groups) == (10, 1)


def test_cameras_are_embedded_at_the_same_time(tiny: Encoder, tmp_path: Path) -> None:
    """None of them ends by itself."""
    clip = write_clip(tmp_path / "gate.mp4", range(0, 4000, 40), codec_options={"bf": "0"})
    seen: set[str] = set()

    def stop_when_both_came(frames: Sequence[Frame]) -> None:
        before = len(seen)
        seen.update(frame.source for frame in frames)
        if before < len(seen) == 2:
            raise KeyboardInterrupt

    with rtsp_server(clip, Visit("stall"), speed=20) as gate, rtsp_server(clip, Visit("stall"), speed=20) as dock:
        sources = find_sources([gate.url, dock.url])
        summary = embed_footage(sources, tiny, tmp_path / "frames.parquet", SETTINGS, stop_when_both_came)
    rows = pq.read_table(tmp_path / "frames.parquet")["source"].to_pylist()
    assert set(rows) == {gate.url, dock.url}
    assert len(rows) == summary.frames == summary.added


def test_what_was_read_of_a_camera_is_kept_where_files_were_left(
    tiny: Encoder, tmp_path: Path, reading: Callable[[Read], None], never: threading.Event
) -> None:
    """The first time, the clip is not read; the second time, both end. The camera gives another reading then."""
    out = tmp_path / "frames.parquet"

    def first(source: Source, *_) -> Iterator[Frame | Ended]:
        yield from made(source, "morning", BATCH) if source.kind == "stream" else []
        never.wait()

    def second(source: Source, *_) -> Iterator[Frame | Ended]:
        frames = made(source, "evening" if source.kind == "stream" else "clip", 3)
        yield from frames
        yield Ended(source, None if source.kind == "stream" else "clip", len(frames), None)

    reading(first)
    with pytest.raises(KeyboardInterrupt, match=r"^4 frames read, 4 new$"):
        embed_footage([GATE, CLIP], tiny, out, SETTINGS, stop)
    assert not out.exists()
    reading(second)
    summary = embed_footage([GATE, CLIP], tiny, out, SETTINGS)
    assert (summary.frames, summary.added) == (6, 6)
    assert Counter(pq.read_table(out)["source_id"].to_pylist()) == {"morning": BATCH, "evening": 3, "clip": 3}


def test_frames_that_were_being_embedded_at_ctrl_c_are_kept(
    tiny: Encoder, tmp_path: Path, reading: Callable[[Read], None], never: threading.Event
) -> None:
    """So are those that waited for the encoder, and the one for which there was no more room."""
    count = 3 * BATCH + 1
    settings = replace(SETTINGS, queue_frames=2 * BATCH)

    class Interrupted(Encoder):
        """Ctrl-C comes while it works for the first time, and all frames are read."""

        def __init__(self) -> None:
            self.spec, self._calls = tiny.spec, 0

        def embed(self, pixels: np.ndarray) -> np.ndarray:
            self._calls += 1
            if self._calls == 1:
                assert last.wait(60)
                raise KeyboardInterrupt
            return tiny.embed(pixels)

    def read(source: Source, *_) -> Iterator[Frame | Ended]:
        *frames, final = made(source, "morning", count)
        yield from frames
        last.set()
        yield final
        never.wait()

    reading(read)
    last = threading.Event()
    summary = embed_footage([GATE], Interrupted(), tmp_path / "frames.parquet", settings)
    assert (summary.frames, pq.read_metadata(tmp_path / "frames.parquet").num_rows) == (count, count)
    last = threading.Event()
    with open_index(tmp_path / "index", tiny.spec, create=True) as index:
        summary = index_footage([GATE], Interrupted(), index, settings)
        assert (summary.frames, summary.added, index.count()) == (count, count, count)


@pytest.mark.trust
@pytest.mark.parametrize("stored_before", [True, False])
@pytest.mark.parametrize("during", ["add", "claim"])
def test_frames_that_were_being_stored_at_ctrl_c_are_kept_and_counted_once(
    tiny: Encoder,
    tmp_path: Path,
    reading: Callable[[Read], None],
    never: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    stored_before: bool,
    during: str,
) -> None:
    """Of a camera, these cannot be read again."""

    def read(source: Source, *_) -> Iterator[Frame | Ended]:
        yield from made(source, "morning", BATCH)
        never.wait()

    reading(read)
    with open_index(tmp_path / "index", tiny.spec, create=True) as index:
        store, calls = getattr(index, during), list[int]()

        def interrupted(*arguments) -> None:
            calls.append(1)
            if len(calls) > 1 or stored_before:
                store(*arguments)
            if len(calls) == 1:
                raise KeyboardInterrupt

        monkeypatch.setattr(index, during, interrupted)
        summary = index_footage([GATE], tiny, index, SETTINGS)
        assert (summary.frames, summary.added, index.count()) == (BATCH, BATCH, BATCH)


@pytest.fixture
def morning(reading: Callable[[Read], None], never: threading.Event) -> None:
    """A camera gives two batches, and nothing more."""

    def read(source: Source, *_) -> Iterator[Frame | Ended]:
        yield from made(source, "morning", 2 * BATCH)
        never.wait()

    reading(read)


@pytest.mark.trust
@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize("written_before", [True, False])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_frames_that_were_being_written_to_a_table_at_ctrl_c_are_in_it_once(
    tiny: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written_before: bool, number: int
) -> None:
    """SIGTERM ends a verb as Ctrl-C does. A row group that is written cannot be taken back."""
    write, calls = pq.ParquetWriter.write_table, list[int]()
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)  # as the verbs set it
    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def interrupted(writer: pq.ParquetWriter, table: pa.Table, *arguments) -> None:
        calls.append(1)
        if len(calls) == 1 and not written_before:
            signal.raise_signal(number)
        write(writer, table, *arguments)
        if len(calls) == 1 and written_before:
            signal.raise_signal(number)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", interrupted)
    try:
        summary = embed_footage([GATE], tiny, tmp_path / "frames.parquet", SETTINGS)
        assert signal.signal(signal.SIGTERM, handler) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, handler)
    times = pq.read_table(tmp_path / "frames.parquet")["time_s"].to_pylist()
    assert times == [float(second) for second in range(2 * BATCH)]
    assert (summary.frames, summary.added) == (2 * BATCH, 2 * BATCH)


@pytest.mark.trust
@pytest.mark.usefixtures("morning")
def test_rows_that_were_being_printed_at_ctrl_c_are_printed_once(tiny: Encoder) -> None:
    times: list[float] = []

    def print_row(row: dict[str, Any]) -> None:
        times.append(row["time_s"])
        if len(times) == 2:
            signal.raise_signal(signal.SIGINT)

    summary = embed_rows([GATE], tiny, print_row, SETTINGS)
    assert times == [float(second) for second in range(2 * BATCH)]
    assert (summary.frames, summary.added) == (2 * BATCH, 2 * BATCH)


@pytest.mark.trust
def test_a_second_ctrl_c_does_not_wait() -> None:
    """What is done may hang, on a disk that does not answer."""
    done: list[str] = []

    def interrupted_twice() -> None:
        with interruption_waits():
            signal.raise_signal(signal.SIGINT)
            done.append("after the first")
            signal.raise_signal(signal.SIGINT)
            done.append("after the second")

    with pytest.raises(KeyboardInterrupt):
        interrupted_twice()
    assert done == ["after the first"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.trust
def test_what_was_read_of_a_stream_before_a_crash_is_in_the_next_table(
    tiny: Encoder, tmp_path: Path, reading: Callable[[Read], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be read again, and a Parquet file without its end cannot be read at all."""

    def read(source: Source, *_) -> Iterator[Frame | Ended]:
        yield from made(source, hour, 3 * BATCH)
        yield Ended(source, None, 3 * BATCH, None)

    def full(writer: pq.ParquetWriter, *_) -> None:
        writer.is_open = False
        raise OSError(errno.ENOSPC, "No space left on device")

    reading(read)
    hour, out = "morning", tmp_path / "frames.parquet"
    with monkeypatch.context() as context:
        saw = itertools.count(1)

        def fill_disk(frames: Sequence[Frame]) -> None:
            """After two batches that were made durable, neither rows nor the end of a file can be written."""
            if next(saw) == 2:
                context.setattr(pq.ParquetWriter, "write_table", full)
                context.setattr(pq.ParquetWriter, "close", full)

        with pytest.raises(FootageError, match="No space left on device"):
            embed_footage([GATE], tiny, out, replace(SETTINGS, flush_batches=1), fill_disk)
    hour = "evening"
    embed_footage([GATE], tiny, out, SETTINGS)
    rows = pq.read_table(out)
    assert Counter(rows["source_id"].to_pylist()) == {"morning": 2 * BATCH, "evening": 3 * BATCH}
    mornings = [row["time_s"] for row in rows.to_pylist() if row["source_id"] == "morning"]
    assert mornings == [float(second) for second in range(2 * BATCH)]
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_source_given_twice_is_read_once(tiny: Encoder, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(0, 400, 40))
    job = EmbedJob(find_sources([clip, clip]), tiny, SETTINGS)
    assert sum(len(batch.read) for batch in job) == job.summary.frames == 10
    assert job.summary.sources == 2


def test_few_frames_of_a_camera_are_given_when_they_have_waited(tiny: Encoder, reading: Callable[[Read], None]) -> None:
    """Each counts as late here: it is a batch of its own, that is to be made durable."""

    def read(source: Source, *_) -> Iterator[Frame | Ended]:
        yield from made(source, "morning", 3)
        yield Ended(source, None, 3, None)

    reading(read)
    batches = list(EmbedJob([GATE], tiny, IngestSettings(WHOLE_FRAMES.sampling, flush_s=-1.0)))
    assert [(len(batch.frames), batch.flush) for batch in batches] == [(1, True)] * 3 + [(0, False)]
    assert [end.source_id for batch in batches for end in batch.ends] == ["morning"]
