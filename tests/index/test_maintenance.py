"""What an index holds is counted, and what is not as it should be is found."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lookalike.index import SourceRecord, open_index
from lookalike.index.filters import Filters, parse_before
from lookalike.index.maintenance import CameraStats, Verdict, stats, verify
from tests.index.circle import SPEC, at, frame

EIGHT = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture
def index(tmp_path):
    with open_index(tmp_path / "index", SPEC, create=True) as opened:
        yield opened


def test_an_empty_index_holds_nothing_and_is_good(index):
    assert stats(index) == []
    assert verify(index) == Verdict()
    assert verify(index).good


def test_cameras_are_counted(index):
    times = [EIGHT + timedelta(seconds=0.5), EIGHT, EIGHT + timedelta(hours=1), None]
    index.add([frame("a", second, "gate", times[second]) for second in range(4)], at(0, 1, 2, 5))
    index.add([frame("b", 0, "gate"), frame("c", 0, "dock")], at(3, 4))
    assert stats(index) == [
        CameraStats("dock", 1, 0, 1),
        CameraStats("gate", 5, 0, 2, "2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z"),
    ]


def test_sources_that_are_gone_or_short_are_found(index, tmp_path):
    there, gone = tmp_path / "there.mp4", tmp_path / "gone.mp4"
    there.touch()
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("one.jpg", b"")
    frames = [
        replace(frame("a", 0), source=str(there)),
        replace(frame("a", 1), source=str(there)),
        replace(frame("b", 0), source=str(gone)),
        replace(frame("c", 0), source=str(tmp_path / "pictures.zip" / "one.jpg")),
        replace(frame("d", 0), source=str(tmp_path / "pictures.zip" / "two.jpg")),
        replace(frame("e", 0), source="rtsp://camera/1"),
    ]
    index.add(frames, at(*range(6)))
    index.mark_complete([SourceRecord("a", "fps=1", str(there), 2, 2), SourceRecord("a", "all", str(there), 5, 5)])
    index.mark_complete([SourceRecord("c", "all", "one.jpg", 1, 1), SourceRecord("x", "all", "lost.mp4", 9, 9)])
    found = verify(index)
    assert (found.frames, found.sources) == (6, 5)
    assert found.gone == [str(gone), str(tmp_path / "pictures.zip" / "two.jpg")]
    assert found.short == [(str(there), 2, 5), ("lost.mp4", 0, 9)]  # "/" comes before "l"
    assert not found.good


def test_before_is_exclusive(index):
    index.add(
        [frame(name, 0, captured_at=EIGHT + timedelta(hours=hour)) for hour, name in enumerate("abc")], at(0, 1, 2)
    )
    index.add([frame("undated", 0)], at(3))
    assert index.forget(Filters(until=parse_before("2026-01-05T09:00:00Z", UTC))) == 1
    assert sorted(one.source_id for one in index.frames()) == ["b", "c", "undated"]


@pytest.mark.parametrize("text", ["12.5", "yesterday"])
def test_before_is_a_date(text):
    with pytest.raises(ValueError, match=r"^invalid (date|time) "):
        parse_before(text, UTC)


@pytest.mark.trust
def test_a_source_that_cannot_be_looked_at_is_gone(index, tmp_path):
    """A name that no file can have may come over HTTP; a zip may be damaged since it was indexed."""
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    names = [f"{'a' * 300}.mp4", str(tmp_path / "broken.zip" / "one.jpg")]
    index.add([replace(frame(f"s{row}", 0), source=name) for row, name in enumerate(names)], at(0, 1))
    assert verify(index).gone == sorted(names)
