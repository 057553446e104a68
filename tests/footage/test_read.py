"""Frames, their times and their ids, from clips whose every frame says which one it is."""

from __future__ import annotations

import hashlib
import http.server
import itertools
import threading
import uuid
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from lookalike.footage import Skipped, Source, read_frames
from tests.clips import RED, number_of, picture, turn, write_clip

VARIABLE_MS = [0, 40, 120, 160, 1160, 1200, 1203, 3000]  # a camera that records on motion


def times(frames) -> list[float]:
    return [frame.time_s for frame in frames]


def numbers(frames) -> list[int]:
    return [number_of(frame.image) for frame in frames]


def test_every_frame_comes_in_order_with_its_picture(tmp_path, read):
    path = write_clip(tmp_path / "gate.mp4", range(0, 2000, 40))
    frames, skipped = read(path)
    assert skipped == []
    assert numbers(frames) == list(range(50))
    assert {(frame.source, frame.camera, frame.captured_at) for frame in frames} == {(str(path), "gate", None)}
    for part in (np.s_[:16], np.s_[-16:]):  # encoding blurs where red meets grey
        np.testing.assert_allclose(frames[7].image[part].astype(int), picture(7)[part], atol=3)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mov"])
def test_times_come_from_pts(tmp_path, read, suffix):
    frames, skipped = read(write_clip(tmp_path / f"motion.{suffix}", VARIABLE_MS))
    assert skipped == []
    assert [frame.pts_us for frame in frames] == [1000 * moment for moment in VARIABLE_MS]
    assert times(frames) == [moment / 1000 for moment in VARIABLE_MS]
    assert numbers(frames) == list(range(8))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_times_count_from_the_first_frame(tmp_path, read, suffix):
    """A recording cut out of a longer one, whose clock goes on."""
    frames, skipped = read(write_clip(tmp_path / f"late.{suffix}", range(17_811, 18_811, 40)))
    assert skipped == []
    assert times(frames) == [moment / 1000 for moment in range(0, 1000, 40)]


def test_times_of_a_fine_time_base_are_rounded_to_microseconds(tmp_path, read):
    """Ten million ticks a second, as some encoders have it: a third of a second is 3,333,333 of them."""
    path = write_clip(tmp_path / "fine.mp4", [0, 3_333_333, 6_666_667], time_base=Fraction(1, 10_000_000))
    assert [frame.pts_us for frame in read(path)[0]] == [0, 333_333, 666_667]


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_a_raw_stream_without_timestamps_goes_by_its_rate(tmp_path, read, codec):
    """Recorders write .h264 and .mjpeg files that are nothing but frames; 25 a second is what they state."""
    name, options = ("raw.h264", {"bf": "0"}) if codec == "libx264" else ("raw.mjpeg", {"strict": "-1"})
    path = write_clip(tmp_path / name, range(10), time_base=Fraction(1, 25), codec=codec, codec_options=options)
    frames, skipped = read(path)
    assert skipped == []
    assert numbers(frames) == list(range(10))
    assert times(frames) == [moment / 1000 for moment in range(0, 400, 40)]


def test_frames_of_equal_timestamps_follow_each_other_a_microsecond_apart(tmp_path, read):
    """.0, .3, .6, 40, 80 and 80.2 ms, in a container of milliseconds: two pairs state the same time."""
    clip = write_clip(tmp_path / "clip.mkv", [0, 3, 6, 400, 800, 802], time_base=Fraction(1, 10_000))
    frames, skipped = read(clip)
    times_us = [0, 1, 1000, 40_000, 80_000, 80_001]
    assert [(frame.pts_us, number_of(frame.image)) for frame in frames] == list(zip(times_us, range(6), strict=True))
    assert skipped == []


def test_fps_takes_the_first_frame_of_each_slot(tmp_path, read):
    """Slots of 0.1 s: at 25 fps they start with frames 0, 3 (0.12 s), 5, 8, 10."""
    frames, _ = read(write_clip(tmp_path / "a.mp4", range(0, 480, 40)), fps=10)
    assert numbers(frames) == [0, 3, 5, 8, 10]
    assert times(frames) == [0, 0.12, 0.2, 0.32, 0.4]


def test_fps_leaves_empty_slots_of_a_variable_rate_empty(tmp_path, read):
    """Slots of 0.2 s: 0-0.16 s is one, 1.16 s one, 1.2 s one, 3 s one."""
    frames, _ = read(write_clip(tmp_path / "a.mp4", VARIABLE_MS), fps=5)
    assert times(frames) == [0, 1.16, 1.2, 3.0]


@pytest.mark.parametrize(("fps", "every"), [(30, 1), (15, 2), (10, 3), (60, 1)])
def test_fps_is_not_fooled_by_milliseconds(tmp_path, read, fps, every):
    """Matroska keeps 1/30 s as 33 ms, which is before the slot that starts at 33.3 ms."""
    path = write_clip(tmp_path / "a.mkv", range(30), time_base=Fraction(1, 30), rate=Fraction(30))
    assert numbers(read(path, fps=fps)[0]) == list(range(0, 30, every))


def test_frames_are_read_one_by_one(tmp_path):
    """Taking two of many decodes no more than the decoder holds; the rest is not waited for."""
    good = write_clip(tmp_path / "a.mp4", range(0, 400, 40))
    sources = itertools.repeat(Source(str(good), "video", "a"))  # endless
    frames = read_frames(sources)
    assert numbers(itertools.islice(frames, 12)) == [*range(10), 0, 1]


def test_images_are_always_taken(tmp_path, read):
    for name in ("a.png", "b.png"):
        Image.fromarray(picture(3)).save(tmp_path / name)
    frames, skipped = read(tmp_path, fps=0.1)
    assert skipped == []
    assert [(frame.source, frame.time_s, frame.pts_us) for frame in frames] == [
        (str(tmp_path / "a.png"), 0.0, 0),
        (str(tmp_path / "b.png"), 0.0, 0),
    ]
    np.testing.assert_array_equal(frames[0].image, picture(3))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("2026-01-05T08:00:00.000000Z", datetime(2026, 1, 5, 8, 0, tzinfo=UTC)),
        ("2026-01-05T08:00:00+02:00", datetime(2026, 1, 5, 6, 0, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "flv"])  # FLV keeps the text as it is, MP4 as seconds in UTC
def test_captured_at_is_the_stated_start_plus_the_time(tmp_path, read, stated, expected, suffix):
    frames, _ = read(write_clip(tmp_path / f"a.{suffix}", VARIABLE_MS, metadata={"creation_time": stated}))
    assert [frame.captured_at for frame in frames] == [expected + timedelta(milliseconds=ms) for ms in VARIABLE_MS]


def test_a_stated_start_without_a_zone_is_taken_as_utc(tmp_path, read):
    frames, _ = read(write_clip(tmp_path / "a.flv", [0, 40], metadata={"creation_time": "2026-01-05 08:00:00"}))
    assert frames[0].captured_at == datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def test_captured_at_is_unknown_where_the_stated_start_is_no_time(tmp_path, read):
    frames, _ = read(write_clip(tmp_path / "a.flv", [0, 40], metadata={"creation_time": "yesterday"}))
    with av.open(str(tmp_path / "a.flv")) as container:
        assert container.metadata["creation_time"] == "yesterday"
    assert [frame.captured_at for frame in frames] == [None, None]


def test_ids_depend_on_content_and_pts_and_not_on_the_path(tmp_path, read):
    path = write_clip(tmp_path / "a.mp4", [0, 40])
    first, _ = read(path)
    (tmp_path / "moved").mkdir()
    again, _ = read(path.rename(tmp_path / "moved" / "b.mp4"))
    assert [frame.id for frame in again] == [frame.id for frame in first]
    assert len({frame.id for frame in first}) == 2
    other, _ = read(write_clip(tmp_path / "c.mp4", [0, 40], [picture(8), picture(9)]))
    assert not {frame.id for frame in other} & {frame.id for frame in first}


def test_ids_are_spelt_as_in_indexes_that_exist(tmp_path, read):
    """UUID 5 of "SHA-256 of the file|microseconds" in our namespace."""
    path = write_clip(tmp_path / "a.mp4", [0, 40])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    frame = read(path)[0][1]
    assert frame.source_id == digest
    assert frame.id == str(uuid.uuid5(uuid.UUID("6f0d4c1e-7b1a-5c52-9a53-1f0f3b1c9a77"), f"{digest}|40000"))


# The first four numbers of a tkhd matrix, a b c d: the pixel at (x, y) is shown at (a x + c y, b x + d y), y down.
@pytest.mark.parametrize(
    ("matrix", "red_side"),
    [
        ((1, 0, 0, 1), np.s_[:20, :]),  # upright: red stays above
        ((0, 1, -1, 0), np.s_[:, -20:]),  # a quarter turn clockwise: what was above is right
        ((-1, 0, 0, -1), np.s_[-20:, :]),
        ((0, -1, 1, 0), np.s_[:, :20]),
    ],
)
def test_the_display_rotation_is_applied(tmp_path, read, matrix, red_side):
    path = turn(write_clip(tmp_path / "phone.mp4", [0, 40]), matrix)
    image = read(path)[0][0].image
    assert image.shape == ((48, 64, 3) if matrix[0] else (64, 48, 3))
    np.testing.assert_allclose(image[red_side].mean((0, 1)), RED, atol=4)
    assert image.flags.c_contiguous


def test_a_stream_is_read_to_its_end(tmp_path, read):
    """Over HTTP, from a server in this process; its file is not sought in, as a camera's stream is not."""
    write_clip(tmp_path / "live.ts", range(0, 400, 40))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    before = datetime.now(UTC)
    frames, skipped = read(f"http://user:secret@127.0.0.1:{server.server_port}/live.ts?pwd=secret")
    server.shutdown()
    server.server_close()
    assert skipped == []
    assert times(frames) == [moment / 1000 for moment in range(0, 400, 40)]
    assert {frame.source for frame in frames} == {f"http://127.0.0.1:{server.server_port}/live.ts"}
    starts = {frame.captured_at - timedelta(seconds=frame.time_s) for frame in frames if frame.captured_at}
    assert len(starts) == 1  # the wall clock when it was opened
    assert before <= starts.pop() <= datetime.now(UTC)


def test_a_stream_that_is_not_there_is_reported_without_its_secrets(read):
    frames, (skipped,) = read("http://user:secret@127.0.0.1:9/live?pwd=secret")
    assert frames == []
    assert skipped.source == "http://127.0.0.1:9/live"
    assert skipped.reason.startswith("not a readable stream")
    assert "secret" not in repr(skipped)


def test_a_source_that_vanished_is_reported(tmp_path):
    skipped: list[Skipped] = []
    assert list(read_frames([Source(str(tmp_path / "gone.mp4"), "video", "a")], None, skipped.append)) == []
    assert (skipped[0].source, skipped[0].frames) == (str(tmp_path / "gone.mp4"), 0)
    assert "No such file" in skipped[0].reason
