"""A recording that is not read to the end of its file: nothing of that is silent, and what can be read is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lookalike.footage import Ended, demux, find_sources, frame_at, read_source
from lookalike.footage.container import open_video
from lookalike.footage.decode import video_stream
from tests.conftest import TEST_SEED
from tests.footage.numbered import number_in, read_numbered, write_numbered
from tests.footage.tracks import film, write_tracks

STEP = 9000  # ticks of 1/90,000 s: ten frames a second
OPTIONS = {"g": "10", "bf": "2"}


def write(path: Path, numbers: range, codec: str = "libx264", muxer: dict[str, str] | None = None) -> Path:
    options = OPTIONS if codec == "libx264" else {"g": "10", "b": "2M"}
    return write_numbered(path, numbers, [STEP * at for at in range(len(numbers))], codec, muxer=muxer, options=options)


@pytest.mark.parametrize(
    ("suffix", "codec", "whole"),
    [
        ("mp4", "libx264", 1),
        ("mov", "libx264", 1),
        ("mkv", "libx264", 2),
        ("flv", "libx264", 1),
        ("asf", "mpeg4", 1),
    ],
)
def test_a_recording_that_was_appended_and_is_not_read_is_reported(
    tmp_path: Path, suffix: str, codec: str, whole: int
) -> None:
    """libavformat reads the first of them, of Matroska two, and ends as if that were all."""
    parts = [write(tmp_path / f"{at}.{suffix}", range(20 * at, 20 * at + 20), codec).read_bytes() for at in range(3)]
    path = tmp_path / f"all.{suffix}"
    path.write_bytes(b"".join(parts))
    begins = sum(len(part) for part in parts[:whole])
    read = read_numbered(path)
    assert read.numbers == list(range(20 * whole))
    assert read.ended.reason is not None
    assert f"of {len(b''.join(parts)):,}: another recording begins at byte {begins:,}" in read.ended.reason
    for part in range(3):
        assert read_numbered(tmp_path / f"{part}.{suffix}").ended.reason is None


def test_fragments_whose_times_restart_are_not_decoded_in_a_thread_for_each_frame(tmp_path: Path) -> None:
    """With such threads, PyAV and one of them wait for each other now and then, forever."""
    fragmented = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    one = write(tmp_path / "a.mp4", range(30), muxer=fragmented)
    both = tmp_path / "both.mp4"
    both.write_bytes(one.read_bytes() + one.read_bytes())
    for path, threads in ((one, "AUTO"), (write(tmp_path / "whole.mp4", range(30)), "AUTO"), (both, "SLICE")):
        with open_video(str(path)) as container:
            assert video_stream(container).thread_type.name == threads, path


def test_fragments_are_walked_once_for_each_state_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder and the demuxer both ask whether their times restart."""
    walks: list[Path] = []
    fragment_times = demux._fragment_times

    def counted(path: Path) -> Iterator[list[int]]:
        walks.append(path)
        return fragment_times(path)

    monkeypatch.setattr(demux, "_fragment_times", counted)
    fragmented = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    once = write(tmp_path / "a.mp4", range(30), muxer=fragmented).read_bytes()
    path = tmp_path / "b.mp4"
    for data, restarts in ((once, False), (once + once, True)):
        path.write_bytes(data)
        for _ in range(2):
            with open_video(str(path)) as container:
                assert demux.begins_anew(container) is restarts
    assert walks == [path, path]


def test_joined_recordings_in_nut_are_reported(tmp_path: Path) -> None:
    """Of the second, libavformat reads some key frames."""
    one, two = (write(tmp_path / f"{at}.nut", range(20 * at, 20 * at + 20)) for at in range(2))
    begins = one.stat().st_size
    path = tmp_path / "both.nut"
    path.write_bytes(one.read_bytes() + two.read_bytes())
    reason = read_numbered(path).ended.reason
    assert reason is not None
    assert f"another recording begins at byte {begins:,}, which was not read" in reason


def test_a_cut_off_matroska_file_of_two_films_is_reported(tmp_path: Path) -> None:
    """The duration that it states is the whole file's, and not a film's; its size says as much."""
    path = write_tracks(tmp_path / "two.mkv", [film(0, 40), film(20, 40)])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    reasons = [one.reason for one in read_source(find_sources([path])[0]) if isinstance(one, Ended)]
    assert reasons == [f"cut off: {len(data) - len(data) // 2:,} bytes are missing that its header states"] * 2


@pytest.mark.parametrize("zeros", [3_000, 200_000])
def test_room_behind_a_transport_stream_takes_no_frame(tmp_path: Path, zeros: int) -> None:
    """Recorders take the room of a file first: libavformat asks to try again where it finds 64 KiB of zeros."""
    path = write(tmp_path / "a.ts", range(40))
    data = path.read_bytes()
    path.write_bytes(data + bytes(zeros))
    read = read_numbered(path)
    assert (read.numbers, read.ended.reason) == (list(range(40)), None)
    path.write_bytes(data + bytes(zeros) + write(tmp_path / "b.ts", range(40, 80)).read_bytes())
    read = read_numbered(path)
    assert (read.numbers, read.ended.clock_restarts, read.ended.reason) == (list(range(80)), 1, None)
    assert number_in(frame_at(str(path), read.times_s[55])) == 55


@pytest.mark.parametrize("suffix", ["ts", "m2ts", "mpg", "mkv", "flv", "mp4", "mov", "avi", "asf"])
def test_a_whole_file_is_not_said_to_be_read_in_part(tmp_path: Path, suffix: str) -> None:
    rate, codec = (25, "mpeg2video") if suffix == "mpg" else (10, "mpeg4" if suffix == "asf" else "libx264")
    pts = [90_000 // rate * at for at in range(60)]
    path = write_numbered(tmp_path / f"a.{suffix}", range(60), pts, codec, rate, options={"g": "10", "b": "1M"})
    assert read_numbered(path).ended.reason is None


@pytest.mark.parametrize("again", ["whole", "fragments"])
def test_fragments_of_mp4_whose_times_restart_are_all_shown(tmp_path: Path, again: str) -> None:
    """libavformat hides frames up to where the clock had been before: here the second's first ten."""
    fragmented = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    one = write(tmp_path / "a.mp4", range(30), muxer=fragmented).read_bytes()
    two = write(tmp_path / "b.mp4", range(30, 60), muxer=fragmented).read_bytes()
    path = tmp_path / "both.mp4"
    path.write_bytes(one + (two if again == "whole" else two[two.index(b"moof") - 4 :]))
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.clock_restarts) == (None, 1)
    assert read.numbers == list(range(60))
    assert read.times_s == pytest.approx([at / 10 for at in range(60)], abs=2e-6)
    for at in np.random.default_rng(TEST_SEED).permutation(60)[:8].tolist():
        assert number_in(frame_at(str(path), read.times_s[at])) == at
