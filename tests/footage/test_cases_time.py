"""Recordings of ordinary cameras whose times are not what they seem: every frame comes, at its right time.

Each picture has its number written into it. A time that is stored leads back to the same picture.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from lookalike.footage import Ended, Frame, Source, frame_at, read_source
from lookalike.footage.container import open_video
from lookalike.footage.decode import video_stream
from lookalike.footage.playable import judge, make_playable
from lookalike.footage.sampling import Sampling
from lookalike.footage.still import pictures_of
from tests.conftest import SHARED_DATA
from tests.footage.numbered import (
    CLOCK,
    SIZE_PX,
    Read,
    number_in,
    numbered,
    read_numbered,
    write_numbered,
)

STEP = 9000  # ticks of 1/90,000 s: ten frames a second
WRAP = 1 << 33
KEYS = Sampling(keyframes=True, regions=None)
B_FRAMES = {"g": "20", "bf": "2"}
OPEN_GOP = {"g": "20", "x264-params": "open-gop=1:bframes=3"}


def part(path: Path, numbers: range, first_tick: int = 0, options: dict[str, str] = B_FRAMES) -> bytes:
    """A recording of ten frames a second, to be joined with others. Returns: its bytes."""
    pts = [first_tick + STEP * at for at in range(len(numbers))]
    return write_numbered(path, numbers, pts, options=options).read_bytes()


def joined(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


def check(read: Read, path: Path, numbers: list[int], times_s: list[float], stills: int = 7) -> None:
    """All frames, their times to the microsecond where they are on a grid, and the same pictures at these times."""
    assert read.numbers == numbers
    assert read.times_s == pytest.approx(times_s, abs=2e-6)
    assert (np.diff(read.times_s) > 0).all()
    order = [*range(0, len(numbers), stills), *np.random.default_rng(0).permutation(len(numbers))[:stills].tolist()]
    with pictures_of(str(path)) as picture:
        assert [number_in(picture(read.times_s[at], None)) for at in order] == [numbers[at] for at in order]
    assert number_in(frame_at(str(path), read.times_s[-1])) == numbers[-1]


def tenths(count: int, first: int = 0) -> list[float]:
    return [number / 10 for number in range(first, first + count)]


# Clock restarts


@pytest.mark.parametrize("suffix", ["ts", "mpg", "mkv"])
@pytest.mark.parametrize("later", [0, 4 * STEP, 8 * STEP], ids=["same start", "within the first", "near its end"])
def test_joined_recordings_go_on_one_after_the_other(tmp_path: Path, suffix: str, later: int) -> None:
    """`cat a.ts b.ts`: the second begins anew; or by a clock that is behind the first one's end."""
    codec, rate = ("mpeg2video", 25) if suffix == "mpg" else ("libx264", 10)
    options = {"b": "2M", "g": "12", "bf": "2"} if suffix == "mpg" else B_FRAMES
    step = 90_000 // rate
    pts = [step * at for at in range(12)]
    one = write_numbered(tmp_path / f"a.{suffix}", range(12), pts, codec, rate, options=options).read_bytes()
    shifted = [later // STEP * step + moment for moment in pts]
    two = write_numbered(tmp_path / f"b.{suffix}", range(12, 24), shifted, codec, rate, options=options).read_bytes()
    path = joined(tmp_path / f"both.{suffix}", one, two)
    read = read_numbered(path)
    assert read.ended.reason is None
    assert read.ended.clock_restarts == 1
    check(read, path, list(range(24)), [at * step / 90_000 for at in range(24)])


def test_parts_that_hold_back_more_or_fewer_frames_follow_each_other(tmp_path: Path) -> None:
    """Of three, the second begins at 500 s, as that of a camera may that records on motion; the third begins anew."""
    parts = [
        part(tmp_path / "a.ts", range(30), options={"bf": "0", "g": "20"}),
        part(tmp_path / "b.ts", range(30, 60), 5000 * STEP, {"bf": "3", "g": "20"}),
        part(tmp_path / "c.ts", range(60, 90), 100, {"bf": "1", "g": "7"}),
    ]
    path = joined(tmp_path / "all.ts", *parts)
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 1)
    began_s = read.times_s[30]  # the muxer moves what begins with frames that are held back
    assert began_s == pytest.approx(500, abs=0.5)
    check(read, path, list(range(90)), [*tenths(30), *(began_s + at / 10 for at in range(60))])


def test_recordings_that_lie_half_a_counter_apart_are_joined(tmp_path: Path) -> None:
    """The second is at 1 h, the first at 10 h; libavformat takes that for a wrap of 26.5 h and a gap of 17 h."""
    path = joined(
        tmp_path / "both.ts",
        part(tmp_path / "a.ts", range(20), 36_000 * 90_000),
        part(tmp_path / "b.ts", range(20, 40), 3600 * 90_000),
    )
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 1)
    check(read, path, list(range(40)), tenths(40))


@pytest.mark.parametrize("before", [10, 25])
def test_a_counter_that_wraps_is_no_restart(tmp_path: Path, before: int) -> None:
    """33 bits of 1/90,000 s: every 26.5 h one comes to its end, which a recording lives to see."""
    path = tmp_path / "wraps.ts"
    write_numbered(path, range(40), [WRAP - before * STEP + STEP * at for at in range(40)], options=B_FRAMES)
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 0)
    check(read, path, list(range(40)), tenths(40))


def test_a_gap_keeps_its_length(tmp_path: Path) -> None:
    """A camera that records on motion: two seconds, and two more an hour later."""
    moments = [*range(20), *range(36_000, 36_020)]
    path = write_numbered(tmp_path / "a.ts", range(40), [STEP * at for at in moments], options=B_FRAMES)
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 0)
    check(read, path, list(range(40)), [at / 10 for at in moments])


def test_the_restarts_are_counted_once_where_key_frames_alone_are_read(tmp_path: Path) -> None:
    path = joined(tmp_path / "a.ts", part(tmp_path / "1.ts", range(40)), part(tmp_path / "2.ts", range(40, 80)))
    read = read_numbered(path, KEYS)
    assert (read.numbers, read.times_s, read.ended.clock_restarts) == ([0, 20, 40, 60], [0, 2, 4, 6], 1)


def dav(path: Path, moments: list[datetime]) -> Path:
    """Frames of H.264 as a recorder of Dahua writes them: a header before each, with date, milliseconds and size."""
    with av.open(str(path.with_suffix(".h264")), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"bf": "0", "g": "20"})
        assert isinstance(stream, VideoStream)
        (stream.width, stream.height), stream.pix_fmt = SIZE_PX, "yuv420p"
        pictures = [av.VideoFrame.from_ndarray(numbered(number), format="rgb24") for number in range(len(moments))]
        packets = [packet for picture in [*pictures, None] for packet in stream.encode(picture)]
        with path.open("wb") as file:
            for number, (packet, moment) in enumerate(zip(packets, moments, strict=True)):
                file.write(_dav_frame(number, packet, moment, moments[0]))
    return path


def _dav_frame(number: int, packet: Packet, moment: datetime, began: datetime) -> bytes:
    date = (moment.year - 2000) << 26 | moment.month << 22 | moment.day << 17
    date |= moment.hour << 12 | moment.minute << 6 | moment.second
    extra = b"\x82\0\0\0" + SIZE_PX[0].to_bytes(2, "little") + SIZE_PX[1].to_bytes(2, "little") + b"\x81\0\x02\x0a"
    length = 24 + len(extra) + packet.size + 8
    milliseconds = round((moment - began).total_seconds() * 1000) & 0xFFFF
    fields = ((number, 4), (length, 4), (date, 4), (milliseconds, 2), (len(extra), 1), (0, 1))
    head = b"DHAV" + bytes([0xFD if packet.is_keyframe else 0xFC, 0, 0, 0])
    head += b"".join(value.to_bytes(width, "little") for value, width in fields)
    return head + extra + bytes(packet) + b"dhav" + length.to_bytes(4, "little")


@pytest.mark.parametrize("back_s", [2, 60, 3600])
def test_a_recorder_whose_clock_is_set_back_goes_on(tmp_path: Path, back_s: int) -> None:
    """By an hour at the end of summer time, or by two seconds, against a time server."""
    began = datetime(2026, 10, 25, 2, 59, 58)
    moments = [began + timedelta(seconds=at / 10 - (back_s if at >= 20 else 0)) for at in range(40)]
    path = dav(tmp_path / "x.dav", moments)
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 1)
    check(read, path, list(range(40)), tenths(40))
    assert read_numbered(path, Sampling(fps=1, regions=None)).times_s == [0, 1, 2, 3]


# Frames without times of their own


@pytest.mark.parametrize("bf", ["0", "1", "3"])
def test_avi_with_b_frames_is_timed_in_the_order_of_its_pictures(tmp_path: Path, bf: str) -> None:
    path = write_numbered(
        tmp_path / "a.avi", range(45), list(range(45)), time_base=Fraction(1, 10), options={"bf": bf, "g": "20"}
    )
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 0)
    check(read, path, list(range(45)), tenths(45))
    assert read_numbered(path, Sampling(fps=10, regions=None)).numbers == list(range(45))
    assert (read_numbered(path, KEYS).numbers, read_numbered(path, KEYS).times_s) == ([0, 20, 40], [0, 2, 4])
    out = tmp_path / "out.mp4"
    make_playable(str(path), out, judge(str(path)).how, lambda share: None)
    assert read_numbered(out).times_s == pytest.approx(tenths(45), abs=1e-3)


@pytest.mark.parametrize("bf", ["0", "2"])
def test_frames_without_times_are_as_far_apart_as_the_others(tmp_path: Path, bf: str) -> None:
    """H.264 in MPEG-PS: a PES packet holds several small frames, and states the time of the first."""
    pts = [3600 * at for at in range(100)]
    path = write_numbered(tmp_path / "a.mpg", range(100), pts, rate=25, options={"bf": bf, "g": "10", "b": "50k"})
    with av.open(str(path)) as container:
        stated = [packet.pts is not None for packet in container.demux(video=0) if packet.size]
    assert stated.count(False) > 50
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 0)
    check(read, path, list(range(100)), [number / 25 for number in range(100)])
    keys = read_numbered(path, KEYS)
    assert keys.numbers == list(range(0, 100, 10))
    if bf == "0":
        assert keys.times_s == pytest.approx([number / 25 for number in range(0, 100, 10)], abs=2e-6)


@pytest.mark.parametrize("suffix", ["h264", "mjpeg"])
def test_raw_key_frames_are_where_they_are_among_all(tmp_path: Path, suffix: str) -> None:
    """25 a second is what they state, and each tenth is a key frame, or each."""
    codec, options = ("libx264", {"bf": "0", "g": "10"}) if suffix == "h264" else ("mjpeg", {"strict": "-1"})
    path = write_numbered(
        tmp_path / f"a.{suffix}", range(30), [3600 * at for at in range(30)], codec, 25, options=options
    )
    every = 10 if suffix == "h264" else 1
    read = read_numbered(path, KEYS)
    assert read.numbers == list(range(0, 30, every))
    assert read.times_s == [number / 25 for number in range(0, 30, every)]


# Key frames alone


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv"])
@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
def test_every_key_frame_comes_at_its_time(tmp_path: Path, suffix: str, codec: str) -> None:
    """In an open GOP frames that are shown before a key frame are decoded after it."""
    options = {
        "libx264": OPEN_GOP,
        "libx265": {"x265-params": "keyint=20:min-keyint=20:bframes=3:open-gop=1:log-level=none"},
        "mpeg2video": {"g": "20", "bf": "2", "b": "2M"},
    }[codec]
    rate, step = (25, 3600) if codec == "mpeg2video" else (10, STEP)
    path = write_numbered(
        tmp_path / f"a.{suffix}", range(130), [step * at for at in range(130)], codec, rate, options=options
    )
    everything = read_numbered(path)
    check(everything, path, list(range(130)), [step * at / 90_000 for at in range(130)], stills=13)
    with open_video(str(path)) as container:
        packets = list(container.demux(video_stream(container)))
        expected = sum(packet.is_keyframe for packet in packets if packet.size)
    keys = read_numbered(path, KEYS)
    assert len(keys.numbers) == expected >= 6
    assert keys.times_s == pytest.approx([everything.times_s[number] for number in keys.numbers], abs=2e-6)
    assert keys.numbers == sorted(set(keys.numbers))
    assert keys.ended.reason is None


# Where a recording begins


def cut_at_packet(path: Path, packet: int) -> Path:
    """Leave out the packets before, as one who cuts a transport stream anywhere."""
    with av.open(str(path)) as container:
        starts = [one.pos or 0 for one in container.demux(video=0) if one.size]
    data = path.read_bytes()
    path.write_bytes(data[: 188 * 3] + data[starts[packet] :])
    return path


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video", "mpeg4"])
def test_a_recording_cut_within_a_gop_says_what_its_beginning_lacks(tmp_path: Path, codec: str) -> None:
    """Frames 12 to 29 come without the key frame that they need: from the 12th packet to frame 30."""
    options = {
        "libx264": {"g": "30", "bf": "0"},
        "libx265": {"x265-params": "keyint=30:min-keyint=30:bframes=0:log-level=none"},
        "mpeg2video": {"g": "30", "bf": "0", "b": "2M"},
        "mpeg4": {"g": "30", "bf": "0", "b": "2M"},
    }[codec]
    path = write_numbered(tmp_path / "a.ts", range(90), [3600 * at for at in range(90)], codec, 25, options=options)
    cut_at_packet(path, 12)
    began = datetime(2026, 1, 5, 8, tzinfo=UTC)
    *items, ended = read_source(Source(str(path), "video", "a", began))
    frames = [item for item in items if isinstance(item, Frame) and item.region is None]
    assert isinstance(ended, Ended)
    assert ended.reason == "the first 0.7 s have no key frame"
    assert [number_in(frame.image) for frame in frames] == list(range(30, 90))
    assert [frame.time_s for frame in frames] == pytest.approx([at / 25 for at in range(60)], abs=2e-6)
    assert frames[0].captured_at == began + timedelta(seconds=18 / 25)
    assert ended.began_at == began
    check(read_numbered(path), path, list(range(30, 90)), [at / 25 for at in range(60)])


@pytest.mark.parametrize("suffix", ["ts", "mp4", "mkv"])
def test_pictures_that_begin_after_the_sound_were_captured_later(tmp_path: Path, suffix: str) -> None:
    """Sound begins at zero, pictures 1.5 s later: the recording's date is that of its start."""
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream, sound = container.add_stream("libx264", rate=10), container.add_stream("mp2", rate=48_000)
        assert isinstance(stream, VideoStream)
        assert isinstance(sound, AudioStream)
        (stream.width, stream.height), stream.pix_fmt = SIZE_PX, "yuv420p"
        stream.codec_context.time_base = CLOCK
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = 135_000 + STEP * number, CLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        for number in range(100):
            heard = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 48_000, 1152 * number, Fraction(1, 48_000)
            container.mux(sound.encode(heard))
    began = datetime(2026, 1, 5, 8, tzinfo=UTC)
    *items, ended = read_source(Source(str(path), "video", "a", began))
    frames = [item for item in items if isinstance(item, Frame) and item.region is None]
    assert isinstance(ended, Ended)
    assert (ended.reason, ended.began_at, frames[0].time_s) == (None, began, 0)
    late_s = [(frame.captured_at - began).total_seconds() for frame in frames if frame.captured_at]
    assert late_s == pytest.approx([1.5 + at / 10 for at in range(20)], abs=0.03)  # an encoder of sound begins early


# The shared cases themselves

CASES = SHARED_DATA / "cases" / "video"


@pytest.mark.skipif(not CASES.exists(), reason="SHARED CASES ABSENT: only recordings made here were tried")
@pytest.mark.parametrize(
    ("name", "numbers", "apart_s", "restarts", "reason"),
    [
        ("concat.ts", list(range(80)), 0.1, 1, None),
        ("x_clock.dav", list(range(40)), 0.1, 1, None),
        ("x.dav", list(range(40)), 0.1, 0, None),
        ("h264_b.avi", list(range(40)), 0.1, 0, None),
        ("open_gop.mp4", list(range(300)), 0.1, 0, None),
        ("pes_without_pts.mpg", None, 0.04, 0, None),
        ("gop4s_mid.ts", list(range(40, 120)), 0.1, 0, "the first 3.4 s have no key frame"),
    ],
)
def test_a_shared_case(name: str, numbers: list[int] | None, apart_s: float, restarts: int, reason: str | None) -> None:
    read = read_numbered(CASES / name)
    assert (read.ended.reason, read.ended.clock_restarts) == (reason, restarts)
    numbers = read.numbers if numbers is None else numbers  # each number is in two or three frames
    assert len(numbers) == (100 if name.endswith("mpg") else len(numbers))
    check(read, CASES / name, numbers, [at * apart_s for at in range(len(numbers))], stills=11)


@pytest.mark.skipif(not CASES.exists(), reason="SHARED CASES ABSENT: only recordings made here were tried")
def test_the_shared_open_gop_has_fifteen_key_frames() -> None:
    read = read_numbered(CASES / "open_gop.mp4", KEYS)
    assert (read.numbers, read.times_s) == (list(range(0, 300, 20)), [at * 2.0 for at in range(15)])


# Kin of them


@pytest.mark.parametrize(("codec", "rate"), [("mpeg4", 10), ("mpeg2video", 25)])
def test_key_frames_of_avi_are_where_they_are_among_all(tmp_path: Path, codec: str, rate: int) -> None:
    """B-frames are decoded after the key frame that they are shown before."""
    pts = [90_000 // rate * at for at in range(45)]
    path = write_numbered(tmp_path / "a.avi", range(45), pts, codec, rate, options={"g": "10", "bf": "2", "b": "2M"})
    everything, keys = read_numbered(path), read_numbered(path, KEYS)
    check(everything, path, list(range(45)), [at / rate for at in range(45)], stills=1)
    assert len(keys.numbers) >= 4
    assert keys.times_s == pytest.approx([everything.times_s[number] for number in keys.numbers], abs=2e-6)


def test_a_gap_of_avi_does_not_hold_back_the_frame_before_it(tmp_path: Path) -> None:
    """Three seconds of empty packets: libavformat takes each frame for shown when the next is decoded."""
    moments = [at + (30 if at >= 20 else 0) for at in range(40)]
    pts, options = [STEP * moment for moment in moments], {"bf": "0", "g": "20"}
    path = write_numbered(tmp_path / "a.avi", range(40), pts, options=options)
    check(read_numbered(path), path, list(range(40)), [moment / 10 for moment in moments], stills=1)
    keys = read_numbered(path, KEYS)
    assert (keys.numbers, keys.times_s) == ([0, 20], [0, 5])


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("hidden", [3, 12])
def test_key_frames_after_an_edit_list_count_from_the_first_frame_shown(
    tmp_path: Path, suffix: str, hidden: int
) -> None:
    """A phone cuts a beginning off without encoding anew: what comes before is decoded, and not shown."""
    pts = [STEP * (at - hidden) for at in range(40)]
    muxer = {"avoid_negative_ts": "disabled"}
    path = write_numbered(tmp_path / f"a.{suffix}", range(40), pts, muxer=muxer, options={"g": "10", "bf": "2"})
    everything = read_numbered(path)
    check(everything, path, list(range(hidden, 40)), tenths(40 - hidden))
    keys = read_numbered(path, KEYS)
    shown = [number for number in (10, 20, 30) if number >= hidden]
    assert (keys.numbers, keys.times_s) == (shown, [(number - hidden) / 10 for number in shown])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv", "ts"])
@pytest.mark.parametrize("stands", [19, 20, 25])
def test_frames_of_one_timestamp_are_each_found(tmp_path: Path, suffix: str, stands: int) -> None:
    """It stands still for four frames; one of them may be a key frame, which a seek leads to."""
    whole = write_numbered(
        tmp_path / "whole.mp4", range(50), [3600 * at for at in range(50)], rate=25, options={"g": "10", "bf": "0"}
    )
    path = tmp_path / f"a.{suffix}"
    moments = [at if at < stands else max(at - 3, stands) for at in range(50)]
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(one for one in source.demux(video=0) if one.size):
            packet.stream, packet.time_base, packet.pts = stream, CLOCK, 3600 * moments[number]
            packet.dts = packet.pts if suffix == "flv" else 3600 * (number - 60)
            target.mux(packet)
    read = read_numbered(path)
    assert read.numbers == list(range(50))
    assert read.times_s == pytest.approx([moment / 25 for moment in moments], abs=1e-5)
    around = range(stands - 2, stands + 6)
    assert [number_in(frame_at(str(path), read.times_s[at])) for at in around] == list(around)


@pytest.mark.parametrize("back_s", [0.5, 0.9])
def test_a_recorder_that_is_set_back_within_a_second_goes_on(tmp_path: Path, back_s: float) -> None:
    """libavformat takes that for the end of a counter of 16 bits, and goes on 65 s later."""
    began = datetime(2026, 10, 25, 2, 59, 58)
    path = dav(
        tmp_path / "x.dav", [began + timedelta(seconds=at / 10 - (back_s if at >= 27 else 0)) for at in range(40)]
    )
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 1)
    assert read.numbers == list(range(40))
    assert read.times_s[:28] == pytest.approx(tenths(28), abs=2e-6)
    assert read.times_s == pytest.approx(tenths(40), abs=1)  # after a whole second begins, by its date


@pytest.mark.parametrize("gap_s", [60, 65, 3600])
def test_stills_of_a_recorder_that_paused_are_its_frames(tmp_path: Path, gap_s: int) -> None:
    """A seek leads to wrong frames: libavformat counts from second to second."""
    moments = [at / 10 + (gap_s if at >= 20 else 0) for at in range(40)]
    began = datetime(2026, 10, 25, 2, 59, 58)
    path = dav(tmp_path / "x.dav", [began + timedelta(seconds=moment) for moment in moments])
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 0)
    check(read, path, list(range(40)), moments, stills=1)


def test_a_restart_behind_the_end_of_the_counter_is_one(tmp_path: Path) -> None:
    """The second is 1.7 s before the end of 33 bits, without B-frames: its first decoding time is made up."""
    one = part(tmp_path / "a.ts", range(8), options={"g": "4", "bf": "1"})
    two = part(tmp_path / "b.ts", range(8, 16), WRAP - 154_592, {"g": "4", "bf": "0"})
    path = joined(tmp_path / "both.ts", one, two)
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 1)
    check(read, path, list(range(16)), tenths(16))
