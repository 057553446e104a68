"""When a recording was taken: by its name, by what its container says, by frame headers, by EXIF."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from lookalike.errors import FootageError
from lookalike.footage import Frame, find_sources, read_source
from lookalike.footage.dates import _unpacked
from lookalike.footage.naming import NamingFlags
from lookalike.footage.sources import LeftOut
from lookalike.footage.written_dates import read_moment
from tests.clips import picture, write_clip
from tests.conftest import SHARED_DATA

CASES = SHARED_DATA / "cases"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="COLLECTION OF CASES ABSENT: made inputs only were tried")
EIGHT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
SEVEN = EIGHT - timedelta(hours=1)
MS = timedelta(milliseconds=250)


def began_at(path: Path, flags: NamingFlags | None = None) -> datetime | None:
    """What the first frame of a source says."""
    (source,) = find_sources([path], (flags or NamingFlags()).read())
    first = next(iter(read_source(source)))
    assert isinstance(first, Frame)
    return first.captured_at


@needs_cases
@pytest.mark.parametrize(
    ("name", "zone", "expected"),
    [
        ("video/apple_date.mov", "Asia/Tokyo", SEVEN),
        ("video/x.dav", "UTC", EIGHT),
        ("video/x.dav", "Europe/Zurich", SEVEN),
        ("picture/t_only_datetime.jpg", "UTC", EIGHT),
        ("picture/t_only_digitized.jpg", "Europe/Zurich", SEVEN),
    ],
)
def test_each_case_has_its_date(name: str, zone: str, expected: datetime) -> None:
    assert began_at(CASES / name, NamingFlags(zone=zone)) == expected


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("20260105T200000+0100", "time", EIGHT.replace(hour=19)),
        ("20260105T200000+01:00", "time", EIGHT.replace(hour=19)),
        ("20260105T200000+01", "time", EIGHT.replace(hour=19)),
        ("20260105T200000Z", "time", EIGHT.replace(hour=20)),
        ("20260105T200000.250Z", "time", EIGHT.replace(hour=20) + MS),
        ("2026-01-05_20-00-00_UTC", "time", EIGHT.replace(hour=20)),
        ("20260105T030000-0530", "time", EIGHT.replace(minute=30)),
        ("20260105T030000-05", "time", EIGHT),
        ("2026-01-05T03-00-00-0500", "time", EIGHT),
        ("20260105T0300-0500", "time", EIGHT),
        ("20260105T0900+0100", "time", EIGHT),
        # Without a zone, of --zone, Tokyo (+9): dashes that stand between the parts of a time are no signs.
        ("20260105-1700", "time", EIGHT),
        ("2026-01-05_17-00-00", "time", EIGHT),
        ("2026-01-05 5.00.00 PM", "time", None),  # seven digits of a date, one of an hour: no form that is known
        ("2026-01-05 05.00.00 PM", "time", EIGHT),
        ("20260106 120000 am", "time", EIGHT.replace(hour=15)),  # midnight of the 6th
        ("20260105170000250", "time", EIGHT + MS),
        ("1767600000", "epoch", EIGHT),
        ("1767600000.25", "epoch", EIGHT + MS),
        ("1767600000250", "epoch", EIGHT + MS),
        ("1767600000250000", "epoch", EIGHT + MS),
        ("1767600000250000000", "epoch", EIGHT + MS),
        ("20260105T080000_UTC", "time", EIGHT),
        ("20260105_090000_UTC+1", "time", EIGHT),
        ("20260105_023000 GMT-05:30", "time", EIGHT),
        ("2026-01-05T09.00.00+01.00", "time", EIGHT),  # colons are not allowed on Windows
        ("2026-01-05T03:00:00-05", "time", EIGHT),
        ("20260105T030000.250-05", "time", EIGHT + MS),
        ("20260105T030000\N{MINUS SIGN}0500", "time", EIGHT),
        ("20260105_170000(1)", "time", EIGHT),  # the second copy
        ("20260105_170000_gate", "time", EIGHT),
        ("20260105_080000 CET", "time", None),  # which zone that is, nobody says
        ("20260105T080000+1500", "time", None),  # there is no such zone
        ("20260105080000-20260105081000", "time", None),  # two dates
        ("17676000000", "epoch", None),  # the year 2530
        ("25291231T080000", "time", None),
        ("17676000002500000001234", "epoch", None),
        ("42", "epoch", None),
        ("00000000_000000", "time", None),
        ("00010101000000+1400", "time", None),  # before the first day of the calendar in UTC
        ("99991231235959-1200", "time", None),
    ],
)
def test_a_name_says_when(name: str, pattern: str, expected: datetime | None) -> None:
    naming = NamingFlags(name_pattern=rf"/(?P<{pattern}>.+)\.mp4", zone="Asia/Tokyo").read()
    if expected is None:
        with pytest.raises(ValueError, match=f"the group `{pattern}` of --name-pattern found"):
            naming.captured_of(f"/{name}.mp4")
    else:
        assert naming.captured_of(f"/{name}.mp4") == expected


def test_a_name_of_a_clock_that_was_not_set_says_nothing(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "19700101_000132.mp4", [0], metadata={"creation_time": "2026-01-05T08:00:00Z"})
    assert began_at(path, NamingFlags(name_pattern=r"(?P<time>\d{8}_\d{6})", zone="Asia/Tokyo")) == EIGHT


def test_a_flag_of_a_year_that_no_index_takes_is_named() -> None:
    with pytest.raises(ValueError, match="--captured-at is '2530-01-01', expected a year from 1900 to 2199"):
        NamingFlags(captured_at="2530-01-01").read()


def test_a_span_of_hours_is_no_zone() -> None:
    """0800-0900 without a T: from eight to nine, not eight o'clock nine hours west of Greenwich."""
    naming = NamingFlags(name_pattern=r"(?P<time>[\d_-]+)").read()
    with pytest.raises(ValueError, match="expected YYYYMMDD"):
        naming.captured_of("20260105_0800-0900")


@pytest.mark.parametrize(
    ("bad", "pattern"),
    [
        ("gate_00000000_000000.mp4", r"_(?P<time>\d{8}_\d{6})"),
        ("gate_17676000002500000001234.mp4", r"_(?P<time>\d{8}_\d{6})|_(?P<epoch>\d{19,})"),
    ],
)
def test_a_name_that_does_not_parse_skips_that_file(tmp_path: Path, bad: str, pattern: str) -> None:
    good = write_clip(tmp_path / "gate_20260105_080000.mp4", [0])
    write_clip(tmp_path / bad, [0])
    left_out: list[LeftOut] = []
    naming = NamingFlags(name_pattern=pattern).read()
    assert [one.path for one in find_sources([tmp_path], naming, left_out.append)] == [str(good)]
    assert [(one.path, one.group) for one in left_out] == [(str(tmp_path / bad), "skipped")]
    with pytest.raises(FootageError, match=rf"{bad}: the group"):
        find_sources([tmp_path / bad], naming)


@pytest.mark.parametrize(
    ("name", "metadata", "expected"),
    [
        ("a.mp4", {"creation_time": "2026-01-05T08:00:00Z"}, EIGHT),
        ("a.mp4", {"creation_time": "1970-01-01T00:00:00Z"}, None),
        ("a.mkv", {"creation_time": "1904-01-01T00:00:00Z"}, None),
        ("a.mkv", {"creation_time": "2001-01-01T00:00:00Z"}, None),  # what Matroska counts from
        ("a.mkv", {"DATE_RECORDED": "2026-01-05 17:00:00", "creation_time": "2026-03-01T00:00:00Z"}, EIGHT),
        ("a.mkv", {"DATE_DIGITIZED": "2026-01-05T08:00:00Z", "creation_time": "2026-03-01T00:00:00Z"}, EIGHT),
        ("a.mkv", {"DATE_RECORDED": "2026", "creation_time": "2026-01-05T08:00:00Z"}, EIGHT),
        ("a.mkv", {"DATE_RECORDED": "sometime"}, None),
        ("a.mov", {"date": "2026-01-05T09:00:00+0100"}, EIGHT),
        ("a.mov", {"date": "2026-01-05"}, None),  # a day is no moment
        ("a.avi", {"date": "2026-01-05 17:00:00"}, EIGHT),
    ],
)
def test_a_container_says_when(tmp_path: Path, name: str, metadata: dict[str, str], expected: datetime | None) -> None:
    clip = write_clip(tmp_path / name, [0, 40], metadata=metadata)
    assert began_at(clip, NamingFlags(zone="Asia/Tokyo")) == expected


@pytest.mark.parametrize("key", ["com.apple.quicktime.creationdate", "COM.APPLE.QUICKTIME.CREATIONDATE"])
def test_the_date_of_the_recording_comes_before_that_of_an_export(tmp_path: Path, key: str) -> None:
    stated = {key: "2026-01-05T09:00:00+0100", "creation_time": "2026-03-01T20:00:00Z"}
    name = "a.mov" if key.islower() else "a.mkv"
    clip = write_clip(
        tmp_path / name, [0], metadata=stated, options={"movflags": "use_metadata_tags"} if key.islower() else None
    )
    assert began_at(clip) == EIGHT


@pytest.mark.parametrize(
    "written",
    [
        b"Mon Jan 05 17:00:00 2026\n\0",
        b"2026/01/05/ 17:00\0",
        b"2026/ 1/ 5  5:00PM\0",
        b"2026-01-05 17:00:00\0",
        b"2026:01:05 17:00:00",
    ],
)
def test_an_avi_says_when_it_was_digitised(tmp_path: Path, written: bytes) -> None:
    data = write_clip(tmp_path / "a.avi", [0, 40], codec="mpeg4").read_bytes()
    written += b"\0" * (len(written) % 2)
    end = data.index(b"LIST", 12) + 8 + struct.unpack("<I", data[16:20])[0]  # of the first list, hdrl
    chunk = b"IDIT" + struct.pack("<I", len(written)) + written
    (tmp_path / "b.avi").write_bytes(data[:end] + chunk + data[end:])
    assert began_at(tmp_path / "b.avi", NamingFlags(zone="Asia/Tokyo")) == EIGHT


def dhav(kind: int, moment: datetime | None, payload: bytes) -> bytes:
    """A frame of a recorder. Source: FFmpeg, dhav.c."""
    packed = 0
    if moment:
        for value, bits in ((moment.year - 2000, 6), (moment.month, 4), (moment.day, 5)):
            packed = packed << bits | value
        for value, bits in ((moment.hour, 5), (moment.minute, 6), (moment.second, 6)):
            packed = packed << bits | value
    extra = b"\x82\0\0\0" + struct.pack("<HH", 64, 48) + b"\x81\0\x02\x19"  # size; H.264 and 25 a second
    length = 24 + len(extra) + len(payload) + 8
    head = b"DHAV" + bytes([kind, 0, 0, 0]) + struct.pack("<IIIHBB", 0, length, packed, 0, len(extra), 0)
    return head + extra + payload + b"dhav" + struct.pack("<I", length)


@pytest.mark.parametrize("before", [b"", dhav(0xF0, EIGHT.replace(year=2020), b"\0" * 64)], ids=["video", "sound"])
def test_a_dav_is_dated_by_its_first_picture(tmp_path: Path, before: bytes) -> None:
    stream = write_clip(tmp_path / "a.h264", [0], codec_options={"bf": "0"}).read_bytes()
    local = EIGHT.replace(tzinfo=None)
    parts = [dhav(0xFD, local + timedelta(seconds=second), stream) for second in range(4)]
    (tmp_path / "b.dav").write_bytes(before + b"".join(parts))
    assert began_at(tmp_path / "b.dav", NamingFlags(zone="Europe/Zurich")) == SEVEN


def test_a_dav_whose_date_is_none_has_none() -> None:
    assert _unpacked(0) is None
    assert _unpacked(63 << 26 | 12 << 22 | 31 << 17) == datetime(2063, 12, 31)


def photograph(path: Path, changed: dict[int, str], taken: dict[int, str]) -> Path:
    exif = Image.Exif()
    exif.update(changed | {0x0112: 1})  # without any tag of the picture itself Pillow does not write the others
    exif.get_ifd(0x8769).update(taken)
    if path.suffix == ".tif":  # of an Exif there, Pillow writes only what is the picture's own
        Image.fromarray(picture(0)).save(path, tiffinfo=changed | {0x8769: taken})
    else:
        Image.fromarray(picture(0)).save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize(
    ("changed", "taken", "expected"),
    [
        ({}, {0x9003: "2026:01:05 17:00:00"}, EIGHT),
        ({}, {0x9003: "2026-01-05 17:00:00"}, EIGHT),
        ({}, {0x9003: "2026/01/05 17:00:00"}, EIGHT),
        ({}, {0x9003: "2026-01-05T08:00:00.25Z"}, EIGHT + MS),
        ({}, {0x9003: "2026:01:05 03:00:00", 0x9291: "25", 0x9011: "-05:00"}, EIGHT + MS),
        ({}, {0x9004: "2026:01:05 09:00:00", 0x9292: "250", 0x9012: "+01:00", 0x9011: "+05:00"}, EIGHT + MS),
        ({0x0132: "2026:01:05 09:00:00"}, {0x9010: "+01:00", 0x9290: "25"}, EIGHT + MS),
        ({0x0132: "2026:03:01 20:00:00"}, {0x9003: "2026:01:05 17:00:00"}, EIGHT),
        ({0x0132: "2026:01:05 17:00:00"}, {0x9003: "0000:00:00 00:00:00"}, EIGHT),
        ({}, {0x9003: "2026:01:05 17:00:00", 0x9011: "   :  "}, EIGHT),
        ({}, {0x9003: "2026:01:05"}, None),
        ({}, {0x9003: "0001:01:01 00:00:00"}, None),
        ({}, {0x9003: "1970:01:01 00:00:00"}, None),
    ],
)
def test_a_photograph_says_when(
    tmp_path: Path, suffix: str, changed: dict[int, str], taken: dict[int, str], expected: datetime | None
) -> None:
    path = photograph(tmp_path / f"a.{suffix}", changed, taken)
    assert began_at(path, NamingFlags(zone="Asia/Tokyo")) == expected


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        ("2026:01:05", (8.0, 0.0, 0.25), EIGHT + MS),
        ("2026-01-05", (8.0, 0.0, 0.0), EIGHT),
        ("2026:01:05", (25.0, 0.0, 0.0), None),
        ("", (8.0, 0.0, 0.0), None),
        ("2026:01:05", (8.0,), None),
    ],
)
def test_a_photograph_that_has_only_the_time_of_satellites(
    tmp_path: Path, day: str, time: tuple[float, ...], expected: datetime | None
) -> None:
    exif = Image.Exif()
    exif.update({0x0112: 1})
    exif.get_ifd(0x8825).update({0x001D: day, 0x0007: time})
    Image.fromarray(picture(0)).save(tmp_path / "a.jpg", exif=exif)
    assert began_at(tmp_path / "a.jpg", NamingFlags(zone="Asia/Tokyo")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026: 1: 5  8: 0: 0", datetime(2026, 1, 5, 8)),
        ("2026/ 1/ 5  8:00AM", datetime(2026, 1, 5, 8)),
        ("2026-01-05 12:00:00 AM", datetime(2026, 1, 5)),
        ("20260105T080000Z", EIGHT),
        ("20260105T090000.5+0100", EIGHT + 2 * MS),
        ("2530-01-05T08:00:00Z", None),
        ("2026-01-05 08:00:00 CET", None),
        ("2026-01-05T08:00:00.1234567Z", EIGHT + timedelta(microseconds=123456)),
        ("2026-01-05T09:00:00+0100", EIGHT),
        ("UTC 2026-01-05 08:00:00", EIGHT),
        ("1969-12-31T19:00:00-0500", None),  # the zero of Unix, in New York
        ("2026-13-05T08:00:00Z", None),
        ("2026-01-05T08:00:00+99:00", None),
        ("", None),
    ],
)
def test_moments_as_metadata_writes_them(text: str, expected: datetime | None) -> None:
    assert read_moment(text) == expected
