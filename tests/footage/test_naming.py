"""Cameras and times, from flags and from names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from lookalike.errors import FootageError
from lookalike.footage import find_sources, read_frames
from lookalike.footage.naming import NamingFlags
from tests.clips import picture, write_clip

EIGHT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "pattern", "zone", "expected"),
    [
        ("gate_20260105_080000.mp4", r"(?P<camera>[a-z]+)_(?P<time>\d{8}_\d{6})", "UTC", ("gate", EIGHT)),
        ("gate_2026-01-05T09-00-00.mp4", r"_(?P<time>[\dT-]+)", "Europe/Zurich", ("otherwise", EIGHT)),
        ("gate-20260105.mp4", r"(?P<time>\d{8})", "UTC", ("otherwise", datetime(2026, 1, 5, tzinfo=UTC))),
        ("1767600000.mp4", r"(?P<epoch>\d{10})", "America/New_York", ("otherwise", EIGHT)),
        ("20260105080000250.jpg", r"(?P<time>\d+)", "UTC", ("otherwise", EIGHT.replace(microsecond=250_000))),
        ("front.mp4", r"(?P<camera>[a-z]+)_(?P<time>\d{8})", "UTC", ("otherwise", None)),
    ],
)
def test_a_pattern_says_camera_and_time(name: str, pattern: str, zone: str, expected: tuple) -> None:
    naming = NamingFlags(name_pattern=pattern, zone=zone).read()
    assert (naming.camera_of(name, "otherwise"), naming.captured_of(name)) == expected


def test_a_flag_comes_before_a_pattern() -> None:
    flags = NamingFlags("dock", "2026-07-05T10:00", r"(?P<camera>\w+?)_(?P<time>\d{8})", "Europe/Zurich")
    naming = flags.read()
    assert naming.camera_of("gate_20260105.mp4", "x") == "dock"
    assert naming.captured_of("gate_20260105.mp4") == datetime(2026, 7, 5, 8, tzinfo=UTC)  # summer: two hours


def test_a_time_that_the_clocks_skip_or_repeat_is_still_one_time() -> None:
    """On 25 October 2026 02:30 comes twice in Zurich; the first is meant, in summer time."""
    naming = NamingFlags(captured_at="2026-10-25T02:30", zone="Europe/Zurich").read()
    assert naming.captured_of("x.mp4") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (NamingFlags(captured_at="yesterday"), "--captured-at is 'yesterday', expected a date and time"),
        (NamingFlags(name_pattern="(?P<camera>"), "--name-pattern is .* expected a regular expression"),
        (NamingFlags(name_pattern=r"(?P<cam>\w+)"), "expected a group such as"),
        (NamingFlags(camera="a\udcff"), r"--camera is 'a\\xff', expected UTF-8"),
        (NamingFlags(zone="Mars/Olympus"), "--zone is 'Mars/Olympus', expected one such as Europe/Zurich"),
    ],
)
def test_a_flag_that_makes_no_sense_is_named(flags: NamingFlags, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        flags.read()


def test_digits_that_are_no_date_are_named_with_their_path(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "gate_20261345.mp4", [0])
    with pytest.raises(FootageError, match=r"gate_20261345\.mp4: the group `time` of --name-pattern found '20261345'"):
        find_sources([clip], NamingFlags(name_pattern=r"_(?P<time>\d+)").read())


def test_frames_are_dated_from_the_name_before_the_metadata(tmp_path: Path) -> None:
    stated = {"creation_time": "2020-01-01T00:00:00Z"}
    named = write_clip(tmp_path / "gate_20260105_080000.mp4", [0, 500], metadata=stated)
    unnamed = write_clip(tmp_path / "other.mp4", [0], metadata=stated)
    naming = NamingFlags(name_pattern=r"(?P<camera>\w+?)_(?P<time>\d{8}_\d{6})").read()
    first, second, other = read_frames(find_sources([named, unnamed], naming))
    assert (first.camera, other.camera) == ("gate", "other")
    assert (first.captured_at, second.captured_at) == (EIGHT, EIGHT.replace(microsecond=500_000))
    assert other.captured_at == datetime(2020, 1, 1, tzinfo=UTC)


def photograph(path: Path, **tags: str) -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # lies on its side: 64 x 48 is shown as 48 x 64
    exif.get_ifd(ExifTags.IFD.Exif).update({getattr(ExifTags.Base, name): value for name, value in tags.items()})
    Image.fromarray(picture(0)).save(path, exif=exif)
    return path


def test_a_photograph_says_when_it_was_taken(tmp_path: Path) -> None:
    taken = {"DateTimeOriginal": "2026:01:05 09:00:00"}
    local = photograph(tmp_path / "a.jpg", **taken, SubsecTimeOriginal="25")
    zoned = photograph(tmp_path / "b.jpg", **taken, OffsetTimeOriginal="-05:00")
    broken = photograph(tmp_path / "c.jpg", DateTimeOriginal="    :  :     :  :  ")
    naming = NamingFlags(zone="Europe/Zurich").read()
    frames = list(read_frames(find_sources([local, zoned, broken], naming)))
    assert [frame.captured_at for frame in frames] == [EIGHT.replace(microsecond=250_000), EIGHT.replace(hour=14), None]
    assert {frame.size_px for frame in frames} == {(48, 64)}
