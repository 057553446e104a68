"""Another encoder for an index: complete before it answers, and back again."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image
from qdrant_client import QdrantClient

from lookalike import pixels
from lookalike.encoder import Encoder
from lookalike.errors import IndexInUse, IndexStoreError, SpaceMismatch
from lookalike.footage import find_sources, read_frames
from lookalike.footage.naming import Naming
from lookalike.footage.sampling import Sampling
from lookalike.index import Filters, FrameIndex, SourceRecord, StoredFrame
from lookalike.index.embedded.folder import FolderLocation
from lookalike.index.generations import Pointer, discard, generation_of, open_generation, switch_back
from lookalike.index.server.collection import CollectionLocation
from lookalike.ingest.index import index_footage
from lookalike.ingest.reindex import reindex
from lookalike.ingest.settings import WHOLE_FRAMES, IngestSettings
from tests.tiny import SPEC, tiny_embedding, write_tiny_encoder
from tests.two_clips import FRAMES, RECORDED, done, write_two_clips

NEW_SPEC = replace(SPEC, weights_sha256="1" * 64)  # another space, and the same embeddings
NEW = generation_of(NEW_SPEC.space)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
]

FIVE_FPS = IngestSettings(Sampling(5, regions=None))


@pytest.fixture(scope="module")
def old(tiny_encoder):
    return Encoder(tiny_encoder, "cpu", threads=1)


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    return Encoder(write_tiny_encoder(tmp_path_factory.mktemp("new") / "new.onnx", NEW_SPEC), "cpu", threads=1)


@pytest.fixture
def footage(tmp_path):
    (tmp_path / "footage").mkdir()
    return write_two_clips(tmp_path / "footage")


@pytest.fixture(params=["embedded", "server"])
def location(request, tmp_path):
    if request.param == "embedded":
        return FolderLocation(tmp_path / "index")
    return CollectionLocation(QdrantClient(":memory:"), "http://qdrant", "frames")


@pytest.fixture
def indexed(location, footage, old):
    """Clip a at 5 frames a second, 12, and whole, 60; clip c at 5 a second, 12, with a camera and a date as told."""
    with opened(location, SPEC, create=True) as index:
        index_footage(find_sources([footage / "a.mp4"]), old, index, FIVE_FPS, done)
        index_footage(find_sources([footage / "a.mp4"]), old, index, WHOLE_FRAMES, done)
        told = Naming(camera="dock", captured_at=datetime(2026, 2, 1, 9, tzinfo=UTC))
        index_footage(find_sources([footage / "c.mp4"], told), old, index, FIVE_FPS, done)
    return location


def opened(location, spec, create: bool = False) -> FrameIndex:
    return FrameIndex(open_generation(location, spec, create), spec)


@contextmanager
def no_bar(sources):
    yield done


def stored(location, spec) -> dict[str, StoredFrame]:
    with opened(location, spec) as index:
        return {fields.id: fields for fields in index.frames()}


def records(location, spec) -> list[SourceRecord]:
    with opened(location, spec) as index:
        return sorted(index.source_records(), key=str)


def test_the_new_generation_has_the_same_frames_with_all_that_is_stored_of_them(indexed, footage, old, new):
    """72 frames: of the 12 of clip a at 5 a second, all are among its 60."""
    before, ledger = stored(indexed, SPEC), records(indexed, SPEC)
    outcome = reindex(indexed, new, no_bar)
    assert (outcome.before, outcome.now, outcome.switched) == (SPEC.space, NEW_SPEC.space, True)
    assert (outcome.sources, outcome.added, outcome.missing, outcome.differing) == (2, FRAMES + 12, [], [])
    assert indexed.pointer() == Pointer(NEW, "")
    assert stored(indexed, NEW_SPEC) == before
    assert records(indexed, NEW_SPEC) == ledger
    assert {(one.captured_at or "")[:16] for one in before.values() if one.camera == "dock"} == {"2026-02-01T09:00"}
    first = next(read_frames(find_sources([footage / "c.mp4"])))
    with opened(indexed, NEW_SPEC) as index:
        expected = tiny_embedding(pixels.fit(first.image, SPEC.input_px))
        np.testing.assert_allclose(index.vector(first.id), expected, atol=1e-5)


def test_both_encoders_open_what_they_filled_and_new_frames_go_to_the_current_one(indexed, new):
    reindex(indexed, new, no_bar)
    assert stored(indexed, SPEC).keys() == stored(indexed, NEW_SPEC).keys()
    opened(indexed, NEW_SPEC, create=True).close()
    with pytest.raises(SpaceMismatch, match=f"switched to encoder {NEW_SPEC.space}.*`lookalike reindex --back`"):
        opened(indexed, SPEC, create=True)


def test_back_and_forth(indexed, new):
    reindex(indexed, new, no_bar)
    assert switch_back(indexed) == indexed.pointer() == Pointer("", NEW)
    opened(indexed, SPEC, create=True).close()
    again = reindex(indexed, new, no_bar)
    assert (again.added, again.switched, indexed.pointer()) == (0, True, Pointer(NEW, ""))


def test_what_is_discarded_is_gone(indexed, new, tmp_path):
    reindex(indexed, new, no_bar)
    count = len(stored(indexed, NEW_SPEC))
    assert discard(indexed) == [SPEC.space]
    assert (indexed.pointer(), indexed.generations()) == (Pointer(NEW), [NEW])
    assert len(stored(indexed, NEW_SPEC)) == count
    with pytest.raises(IndexStoreError, match="has no previous generation"):
        switch_back(indexed)
    with pytest.raises(SpaceMismatch, match=f"filled by encoder {NEW_SPEC.space}, this one is {SPEC.space}"):
        opened(indexed, SPEC)
    if isinstance(indexed, FolderLocation):
        assert sorted(path.name for path in (tmp_path / "index").iterdir()) == ["current.json", "generations"]


def test_a_generation_that_is_open_is_not_discarded_and_can_be_gone_back_to(tmp_path, new):
    location = FolderLocation(tmp_path / "index")
    with opened(location, SPEC, create=True):
        assert reindex(location, new, no_bar).switched
        with pytest.raises(IndexInUse):
            discard(location)
        assert location.pointer() == Pointer(NEW, "")
    assert discard(location) == [SPEC.space]


def test_back_to_the_first_encoder_by_a_reindex_when_it_was_discarded(indexed, old, new):
    reindex(indexed, new, no_bar)
    discard(indexed)
    assert reindex(indexed, old, no_bar).switched
    assert indexed.pointer() == Pointer(generation_of(SPEC.space), NEW)
    assert len(stored(indexed, SPEC)) == FRAMES + 12


def test_a_source_that_is_gone_is_named_and_nothing_changes_unless_told(indexed, footage, new):
    (footage / "c.mp4").unlink()
    outcome = reindex(indexed, new, no_bar)
    assert (outcome.switched, outcome.missing) == (False, [(str(footage / "c.mp4"), "no such file")])
    assert indexed.pointer() == Pointer("")
    with pytest.raises(SpaceMismatch, match="`lookalike reindex` to this one is not complete: run it again"):
        opened(indexed, NEW_SPEC)
    outcome = reindex(indexed, new, no_bar, without_missing=True)
    assert (outcome.switched, outcome.added, len(stored(indexed, NEW_SPEC))) == (True, 0, FRAMES)


def test_another_recording_under_the_old_name_is_not_taken_for_it(indexed, footage, new):
    shutil.copy(footage / "a.mp4", footage / "c.mp4")
    with (footage / "c.mp4").open("ab") as file:
        file.write(b"\0" * 64)  # the same pictures, and another content
    outcome = reindex(indexed, new, no_bar, without_missing=True)
    assert outcome.missing == [(str(footage / "c.mp4"), "its content is another, or cannot be read")]
    assert {one.source for one in stored(indexed, NEW_SPEC).values()} == {str(footage / "a.mp4")}


def test_counts_that_disagree_are_named_and_nothing_changes(indexed, footage, new):
    with opened(indexed, SPEC) as index:
        known = next(one for one in index.source_records() if one.source.endswith("c.mp4"))
        index.mark_complete([replace(known, frames=13)])
    outcome = reindex(indexed, new, no_bar, without_missing=True)
    assert (outcome.switched, outcome.differing) == (False, [(str(footage / "c.mp4"), 13, 12)])
    assert indexed.pointer() == Pointer("")


def test_frames_of_no_whole_recording_are_named(indexed, footage, new):
    """Of clip a all frames but the first second's are forgotten: what is left is no whole recording any more."""
    with opened(indexed, SPEC) as index:
        assert index.forget(Filters(("a",), until=1.0)) == 26
    outcome = reindex(indexed, new, no_bar)
    left = FRAMES - 26
    assert outcome.missing == [(str(footage / "a.mp4"), f"{left} frames of no recording that is there from end to end")]
    assert not outcome.switched


def test_what_was_forgotten_while_a_reindex_was_not_done_stays_forgotten(indexed, footage, new):
    (footage / "c.mp4").rename(footage / "away.mp4")
    assert not reindex(indexed, new, no_bar).switched
    with opened(indexed, SPEC) as index:
        index.forget(Filters(sources=(str(footage / "a.mp4"),)))
    (footage / "away.mp4").rename(footage / "c.mp4")
    assert reindex(indexed, new, no_bar).switched
    assert {one.source for one in stored(indexed, NEW_SPEC).values()} == {str(footage / "c.mp4")}


def test_what_the_one_before_got_since_is_taken_in_when_it_is_run_again(indexed, footage, old, new):
    reindex(indexed, new, no_bar)
    with opened(indexed, SPEC) as index:  # as a service does that was not started anew
        index_footage(find_sources([footage / "c.mp4"]), old, index, WHOLE_FRAMES, done)
    outcome = reindex(indexed, new, no_bar)
    assert (outcome.added, outcome.switched, indexed.pointer()) == (FRAMES - 12, True, Pointer(NEW, ""))
    assert len(stored(indexed, NEW_SPEC)) == 2 * FRAMES


@pytest.mark.trust
def test_a_file_that_a_client_has_named_is_not_read_into_the_index(indexed, footage, old, new):
    """Who may write to a service may mark any path as complete there: with the id of its content only who knows it."""
    private = footage / "private.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)).save(private)
    reindex(indexed, new, no_bar)
    with opened(indexed, SPEC) as index:
        known = next(iter(index.source_records()))
        index.mark_complete([replace(known, source_id="a" * 64, source=str(private))])
    outcome = reindex(indexed, new, no_bar)
    assert outcome.missing == [(str(private), "its content is another, or cannot be read")]
    assert str(private) not in {one.source for one in stored(indexed, NEW_SPEC).values()}


def test_there_is_nothing_to_do_for_the_encoder_that_it_has(indexed, old):
    outcome = reindex(indexed, old, no_bar)
    assert (outcome.added, outcome.switched, indexed.pointer()) == (0, True, Pointer(""))


def test_where_there_is_no_index_there_is_none_made(location, new):
    with pytest.raises(IndexStoreError, match="no index there"):
        reindex(location, new, no_bar)
    assert location.pointer() is None


def test_a_ledger_of_an_earlier_version_is_read_and_cameras_are_taken_from_the_frames(tmp_path, footage, old, new):
    import sqlite3

    location = FolderLocation(tmp_path / "index")
    with opened(location, SPEC, create=True) as index:
        index_footage(find_sources([footage / "a.mp4"], Naming(camera="gate")), old, index, FIVE_FPS, done)
    with sqlite3.connect(tmp_path / "index" / "ledger.sqlite") as file:
        for column in ("camera", "began_at", "stored"):
            file.execute(f"ALTER TABLE finished DROP COLUMN {column}")
    assert [(one.camera, one.stored) for one in location.source_records("")] == [(None, 12)]
    with opened(location, SPEC), pytest.raises(IndexStoreError, match=r"earlier version, whose ledger has no cameras"):
        reindex(location, new, no_bar)
    assert reindex(location, new, no_bar).switched
    assert {(one.camera, one.captured_at) for one in stored(location, NEW_SPEC).values() if not one.pts_us} == {
        ("gate", RECORDED.isoformat().replace("+00:00", "Z"))
    }


def test_collections_of_another_index_with_a_longer_name_are_left_alone(tmp_path):
    client = QdrantClient(":memory:")
    location, other = (CollectionLocation(client, "http://qdrant", name) for name in ("frames", "frames-abc"))
    for one in (location, other):
        opened(one, SPEC, create=True).close()
    assert (location.generations(), discard(location)) == ([""], [])
    assert other.pointer() == Pointer("")
