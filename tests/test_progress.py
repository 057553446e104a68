"""How far a job has come, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lookalike.footage import Frame, Source
from lookalike.progress import FootageProgress


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    """Of 100, 300 and 600 bytes; the middle one is a picture."""
    sizes = {"a.mp4": 100, "b.jpg": 300, "c.mp4": 600}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(bytes(size))
    kinds = ("video", "image", "video")
    return [Source(str(tmp_path / name), kind, "gate") for name, kind in zip(sizes, kinds, strict=True)]


def at(source: Source, *times_s: float) -> list[Frame]:
    return [Frame(np.empty(0), source.name, "", "gate", time_s, round(time_s * 1e6)) for time_s in times_s]


def test_work_is_measured_in_bytes(sources: list[Source]) -> None:
    """Clips of 20 s. In 4 s: 10 s of the first is 50 bytes of 1000, at 12.5 a second; 950 are left, which is 76 s."""
    progress = FootageProgress(sources, lambda path: 20.0)
    progress.add(at(sources[0], 0, 5, 10))
    assert progress.share == pytest.approx(0.05)
    assert progress.left_s(4) == pytest.approx(76)
    assert progress.line(4) == f"1/3 {sources[0].name} 50%  3 frames  1/s  2.5x real time  0:01:16 left"


def test_a_source_that_needed_no_work_is_no_part_of_the_rate(sources: list[Source]) -> None:
    """The first was known. The picture took 1 s, and half of the last 2 s more: 600 bytes in 3 s, and 300 left."""
    progress = FootageProgress(sources, lambda path: 20.0)
    progress.add(at(sources[1], 0))
    assert progress.share == pytest.approx(0.4)
    progress.add(at(sources[2], 0, 10))
    assert progress.share == pytest.approx(0.7)
    assert progress.left_s(3) == pytest.approx(1.5)


def test_what_states_no_length_has_no_share(sources: list[Source]) -> None:
    """A stream goes on for ever."""
    stream = Source("rtsp://camera/live", "stream", "camera")
    progress = FootageProgress([stream], lambda path: pytest.fail("a stream is not asked"))
    progress.add(at(stream, 0, 30))
    assert (progress.share, progress.left_s(10)) == (0, None)
    assert progress.line(10) == "1/1 rtsp://camera/live  2 frames  0/s  3.0x real time"


def test_a_batch_may_hold_several_sources(sources: list[Source]) -> None:
    """The first clip to 20 s, and the picture: 40 % of the bytes, all worked on."""
    progress = FootageProgress(sources, lambda path: 20.0)
    progress.add(at(sources[0], 0, 20) + at(sources[1], 0))
    assert (progress.share, progress.frames) == (pytest.approx(0.4), 3)
    assert progress.left_s(2) == pytest.approx(3)
