"""Whatever a recording is put together from: no frame is lost, each has its time, and that leads back to it.

Recordings are drawn: parts of several lengths and encoders, with gaps, joined where the format allows it, with clocks
that go on, begin anew, or come to the end of their counter; turned and mirrored ones; and files of several cameras.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
from av.error import FFmpegError, InvalidDataError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lookalike.errors import FootageError
from lookalike.footage import Ended, find_sources, frame_at, read_source
from lookalike.footage.container import open_video
from lookalike.footage.decode import Reading, recorded, video_stream
from lookalike.footage.sampling import Sampling
from lookalike.footage.still import pictures_of
from tests.clips import number_of, turn
from tests.conftest import SHARED_DATA
from tests.footage.numbered import number_in, read_numbered, write_numbered
from tests.footage.test_display import SHOWN
from tests.footage.tracks import film, write_tracks

WRAP = 1 << 33
EXAMPLES, FILMS = 120, 12
# How many recordings, one after the other, libavformat reads of a file.
JOINS = {"ts": 3, "mkv": 2, "mpg": 3, "mp4": 1, "avi": 1, "flv": 1}
STARTS = {"ts": [0, 1, 20, WRAP // 90_000 - 1, 40_000], "mkv": [0, 20], "mpg": [0, 20], "mp4": [0, 20], "flv": [0, 20]}
GAPLESS = ("mpg", "avi")
UPRIGHT = (1, 0, 0, 1)
UNCLEAR_S = 0.6  # a clock that steps by less may be a few frames out of order
KEYS = Sampling(keyframes=True, regions=None)
DRAWN = settings(
    deadline=None,
    derandomize=True,  # the same on each machine
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@dataclass(frozen=True)
class Part:
    """One of the recordings that a file is joined from. start_s: of its clock. steps: frames from one to the next,
    where those between were not recorded.
    """

    start_s: int
    steps: tuple[int, ...]
    key_every: int
    b_frames: int
    open_gop: bool


@dataclass(frozen=True)
class Recipe:
    """How a file is made. matrix: of its display, a, b, c, d; of one part only, in MP4."""

    suffix: str
    codec: str
    parts: tuple[Part, ...]
    matrix: tuple[int, int, int, int]

    @property
    def fps(self) -> int:
        return 25 if self.suffix == "mpg" else 10


@st.composite
def parts(draw: st.DrawFn, suffix: str, codec: str) -> Part:
    count = draw(st.integers(8, 24))
    far = draw(st.sets(st.integers(0, count - 2), max_size=0 if suffix in GAPLESS else 2))
    return Part(
        # Of MPEG-2 in a program stream libavformat takes the time at which the next part begins for the last frame's.
        draw(st.sampled_from([0] if codec == "mpeg2video" or suffix == "avi" else STARTS[suffix])),
        tuple(30 if at in far else 1 for at in range(count - 1)),
        draw(st.integers(4, 12)),
        draw(st.integers(0, 2 if codec == "mpeg2video" else 3)),
        codec == "libx264" and draw(st.booleans()),
    )


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    suffix = draw(st.sampled_from(["ts", "ts", "mkv", "mpg", "mp4", "avi", "flv"]))
    codec = draw(
        st.sampled_from({"mpg": ["libx264", "mpeg2video"], "avi": ["libx264", "mpeg4"]}.get(suffix, ["libx264"]))
    )
    drawn = draw(st.lists(parts(suffix, codec), min_size=1, max_size=JOINS[suffix]))
    if suffix != "ts":  # others say how to decode once
        first = drawn[0]
        drawn = [Part(one.start_s, one.steps, first.key_every, first.b_frames, first.open_gop) for one in drawn]
    matrix = draw(st.sampled_from(list(SHOWN))) if suffix == "mp4" else UPRIGHT
    return Recipe(suffix, codec, tuple(drawn), matrix)


def write_part(path: Path, recipe: Recipe, part: Part, first: int) -> list[int]:
    """Returns: when its frames are shown, ticks."""
    options = {"g": str(part.key_every), "bf": str(part.b_frames)}
    if recipe.suffix == "mpg":
        options["b"] = "60k" if recipe.codec == "libx264" else "1M"  # of few bytes several frames share a packet's time
    elif recipe.codec != "libx264":
        options["b"] = "2M"
    options |= {"x264-params": "open-gop=1"} if part.open_gop else {}
    moments = np.cumsum([0, *part.steps]) * (90_000 // recipe.fps) + part.start_s * 90_000
    numbers = range(first, first + len(moments))
    write_numbered(path, numbers, moments.tolist(), recipe.codec, recipe.fps, options=options)
    moved = stated_start(path) - part.start_s * 90_000
    return [int(moment) + moved for moment in moments]


def stated_start(path: Path) -> int:
    """Ticks: muxers move what begins with frames that are held back."""
    with av.open(str(path)) as container:
        shown = min(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts is not None)
    return round(shown * 90_000)


def expected(shown: list[list[int]], recipe: Recipe) -> tuple[list[float], int] | None:
    """Seconds of all frames, and how often the clock restarts; None where a step between parts may be either."""
    step, counter = 90_000 // recipe.fps, WRAP if recipe.suffix in ("ts", "mpg") else 0
    times, restarts = [moment - shown[0][0] for moment in shown[0]], 0
    for before, part in pairwise(shown):
        ahead = part[0] - before[-1]
        ahead = (ahead + counter // 2) % counter - counter // 2 if counter else ahead
        if abs(ahead - step) < UNCLEAR_S * 90_000:
            return None
        restarts += ahead < 0
        began = times[-1] + (step if ahead < 0 else ahead)
        times += [began + moment - part[0] for moment in part]
    return [moment / 90_000 for moment in times], restarts


@settings(DRAWN, max_examples=EXAMPLES)
@given(recipes(), st.randoms(use_true_random=False))
def test_a_drawn_recording_loses_no_frame_and_shows_each_at_its_time(recipe: Recipe, random: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shown, path = list[list[int]](), Path(folder, f"all.{recipe.suffix}")
        with path.open("wb") as file:
            for number, part in enumerate(recipe.parts):
                one = Path(folder, f"{number}.{recipe.suffix}")
                shown.append(write_part(one, recipe, part, sum(map(len, shown))))
                file.write(one.read_bytes())
        if recipe.matrix != UPRIGHT:
            turn(path, recipe.matrix)
        told = expected(shown, recipe)
        assume(told is not None)
        assert told is not None
        check_read(path, *told, random, upright(recipe.matrix))


def upright(matrix: tuple[int, int, int, int]) -> Callable[[np.ndarray], int]:
    """What reads the number of a picture that was turned or mirrored: that is undone by the matrix's inverse."""
    a, b, c, d = matrix
    return lambda rgb: number_in(SHOWN[a, c, b, d](rgb))


def check_read(
    path: Path, times_s: list[float], restarts: int, random: Random, number: Callable[[np.ndarray], int]
) -> None:
    count, read = len(times_s), read_numbered(path)
    assert (read.ended.reason, read.ended.damaged) == (None, 0)
    assert [number(frame.image) for frame in read.frames] == list(range(count))
    # Matroska and FLV keep milliseconds. Of MPEG-2 in a program stream libavformat guesses when the last frame of a
    # part is shown, up to two frames late.
    assert read.times_s == pytest.approx(times_s, abs=0.2 if path.suffix == ".mpg" else 1e-3 + 2e-6)
    assert (np.diff(read.times_s) > 0).all()
    assert read.ended.clock_restarts == restarts
    order = random.sample(range(count), 8)
    with pictures_of(str(path)) as picture:
        assert [number(picture(read.times_s[at], None)) for at in order] == order
    assert number(frame_at(str(path), read.times_s[order[0]])) == order[0]
    keys = read_numbered(path, KEYS)
    numbers = [number(frame.image) for frame in keys.frames]
    assert keys.times_s == pytest.approx([read.times_s[at] for at in numbers], abs=2e-6)
    assert numbers == sorted(set(numbers))
    assert keys.ended.clock_restarts == restarts


@settings(DRAWN, max_examples=FILMS)
@given(
    st.sampled_from(["mp4", "mkv", "ts"]),
    st.lists(st.integers(2, 20), min_size=2, max_size=3),
    st.sampled_from([20, 40, 100]),
)
def test_every_drawn_camera_of_a_file_is_read(suffix: str, counts: list[int], apart_ms: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a.{suffix}")
        write_tracks(path, [film(20 * at, count, apart_ms=apart_ms) for at, count in enumerate(counts)])
        found: dict[str, list[tuple[int, float]]] = {}
        for item in read_source(find_sources([path])[0], Sampling(regions=None)):
            if isinstance(item, Ended):
                assert item.reason is None
            else:
                found.setdefault(item.source, []).append((number_of(item.image), item.time_s))
        assert list(found) == [str(path), f"{path}#2", f"{path}#3"][: len(counts)]
        for track, (name, frames) in enumerate(found.items()):
            assert [number for number, _ in frames] == list(range(20 * track, 20 * track + counts[track]))
            assert [moment for _, moment in frames] == pytest.approx(
                [at * apart_ms / 1000 for at in range(counts[track])]
            )
            assert number_of(frame_at(name, frames[-1][1])) == frames[-1][0]


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
