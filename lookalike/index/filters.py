"""Parse filters on stored frames, and turn them into conditions, which each engine translates."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import ParamSpec, Self, TypeVar

from lookalike.files.printable import is_unicode, printable
from lookalike.index.clock import ALWAYS, TimeOfDay, UtcRange, in_utc, time_zone

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class OneOf:
    """The field is one of these texts."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class NumberRange:
    """The field is within these bounds. bounds: by `gte`, `lte` or `lt`."""

    field: str
    bounds: dict[str, float]


@dataclass(frozen=True)
class DateRange:
    """The date in the field is within these bounds, in UTC. bounds: by `gte`, `lte` or `lt`."""

    field: str
    bounds: dict[str, datetime]


@dataclass(frozen=True)
class IsEmpty:
    """The field is missing."""

    field: str


@dataclass(frozen=True)
class AllOf:
    conditions: list[Condition]


@dataclass(frozen=True)
class AnyOf:
    conditions: list[Condition]


Condition = OneOf | NumberRange | DateRange | IsEmpty | AllOf | AnyOf


@dataclass(frozen=True)
class Filters:
    """Conditions that a stored frame must meet; applied inside the engine.

    cameras, sources, source_ids: any of these; empty means all. since, until: inclusive. A datetime is compared with
    the wall-clock time of the recording, a number with the seconds since its start. A frame that stands for a segment
    meets them if any moment of the segment does. time_of_day: of the wall-clock time at which the segment begins.
    whole: only whole frames, no regions.
    Raises: ValueError for a bound that is not finite, or at the ends of the calendar, and for a name that no frame can
    have, since it is not UTF-8.
    """

    cameras: tuple[str, ...] = ()
    since: datetime | float | None = None
    until: datetime | float | None = None
    sources: tuple[str, ...] = ()
    time_of_day: TimeOfDay | None = None
    whole: bool = False
    source_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Match names in either form of Unicode: cameras are stored in NFC, sources as the file system names them."""
        for name, values in (("camera", self.cameras), ("source", self.sources), ("source_id", self.source_ids)):
            _check_names(name, values)
        object.__setattr__(self, "cameras", _every_form(self.cameras))
        object.__setattr__(self, "sources", _every_form(self.sources))
        for name, bound in (("since", self.since), ("until", self.until)):
            _check_bound(name, bound)

    @classmethod
    def parse(
        cls,
        cameras: tuple[str, ...] = (),
        since: str | None = None,
        until: str | None = None,
        sources: tuple[str, ...] = (),
        time_of_day: str | None = None,
        zone: str = "UTC",
    ) -> Self:
        """Read the texts of flags and fields.

        since, until: seconds into the recording (`12.5`), or an ISO 8601 date and time. time_of_day: `22:00-06:00`.
        zone: of the time of day, and of dates that state no zone (IANA name).
        Raises: ValueError that names the field.
        """
        with_zone = _named("zone", time_zone, zone)
        first, last = (
            _named(name, parse_bound, text, with_zone) if text else None
            for name, text in (("since", since), ("until", until))
        )
        hours = _named("time_of_day", TimeOfDay.parse, time_of_day, zone) if time_of_day else None
        return cls(cameras, first, last, sources, hours)

    def conditions(self) -> list[Condition]:
        """Return the conditions on stored fields; a frame must meet all of them."""
        named = (("camera", self.cameras), ("source", self.sources), ("source_id", self.source_ids))
        conditions: list[Condition] = [OneOf(field, values) for field, values in named if values]
        bounds = (("gte", self.since, "ended_at", "end_s"), ("lte", self.until, "captured_at", "time_s"))
        for bound, value, dated, timed in bounds:
            if isinstance(value, datetime):
                conditions.append(DateRange(dated, {bound: in_utc(value)}))
            elif value is not None:
                conditions.append(NumberRange(timed, {bound: float(value)}))
        if self.whole:
            conditions.append(IsEmpty("region"))
        if self.time_of_day:
            since, until = (in_utc(date) if isinstance(date, datetime) else None for date in (self.since, self.until))
            conditions.append(AnyOf([_within(range_) for range_ in self.time_of_day.utc_ranges(since, until)]))
        return conditions


def _within(range_: UtcRange) -> Condition:
    """Return one condition on the time of day, and below it all stretches of dates.

    A condition for each of 120 stretches would take 0.2 s at 200,000 frames.
    """
    must: list[Condition] = [NumberRange("utc_day_s", {"gte": range_.from_s, "lt": range_.to_s})]
    if range_.stretches != ALWAYS:
        stretches = (dict(zip(("gte", "lt"), stretch, strict=True)) for stretch in range_.stretches)
        dated = [{bound: moment for bound, moment in stretch.items() if moment} for stretch in stretches]
        must.append(AnyOf([DateRange("captured_at", bounds) for bounds in dated]))
    return AllOf(must)


def parse_bound(text: str, zone: tzinfo) -> datetime | float:
    """Read seconds into the recording (`12.5`), or an ISO 8601 date and time. zone: of dates without one.

    Raises: ValueError for other texts.
    """
    try:
        seconds = float(text)
    except ValueError:
        return _parse_date(text, zone)
    if not math.isfinite(seconds):
        raise ValueError(f"invalid time {text!r}: expected a finite number of seconds")
    return seconds


def parse_before(text: str, zone: tzinfo) -> datetime:
    """Read `--before`, an ISO 8601 date and time. Returns: the last microsecond before it.

    Raises: ValueError for other texts.
    """
    moment = parse_bound(text, zone)
    if isinstance(moment, datetime):
        return moment - timedelta(microseconds=1)
    raise ValueError(f"invalid date {text!r}: expected one such as 2026-01-05T08:00:00Z")


def _parse_date(text: str, zone: tzinfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"invalid time {text!r}: expected seconds such as 12.5 or a date such as 2026-01-05T08:00:00Z"
        ) from None
    try:
        return in_utc(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except OverflowError as error:  # a zone can push year 1 or 9999 over the edge
        raise ValueError(str(error)) from error


def _named(name: str, parse: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call `parse`. Raises: ValueError that also names the field."""
    try:
        return parse(*arguments, **named)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _check_bound(name: str, bound: datetime | float | None) -> None:
    try:
        finite = bound is None or (bool(in_utc(bound)) if isinstance(bound, datetime) else math.isfinite(bound))
    except OverflowError as error:
        raise ValueError(f"{name}: {error}") from error
    if not finite:
        raise ValueError(f"{name} is {bound}, expected a finite number of seconds")


def _check_names(field: str, names: tuple[str, ...]) -> None:
    for name in names:
        if not is_unicode(name):
            raise ValueError(f"invalid {field} '{printable(name[:50])}': expected UTF-8")


def _every_form(names: tuple[str, ...]) -> tuple[str, ...]:
    forms = ((name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))) for name in names)
    return tuple(dict.fromkeys(itertools.chain.from_iterable(forms)))
