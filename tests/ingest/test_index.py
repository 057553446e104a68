"""Footage into an index; run again, it goes on where it stopped."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lookalike import pixels
from lookalike.encoder import Encoder
from lookalike.errors import FootageError, SpaceMismatch
from lookalike.footage import Skipped, find_sources, read_frames
from lookalike.footage.sampling import Sampling
from lookalike.index import Filters, open_index
from lookalike.index.maintenance import verify
from lookalike.ingest.import_table import import_frames
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import WHOLE_FRAMES, IngestSettings
from lookalike.ingest.summary import Summary
from lookalike.ingest.to_file import embed_footage
from lookalike.search_fields import SearchOptions
from tests.clips import picture, write_clip
from tests.footage.rtsp_server import Visit, rtsp_server
from tests.tiny import SPEC, tiny_embedding, write_tiny_encoder
from tests.two_clips import BATCH, FRAMES, done, stop_after

FIVE_FPS = IngestSettings(Sampling(5, regions=None))


@pytest.fixture
def index(tmp_path, tiny):
    with open_index(tmp_path / "index", tiny.spec, create=True) as opened:
        yield opened


def test_every_frame_is_indexed_with_its_embedding(two_clips, tiny, index):
    counts: list[int] = []
    summary = index_footage(
        find_sources([two_clips]), tiny, index, WHOLE_FRAMES, lambda frames: counts.append(len(frames))
    )
    assert (summary.sources, summary.frames, summary.added) == (3, 2 * FRAMES, 2 * FRAMES)
    assert index.count() == 2 * FRAMES
    assert counts == [BATCH, BATCH, BATCH, 2 * FRAMES - 3 * BATCH]
    for frame in itertools.islice(read_frames(find_sources([two_clips / "c.mp4"])), 3):
        expected = tiny_embedding(pixels.fit(frame.image, SPEC.input_px))
        np.testing.assert_allclose(index.vector(frame.id), expected, atol=1e-5)
        hit = index.search(expected, Filters(("c",)), SearchOptions(1))[0]
        assert (hit.score, hit.source) == (pytest.approx(1, abs=1e-5), str(two_clips / "c.mp4"))


def test_indexing_again_adds_nothing(two_clips, tiny, index):
    index_footage(find_sources([two_clips]), tiny, index, WHOLE_FRAMES, done)
    again = index_footage(find_sources([two_clips]), tiny, index, WHOLE_FRAMES, done)
    assert (again.frames, again.added) == (2 * FRAMES, 0)
    assert index.count() == 2 * FRAMES


def test_what_is_there_whole_is_not_decoded_again(two_clips, tiny, index, monkeypatch, tmp_path):
    """Not under another name, and not what broke off; only what could not be read at all is tried again."""
    sources = find_sources([two_clips])
    first = index_footage(sources, tiny, index, FIVE_FPS, done)
    assert index.source_record(next(read_frames(sources)).source_id, "fps=5").frames == 12
    monkeypatch.setattr("lookalike.footage.read._sample", lambda *_: pytest.fail("decoded again"))
    (tmp_path / "renamed.mp4").write_bytes((two_clips / "a.mp4").read_bytes())
    again = index_footage([*sources, *find_sources([tmp_path / "renamed.mp4"])], tiny, index, FIVE_FPS, done)
    assert (again.frames, again.added) == (first.frames + 12, 0)
    assert again.skipped == first.skipped


def test_a_recording_that_was_moved_is_found_where_it_is_now(two_clips, tiny, index, tmp_path):
    """A copy changes nothing; only when the old file is gone do its frames take the new name, and the new camera."""
    old, new = tmp_path / "clips" / "a.mp4", tmp_path / "archive" / "gate" / "a.mp4"
    for path in (old, new):
        path.parent.mkdir(parents=True)
        path.write_bytes((two_clips / "a.mp4").read_bytes())
    index_footage(find_sources([old.parent]), tiny, index, FIVE_FPS, done)
    moved = find_sources([tmp_path / "archive"])
    assert index_footage(moved, tiny, index, FIVE_FPS, done).added == 0
    assert {(one.source, one.camera) for one in index.frames()} == {(str(old), "a")}
    old.unlink()
    assert index_footage(moved, tiny, index, FIVE_FPS, done).added == 0
    assert {(one.source, one.camera) for one in index.frames()} == {(str(new), "gate")}
    assert [one.source for one in index.source_records()] == [str(new)]
    vector = index.vector(next(index.frames()).id)
    assert index.search(vector, Filters(("gate",)), SearchOptions(1))[0].source == str(new)


def test_a_clip_that_breaks_off_is_known_with_its_reason(two_clips, tiny, index, tmp_path):
    """Its moov atom, at the front, states 2.4 s; the pictures end before."""
    clip = tmp_path / "cut.mkv"
    write_clip(clip, range(0, 4000, 40), [picture(number) for number in range(100)])
    clip.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * 0.6)])
    first = index_footage(find_sources([clip]), tiny, index, WHOLE_FRAMES, done)
    again = index_footage(find_sources([clip]), tiny, index, WHOLE_FRAMES, done)
    assert 0 < first.frames < 100
    assert (again.frames, again.added, again.skipped) == (first.frames, 0, first.skipped)
    assert len(first.skipped) == 1


def test_indexing_at_a_higher_rate_adds_the_frames_between(two_clips, tiny, index):
    """60 frames in 2.4 s: 5 a second are 12, and all of those are among the 60."""
    sources = find_sources([two_clips / "a.mp4"])
    assert index_footage(sources, tiny, index, FIVE_FPS, done).added == 12
    assert index_footage(sources, tiny, index, WHOLE_FRAMES, done).added == FRAMES - 12
    assert index.count() == FRAMES


def test_indexing_that_was_stopped_goes_on(two_clips, tiny, index):
    with pytest.raises(KeyboardInterrupt, match=f"^{2 * BATCH} frames read, {2 * BATCH} new$"):
        index_footage(find_sources([two_clips]), tiny, index, WHOLE_FRAMES, stop_after(1))
    assert index.count() == 2 * BATCH  # the batch that was being counted is stored
    rest = index_footage(find_sources([two_clips]), tiny, index, WHOLE_FRAMES, done)
    assert (rest.frames, rest.added) == (2 * FRAMES, 2 * FRAMES - 2 * BATCH)
    assert index.count() == 2 * FRAMES


def test_streams_are_indexed_beside_files(tiny, index, tmp_path):
    """Recordings over RTSP, which end."""
    clip = write_clip(tmp_path / "gate.mp4", range(0, 2000, 40), codec_options={"bf": "0"})
    with (
        rtsp_server(clip, Visit("drop"), speed=20, length_s=2) as gate,
        rtsp_server(clip, Visit("drop"), speed=20, length_s=2) as dock,
    ):
        sources = find_sources([gate.url, clip, dock.url])
        summary = index_footage(sources, tiny, index, WHOLE_FRAMES, done)
    assert (summary.sources, summary.added, summary.skipped) == (3, 3 * 50, [])
    assert Counter(one.source for one in index.frames()) == {gate.url: 50, dock.url: 50, str(clip): 50}
    assert [one.source for one in index.source_records()] == [str(clip)]


def test_what_a_camera_shows_for_long_is_stored_when_it_is_stopped(tiny, index, tmp_path):
    """One run, of the batch after which it is stopped and of what was read meanwhile; that is no interruption."""
    still = write_clip(tmp_path / "still.mp4", range(0, 4000, 40), [picture(1)] * 100, codec_options={"bf": "0"})
    with rtsp_server(still, Visit("stall"), speed=20) as server:
        summary = index_footage(
            find_sources([server.url]), tiny, index, IngestSettings(Sampling(dedupe=0.9)), stop_after(0)
        )
    assert BATCH <= summary.frames <= 100
    assert summary.added == 1
    (frame,) = index.frames()
    assert (frame.source, frame.stands_for) == (server.url, summary.frames)


def test_copies_are_indexed_once_and_counted_once(two_clips, tiny, index, tmp_path):
    for name in ("copy1", "copy2"):
        (tmp_path / "copies" / name).mkdir(parents=True)
        (tmp_path / "copies" / name / "a.mp4").write_bytes((two_clips / "a.mp4").read_bytes())
    summary = index_footage(find_sources([tmp_path / "copies"]), tiny, index, FIVE_FPS, done)
    assert (summary.frames, summary.added, index.count()) == (24, 12, 12)


def test_what_could_not_be_read_is_in_the_summary(two_clips, tiny, index):
    summary = index_footage(find_sources([two_clips]), tiny, index, IngestSettings(Sampling(1, regions=None)), done)
    assert (summary.regions, summary.regions_s) == (0, 0)
    (skipped,) = summary.skipped
    assert (skipped.source, skipped.frames) == (str(two_clips / "broken.mp4"), 0)
    assert summary.to_dict() == {
        "sources": 3,
        "frames": 6,
        "added": 6,
        "black": 0,
        "frozen": 0,
        "damaged": 0,
        "regions": 0,
        "regions_s": 0,
        "refused": 0,
        "not_footage": 0,
        "system": 0,
        "excluded": 0,
        "clock_restarts": 0,
        "skipped": [{"source": skipped.source, "reason": skipped.reason, "frames": 0}],
    }


def test_summaries_add_up():
    one, other = Skipped("a.mp4", "empty file", 0), Skipped("b.mp4", "ends at 3 s", 7)
    total = Summary(2, 10, 4, black=1, skipped=[one]) + Summary(1, 7, 0, frozen=3, damaged=2, skipped=[other])
    assert total == Summary(3, 17, 4, 1, 3, 2, [one, other])
    assert Summary() + total == total


def test_a_run_that_says_the_same_is_stored_once_with_its_span(tiny, index, tmp_path):
    """Ten seconds at 5 a second: 20 frames of one picture, 15 of another, which are 0.18 alike, 15 of the first."""
    one, other = picture(0), picture(59)[::-1]
    pictures = [one] * 20 + [other] * 15 + [one] * 15
    clip = write_clip(tmp_path / "clip.mp4", range(0, 200 * 50, 200), pictures)
    summary = index_footage(find_sources([clip]), tiny, index, IngestSettings(Sampling(dedupe=0.95)), done)
    assert (summary.frames, summary.added, index.count()) == (50, 3, 3)
    runs = sorted((one.time_s, one.end_s, one.stands_for) for one in index.frames())
    assert runs == [(0, 3.8, 20), (4, 6.8, 15), (7, 9.8, 15)]
    (known,) = index.source_records()
    assert (known.sampler, known.frames, known.stored) == ("dedupe=0.95", 50, 3)
    again = index_footage(find_sources([clip]), tiny, index, IngestSettings(Sampling(dedupe=0.95)), done)
    assert (again.frames, again.added, index.count()) == (50, 0, 3)


def test_runs_end_with_their_recording(tiny, index, tmp_path):
    """Two clips of one still picture, of other lengths; and two copies of a photograph of it, which are one frame."""
    for name, frames in (("a", 40), ("b", 30)):
        write_clip(tmp_path / f"{name}.mp4", range(0, 40 * frames, 40), [picture(0)] * frames)
    for name in ("c.png", "d.png"):
        Image.fromarray(picture(0)).save(tmp_path / name)
    summary = index_footage(find_sources([tmp_path]), tiny, index, IngestSettings(Sampling(dedupe=0.99)), done)
    assert (summary.frames, summary.added) == (72, 3)
    runs = sorted((one.source[-5:], one.end_s, one.stands_for) for one in index.frames())
    assert runs == [("a.mp4", pytest.approx(39 / 25), 40), ("b.mp4", pytest.approx(29 / 25), 30), ("c.png", 0, 1)]
    assert verify(index).good


def test_a_table_of_embeddings_is_taken_in(two_clips, tiny, index, tmp_path):
    """What is stored of a frame is the same as if its recording had been indexed."""
    table = tmp_path / "frames.parquet"
    embed_footage(find_sources([two_clips]), tiny, table, WHOLE_FRAMES, done)
    summary = import_frames(table, index, done)
    assert (summary.sources, summary.frames, summary.added) == (1, 2 * FRAMES, 2 * FRAMES)
    assert import_frames(table, index, done).added == 0
    with open_index(tmp_path / "direct", tiny.spec, create=True) as direct:
        index_footage(find_sources([two_clips]), tiny, direct, WHOLE_FRAMES, done)
        expected = {one.id: one for one in direct.frames()}
        frame_id = next(iter(expected))
        np.testing.assert_allclose(index.vector(frame_id), direct.vector(frame_id), atol=1e-6)
    stored = {one.id: one for one in index.frames()}
    assert stored == {frame_id: dataclasses.replace(one, remote=True) for frame_id, one in expected.items()}
    index_footage(find_sources([two_clips]), tiny, index, WHOLE_FRAMES, done)  # they are here: they may be opened
    assert {one.id: one for one in index.frames()} == expected


def test_only_tables_of_this_encoder_are_taken_in(two_clips, tiny, index, tmp_path):
    other, foreign, text = (tmp_path / name for name in ("other.parquet", "foreign.parquet", "text.parquet"))
    spec = dataclasses.replace(SPEC, weights_sha256="f" * 64)
    stranger = Encoder(write_tiny_encoder(tmp_path / "other.onnx", spec), "cpu")
    embed_footage(find_sources([two_clips]), stranger, other, WHOLE_FRAMES, done)
    pq.write_table(pa.table({"a": [1]}), foreign)
    text.write_text("no table")
    for path, error, said in (
        (other, SpaceMismatch, f"made by encoder {spec.space}, this one is {SPEC.space}"),
        (foreign, FootageError, "not made by `lookalike embed`"),
        (text, FootageError, "not a readable Parquet file"),
        (tmp_path / "none.parquet", FootageError, "not a readable Parquet file"),
    ):
        with pytest.raises(error, match=said):
            import_frames(path, index, done)
    assert index.count() == 0


def test_black_and_damaged_frames_are_counted_and_stored(tiny, index, tmp_path):
    """Ten black frames of thirty; tiny embeddings of black are finite."""
    black = np.zeros_like(picture(0))
    write_clip(tmp_path / "clip.mp4", range(0, 30 * 40, 40), [black if 10 <= n < 20 else picture(n) for n in range(30)])
    summary = index_footage(find_sources([tmp_path]), tiny, index, WHOLE_FRAMES, done)
    assert (summary.frames, summary.added, summary.black, summary.frozen) == (30, 30, 10, 0)
    assert sorted(one.pts_us for one in index.frames() if one.fault == "black") == [
        number * 40_000 for number in range(10, 20)
    ]


def test_regions_are_stored_beside_their_frames_and_found_by_a_crop(two_clips, tiny, index):
    """Nine beside each of 12 frames. A quarter of a picture is nearest to itself, and to what looks the same."""
    sampling = Sampling(5, regions="grid")
    summary = index_footage(find_sources([two_clips / "a.mp4"]), tiny, index, IngestSettings(sampling), done)
    assert (summary.frames, summary.added, index.count()) == (12, 120, 120)
    assert summary.regions == 108
    assert summary.regions_s > 0
    (known,) = index.source_records()
    assert (known.sampler, known.frames, known.stored) == ("fps=5,regions=grid", 12, 120)
    assert len(list(index.frames(Filters(whole=True)))) == 12
    assert verify(index).good
    part = next(read_frames(find_sources([two_clips / "a.mp4"]))).image[24:, 32:]
    (hit,) = index.search(
        tiny_embedding(pixels.fit(np.ascontiguousarray(part), SPEC.input_px)), options=SearchOptions(1)
    )
    assert (hit.score, hit.time_s) == (pytest.approx(1, abs=1e-3), 0)
    assert hit.region in ("0,0.5,0.5,0.5", "0.25,0.5,0.5,0.5", "0.5,0.5,0.5,0.5")  # alike in this picture
