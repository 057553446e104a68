"""Footage into an index or a Parquet file; run again, it goes on where it stopped."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest

from lookalike import pixels
from lookalike.contract import EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.footage import Source, find_sources, read_frames
from lookalike.index import Where, open_index
from lookalike.ingest import BATCH, QUEUE_FRAMES, Summary, embed_footage, index_footage, read_ahead
from tests.clips import picture, write_clip
from tests.tiny import SPEC, tiny_embedding

FRAMES = 2 * BATCH - 4  # two batches each
RECORDED = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def encoder(tiny_encoder):
    return Encoder(tiny_encoder, "cpu", threads=1)


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """Two clips of 60 frames, 40 ms apart; one that is no video; and only the first states when it was recorded."""
    folder = tmp_path_factory.mktemp("footage")
    stated = {"creation_time": RECORDED.isoformat()}
    write_clip(folder / "a.mp4", range(0, 40 * FRAMES, 40), metadata=stated)
    (folder / "broken.mp4").write_bytes(b"just text")
    others = [picture(number)[:, ::-1] // 2 for number in range(FRAMES)]
    write_clip(folder / "c.mp4", range(0, 40 * FRAMES, 40), others)
    return folder


@pytest.fixture
def index(tmp_path, encoder):
    with open_index(tmp_path / "index", encoder.spec, create=True) as opened:
        yield opened


def done(frames) -> None:
    """Nobody is told."""


def stop_after(batches: int):
    """What Ctrl-C does while the batch after those is being counted."""
    counted = itertools.count(1)

    def on_frames(frames) -> None:
        if next(counted) > batches:
            raise KeyboardInterrupt

    return on_frames


def decoding() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "decode"]


def test_every_frame_is_indexed_with_its_embedding(footage, encoder, index):
    counts: list[int] = []
    summary = index_footage(find_sources([footage]), encoder, index, None, lambda frames: counts.append(len(frames)))
    assert (summary.sources, summary.frames, summary.added) == (3, 2 * FRAMES, 2 * FRAMES)
    assert index.count() == 2 * FRAMES
    assert counts == [BATCH, BATCH, BATCH, 2 * FRAMES - 3 * BATCH]
    for frame in itertools.islice(read_frames(find_sources([footage / "c.mp4"])), 3):
        expected = tiny_embedding(pixels.fit(frame.image, SPEC.input_px))
        np.testing.assert_allclose(index.vector(frame.id), expected, atol=1e-5)
        hit = index.search(expected, 1, Where(("c",)))[0]
        assert (hit.score, hit.source) == (pytest.approx(1, abs=1e-5), str(footage / "c.mp4"))


def test_indexing_again_adds_nothing(footage, encoder, index):
    index_footage(find_sources([footage]), encoder, index, None, done)
    again = index_footage(find_sources([footage]), encoder, index, None, done)
    assert (again.frames, again.added) == (2 * FRAMES, 0)
    assert index.count() == 2 * FRAMES


def test_what_is_there_whole_is_not_decoded_again(footage, encoder, index, monkeypatch, tmp_path):
    """Not under another name, and not what broke off; only what could not be read at all is tried again."""
    sources = find_sources([footage])
    first = index_footage(sources, encoder, index, 5, done)
    assert index.finished(next(read_frames(sources)).source_id, "fps=5").frames == 12
    monkeypatch.setattr("lookalike.footage.read._sample", lambda *_: pytest.fail("decoded again"))
    (tmp_path / "renamed.mp4").write_bytes((footage / "a.mp4").read_bytes())
    again = index_footage([*sources, *find_sources([tmp_path / "renamed.mp4"])], encoder, index, 5, done)
    assert (again.frames, again.added) == (first.frames + 12, 0)
    assert again.skipped == first.skipped


def test_a_recording_that_was_moved_is_found_where_it_is_now(footage, encoder, index, tmp_path):
    """A copy changes nothing; only when the old file is gone do its frames take the new name, and the new camera."""
    old, new = tmp_path / "clips" / "a.mp4", tmp_path / "archive" / "gate" / "a.mp4"
    for path in (old, new):
        path.parent.mkdir(parents=True)
        path.write_bytes((footage / "a.mp4").read_bytes())
    index_footage(find_sources([old.parent]), encoder, index, 5, done)
    moved = find_sources([tmp_path / "archive"])
    assert index_footage(moved, encoder, index, 5, done).added == 0
    assert {(one["source"], one["camera"]) for one in index.frames()} == {(str(old), "a")}
    old.unlink()
    assert index_footage(moved, encoder, index, 5, done).added == 0
    assert {(one["source"], one["camera"]) for one in index.frames()} == {(str(new), "gate")}
    assert [one.source for one in index.all_finished()] == [str(new)]
    assert index.search(index.vector(next(index.frames())["id"]), 1, Where(("gate",)))[0].source == str(new)


def test_a_clip_that_breaks_off_is_known_with_its_reason(footage, encoder, index, tmp_path):
    """Its moov atom, at the front, states 2.4 s; the pictures end before."""
    clip = tmp_path / "cut.mkv"
    write_clip(clip, range(0, 4000, 40), [picture(number) for number in range(100)])
    clip.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * 0.6)])
    first = index_footage(find_sources([clip]), encoder, index, None, done)
    again = index_footage(find_sources([clip]), encoder, index, None, done)
    assert 0 < first.frames < 100
    assert (again.frames, again.added, again.skipped) == (first.frames, 0, first.skipped)
    assert len(first.skipped) == 1


def test_indexing_at_a_higher_rate_adds_the_frames_between(footage, encoder, index):
    """60 frames in 2.4 s: 5 a second are 12, and all of those are among the 60."""
    sources = find_sources([footage / "a.mp4"])
    assert index_footage(sources, encoder, index, 5, done).added == 12
    assert index_footage(sources, encoder, index, None, done).added == FRAMES - 12
    assert index.count() == FRAMES


def test_indexing_that_was_stopped_goes_on(footage, encoder, index):
    with pytest.raises(KeyboardInterrupt):
        index_footage(find_sources([footage]), encoder, index, None, stop_after(1))
    assert index.count() == 2 * BATCH  # the batch that was being counted is stored
    rest = index_footage(find_sources([footage]), encoder, index, None, done)
    assert (rest.frames, rest.added) == (2 * FRAMES, 2 * FRAMES - 2 * BATCH)
    assert index.count() == 2 * FRAMES


def test_copies_are_indexed_once_and_counted_once(footage, encoder, index, tmp_path):
    for name in ("copy1", "copy2"):
        (tmp_path / "copies" / name).mkdir(parents=True)
        (tmp_path / "copies" / name / "a.mp4").write_bytes((footage / "a.mp4").read_bytes())
    summary = index_footage(find_sources([tmp_path / "copies"]), encoder, index, 5, done)
    assert (summary.frames, summary.added, index.count()) == (24, 12, 12)


def test_what_could_not_be_read_is_in_the_summary(footage, encoder, index):
    summary = index_footage(find_sources([footage]), encoder, index, 1, done)
    (skipped,) = summary.skipped
    assert (skipped.source, skipped.frames) == (str(footage / "broken.mp4"), 0)
    assert summary.to_dict() == {
        "sources": 3,
        "frames": 6,
        "added": 6,
        "skipped": [{"source": skipped.source, "reason": skipped.reason, "frames": 0}],
    }


def test_the_table_has_a_row_for_every_frame(footage, encoder, tmp_path):
    summary = embed_footage(find_sources([footage]), encoder, tmp_path / "frames.parquet", None, done)
    assert (summary.sources, summary.frames, summary.added, len(summary.skipped)) == (3, 2 * FRAMES, 2 * FRAMES, 1)
    table = pq.read_table(tmp_path / "frames.parquet")
    assert table.column_names == ["source", "camera", "time_s", "captured_at", "id", "embedding"]
    rows = table.to_pydict()
    seconds = [number / 25 for number in range(FRAMES)]
    assert rows["source"] == [str(footage / "a.mp4")] * FRAMES + [str(footage / "c.mp4")] * FRAMES
    assert rows["camera"] == ["a"] * FRAMES + ["c"] * FRAMES
    assert rows["time_s"] == seconds * 2
    assert rows["captured_at"] == [RECORDED + timedelta(seconds=second) for second in seconds] + [None] * FRAMES
    frames = list(read_frames(find_sources([footage])))
    assert rows["id"] == [frame.id for frame in frames]
    embeddings = np.array(rows["embedding"])
    expected = [tiny_embedding(pixels.fit(frame.image, SPEC.input_px)) for frame in frames]
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_the_table_says_which_encoder_made_it(footage, encoder, tmp_path):
    embed_footage(find_sources([footage]), encoder, tmp_path / "frames.parquet", 1, done)
    schema = pq.read_schema(tmp_path / "frames.parquet")
    assert EncoderSpec.from_json(schema.metadata[b"lookalike"].decode(), "frames.parquet") == SPEC
    assert schema.field("embedding").type.list_size == SPEC.dim
    assert schema.field("embedding").type.value_type == "float"


def test_only_the_table_is_left(footage, encoder, tmp_path):
    embed_footage(find_sources([footage]), encoder, tmp_path / "new" / "frames.parquet", 1, done)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["frames.parquet"]


def test_embedding_that_was_stopped_takes_the_parts_that_are_there(footage, encoder, tmp_path):
    """Stopped in the second clip, whose first batch was done: the first clip is whole, and not decoded again."""
    whole, resumed = tmp_path / "whole.parquet", tmp_path / "resumed.parquet"
    embed_footage(find_sources([footage]), encoder, whole, None, done)
    with pytest.raises(KeyboardInterrupt):
        embed_footage(find_sources([footage]), encoder, resumed, None, stop_after(3))
    assert not resumed.exists()
    parts = tmp_path / "resumed.parquet.parts"
    assert [pq.read_metadata(part).num_rows for part in parts.glob("*.parquet")] == [FRAMES]
    told: list[str] = []
    summary = embed_footage(
        find_sources([footage]), encoder, resumed, None, lambda frames: told.append(frames[0].source)
    )
    assert told == [str(footage / "c.mp4")] * 2
    assert (summary.frames, summary.added) == (2 * FRAMES, FRAMES)
    assert pq.read_table(resumed).equals(pq.read_table(whole))
    assert not parts.exists()


def test_parts_of_another_rate_or_of_a_changed_file_are_not_taken(footage, encoder, tmp_path):
    clip, out = tmp_path / "a.mp4", tmp_path / "frames.parquet"
    clip.write_bytes((footage / "a.mp4").read_bytes())
    parts = tmp_path / "frames.parquet.parts"

    def parts_when_stopped_in_another_clip(fps) -> int:
        with pytest.raises(KeyboardInterrupt):
            embed_footage(find_sources([clip, footage / "c.mp4"]), encoder, out, fps, stop_after(1))
        return len(list(parts.glob("*.parquet")))

    assert parts_when_stopped_in_another_clip(5) == 1
    assert parts_when_stopped_in_another_clip(10) == 2
    clip.write_bytes((footage / "c.mp4").read_bytes())
    summary = embed_footage(find_sources([clip]), encoder, out, 5, done)
    assert (summary.frames, summary.added) == (12, 12)
    first = next(read_frames(find_sources([footage / "c.mp4"])))
    assert pq.read_table(out)["id"][0].as_py() == first.id


def test_a_source_given_twice_is_in_the_table_once(footage, encoder, tmp_path):
    twice = [footage / "a.mp4", footage / "a.mp4"]
    embed_footage(find_sources(twice), encoder, tmp_path / "frames.parquet", 5, done)
    assert pq.read_table(tmp_path / "frames.parquet").num_rows == 12


def test_where_nothing_can_be_read_there_is_an_error_and_no_file(footage, encoder, tmp_path):
    with pytest.raises(FootageError, match=r"^no frame could be read from any source; nothing written$"):
        embed_footage(find_sources([footage / "broken.mp4"]), encoder, tmp_path / "frames.parquet", None, done)
    assert not (tmp_path / "frames.parquet").exists()


def test_a_recording_that_vanishes_meanwhile_is_reported(footage, encoder, tmp_path):
    """Recorders delete their oldest files while a long job runs."""
    gone = Source(str(tmp_path / "gone.mp4"), "video", "gone")
    sources = [gone, *find_sources([footage / "a.mp4"])]
    summary = embed_footage(sources, encoder, tmp_path / "frames.parquet", 5, done)
    assert [one.source for one in summary.skipped] == [gone.path]
    assert pq.read_metadata(tmp_path / "frames.parquet").num_rows == 12


def test_a_place_that_cannot_be_written_is_named_before_the_work(footage, encoder, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file" / "frames.parquet"):
        with pytest.raises(FootageError, match=f"^{out}: "):
            embed_footage(find_sources([footage]), encoder, out, None, lambda frames: pytest.fail("work was done"))


def test_reading_ahead_gives_the_same_frames_in_order(footage):
    sources = find_sources([footage / "a.mp4"])
    assert [frame.id for frame in read_ahead(read_frames(sources), depth=2)] == [
        frame.id for frame in read_frames(sources)
    ]


def test_reading_ahead_passes_errors_on_where_they_happened(footage):
    def failing():
        yield from itertools.islice(read_frames(find_sources([footage / "a.mp4"])), 3)
        raise RuntimeError("the camera fell down")

    frames = read_ahead(failing())
    assert len(list(itertools.islice(frames, 3))) == 3
    with pytest.raises(RuntimeError, match="the camera fell down"):
        next(frames)


@pytest.mark.parametrize("depth", [1, QUEUE_FRAMES])
def test_reading_ahead_stops_when_the_consumer_stops(footage, depth):
    """Of an endless source no more is decoded than the queue holds, one in hand, and those taken."""
    frame = next(read_frames(find_sources([footage / "a.mp4"])))
    decoded: list[int] = []

    def endless():
        for number in itertools.count():
            decoded.append(number)
            yield frame

    before = set(decoding())
    frames = read_ahead(endless(), depth)
    assert [next(frames), next(frames)] == [frame, frame]
    (thread,) = set(decoding()) - before
    frames.close()  # pyright: ignore[reportAttributeAccessIssue] - a generator
    assert not thread.is_alive()
    assert len(decoded) <= 2 + depth + 1


def test_a_summary_starts_with_nothing():
    assert Summary().to_dict() == {"sources": 0, "frames": 0, "added": 0, "skipped": []}
