"""Footage into a file; run again, it goes on where it stopped."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from lookalike import pixels
from lookalike.contract import EncoderSpec
from lookalike.errors import FootageError
from lookalike.footage import Source, find_sources, read_frames
from lookalike.footage.sampling import Sampling
from lookalike.ingest.settings import WHOLE_FRAMES, IngestSettings
from lookalike.ingest.to_file import embed_footage, embed_rows
from tests.clips import picture, write_clip
from tests.tiny import SPEC, tiny_embedding
from tests.two_clips import FRAMES, RECORDED, done, stop_after

FIVE_FPS = IngestSettings(Sampling(5, regions=None))


def test_the_table_has_a_row_for_every_frame(two_clips, tiny, tmp_path):
    summary = embed_footage(find_sources([two_clips]), tiny, tmp_path / "frames.parquet", WHOLE_FRAMES, done)
    assert (summary.sources, summary.frames, summary.added, len(summary.skipped)) == (3, 2 * FRAMES, 2 * FRAMES, 1)
    table = pq.read_table(tmp_path / "frames.parquet")
    assert table.column_names == [
        *("source", "camera", "time_s", "captured_at", "id", "source_id", "pts_us", "end_us", "stands_for"),
        *("width", "height", "luma", "scene", "fault", "region", "embedding"),
    ]
    rows = table.to_pydict()
    seconds = [number / 25 for number in range(FRAMES)]
    assert rows["source"] == [str(two_clips / "a.mp4")] * FRAMES + [str(two_clips / "c.mp4")] * FRAMES
    assert rows["camera"] == ["a"] * FRAMES + ["c"] * FRAMES
    assert rows["time_s"] == seconds * 2
    assert rows["captured_at"] == [RECORDED + timedelta(seconds=second) for second in seconds] + [None] * FRAMES
    frames = list(read_frames(find_sources([two_clips])))
    assert rows["id"] == [frame.id for frame in frames]
    embeddings = np.array(rows["embedding"])
    expected = [tiny_embedding(pixels.fit(frame.image, SPEC.input_px)) for frame in frames]
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_the_table_says_which_encoder_made_it(two_clips, tiny, tmp_path):
    embed_footage(
        find_sources([two_clips]), tiny, tmp_path / "frames.parquet", IngestSettings(Sampling(1, regions=None)), done
    )
    schema = pq.read_schema(tmp_path / "frames.parquet")
    assert EncoderSpec.from_json(schema.metadata[b"lookalike"].decode(), "frames.parquet") == SPEC
    assert schema.field("embedding").type.list_size == SPEC.dim
    assert schema.field("embedding").type.value_type == "float"


def test_only_the_table_is_left(two_clips, tiny, tmp_path):
    embed_footage(
        find_sources([two_clips]),
        tiny,
        tmp_path / "new" / "frames.parquet",
        IngestSettings(Sampling(1, regions=None)),
        done,
    )
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["frames.parquet"]


def test_embedding_that_was_stopped_takes_the_parts_that_are_there(two_clips, tiny, tmp_path):
    """Stopped in the second clip, of which a part was embedded: the first clip is whole, and not decoded again."""
    whole, resumed = tmp_path / "whole.parquet", tmp_path / "resumed.parquet"
    embed_footage(find_sources([two_clips]), tiny, whole, WHOLE_FRAMES, done)
    with pytest.raises(KeyboardInterrupt):
        embed_footage(find_sources([two_clips]), tiny, resumed, WHOLE_FRAMES, stop_after(2))
    assert not resumed.exists()
    parts = tmp_path / "resumed.parquet.parts"
    assert [pq.read_metadata(part).num_rows for part in parts.glob("*.parquet")] == [FRAMES]
    told: list[str] = []
    summary = embed_footage(
        find_sources([two_clips]), tiny, resumed, WHOLE_FRAMES, lambda frames: told.append(frames[0].source)
    )
    assert told == [str(two_clips / "c.mp4")] * 2
    assert (summary.frames, summary.added) == (2 * FRAMES, FRAMES)
    assert pq.read_table(resumed).equals(pq.read_table(whole))
    assert not parts.exists()


def test_parts_of_another_rate_or_of_a_changed_file_are_not_taken(two_clips, tiny, tmp_path):
    clip, out = tmp_path / "a.mp4", tmp_path / "frames.parquet"
    clip.write_bytes((two_clips / "a.mp4").read_bytes())
    parts = tmp_path / "frames.parquet.parts"

    def parts_when_stopped_in_another_clip(fps: int) -> int:
        """The first batch has 2 of 2.4 seconds, the second the rest and what follows."""
        settings = IngestSettings(Sampling(fps, regions=None), batch_frames=2 * fps)
        with pytest.raises(KeyboardInterrupt):
            embed_footage(find_sources([clip, two_clips / "c.mp4"]), tiny, out, settings, stop_after(1))
        return len(list(parts.glob("*.parquet")))

    assert parts_when_stopped_in_another_clip(5) == 1
    assert parts_when_stopped_in_another_clip(10) == 2
    clip.write_bytes((two_clips / "c.mp4").read_bytes())
    summary = embed_footage(find_sources([clip]), tiny, out, FIVE_FPS, done)
    assert (summary.frames, summary.added) == (12, 12)
    first = next(read_frames(find_sources([two_clips / "c.mp4"])))
    assert pq.read_table(out)["id"][0].as_py() == first.id


def test_a_source_given_twice_is_in_the_table_once(two_clips, tiny, tmp_path):
    twice = [two_clips / "a.mp4", two_clips / "a.mp4"]
    embed_footage(find_sources(twice), tiny, tmp_path / "frames.parquet", FIVE_FPS, done)
    assert pq.read_table(tmp_path / "frames.parquet").num_rows == 12


def test_where_nothing_can_be_read_there_is_an_error_and_no_file(two_clips, tiny, tmp_path):
    with pytest.raises(FootageError, match=r"^no frame could be .*, the first: .*broken.mp4: not a .*; nothing writ"):
        embed_footage(find_sources([two_clips / "broken.mp4"]), tiny, tmp_path / "frames.parquet", WHOLE_FRAMES, done)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_takes_parts_reports_what_was_wrong_with_them(tiny, tmp_path):
    """The first run was stopped, and has reported nothing; its frames are counted without their regions."""
    clips, out = tmp_path / "clips", tmp_path / "frames.parquet"
    clips.mkdir()
    write_clip(clips / "a.mkv", range(0, 400, 40))
    with (clips / "a.mkv").open("r+b") as file:
        file.truncate((clips / "a.mkv").stat().st_size - 100)
    write_clip(clips / "b.mp4", range(0, 400, 40))
    sources, settings = find_sources([clips]), IngestSettings(Sampling(regions="grid"))
    whole = embed_footage(sources, tiny, tmp_path / "whole.parquet", settings)
    assert [one.reason[:7] for one in whole.skipped] == ["cut off"]

    def stop(frames):
        if any(frame.source.endswith("b.mp4") for frame in frames):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_footage(sources, tiny, out, settings, stop)
    assert len(list((tmp_path / "frames.parquet.parts").glob("*.parquet"))) == 1
    resumed = embed_footage(sources, tiny, out, settings)
    assert (resumed.skipped, resumed.frames) == (whole.skipped, whole.frames)
    assert pq.read_table(out).equals(pq.read_table(tmp_path / "whole.parquet"))


def test_a_recording_that_vanishes_meanwhile_is_reported(two_clips, tiny, tmp_path):
    """Recorders delete their oldest files while a long job runs."""
    gone = Source(str(tmp_path / "gone.mp4"), "video", "gone")
    sources = [gone, *find_sources([two_clips / "a.mp4"])]
    summary = embed_footage(sources, tiny, tmp_path / "frames.parquet", FIVE_FPS, done)
    assert [one.source for one in summary.skipped] == [gone.path]
    assert pq.read_metadata(tmp_path / "frames.parquet").num_rows == 12


def test_a_place_that_cannot_be_written_is_named_before_the_work(two_clips, tiny, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file" / "frames.parquet"):
        with pytest.raises(FootageError, match=f"^{out}: "):
            embed_footage(
                find_sources([two_clips]), tiny, out, WHOLE_FRAMES, lambda frames: pytest.fail("work was done")
            )


def test_an_array_has_the_rest_of_its_rows_beside_it(two_clips, tiny, tmp_path):
    """The same rows as the table's, and as those that are printed."""
    sources = find_sources([two_clips])
    embed_footage(sources, tiny, tmp_path / "frames.parquet", FIVE_FPS, done)
    summary = embed_footage(sources, tiny, tmp_path / "frames.npy", FIVE_FPS, done)
    assert (summary.frames, summary.added) == (24, 24)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames.jsonl", "frames.npy", "frames.parquet"]
    array = np.load(tmp_path / "frames.npy")
    lines = [json.loads(line) for line in (tmp_path / "frames.jsonl").read_text().splitlines()]
    table = pq.read_table(tmp_path / "frames.parquet").to_pydict()
    assert (array.dtype, array.shape) == (np.float32, (24, SPEC.dim))
    np.testing.assert_array_equal(array, np.array(table["embedding"], np.float32))
    assert [line["id"] for line in lines] == table["id"]
    assert {line["space"] for line in lines} == {SPEC.space}
    assert [line["time_s"] for line in lines] == table["time_s"]
    rows: list[dict[str, Any]] = []
    summary = embed_rows(sources, tiny, rows.append, FIVE_FPS)
    assert [{name: row[name] for name in row if name != "embedding"} for row in rows] == lines
    np.testing.assert_allclose(np.array([row["embedding"] for row in rows]), array, atol=1e-6)
    assert (summary.frames, summary.added, len(summary.skipped)) == (24, 24, 1)


def test_runs_are_rows_with_their_span(tiny, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", range(0, 200 * 40, 200), [picture(0)] * 25 + [picture(59)[::-1]] * 15)
    summary = embed_footage(
        find_sources([clip]), tiny, tmp_path / "runs.parquet", IngestSettings(Sampling(dedupe=0.95)), done
    )
    assert (summary.frames, summary.added) == (40, 2)
    rows = pq.read_table(tmp_path / "runs.parquet").to_pydict()
    assert [rows[name] for name in ("time_s", "end_us", "stands_for")] == [[0, 5], [4_800_000, 7_800_000], [25, 15]]
