"""Files that lack bytes within, or hold others there: no frame is lost in silence; of whole files nothing is said."""

from __future__ import annotations

import random
from pathlib import Path

import av
import pytest

from lookalike.footage.structure import breaks
from tests.footage.numbered import read_numbered, write_numbered

FRAMES, TRIALS = 120, 4
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
FORMATS = {  # suffix, codec, muxer options, and what libavformat calls it
    "AVI": ("avi", "mpeg4", {}, "avi"),
    "ASF": ("asf", "mpeg4", {}, "asf"),
    "FLV": ("flv", "libx264", {}, "flv"),
    "FLV that states no duration": ("flv", "libx264", {"flvflags": "no_duration_filesize"}, "flv"),
    "fragmented MP4": ("mp4", "libx264", FRAGMENTED, "mov"),
    "Matroska": ("mkv", "libx264", {}, "matroska"),
    "MPEG-PS": ("mpg", "mpeg2video", {}, "mpeg"),
    "MPEG-TS": ("ts", "libx264", {}, "mpegts"),
    "MPEG-TS with a time before each packet": ("m2ts", "libx264", {}, "mpegts"),
    "WebM": ("webm", "libvpx", {}, "matroska"),
}


def write(path: Path, codec: str, muxer: dict[str, str], first: int = 0) -> Path:
    rate = 25 if codec == "mpeg2video" else 10
    options = {"g": "10", "bf": "2"} if codec == "libx264" else {"g": "10", "b": "1M"}
    pts = [90_000 // rate * at for at in range(FRAMES)]
    return write_numbered(path, range(first, first + FRAMES), pts, codec, rate, muxer=muxer, options=options)


@pytest.mark.parametrize("hole", ["zeros", "noise", "nothing"])
@pytest.mark.parametrize("name", FORMATS)
def test_no_frame_is_lost_in_silence_where_a_file_has_a_hole(tmp_path: Path, name: str, hole: str) -> None:
    """libavformat goes on behind it as if nothing had been there."""
    suffix, codec, muxer, _ = FORMATS[name]
    path = write(tmp_path / f"a.{suffix}", codec, muxer)
    data, draw = path.read_bytes(), random.Random(f"{name}, {hole}")
    assert read_numbered(path).ended.reason is None
    lost = 0
    for _ in range(TRIALS):
        size = draw.choice((len(data) // 9, len(data) // 20))
        at = draw.randrange(len(data) // 8, len(data) - size)
        filling = {"zeros": bytes(size), "noise": draw.randbytes(size), "nothing": b""}[hole]
        path.write_bytes(data[:at] + filling + data[at + size :])
        read = read_numbered(path)
        assert len(read.numbers) == FRAMES or read.ended.reason is not None, (size, at)
        lost += len(read.numbers) < FRAMES
    assert lost > 0


def test_packets_that_are_lost_just_before_a_key_frame_are_reported(tmp_path: Path) -> None:
    """It looks like the end of one recording and the beginning of another, but the tables are counted on."""
    path = write(tmp_path / "a.ts", "libx264", {})
    with av.open(str(path)) as container:
        packets = [(packet.pos or 0, packet.is_keyframe) for packet in container.demux(video=0)]
    key = next(at for at, (_, is_key) in enumerate(packets) if is_key and at > 50)
    begin = packets[key - 1][0]
    data = path.read_bytes()
    end = next(at for at in range(begin + 188, packets[key][0] + 1, 188) if data[at + 1] & 0x40)
    path.write_bytes(data[:begin] + data[end:])
    read = read_numbered(path)
    assert len(read.numbers) == FRAMES - 1
    said = "bytes are missing or damaged in 1 place(s), the first at byte "
    assert read.ended.reason is not None
    assert read.ended.reason.startswith(said)
    assert read.ended.damaged == 1


def test_recordings_that_were_joined_have_no_hole(tmp_path: Path) -> None:
    one, two = (write(tmp_path / f"{first}.ts", "libx264", {}, first) for first in (0, FRAMES))
    path = tmp_path / "both.ts"
    path.write_bytes(one.read_bytes() + two.read_bytes())
    read = read_numbered(path)
    assert (read.numbers, read.ended.reason) == (list(range(2 * FRAMES)), None)


@pytest.mark.parametrize("pad", [100, 2_000])
def test_the_rest_of_a_sector_in_mpeg_ps_is_no_hole(tmp_path: Path, pad: int) -> None:
    path = write(tmp_path / "a.mpg", "mpeg2video", {})
    data = path.read_bytes()
    pack = data.index(b"\0\0\1\xba", len(data) // 2)
    path.write_bytes(data[:pack] + bytes(pad) + data[pack:])
    assert list(breaks(path, "mpeg")) == []
    path.write_bytes(data[:pack] + bytes(4_000) + data[pack:])
    assert list(breaks(path, "mpeg")) == [pack]


def test_elements_of_another_version_of_matroska_are_no_hole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", "libx264", {})
    data = path.read_bytes()
    cluster = data.index(b"\x1f\x43\xb6\x75", len(data) // 2)
    unknown = b"\x4f\xff\x85" + b"12345"  # an ID of two bytes, five bytes long
    path.write_bytes(data[:cluster] + unknown + data[cluster:])
    assert list(breaks(path, "matroska,webm")) == []
    path.write_bytes(data[:cluster] + unknown[:-1] + data[cluster:])
    assert list(breaks(path, "matroska,webm")) == [cluster]


def test_a_track_that_begins_on_the_way_takes_no_frame(tmp_path: Path) -> None:
    """Sound that comes late: PyAV has no stream for it, and raises an error that is none of FFmpeg's."""
    path = write(tmp_path / "a.flv", "libx264", {})
    data = path.read_bytes()
    content = b"\x2f" + bytes(9)  # MP3
    with av.open(str(path)) as container:
        middle = [packet.pos or 0 for packet in container.demux(video=0)][FRAMES // 2]
    at = data.rindex(b"\x09", 0, middle)  # the head of the tag whose content lies there
    stamp = data[at + 4 : at + 8]
    tag = (
        b"\x08" + len(content).to_bytes(3, "big") + stamp + bytes(3) + content + (11 + len(content)).to_bytes(4, "big")
    )
    path.write_bytes(data[:at] + 20 * tag + data[at:])
    assert list(breaks(path, "flv")) == []
    read = read_numbered(path)
    assert (read.numbers, read.ended.reason) == (list(range(FRAMES)), None)


@pytest.mark.parametrize("filling", [bytes(1), b"\xff", b"\0\xff"], ids=["zeros", "erased flash", "both"])
def test_unused_room_is_allowed_alike_in_mpeg_ts_and_at_the_end_of_other_formats(
    tmp_path: Path, filling: bytes
) -> None:
    stream = write(tmp_path / "a.ts", "libx264", {})
    data = stream.read_bytes()
    middle = len(data) // 2 // 188 * 188
    stream.write_bytes(data[:middle] + 500 * filling + data[middle:])
    assert read_numbered(stream).ended.reason is None
    film = write(tmp_path / "a.avi", "mpeg4", {})
    film.write_bytes(film.read_bytes() + 500 * filling)
    assert list(breaks(film, "avi")) == []
