"""Dates and times in file names, flags and metadata."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from lookalike.footage.naming import Naming, NamingFlags
from lookalike.footage.written_dates import is_in_range, read_moment, zone_of
from lookalike.index.clock import TimeOfDay
from lookalike.index.filters import parse_before, parse_bound
from tests.fuzz.target import Target, refused

NAMINGS = [
    Naming(pattern=re.compile(pattern), zone=ZoneInfo("Europe/Berlin"))
    for pattern in (r"(?P<camera>\w*?)_?(?P<time>\d.*)", r"(?P<epoch>[\d.eE+-]+)", r"(?P<time>.*)")
]


def run(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    if (moment := read_moment(text)) is not None:
        assert is_in_range(moment)
    zone_of(text)
    for naming in NAMINGS:
        naming.camera_of(text, "gate")
        with refused(ValueError):
            captured = naming.captured_of(text.replace("\n", " "))
            assert captured is None or captured.tzinfo is UTC
    with refused(ValueError):
        assert not isinstance(parse_bound(text, UTC), datetime) or parse_before(text, UTC)
    with refused(ValueError):
        hours = TimeOfDay.parse(text, "Europe/Berlin")
        assert TimeOfDay.parse(str(hours), "Europe/Berlin") == hours
        assert hours.utc_ranges()
    with refused(ValueError):
        NamingFlags(captured_at=text, zone=text).read()


def seeds() -> list[bytes]:
    texts = [
        *("2026:01:05 08:00:00.25+01:00", "20260105T080000Z", "Mon Jan 05 08:00:00 2026", "gate_20260105_080000.mp4"),
        *("2001/ 1/27  1:42PM", "1767600000123", "22:00-06:00", "2026-01-05T08:00:00+0100", "2026-01-05 08.00.00 CET"),
        *("12.5", "2026-01-05", "20260105_0800-0900.mp4", "UTC+2", "Europe/Berlin"),
    ]
    return [text.encode() for text in texts]


TARGET = Target(run, seeds, 256)
