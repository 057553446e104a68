"""What is stored, filtered by and answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from lookalike.index import Hit
from lookalike.index.schema import parse_moment, utc_text

CET = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.5", 12.5),
        ("0", 0.0),
        ("-3", -3.0),
        ("1e3", 1000.0),
        ("2026-01-05", datetime(2026, 1, 5)),
        ("2026-01-05T08:00:00", datetime(2026, 1, 5, 8)),
        ("2026-01-05 08:00", datetime(2026, 1, 5, 8)),
        ("2026-01-05T08:00:00Z", datetime(2026, 1, 5, 8, tzinfo=UTC)),
        ("2026-01-05T08:00:00.25+01:00", datetime(2026, 1, 5, 8, 0, 0, 250_000, tzinfo=CET)),
    ],
)
def test_a_moment_is_seconds_or_a_date(text, expected):
    assert parse_moment(text) == expected
    assert type(parse_moment(text)) is type(expected)


@pytest.mark.parametrize("text", ["", "yesterday", "12:30", "5 s", "2026-13-05", "2026-01-05T25:00:00"])
def test_what_is_no_time_is_told_with_what_would_be(text):
    with pytest.raises(ValueError, match=f"^{text!r} is no time; expected seconds such as 12.5 or a date such as 2026"):
        parse_moment(text)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_seconds_must_be_finite(text):
    with pytest.raises(ValueError, match="expected a finite number of seconds"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 5, 8, tzinfo=UTC), "2026-01-05T08:00:00Z"),
        (datetime(2026, 1, 5, 8), "2026-01-05T08:00:00Z"),
        (datetime(2026, 1, 5, 0, 30, tzinfo=CET), "2026-01-04T23:30:00Z"),
        (datetime(2026, 1, 5, 8, 0, 0, 40_000, tzinfo=UTC), "2026-01-05T08:00:00.040000Z"),
    ],
)
def test_times_are_stored_in_utc(moment, expected):
    assert utc_text(moment) == expected


def test_a_hit_survives_json():
    hit = Hit("p", 0.9, "a.mp4", "a", "gate", 7.0, (5.0, 8.5), None)
    assert json.loads(json.dumps(hit.to_dict())) == {
        "id": "p",
        "score": 0.9,
        "source": "a.mp4",
        "source_id": "a",
        "camera": "gate",
        "time_s": 7.0,
        "span_s": [5.0, 8.5],
        "captured_at": None,
        "frames": 1,
        "moments": 1,
        "percentile": 0.0,
        "region": None,
        "asked": None,
    }
