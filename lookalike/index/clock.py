"""Convert times to UTC, in which frames are stored, and a time of day in any zone to ranges of UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY_S = 86400.0
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)  # beyond, the nearest offset counts
_STEP = timedelta(days=7)  # no zone has changed its offset twice within a week


Stretch = tuple[datetime | None, datetime | None]  # of time: from, until before; None has no bound
ALWAYS: tuple[Stretch, ...] = ((None, None),)


@dataclass(frozen=True)
class UtcRange:
    """from_s, until before to_s: seconds of a UTC day, on dates in any of `stretches`."""

    from_s: float
    to_s: float
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True)
class TimeOfDay:
    """From `start_s` until before `end_s`, seconds by the clock of `zone` (IANA name); past midnight if start > end."""

    start_s: float
    end_s: float
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str, zone: str = "UTC") -> TimeOfDay:
        """Read `22:00-06:00`, hours and minutes. Raises: ValueError for another text, or an unknown zone."""
        match = re.fullmatch(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)", text.strip())
        hour, minute, end_hour, end_minute = (int(part) for part in match.groups()) if match else (0, 0, 0, 0)
        start_s, end_s = hour * 3600 + minute * 60, end_hour * 3600 + end_minute * 60
        if start_s in (end_s, end_s + DAY_S) or max(start_s, end_s) > DAY_S or max(minute, end_minute) > 59:
            raise ValueError(f"invalid time of day {text!r}: expected a range such as 22:00-06:00, at most to 24:00")
        time_zone(zone)
        return cls(float(start_s % DAY_S), float(end_s), zone)

    def __str__(self) -> str:
        """Write the text that `parse` reads, without the zone."""
        hours = (f"{int(second) // 3600:02}:{int(second) // 60 % 60:02}" for second in (self.start_s, self.end_s))
        return "-".join(hours)

    def utc_ranges(self, since: datetime | None = None, until: datetime | None = None) -> list[UtcRange]:
        """Return the same times of day in UTC: one or two ranges for each offset that the zone has had.

        since, until: stretches of time outside of these are left out.
        """
        length_s = (self.end_s - self.start_s) % DAY_S or DAY_S
        ranges: dict[tuple[float, float], list[Stretch]] = {}
        for stretch, offset_s in _offsets(self.zone):
            begin, end = stretch
            if (since and end and end <= since) or (until and begin and begin > until):
                continue
            from_s = (self.start_s - offset_s) % DAY_S
            to_s = from_s + length_s
            ranges.setdefault((from_s, min(to_s, DAY_S)), []).append(stretch)
            if to_s > DAY_S:
                ranges.setdefault((0.0, to_s - DAY_S), []).append(stretch)
        return [UtcRange(*range_, tuple(stretches)) for range_, stretches in ranges.items()]


@lru_cache(maxsize=16)
def _offsets(zone: str) -> list[tuple[Stretch, float]]:
    """Return the stretches of time in which a zone keeps its offset, and the offset, seconds ahead of UTC."""
    clock, stretches = ZoneInfo(zone), []
    begin, moment = None, FIRST
    while moment < LAST:
        after = moment + _STEP
        if _offset_s(moment, clock) != (next_s := _offset_s(after, clock)):
            change = _first_with(next_s, moment, after, clock)
            stretches.append(((begin, change), _offset_s(moment, clock)))
            begin = change
        moment = after
    return [*stretches, ((begin, None), _offset_s(moment, clock))]


def _first_with(offset_s: float, before: datetime, after: datetime, clock: ZoneInfo) -> datetime:
    """Return the second at which the offset changes to `offset_s`, that of `after`."""
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (before, middle) if _offset_s(middle, clock) == offset_s else (middle, after)
    return after


def _offset_s(moment: datetime, clock: ZoneInfo) -> float:
    offset = moment.astimezone(clock).utcoffset()
    return offset.total_seconds() if offset else 0.0


def time_zone(name: str) -> ZoneInfo:
    """Look up a time zone by its IANA name. Raises: ValueError if the name is unknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"invalid time zone {name!r}: expected a name such as Europe/Berlin or UTC") from None


def in_utc(moment: datetime) -> datetime:
    """Convert a time to UTC; one without a zone is taken as UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return aware.astimezone(UTC)


def utc_text(moment: datetime) -> str:
    """Format a time as RFC 3339 in UTC."""
    return in_utc(moment).isoformat().replace("+00:00", "Z")


def utc_day_s(moment: datetime) -> float:
    """Return the seconds since midnight in UTC."""
    utc = in_utc(moment)
    return (utc - utc.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
