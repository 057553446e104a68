"""Dates and times as files write them, in names and in metadata."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

# 2026-01-05T08:00:00.25+01:00 and its kin: Exif has colons between all parts, AVI a slash, QuickTime a zone like +0100.
_WRITTEN = re.compile(
    r"(?:UTC\s+)?(\d{4})[-:/.](\d{1,2})[-:/.](\d{1,2})[/T\s]+(\d{1,2})[-:.](\d{2})(?:[-:.](\d{2})(?:[.,](\d+))?)?\s*(\S*)"
)
_CTIME = "%a %b %d %H:%M:%S %Y"  # AVI: Mon Jan 05 08:00:00 2026
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})?")
WIDEST_H = 14  # Kiribati; west of Greenwich it is 12
# Days that clocks count from: QuickTime's, Unix's, Windows'. A recording dated so was made by a clock that was not set.
NEVER = {date(1601, 1, 1), date(1904, 1, 1), date(1970, 1, 1)}
FIRST_YEAR, LAST_YEAR = 1900, 9998  # of anything that was photographed, and that is still a date in every zone
MATROSKA_ZERO = datetime(2001, 1, 1)


def read_moment(text: str) -> datetime | None:
    """The moment that metadata states, with its zone if it states one; None if it is no date and time, or not set."""
    text = text.strip("\0 \t\r\n")
    found = _WRITTEN.fullmatch(text)
    try:
        moment = _assembled(*found.groups()) if found else datetime.strptime(text, _CTIME)
        return moment if is_set(moment) else None
    except (ValueError, OverflowError):
        return None


def is_set(moment: datetime) -> bool:
    """Whether a date is more than the zero of some clock."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return False
    plain = moment.replace(tzinfo=None)
    in_utc = plain - (moment.utcoffset() or timedelta())
    return not {plain.date(), in_utc.date()} & NEVER and MATROSKA_ZERO not in (plain, in_utc)


def zone_of(text: str) -> tzinfo | None:
    """The zone that `Z`, `UTC`, `+01:00`, `-0530` or `+01` is; None if it is none of these."""
    text = text.strip("\0 ")
    if text.upper() in ("Z", "UTC", "GMT"):
        return UTC
    found = _OFFSET.fullmatch(text)
    if not found:
        return None
    sign, hours, minutes = found[1], int(found[2]), int(found[3] or 0)
    if hours > WIDEST_H or minutes > 59:
        return None
    return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1))


def _assembled(
    year: str, month: str, day: str, hour: str, minute: str, second: str | None, fraction: str | None, zone: str
) -> datetime:
    """Raises: ValueError if that is no moment."""
    if zone and zone_of(zone) is None:
        raise ValueError(f"no zone: {zone}")
    microseconds = int((fraction or "0")[:6].ljust(6, "0"))
    parts = (int(part) for part in (year, month, day, hour, minute, second or "0"))
    return datetime(*parts, microsecond=microseconds, tzinfo=zone_of(zone))  # type: ignore[misc]
