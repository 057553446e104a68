"""A recording whose clock restarts, from the file to the ledger: stored whole, verified, embedded anew, reported."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest

from lookalike.cli import main
from lookalike.encoder import Encoder
from lookalike.footage import Source, find_sources
from lookalike.index import open_index
from lookalike.index.embedded.folder import FolderLocation
from lookalike.index.embedded.ledger import LEDGER, Ledger
from lookalike.index.frames import FrameIndex
from lookalike.index.generations import open_generation
from lookalike.index.maintenance import verify
from lookalike.index.schema import SourceRecord
from lookalike.index.wire import read_record
from lookalike.ingest.index import index_footage
from lookalike.ingest.reindex import reindex
from lookalike.ingest.settings import WHOLE_FRAMES
from lookalike.ingest.to_file import embed_footage
from tests.footage.numbered import write_numbered
from tests.tiny import SPEC, write_tiny_encoder
from tests.two_clips import done

FRAMES = 40
BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)
NEW_SPEC = dataclasses.replace(SPEC, weights_sha256="1" * 64)


@pytest.fixture(scope="module")
def restarts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of two seconds, joined."""
    folder = tmp_path_factory.mktemp("restarts")
    pts, options = [9000 * number for number in range(20)], {"g": "10", "bf": "2"}
    parts = [
        write_numbered(folder / f"{first}.ts", range(first, first + 20), pts, options=options).read_bytes()
        for first in (0, 20)
    ]
    (folder / "joined.ts").write_bytes(b"".join(parts))
    return folder / "joined.ts"


@contextmanager
def no_bar(sources):
    yield done


def test_all_frames_are_stored_and_the_restart_is_in_the_ledger(tiny: Encoder, restarts: Path, tmp_path: Path) -> None:
    with open_index(tmp_path / "index", tiny.spec, create=True) as index:
        for added in (FRAMES, 0):
            summary = index_footage(find_sources([restarts]), tiny, index, WHOLE_FRAMES, done)
            assert (summary.frames, summary.added, summary.clock_restarts) == (FRAMES, added, 1)
        assert (index.count(), verify(index).good) == (FRAMES, True)
        (record,) = index.source_records()
    assert (record.frames, record.stored, record.clock_restarts) == (FRAMES, FRAMES, 1)
    assert read_record(dataclasses.asdict(record)) == record


def test_another_encoder_takes_over(tiny: Encoder, restarts: Path, tmp_path: Path) -> None:
    with open_index(tmp_path / "index", tiny.spec, create=True) as index:
        index_footage(find_sources([restarts]), tiny, index, WHOLE_FRAMES, done)
    new = Encoder(write_tiny_encoder(tmp_path / "new.onnx", NEW_SPEC), "cpu", threads=1)
    outcome = reindex(FolderLocation(tmp_path / "index"), new, no_bar)
    assert (outcome.switched, outcome.differing, outcome.missing) == (True, [], [])


def test_another_encoder_keeps_the_dates_of_a_recording_that_lacks_its_beginning(tiny: Encoder, tmp_path: Path) -> None:
    """Its first second has no key frame; the date that is known is that of the container's start."""
    path = write_numbered(tmp_path / "a.ts", range(40), [9000 * at for at in range(40)], options={"g": "20", "bf": "0"})
    with av.open(str(path)) as container:
        starts = [packet.pos or 0 for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    path.write_bytes(data[: 188 * 3] + data[starts[5] :])
    source, place = Source(str(path), "video", "gate", BEGAN), FolderLocation(tmp_path / "index")
    with FrameIndex(open_generation(place, tiny.spec, True), tiny.spec, place) as index:
        index_footage([source], tiny, index, WHOLE_FRAMES, done)
        before = {one.id: str(one.captured_at) for one in index.frames()}
        (record,) = index.source_records()
    assert record.began_at == "2026-01-05T08:00:00Z"
    assert str(record.reason).endswith("s have no key frame")
    new = Encoder(write_tiny_encoder(tmp_path / "new.onnx", NEW_SPEC), "cpu", threads=1)
    assert reindex(place, new, no_bar).switched
    with open_index(tmp_path / "index", NEW_SPEC) as index:
        assert {one.id: str(one.captured_at) for one in index.frames()} == before
    assert min(before.values()) == "2026-01-05T08:00:01.500000Z"  # frame 20, where the container starts with frame 5


def test_embedding_counts_it_and_says_so(tiny: Encoder, restarts: Path, tmp_path: Path) -> None:
    summary = embed_footage(find_sources([restarts]), tiny, tmp_path / "frames.parquet", WHOLE_FRAMES, done)
    assert (summary.frames, summary.added, summary.clock_restarts) == (FRAMES, FRAMES, 1)


def test_the_summary_says_it_in_one_line(
    tiny_encoder: Path, restarts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["index", str(restarts), "--encoder", str(tiny_encoder), "--index", str(tmp_path / "index")]
    main([*arguments, "--regions", "none"])
    printed, said = capsys.readouterr()
    assert json.loads(printed)["clock_restarts"] == 1
    (line,) = (line for line in said.splitlines() if "clock restart" in line)
    assert "40 frames, 40 new, 1 clock restart(s), after which times continue" in line


def test_a_ledger_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / LEDGER) as file:
        file.execute(
            "CREATE TABLE finished (source_id TEXT, sampler TEXT, source TEXT, frames INTEGER, stored INTEGER,"
            " reason TEXT, camera TEXT, began_at TEXT, PRIMARY KEY (source_id, sampler))"
        )
        file.execute("INSERT INTO finished VALUES ('a', 'all', 'a.ts', 5, 5, NULL, 'gate', NULL)")
    ledger = Ledger(tmp_path / LEDGER)
    assert list(ledger.all()) == [SourceRecord("a", "all", "a.ts", 5, 5, None, "gate", None, 0)]
    entry = dataclasses.asdict(SourceRecord("a", "all", "a.ts", 5, 5))
    del entry["clock_restarts"]
    assert read_record(entry).clock_restarts == 0
