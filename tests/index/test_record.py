"""What is stored of a frame, and what is read of that."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import UTC, datetime

import pytest

from lookalike.errors import IndexStoreError
from lookalike.index.record import HIT_FIELDS, HitFrame, StoredFrame
from lookalike.region import Region
from tests.index.circle import frame

EIGHT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
RUN = dataclasses.replace(
    frame("a", 12.5, "gate", EIGHT),
    size_px=(1280, 720),
    luma=80.5,
    scene=0,
    fault="frozen",
    region=Region(0, 0, 0.5, 0.5),
    end_us=42_500_000,
    stands_for=61,
)
PAYLOAD = {
    "source": "gate/a.mp4",
    "source_id": "a",
    "camera": "gate",
    "time_s": 12.5,
    "pts_us": 12_500_000,
    "end_s": 42.5,
    "stands_for": 61,
    "width": 1280,
    "height": 720,
    "luma": 80.5,
    "scene": 0,
    "fault": "frozen",
    "region": "0,0,0.5,0.5",
    "captured_at": "2026-01-05T08:00:00Z",
    "ended_at": "2026-01-05T08:00:30Z",
    "utc_day_s": 8 * 3600,
}


def test_a_payload_has_what_is_known():
    assert StoredFrame.from_frame(RUN).to_payload() == PAYLOAD
    assert StoredFrame.from_frame(RUN, remote=True).to_payload() == PAYLOAD | {"remote": True}
    plain = StoredFrame.from_frame(frame("b", 0)).to_payload()
    assert plain.keys() == PAYLOAD.keys() - {"scene", "fault", "region", "captured_at", "ended_at", "utc_day_s"}
    assert (plain["width"], plain["luma"]) == (0, 0.0)


def test_a_payload_is_read_as_it_was_written():
    stored = StoredFrame.from_frame(RUN, remote=True)
    assert StoredFrame.from_payload(RUN.id, stored.to_payload()) == stored
    assert pickle.loads(pickle.dumps(stored)) == stored
    assert not StoredFrame.from_payload(RUN.id, PAYLOAD | {"remote": False}).remote
    hit = HitFrame.from_payload(RUN.id, {name: PAYLOAD[name] for name in HIT_FIELDS})
    assert (hit.id, hit.region, hit.end_s) == (RUN.id, "0,0,0.5,0.5", 42.5)


def test_fields_that_others_added_on_a_server_are_left_out():
    known = StoredFrame.from_payload(RUN.id, PAYLOAD)
    assert StoredFrame.from_payload(RUN.id, PAYLOAD | {"label": "car", "id": 3}) == known


def test_what_is_not_ours_is_told_with_its_id():
    with pytest.raises(IndexStoreError, match=r"^frame 3: not stored as frames are \(no 'camera'\); index it again$"):
        StoredFrame.from_payload("3", {name: value for name, value in PAYLOAD.items() if name != "camera"})


def test_a_recording_began_before_its_frames():
    """12.5 s before eight; what a picture is of began when it was taken."""
    stored = StoredFrame.from_frame(RUN)
    assert (stored.began_at, stored.kind) == ("2026-01-05T07:59:47.500000Z", "video")
    photo = StoredFrame.from_frame(dataclasses.replace(frame("b", 0), source="yard.zip/1.PNG"))
    assert (photo.began_at, photo.kind) == (None, "picture")
