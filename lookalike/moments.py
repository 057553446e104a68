"""Dates and times as files write them, in names and in metadata."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

# 2026-01-05T08:00:00.25+01:00 and its kin: Exif has colons between all parts, AVI a slash, QuickTime a zone like +0100.
# Cameras fill up with spaces and write halves of a day: 2001/ 1/27  1:42PM.
# Source: exiftool, lib/Image/ExifTool/RIFF.pm, ConvertRIFFDate.
_WRITTEN = re.compile(
    r"(?P<utc>UTC\s+)?(\d{4})[-:/.]\s?(\d{1,2})[-:/.]\s?(\d{1,2})[/T\s]+(\d{1,2})[-:.]\s?(\d{1,2})"
    r"(?:[-:.]\s?(\d{1,2})(?:[.,](\d+))?)?\s*(?P<half>[AP]\.?M\.?)?\s*(?P<zone>\S*)",
    re.ASCII | re.IGNORECASE,
)
_COMPACT = re.compile(
    r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(?:(\d{2})(?:[.,](\d+))?)?(?P<zone>\S*)", re.ASCII
)  # ISO 8601
_CTIME = "%a %b %d %H:%M:%S %Y"  # AVI: Mon Jan 05 08:00:00 2026
_OFFSET = re.compile(
    r"(?:([+-])(\d{2})[:.]?(\d{2})?|(?:UTC|GMT)\s?([+-])(\d{1,2})(?:[:.]?(\d{2}))?)", re.ASCII | re.IGNORECASE
)
WIDEST_H = 14  # Kiribati; west of Greenwich it is 12
# Days that clocks count from: QuickTime's, Unix's, Windows'. A recording dated so was made by a clock that was not set.
NEVER = {date(1601, 1, 1), date(1904, 1, 1), date(1970, 1, 1)}
FIRST_YEAR, LAST_YEAR = 1900, 2199  # of anything that was photographed, and that an index takes
MATROSKA_ZERO = datetime(2001, 1, 1)


def read_moment(text: str) -> datetime | None:
    """The moment that metadata states, with its zone if it states one; None if it is no date and time, or not set."""
    text = text.strip("\0 \t\r\n")
    found = _WRITTEN.fullmatch(text) or _COMPACT.fullmatch(text)
    try:
        moment = _assembled(found) if found else datetime.strptime(text, _CTIME)
        return moment if is_set(moment) else None
    except (ValueError, OverflowError):
        return None


def is_set(moment: datetime) -> bool:
    """Whether a date is more than the zero of some clock."""
    if not is_in_range(moment) or is_zero_day(moment):
        return False
    plain = moment.replace(tzinfo=None)
    return MATROSKA_ZERO not in (plain, plain - (moment.utcoffset() or timedelta()))


def is_in_range(moment: datetime) -> bool:
    """Whether anything can have been photographed then."""
    return FIRST_YEAR <= moment.year <= LAST_YEAR


def is_zero_day(moment: datetime) -> bool:
    """Whether it is on a day that clocks count from, in its own zone or in UTC. moment: of a year in range."""
    plain = moment.replace(tzinfo=None)
    return bool({plain.date(), (plain - (moment.utcoffset() or timedelta())).date()} & NEVER)


def of_half_day(moment: datetime, half: str) -> datetime:
    """The time by a clock of 24 hours. half: begins with a or p, of am and pm; an hour from 13 on stays."""
    if not 1 <= moment.hour <= 12:
        return moment
    return moment.replace(hour=moment.hour % 12 + (12 if half[0] in "pP" else 0))


def zone_of(text: str) -> tzinfo | None:
    """The zone that `Z`, `UTC`, `+01:00`, `-0530`, `+01` or `UTC+1` is; None if it is none of these."""
    text = text.strip("\0 ")
    if text.upper() in ("Z", "UTC", "GMT"):
        return UTC
    found = _OFFSET.fullmatch(text)
    if not found:
        return None
    sign, hours, minutes = found[1] or found[4], int(found[2] or found[5]), int(found[3] or found[6] or 0)
    if hours > WIDEST_H or minutes > 59:
        return None
    return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1))


def _assembled(found: re.Match[str]) -> datetime:
    """Raises: ValueError if that is no moment."""
    groups = found.groupdict()
    zone, half = groups["zone"] or ("UTC" if groups.get("utc") else ""), groups.get("half")
    if zone and zone_of(zone) is None:
        raise ValueError(f"unknown zone: {zone}")
    first = 2 if "utc" in groups else 1
    year, month, day, hour, minute, second, fraction = found.groups()[first - 1 : first + 6]
    parts = (int(part) for part in (year, month, day, hour, minute, second or "0"))
    microseconds = int((fraction or "0")[:6].ljust(6, "0"))
    moment = datetime(*parts, microsecond=microseconds, tzinfo=zone_of(zone))  # type: ignore[misc]
    return of_half_day(moment, half) if half else moment
