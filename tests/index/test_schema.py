"""What is answered, and the times of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from lookalike.index import Hit
from lookalike.index.clock import utc_text

CET = timezone(timedelta(hours=1))


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
