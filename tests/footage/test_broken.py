"""Recordings that go wrong: each is reported by name, what decodes is kept, and the rest goes on."""

from __future__ import annotations

import csv
import itertools
import os
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from lookalike.footage import Skipped, find_sources, frame_at, read_frames
from tests.clips import noise, number_of, write_clip
from tests.conftest import SHARED_DATA

BAD_VIDEOS = SHARED_DATA / "badfiles"
bad_videos = pytest.mark.skipif(
    not BAD_VIDEOS.exists(), reason="COLLECTION OF BAD VIDEOS ABSENT: only those generated here were tried"
)


def cut(path: Path, keep: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * keep)])
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        assert isinstance(stream, AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty file"), (b"just text " * 100, "not a readable video (it is text)")],
    ids=["empty", "text"],
)
def test_what_is_no_video_is_reported_and_the_rest_goes_on(tmp_path, read, content, reason):
    write_clip(tmp_path / "a.mp4", [0, 40])
    (tmp_path / "b.mp4").write_bytes(content)
    write_clip(tmp_path / "c.mp4", [0, 40, 80])
    frames, skipped = read(tmp_path)
    assert [(frame.camera, number_of(frame.image)) for frame in frames] == [
        *(("a", number) for number in range(2)),
        *(("c", number) for number in range(3)),
    ]
    assert [(one.source, one.reason, one.frames) for one in skipped] == [(str(tmp_path / "b.mp4"), reason, 0)]


def test_a_broken_image_is_reported_and_the_rest_goes_on(tmp_path, read):
    (tmp_path / "a.jpg").write_bytes(b"just text")
    write_clip(tmp_path / "c.mp4", [0, 40])
    frames, (skipped,) = read(tmp_path)
    assert [frame.camera for frame in frames] == ["c", "c"]
    assert (skipped.source, skipped.frames) == (str(tmp_path / "a.jpg"), 0)
    assert skipped.reason.startswith("not an image")  # the name stands beside it, and not in it once more


def test_sound_without_pictures_is_reported(tmp_path, read):
    frames, (skipped,) = read(write_sound(tmp_path / "a.m4a"))
    assert frames == []
    assert (skipped.reason, skipped.frames) == ("no video stream", 0)


def test_a_recording_without_its_end_is_reported(tmp_path, read):
    """MP4 keeps its index at the end: a recorder that lost power leaves this."""
    path = cut(write_clip(tmp_path / "a.mp4", range(0, 2000, 40), noise(50)), 0.6)
    frames, (skipped,) = read(path)
    assert frames == []
    assert (skipped.source, skipped.frames) == (str(path), 0)
    assert skipped.reason.startswith("not a readable video")


@pytest.mark.parametrize(("suffix", "options"), [("mp4", {"movflags": "faststart"}), ("mkv", {})])
def test_what_decodes_of_a_cut_recording_is_kept_and_the_cut_reported(tmp_path, read, suffix, options):
    """5 s of pictures that are all as large, cut at 60 %: about 3 s are left."""
    path = tmp_path / f"a.{suffix}"
    moments, each = range(125), {"g": "1", "bf": "0", "qp": "30"}
    write_clip(path, moments, noise(125), Fraction(1, 25), options=options, codec_options=each)
    frames, (skipped,) = read(cut(path, 0.6))
    assert 70 <= len(frames) <= 78
    assert [frame.time_s for frame in frames] == [number / 25 for number in range(len(frames))]
    assert skipped.frames == len(frames)
    assert skipped.reason == f"ends at {len(frames) / 25:.1f} s of the 5.0 s that its header states"


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_last_frame_that_is_shown_for_long_is_no_cut(tmp_path, read, suffix):
    """One picture every 5 s: the last starts 5 s before the end."""
    path = write_clip(tmp_path / f"a.{suffix}", range(4), time_base=Fraction(5), rate=Fraction(1, 5))
    frames, skipped = read(path)
    assert [frame.time_s for frame in frames] == [0, 5, 10, 15]
    assert skipped == []


def test_damaged_frames_are_left_out_and_counted(tmp_path, read):
    """Every picture stands alone; those whose bytes were overwritten are missing, at their times, and no others."""
    path = tmp_path / "a.mkv"
    alone = {"g": "1", "bf": "0", "qp": "30"}
    write_clip(path, range(20), noise(20), Fraction(1, 25), codec_options=alone)
    with av.open(str(path)) as container:
        packets = [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for number in (7, 12):
        start, size = packets[number]
        data[start + size // 2 : start + size // 2 + 400] = b"\xff" * 400
    path.write_bytes(data)
    frames, (skipped,) = read(path)
    assert [round(frame.time_s * 25) for frame in frames] == [n for n in range(20) if n not in (7, 12)]
    assert skipped.reason.startswith("2 damaged packets or frames left out")
    assert skipped.frames == 18


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are not UTF-8")
def test_a_name_that_is_not_utf8_is_reported(tmp_path, read):
    """Neither Qdrant nor Parquet could store it, so one such name would end a job of a thousand files."""
    good = write_clip(tmp_path / "a.mp4", [0, 40])
    try:
        os.link(bytes(good), bytes(tmp_path) + b"/caf\xe9.mp4")
    except OSError:
        pytest.skip("this file system allows no such name")
    frames, (skipped,) = read(tmp_path)
    assert [frame.camera for frame in frames] == ["a", "a"]
    assert skipped.source.endswith("caf\udce9.mp4")
    assert skipped.reason == "its name is not UTF-8 and cannot be stored; rename it"


def manifest() -> list[tuple[str, str]]:
    path = BAD_VIDEOS / "manifest.csv"
    if not path.exists():
        return [("none", "")]
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["file"], row["expected"]) for row in csv.DictReader(file) if row["file"].startswith("videos/")]


@bad_videos
@pytest.mark.parametrize(("name", "expected"), manifest())
def test_the_collection_of_bad_videos_does_what_its_manifest_says(name, expected):
    skipped: list[Skipped] = []
    frames = list(itertools.islice(read_frames(find_sources([BAD_VIDEOS / name]), None, skipped.append), 200))
    assert [one.source for one in skipped] in ([], [str(BAD_VIDEOS / name)])
    assert all(one.reason and "\n" not in one.reason for one in skipped)
    if expected.startswith("ok") and " or 4xx" not in expected and "415" not in expected:
        assert skipped == []
        assert frames
    if expected.startswith("reject") and " or " not in expected:
        assert frames == []
        assert skipped
    if expected.startswith("index"):  # what decodes is kept, and what is missing is told
        assert 0 < len(frames) == skipped[0].frames


@bad_videos
def test_times_of_the_collected_variable_rate_are_those_of_ffprobe(read):
    """`ffprobe -show_entries packet=pts_time` less the first, in order; gaps are from 20 ms to 1 s."""
    frames, _ = read(BAD_VIDEOS / "videos" / "vfr_extreme.mp4")
    assert len(frames) == 150
    assert [frames[number].time_s for number in (0, 1, 2, 50, 100, 149)] == [0, 0.04, 1.04, 15.44, 33.08, 48.76]


@bad_videos
def test_the_collected_rotation_is_that_of_ffmpeg():
    """`ffmpeg -i rotated90.mp4 -frames:v 1 out.png` gave the control's first frame turned clockwise, exactly."""
    paths = (BAD_VIDEOS / "videos" / name for name in ("control_10s.mp4", "rotated90.mp4"))
    control, rotated = (next(read_frames(find_sources([path]))) for path in paths)
    np.testing.assert_array_equal(rotated.image, np.rot90(control.image, -1))


@bad_videos
def test_a_moment_behind_the_only_key_frame_is_found(read):
    path = BAD_VIDEOS / "videos" / "long_gop_nokey.mp4"
    frame = read(path)[0][101]
    np.testing.assert_array_equal(frame_at(str(path), frame.time_s), frame.image)
