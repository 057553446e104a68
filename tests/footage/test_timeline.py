"""Whatever a recording is put together from: no frame is lost, each has its time, and that leads back to it.

The recordings are drawn from a seed: parts of several lengths and encoders, with gaps, joined where the format allows
it, with clocks that go on, begin anew, or come to the end of their counter.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from av.error import FFmpegError, InvalidDataError

from lookalike.errors import FootageError
from lookalike.footage import frame_at
from lookalike.footage.container import open_video
from lookalike.footage.decode import Reading, recorded, video_stream
from lookalike.footage.still import pictures_of
from lookalike.sampling import Sampling
from tests.conftest import SHARED_DATA, TEST_SEED
from tests.footage.numbered import number_in, read_numbered, write_numbered

WRAP = 1 << 33
RECORDINGS = 36
# How many recordings, one after the other, libavformat reads of a file.
JOINS = {"ts": 3, "mkv": 2, "mpg": 3, "mp4": 1, "avi": 1, "flv": 1}
UNCLEAR_S = 0.6  # a clock that steps by less may be a few frames out of order


@dataclass(frozen=True)
class Part:
    """pts: of its frames in order, ticks of 1/90,000 s. data: the file."""

    pts: list[int]
    data: bytes


@dataclass(frozen=True)
class Drawn:
    """A recording, when its frames are shown, in seconds, and how often its clock restarts."""

    path: Path
    times_s: list[float]
    restarts: int


def draw_options(rng: np.random.Generator, codec: str, suffix: str) -> dict[str, str]:
    options = {"g": str(rng.integers(4, 13)), "bf": str(rng.integers(0, 3 if codec == "mpeg2video" else 4))}
    if suffix == "mpg":
        options["b"] = "60k" if codec == "libx264" else "1M"  # of few bytes several frames share a packet, and its time
    return options | ({"x264-params": "open-gop=1"} if codec == "libx264" and rng.random() < 0.4 else {})


def draw_part(
    rng: np.random.Generator, path: Path, codec: str, options: dict[str, str], first: int, fps: int, start: int
) -> Part:
    count, step = int(rng.integers(14, 32)), 90_000 // fps
    gaps = rng.choice([1, 1, 1, 1, 1, 1, 1, 30], count) if path.suffix not in (".mpg", ".avi") else np.ones(count, int)
    moments = start + step * (np.cumsum(gaps) - gaps[0])
    write_numbered(path, range(first, first + count), moments.tolist(), codec, fps, options=options)
    begins = stated_start(path)
    return Part([begins + int(moment) - start for moment in moments], path.read_bytes())


def stated_start(path: Path) -> int:
    """Ticks: muxers move what begins with frames that are held back."""
    with av.open(str(path)) as container:
        shown = min(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts is not None)
    return round(shown * 90_000)


def expected(parts: list[Part], fps: int, counter: int) -> tuple[list[float], int] | None:
    """Seconds of all frames, and how often the clock restarts; None where a step between parts may be either."""
    step, times, restarts = 90_000 // fps, [0], 0
    for number, part in enumerate(parts):
        if number:
            ahead = part.pts[0] - parts[number - 1].pts[-1]
            ahead = (ahead + counter // 2) % counter - counter // 2 if counter else ahead
            if abs(ahead - step) < UNCLEAR_S * 90_000:
                return None
            restarts += ahead < 0
            times.append(times[-1] + (step if ahead < 0 else ahead))
        began = times[-1]
        times += [began + moment - part.pts[0] for moment in part.pts[1:]]
    return [moment / 90_000 for moment in times], restarts


def draw(rng: np.random.Generator, folder: Path) -> Drawn | None:
    suffix = str(rng.choice(["ts", "ts", "mkv", "mpg", "mp4", "avi", "flv"]))
    fps = 25 if suffix == "mpg" else 10
    counter = WRAP if suffix in ("ts", "mpg") else 0
    starts = (
        [0, 90_000, 20 * 90_000, WRAP // 90_000 * 90_000 - 90_000, 40_000 * 90_000]
        if suffix == "ts"
        else [0, 0, 20 * 90_000]
    )
    codec = "mpeg2video" if suffix == "mpg" and rng.random() < 0.5 else "libx264"
    if codec == "mpeg2video":
        starts = [0]  # libavformat takes the time at which the next part begins for that of the last frame before
    options = draw_options(rng, codec, suffix)
    parts: list[Part] = []
    for number in range(int(rng.integers(1, JOINS[suffix] + 1))):
        first = sum(len(part.pts) for part in parts)
        start = int(rng.choice(starts)) if suffix != "avi" else 0
        options = draw_options(rng, codec, suffix) if suffix == "ts" else options  # others say how to decode once
        parts.append(draw_part(rng, folder / f"{number}.{suffix}", codec, options, first, fps, start))
    told = expected(parts, fps, counter)
    if told is None:
        return None
    path = folder / f"all.{suffix}"
    path.write_bytes(b"".join(part.data for part in parts))
    return Drawn(path, *told)


@pytest.mark.parametrize("seed", range(RECORDINGS))
def test_a_drawn_recording_loses_no_frame_and_shows_each_at_its_time(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng([TEST_SEED, seed])
    while (drawn := draw(rng, tmp_path)) is None:
        pass
    count, path = len(drawn.times_s), drawn.path
    read = read_numbered(path)
    assert (read.ended.reason, read.ended.damaged) == (None, 0)
    assert read.numbers == list(range(count))
    # Matroska and FLV keep milliseconds. Of MPEG-2 in a program stream libavformat guesses when the last frame of a
    # part is shown, up to two frames late.
    assert read.times_s == pytest.approx(drawn.times_s, abs=0.2 if path.suffix == ".mpg" else 1e-3 + 2e-6)
    assert (np.diff(read.times_s) > 0).all()
    assert read.ended.clock_restarts == drawn.restarts
    order = rng.permutation(count)[:8].tolist()
    with pictures_of(str(path)) as picture:
        assert [number_in(picture(read.times_s[at], None)) for at in order] == order
    for at in order[:2]:
        assert number_in(frame_at(str(path), read.times_s[at])) == at
    keys = read_numbered(path, Sampling(keyframes=True, regions=None))
    assert keys.times_s == pytest.approx([read.times_s[number] for number in keys.numbers], abs=2e-6)
    assert keys.numbers == sorted(set(keys.numbers))
    assert keys.ended.clock_restarts == drawn.restarts


def shared_videos() -> list[Path]:
    folders = ("footage", "asl-gestures", "badfiles/videos", "cases/video")
    kinds = {".mp4", ".mkv", ".avi", ".webm", ".mov", ".ts", ".mpg", ".dav"}
    found = [path for folder in folders for path in (SHARED_DATA / folder).glob("*") if path.suffix in kinds]
    return sorted(found)


@pytest.mark.skipif(not shared_videos(), reason="SHARED RECORDINGS ABSENT: only those made here were tried")
def test_of_every_shared_recording_all_that_decodes_is_given_or_reported() -> None:
    """Small ones: what a plain decoder gives of it, less what has damage, with times that rise."""
    tried = 0
    for path in shared_videos():
        if path.stat().st_size > 1_000_000:
            continue
        try:
            plain, broken = _decoded(path)
        except (FFmpegError, FootageError):
            continue  # no video
        reading, times_us = Reading(), list[int]()
        with open_video(str(path)) as container, contextlib.suppress(FootageError):  # raised after the last frame
            for _, time_us in recorded(container, reading=reading):
                times_us.append(time_us)
        assert len(times_us) + len(reading.damaged) == plain + broken, path
        assert times_us == sorted(set(times_us)), path
        tried += 1
    assert tried > 20


def _decoded(path: Path) -> tuple[int, int]:
    """How many frames, with damage or without, and how many packets that do not decode."""
    frames = broken = 0
    with open_video(str(path)) as container:
        for packet in container.demux(video_stream(container)):
            try:
                frames += len(packet.decode())
            except InvalidDataError:
                broken += 1
    return frames, broken
