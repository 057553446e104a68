"""Who may see some cameras finds nothing of the others, however it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookalike.errors import IndexStoreError
from lookalike.index import Filters, FrameIndex, SourceRecord, open_index
from lookalike.index.restricted import RestrictedEngine
from tests.index.circle import SPEC, at, frame

GATE, YARD = "gate", "Höfe"


@pytest.fixture
def index(tmp_path: Path):
    with open_index(tmp_path / "index", SPEC, create=True) as opened:
        frames = [frame(camera, second, camera) for camera in (GATE, YARD) for second in range(3)]
        opened.add(frames, at(*range(6)))
        opened.mark_complete(
            [SourceRecord(one.source_id, "s", one.source, 3, 3, camera=one.camera) for one in frames[::3]]
        )
        yield opened


def seen_by(index: FrameIndex, *cameras: str) -> FrameIndex:
    return FrameIndex(RestrictedEngine(index.engine, cameras), SPEC)


def test_lists_searches_and_ids_are_of_the_cameras_alone(index: FrameIndex) -> None:
    gate = seen_by(index, GATE)
    theirs = {stored.id for stored in index.frames(Filters((YARD,)))}
    ours = {stored.id for stored in index.frames(Filters((GATE,)))}
    assert len(theirs) == len(ours) == 3
    assert {stored.id for stored in gate.frames()} == ours
    assert {stored.id for stored in gate.frames(Filters((GATE, YARD)))} == ours
    assert list(gate.frames(Filters((YARD,)))) == []
    assert {hit.camera for hit in gate.search(at(5)[0])} == {GATE}
    assert gate.search(at(5)[0], Filters((YARD,))) == []
    assert [stored.id for page, _ in gate.vectors() for stored in page] == sorted(ours)
    assert list(gate.vectors(Filters((YARD,)))) == []
    assert gate.engine.existing([*ours, *theirs]) == ours
    assert [record.camera for record in gate.source_records()] == [GATE]
    for frame_id in ours:
        assert gate.vector(frame_id).shape == (SPEC.dim,)
    for frame_id in theirs:
        for look_up in (gate.vector, gate.example, gate.place):
            with pytest.raises(IndexStoreError, match="no frame has the id"):
                look_up(frame_id)


def test_the_record_of_a_source_is_seen_with_its_camera(index: FrameIndex) -> None:
    records = {record.camera: record for record in index.source_records()}
    gate = seen_by(index, GATE)
    assert gate.source_record(records[GATE].source_id, "s") == records[GATE]
    assert gate.source_record(records[YARD].source_id, "s") is None


def test_the_count_says_nothing_of_other_cameras_and_follows_the_index(index: FrameIndex) -> None:
    gate = seen_by(index, GATE)
    assert (gate.count(), index.count()) == (3, 6)
    index.add([frame(GATE, 7, GATE), frame(YARD, 7, YARD)], at(0, 1))
    assert (gate.count(), index.count()) == (4, 8)


def test_a_camera_is_the_same_in_either_form_of_unicode(index: FrameIndex) -> None:
    decomposed = "Ho\u0308fe"
    assert {stored.camera for stored in seen_by(index, decomposed).frames()} == {YARD}


def test_nothing_is_changed(index: FrameIndex) -> None:
    gate, record = seen_by(index, GATE), next(index.source_records())
    attempts = [
        lambda: gate.add([frame("x", 0.0)], at(0)),
        lambda: gate.forget(Filters((GATE,))),
        lambda: gate.rename(record, "other.mp4", GATE),
        lambda: gate.mark_complete([record]),
        lambda: gate.engine.delete(Filters()),
        lambda: gate.engine.optimize(),
    ]
    for attempt in attempts:
        with pytest.raises(IndexStoreError, match="may not change the index"):
            attempt()
    assert index.count() == 6
