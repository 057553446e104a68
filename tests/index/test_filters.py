"""Which frames count: what people write, and the conditions that it becomes."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lookalike.index import Filters, TimeOfDay
from lookalike.index.filters import AllOf, AnyOf, DateRange, IsEmpty, NumberRange, OneOf, parse_before, parse_bound

BERLIN = ZoneInfo("Europe/Berlin")
EIGHT = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.5", 12.5),
        ("0", 0.0),
        ("-3", -3.0),
        ("1e3", 1000.0),
        ("2026-01-05", datetime(2026, 1, 4, 23, tzinfo=UTC)),  # of Berlin's clock, an hour ahead
        ("2026-07-05T08:00:00", datetime(2026, 7, 5, 6, tzinfo=UTC)),  # and two in summer
        ("2026-01-05 09:00", EIGHT),
        ("2026-01-05T08:00:00Z", EIGHT),
        ("2026-01-05T09:00:00.25+01:00", EIGHT.replace(microsecond=250_000)),
    ],
)
def test_a_bound_is_seconds_or_a_date(text, expected):
    assert parse_bound(text, BERLIN) == expected
    assert type(parse_bound(text, BERLIN)) is type(expected)


@pytest.mark.parametrize("text", ["", "yesterday", "12:30", "5 s", "2026-13-05", "2026-01-05T25:00:00"])
def test_an_invalid_time_names_the_forms_that_are_expected(text):
    with pytest.raises(ValueError, match=f"^invalid time {text!r}: expected seconds such as 12.5 or a date"):
        parse_bound(text, UTC)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_seconds_must_be_finite(text):
    with pytest.raises(ValueError, match="expected a finite number of seconds"):
        parse_bound(text, UTC)


def test_before_a_date_is_its_last_microsecond():
    assert parse_before("2026-01-05T08:00", UTC) == datetime(2026, 1, 5, 7, 59, 59, 999_999, tzinfo=UTC)
    with pytest.raises(ValueError, match=r"invalid date '12.5': expected one such as 2026-01-05T08:00:00Z"):
        parse_before("12.5", UTC)


def test_texts_are_read_on_the_clock_of_their_zone():
    filters = Filters.parse(
        ("gate",), "2026-01-05T09:00", "2026-01-05T09:00Z", ("a.mp4",), "22:00-06:00", "Europe/Berlin"
    )
    hours = TimeOfDay(22 * 3600, 6 * 3600, "Europe/Berlin")
    assert filters == Filters(("gate",), EIGHT, EIGHT.replace(hour=9), ("a.mp4",), hours)
    assert Filters.parse() == Filters()


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"since": "noon"}, "^since: invalid time 'noon': expected seconds"),
        ({"until": "0001-01-01T00:00+10:00"}, "^until: date value out of range"),
        ({"until": "0001-01-01", "zone": "Asia/Tokyo"}, "^until: date value out of range"),
        ({"time_of_day": "night"}, "^time_of_day: invalid time of day 'night'"),
        ({"cameras": ("a\udcff",)}, r"^invalid camera 'a\\xff': expected UTF-8"),
        ({"sources": ("a\udcff",)}, r"^invalid source 'a\\xff': expected UTF-8"),
        ({"zone": "Here"}, "^zone: invalid time zone 'Here': expected a name such as Europe/Berlin or UTC"),
    ],
)
def test_an_invalid_filter_names_its_field(written, reason):
    with pytest.raises(ValueError, match=reason):
        Filters.parse(**written)


def test_bounds_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"^since is nan, expected a finite number of seconds"):
        Filters(since=math.nan)
    with pytest.raises(ValueError, match=r"^until: "):
        Filters(until=datetime(9999, 12, 31, 23, tzinfo=ZoneInfo("America/Los_Angeles")))


def test_conditions_name_the_stored_fields():
    assert Filters().conditions() == []
    filters = Filters(
        ("gate",), 5, EIGHT, time_of_day=TimeOfDay.parse("22:00-23:00"), whole=True, source_ids=("a", "b")
    )
    assert filters.conditions() == [
        OneOf("camera", ("gate",)),
        OneOf("source_id", ("a", "b")),
        NumberRange("end_s", {"gte": 5.0}),
        DateRange("captured_at", {"lte": EIGHT}),
        IsEmpty("region"),
        AnyOf([AllOf([NumberRange("utc_day_s", {"gte": 22 * 3600.0, "lt": 23 * 3600.0})])]),
    ]
    naive = Filters(since=datetime(2026, 1, 5, 8))  # UTC, as stored
    assert naive.conditions() == [DateRange("ended_at", {"gte": EIGHT})]


def test_a_zone_that_changes_its_clock_has_conditions_for_each_stretch():
    """Eight in Berlin is seven in UTC before 29 March 2026, 1:00 UTC, and six after it."""
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    filters = Filters(
        since=EIGHT, until=datetime(2026, 5, 1, tzinfo=UTC), time_of_day=TimeOfDay(28800, 32400, "Europe/Berlin")
    )
    (either,) = [one for one in filters.conditions() if isinstance(one, AnyOf)]
    winter, summer = either.conditions
    assert isinstance(winter, AllOf)
    assert isinstance(summer, AllOf)
    assert winter.conditions[0] == NumberRange("utc_day_s", {"gte": 7 * 3600.0, "lt": 8 * 3600.0})
    assert summer.conditions[0] == NumberRange("utc_day_s", {"gte": 6 * 3600.0, "lt": 7 * 3600.0})
    assert winter.conditions[1] == AnyOf(
        [DateRange("captured_at", {"gte": datetime(2025, 10, 26, 1, tzinfo=UTC), "lt": change})]
    )
    assert summer.conditions[1] == AnyOf(
        [DateRange("captured_at", {"gte": change, "lt": datetime(2026, 10, 25, 1, tzinfo=UTC)})]
    )
