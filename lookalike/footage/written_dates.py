"""Read dates and times as files write them, in names and in metadata."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

# 2026-01-05T08:00:00.25+01:00 and variants: Exif has colons between all parts, AVI a slash, QuickTime +0100.
# Some cameras pad with spaces and write halves of a day: 2001/ 1/27  1:42PM.
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
# Days that the clocks of Windows, QuickTime and Unix count from: a recording with this date is from an unset clock.
NEVER = {date(1601, 1, 1), date(1904, 1, 1), date(1970, 1, 1)}
FIRST_YEAR, LAST_YEAR = 1900, 2199  # of recordings, and of dates that an index stores
MATROSKA_ZERO = datetime(2001, 1, 1)


def read_moment(text: str) -> datetime | None:
    """Read a date and time, with its zone if it states one; None for other texts, and for a clock that was not set."""
    text = text.strip("\0 \t\r\n")
    match = _WRITTEN.fullmatch(text) or _COMPACT.fullmatch(text)
    try:
        moment = _assembled(match) if match else datetime.strptime(text, _CTIME)
        return moment if is_set(moment) else None
    except (ValueError, OverflowError):
        return None


def is_set(moment: datetime) -> bool:
    """Whether a date is from a clock that was set."""
    if not is_in_range(moment) or is_zero_day(moment):
        return False
    plain = moment.replace(tzinfo=None)
    return MATROSKA_ZERO not in (plain, plain - (moment.utcoffset() or timedelta()))


def is_in_range(moment: datetime) -> bool:
    """Whether a recording can be from that year."""
    return FIRST_YEAR <= moment.year <= LAST_YEAR


def is_zero_day(moment: datetime) -> bool:
    """Whether a date is on a day that clocks count from, in its own zone or in UTC. moment: of a year in range."""
    plain = moment.replace(tzinfo=None)
    return bool({plain.date(), (plain - (moment.utcoffset() or timedelta())).date()} & NEVER)


def of_half_day(moment: datetime, half: str) -> datetime:
    """Convert a time to a clock of 24 hours. half: begins with a or p, for am and pm; hours from 13 on are kept."""
    if not 1 <= moment.hour <= 12:
        return moment
    return moment.replace(hour=moment.hour % 12 + (12 if half[0] in "pP" else 0))


def zone_of(text: str) -> tzinfo | None:
    """Read a zone: `Z`, `UTC`, `+01:00`, `-0530`, `+01` or `UTC+1`; None for other texts."""
    text = text.strip("\0 ")
    if text.upper() in ("Z", "UTC", "GMT"):
        return UTC
    match = _OFFSET.fullmatch(text)
    if not match:
        return None
    sign, hours, minutes = match[1] or match[4], int(match[2] or match[5]), int(match[3] or match[6] or 0)
    if hours > WIDEST_H or minutes > 59:
        return None
    return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1))


def _assembled(match: re.Match[str]) -> datetime:
    """Make a time from its parts. Raises: ValueError for an invalid one."""
    groups = match.groupdict()
    zone, half = groups["zone"] or ("UTC" if groups.get("utc") else ""), groups.get("half")
    if zone and zone_of(zone) is None:
        raise ValueError(f"unknown zone: {zone}")
    first = 2 if "utc" in groups else 1
    year, month, day, hour, minute, second, fraction = match.groups()[first - 1 : first + 6]
    parts = (int(part) for part in (year, month, day, hour, minute, second or "0"))
    microseconds = int((fraction or "0")[:6].ljust(6, "0"))
    moment = datetime(*parts, microsecond=microseconds, tzinfo=zone_of(zone))  # type: ignore[misc]
    return of_half_day(moment, half) if half else moment
