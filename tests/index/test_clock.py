"""Times of day on the clocks of zones, as ranges of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lookalike.index.clock import ALWAYS, TimeOfDay, UtcRange

HOUR_S = 3600.0
SUMMER_2026, WINTER_2026 = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)  # in the EU


@pytest.mark.parametrize(
    ("text", "start_h", "end_h"), [("22:00-06:00", 22, 6), ("8:30-9:15", 8.5, 9.25), (" 00:00-24:00", 0, 24)]
)
def test_a_time_of_day_is_read(text, start_h, end_h):
    assert TimeOfDay.parse(text, "Europe/Berlin") == TimeOfDay(start_h * HOUR_S, end_h * HOUR_S, "Europe/Berlin")


@pytest.mark.parametrize("text", ["", "22:00", "22-6", "08:00-08:00", "25:00-06:00", "08:60-09:00", "22:00-24:01", "x"])
def test_an_invalid_time_of_day_names_the_form_that_is_expected(text):
    with pytest.raises(ValueError, match=r"^invalid time of day .*: expected a range such as 22:00-06:00"):
        TimeOfDay.parse(text)


@pytest.mark.parametrize("zone", ["Berlin", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(ValueError, match=r"^invalid time zone .*: expected a name such as Europe/Berlin or UTC"):
        TimeOfDay.parse("22:00-06:00", zone)


def test_utc_is_one_range_and_two_past_midnight():
    assert TimeOfDay.parse("08:00-10:00").utc_ranges() == [UtcRange(8 * HOUR_S, 10 * HOUR_S, ALWAYS)]
    night = [UtcRange(22 * HOUR_S, 24 * HOUR_S, ALWAYS), UtcRange(0, 6 * HOUR_S, ALWAYS)]
    assert TimeOfDay.parse("22:00-06:00").utc_ranges() == night
    assert TimeOfDay.parse("22:00-24:00").utc_ranges() == night[:1]
    assert TimeOfDay.parse("00:00-24:00").utc_ranges() == [UtcRange(0, 24 * HOUR_S, ALWAYS)]


def test_the_clock_of_a_zone_changes_with_summer_time():
    """8 in Berlin is 7 in UTC in winter and 6 in summer."""
    since, until = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    assert TimeOfDay.parse("08:00-10:00", "Europe/Berlin").utc_ranges(since, until) == [
        UtcRange(
            7 * HOUR_S,
            9 * HOUR_S,
            (
                (datetime(2025, 10, 26, 1, tzinfo=UTC), SUMMER_2026),
                (WINTER_2026, datetime(2027, 3, 28, 1, tzinfo=UTC)),
            ),
        ),
        UtcRange(6 * HOUR_S, 8 * HOUR_S, ((SUMMER_2026, WINTER_2026),)),
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Kiritimati", "UTC"])
@pytest.mark.parametrize("text", ["22:00-06:00", "00:00-03:30", "12:15-12:45"])
def test_a_moment_is_in_one_of_the_ranges_when_the_clock_on_the_wall_says_so(zone, text):
    """Each 37 minutes of two years, asked of the zone itself."""
    asked = TimeOfDay.parse(text, zone)
    ranges = asked.utc_ranges()
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    while moment < datetime(2027, 1, 1, tzinfo=UTC):
        wall = moment.astimezone(ZoneInfo(zone))
        wall_s = wall.hour * HOUR_S + wall.minute * 60
        late, early = wall_s >= asked.start_s, wall_s < asked.end_s
        expected = late and early if asked.start_s < asked.end_s else late or early
        day_s = moment.hour * HOUR_S + moment.minute * 60
        found = [
            one
            for one in ranges
            for since, until in one.stretches
            if one.from_s <= day_s < one.to_s and (not since or since <= moment) and (not until or moment < until)
        ]
        assert len(found) == expected, moment
        moment += timedelta(minutes=37)
