"""Which stored frames count: read from what people write, and as conditions that each engine words in its way."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import ParamSpec, Self, TypeVar

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
    """The same of a date, in UTC."""

    field: str
    bounds: dict[str, datetime]


@dataclass(frozen=True)
class IsEmpty:
    """The field is not there."""

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
    the wall-clock time of the recording, a number with the seconds since the start of its clip; a frame that stands for
    a segment meets them if any moment of it does. time_of_day: of that wall-clock time, where a segment begins.
    whole: no regions of frames.
    Raises: ValueError for a bound that is not finite, or at the ends of the calendar.
    """

    cameras: tuple[str, ...] = ()
    since: datetime | float | None = None
    until: datetime | float | None = None
    sources: tuple[str, ...] = ()
    time_of_day: TimeOfDay | None = None
    whole: bool = False
    source_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """A name is the same in either form of Unicode: a camera's is stored in NFC, a file's as it was found."""
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
        """Read what people write.

        since, until: seconds into the clip (`12.5`), or an ISO 8601 date and time. time_of_day: `22:00-06:00`. zone:
        whose clock that is of, and dates that state no zone (IANA name).
        Raises: ValueError that names what is wrong.
        """
        with_zone = _named("zone", time_zone, zone)
        first, last = (
            _named(name, parse_bound, text, with_zone) if text else None
            for name, text in (("since", since), ("until", until))
        )
        hours = _named("time_of_day", TimeOfDay.parse, time_of_day, zone) if time_of_day else None
        return cls(cameras, first, last, sources, hours)

    def conditions(self) -> list[Condition]:
        """What must be so of the fields that are stored with a frame; all of it."""
        named = (("camera", self.cameras), ("source", self.sources), ("source_id", self.source_ids))
        found: list[Condition] = [OneOf(field, values) for field, values in named if values]
        bounds = (("gte", self.since, "ended_at", "end_s"), ("lte", self.until, "captured_at", "time_s"))
        for bound, value, dated, timed in bounds:
            if isinstance(value, datetime):
                found.append(DateRange(dated, {bound: in_utc(value)}))
            elif value is not None:
                found.append(NumberRange(timed, {bound: float(value)}))
        if self.whole:
            found.append(IsEmpty("region"))
        if self.time_of_day:
            since, until = (in_utc(one) if isinstance(one, datetime) else None for one in (self.since, self.until))
            found.append(AnyOf([_within(one) for one in self.time_of_day.utc_ranges(since, until)]))
        return found


def _within(range_: UtcRange) -> Condition:
    """The stretches together below the time of day: 0.2 s for 120 of them, each with its own, at 200,000 frames."""
    must: list[Condition] = [NumberRange("utc_day_s", {"gte": range_.from_s, "lt": range_.to_s})]
    if range_.stretches != ALWAYS:
        stretches = (dict(zip(("gte", "lt"), stretch, strict=True)) for stretch in range_.stretches)
        dated = [{bound: moment for bound, moment in one.items() if moment} for one in stretches]
        must.append(AnyOf([DateRange("captured_at", bounds) for bounds in dated]))
    return AllOf(must)


def parse_bound(text: str, zone: tzinfo) -> datetime | float:
    """Read seconds into the clip (`12.5`), or an ISO 8601 date and time. zone: of dates that state none.

    Raises: ValueError if it is neither.
    """
    try:
        seconds = float(text)
    except ValueError:
        return _parse_date(text, zone)
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r} is no time; expected a finite number of seconds")
    return seconds


def parse_before(text: str, zone: tzinfo) -> datetime:
    """Read `--before`: the last moment, to the microsecond as stored, before an ISO 8601 date and time.

    Raises: ValueError if it is none.
    """
    moment = parse_bound(text, zone)
    if isinstance(moment, datetime):
        return moment - timedelta(microseconds=1)
    raise ValueError(f"{text!r} is no date; expected one such as 2026-01-05T08:00:00Z")


def _parse_date(text: str, zone: tzinfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; expected seconds such as 12.5 or a date such as 2026-01-05T08:00:00Z"
        ) from None
    try:
        return in_utc(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except OverflowError as error:  # a zone can push year 1 or 9999 over the edge
        raise ValueError(str(error)) from error


def _named(name: str, parse: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What `parse` gives. Raises: ValueError that names the field, too."""
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


def _every_form(names: tuple[str, ...]) -> tuple[str, ...]:
    forms = ((name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))) for name in names)
    return tuple(dict.fromkeys(itertools.chain.from_iterable(forms)))
