"""What a search may ask for, and what is said about the rest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lookalike.index import Choice, Filters, TimeOfDay
from lookalike.region import Region
from serving.example import Example, read_example
from serving.query import Query, read_json, read_query
from serving.refusals import Refusal


def test_every_field_is_read() -> None:
    fields = [("top", "3"), ("camera", "gate"), ("camera", "yard"), ("since", "12.5"), ("until", "2026-01-05T08:00Z")]
    fields += [("source", "a.mp4"), ("region", "0,0,.5,1"), ("like", "x"), ("like", "y"), ("unlike", "z")]
    fields += [("time_of_day", "22:00-06:00"), ("zone", "Europe/Berlin"), ("by", "clip"), ("min_score", ".5")]
    fields += [("min_percentile", "99.5"), ("diverse", "0.25")]
    hours = TimeOfDay(22 * 3600, 6 * 3600, "Europe/Berlin")
    filters = Filters(("gate", "yard"), 12.5, datetime(2026, 1, 5, 8, tzinfo=UTC), ("a.mp4",), hours)
    choice = Choice("clip", 0.5, 99.5, 0.25)
    examples = (Example("frame", "x"), Example("frame", "y")), (Example("frame", "z"),)
    assert read_query(fields) == Query(None, 3, filters, Region(0, 0, 0.5, 1), *examples, choice)


def test_dates_without_a_zone_are_of_the_zone_that_is_given() -> None:
    """Nine in Berlin, in winter, is eight in UTC: as on the command line."""
    fields = [("since", "2026-01-05T09:00"), ("until", "2026-01-05T09:00Z"), ("zone", "Europe/Berlin")]
    filters = read_query(fields).filters
    assert filters.since == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert filters.until == datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_empty_values_are_as_if_they_were_not_there() -> None:
    assert read_query([("id", ""), ("top", ""), ("camera", ""), ("since", "")]) == Query(None, 10, Filters())


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (b'{"id": "a", "top": 5}', [("id", "a"), ("top", "5")]),
        (b'{"camera": ["gate", "yard"], "since": 1.5}', [("camera", "gate"), ("camera", "yard"), ("since", "1.5")]),
        (b'{"camera": "gate", "until": null}', [("camera", "gate")]),
    ],
)
def test_json_is_read_as_a_form_would_be(body: bytes, pairs: list[tuple[str, str]]) -> None:
    assert read_json(body) == pairs


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"id": true}', "id is true, expected a string or a number"),
        (b'{"camera": [{}]}', "camera is {}, expected a string or a number"),
    ],
)
def test_json_that_is_not_a_query(body: bytes, reason: str) -> None:
    with pytest.raises(Refusal, match=reason) as refusal:
        read_json(body)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("top", "0", "top is '0', expected a whole number from 1 to 1000"),
        ("top", "1001", "top is '1001'"),
        ("top", "2.5", "top is '2.5'"),
        ("top", "\u0663", "top is"),  # a digit, in Arabic
        ("since", "yesterday", "since: 'yesterday' is no time"),
        ("until", "0001-01-01T00:00:00+10:00", "until: date value out of range"),
        ("time_of_day", "noon", "time_of_day: 'noon' is no time of day"),
        ("zone", "Here", "zone: 'Here' is no time zone; expected a name such as Europe/Berlin or UTC"),
        ("by", "day", "by is 'day', expected one of moment, clip"),
        ("min_score", "high", "min_score is 'high', expected a number"),
        ("min_score", "2", "min_score is 2.0, expected a cosine similarity from -1 to 1"),
        ("min_percentile", "100", "min_percentile is 100.0, expected from 0 to below 100"),
        ("diverse", "2", "diverse is 2.0, expected from 0 to 1"),
        ("like", "moment:gate.mp4@1", "like: 'moment:gate.mp4@1' is no moment; expected moment:SOURCE_ID@SECONDS"),
        ("like", f"moment:{'a' * 64}@-1", "is no moment"),
        ("unlike", "picture:a#1,2", "unlike: '1,2' is no region"),
        ("camera", "\ud800", "camera holds a character that is no text"),
        (
            "camra",
            "gate",
            "unknown field 'camra', expected one of id, region, top, since, until, time_of_day, zone, colour, layout",
        ),
    ],
)
def test_a_wrong_field_is_named(field: str, value: str, reason: str) -> None:
    with pytest.raises(Refusal, match=reason) as refusal:
        read_query([(field, value)])
    assert refusal.value.status == 400


def test_one_of_a_kind() -> None:
    with pytest.raises(Refusal, match="top is given 2 times, expected once"):
        read_query([("top", "1"), ("top", "2")])


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("7", Example("frame", "7")),
        ("7#0,0,.5,1", Example("frame", "7", region=Region(0, 0, 0.5, 1))),
        ("picture:f0", Example("picture", "f0")),
        (f"moment:{'a' * 64}@12.5#.5,.5,.5,.5", Example("moment", "a" * 64, 12.5, Region(0.5, 0.5, 0.5, 0.5))),
        (f"moment:{'a' * 64}@0", Example("moment", "a" * 64, 0.0)),
    ],
)
def test_examples_are_read(text: str, example: Example) -> None:
    assert read_example(text) == example


def test_no_more_examples_than_can_be_decoded() -> None:
    with pytest.raises(Refusal, match="like is given 65 times, at most 64"):
        read_query([("like", "7")] * 65)
