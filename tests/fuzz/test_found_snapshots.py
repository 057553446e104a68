"""Snapshots from strangers that were faults once, kept small, and what each is answered now."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from lookalike.errors import FootageError, IndexStoreError
from lookalike.index import open_index
from lookalike.index.embedded.folder import FolderLocation
from lookalike.index.embedded.ledger import LEDGER, Ledger
from lookalike.index.embedded.snapshot import MANIFEST, Manifest, restore, snapshot
from lookalike.index.schema import SourceRecord
from tests.index.circle import SPEC as CIRCLE
from tests.index.circle import at, frame
from tests.index.embedded.test_snapshot import write
from tests.tiny import SPEC

pytestmark = pytest.mark.trust


@pytest.fixture
def content(tmp_path: Path) -> dict[str, bytes]:
    """The members of a snapshot, with a ledger of one source; the engine never comes to open its shard."""
    with closing(Ledger(tmp_path / "made.sqlite")) as ledger:
        ledger.write([SourceRecord("a", "all", "a.mp4", 5, 3)])
    data = (tmp_path / "made.sqlite").read_bytes()
    return {"lookalike.json": SPEC.to_json().encode(), LEDGER: data, "shard/edge_config.json": b"{}"}


def manifest_of(content: dict[str, bytes]) -> bytes:
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    return json.dumps(asdict(Manifest(json.loads(SPEC.to_json()), 0, 1, "qdrant-edge", hashes))).encode()


def refusal(archive: Path) -> str:
    with pytest.raises(IndexStoreError) as caught:
        restore(archive, archive.with_name("index"))
    assert not archive.with_name("index").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{archive}: ")


def with_headers(archive: Path, manifest: bytes, headers: bytes) -> Path:
    """A compressed tar that begins with a manifest, and has `headers` after it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(manifest)
        tar.addfile(info, io.BytesIO(manifest))
    archive.write_bytes(gzip.compress(file.getvalue().rstrip(b"\0") + bytes(-len(manifest) % 512) + headers))
    return archive


def header(name: str, kind: bytes, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def sparse_header(name: str) -> bytes:
    """A header that says that more of its map of holes follows. Source: GNU tar manual, sparse formats."""
    block = bytearray(header(name, tarfile.GNUTYPE_SPARSE))
    block[482], block[148:156] = 1, b" " * 8  # isextended, and the checksum, which counts as spaces
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(manifest: bytes) -> bytes:
    """A manifest whose length is a multiple of a block, so that headers follow at once."""
    return manifest + b" " * (-len(manifest) % 512)


HEADERS: dict[str, Callable[[], bytes]] = {
    "long names of long names": lambda: (
        (header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 2) + b"a\0".ljust(512)) * 400
    ),
    "pax headers of pax headers": lambda: (header("x", tarfile.XHDTYPE, 6) + b"6 a=b\n".ljust(512, b"\0")) * 400,
    "a map of holes without end": lambda: sparse_header("lookalike.json") + (b"0" * 504 + b"\1" * 8) * 400,
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_that_follow_each_other_are_bounded_together(tmp_path, content, kind) -> None:
    """tarfile goes one call deeper for each, or holds all of them in memory."""
    archive = with_headers(tmp_path / "x.tar.gz", padded(manifest_of(content)), HEADERS[kind]())
    said = refusal(archive)
    assert said.startswith("cut off or altered at its beginning (a header of ")


@pytest.mark.parametrize("date", ["1e20", "-1e30", "inf"])
def test_the_date_of_a_member_is_not_taken_over(tmp_path, content, date) -> None:
    """No file can have such a date: a traceback."""
    archive, pax = tmp_path / "x.tar", {"mtime": date}
    with tarfile.open(archive, "w") as tar:
        for name, data in ({MANIFEST: manifest_of(content)} | content).items():
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(data), pax
            tar.addfile(info, io.BytesIO(data))
    assert refusal(archive).startswith("cannot read the index (its frames are gone,")  # as everything else is right


def test_a_member_below_thousands_of_folders_is_refused(tmp_path, content) -> None:
    """Python creates each within the call for the one below it: a traceback."""
    name = "shard/" + "a/" * 2000 + "b"
    content[name] = b"hi"
    write(tmp_path / "x.tar", {MANIFEST: manifest_of(content)} | content)
    said = f"{MANIFEST} is not what was written ({name[:100]!r} does not belong to an index)"
    assert refusal(tmp_path / "x.tar") == said


def test_what_a_message_quotes_of_a_header_is_short(tmp_path, content) -> None:
    archive = tmp_path / "x.tar"
    info = tarfile.TarInfo(MANIFEST)
    info.pax_headers = {"GNU.sparse.map": "x" * 1000, "GNU.sparse.size": "1"}
    with tarfile.open(archive, "w") as tar:
        tar.addfile(info)
    assert len(refusal(archive)) < 300


def test_a_compression_that_is_none_names_the_snapshot(tmp_path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(b"\x1f\x8b" + bytes(100))
    said = "cut off or altered at its beginning (Unknown compression method); nothing was restored"
    assert refusal(tmp_path / "x.tar.gz") == said


def test_a_named_pipe_is_refused_at_once(tmp_path) -> None:
    """Opening it waits until something writes to it."""
    os.mkfifo(tmp_path / "x.tar")
    with pytest.raises(FootageError, match="a named pipe, expected a file"):
        restore(tmp_path / "x.tar", tmp_path / "index")


def test_a_manifest_that_is_repeated_is_refused(tmp_path, content) -> None:
    """Each was skipped and remembered: a gigabyte for each megabyte of a compressed file."""
    manifest = padded(manifest_of(content))
    archive = with_headers(tmp_path / "x.tar.gz", manifest, header(MANIFEST, tarfile.REGTYPE) * 3)
    assert refusal(archive) == f"{MANIFEST} is not in its manifest; nothing was restored"


def test_a_sidecar_that_would_fill_the_memory_is_refused(tmp_path, content) -> None:
    content["lookalike.json"] += b" " * (5 * 1024 * 1024)
    write(tmp_path / "x.tar", {MANIFEST: manifest_of(content)} | content)
    assert refusal(tmp_path / "x.tar") == "lookalike.json is not what was written; nothing was restored"


def test_a_sidecar_that_states_another_space_is_refused(tmp_path, content) -> None:
    other = json.loads(SPEC.to_json()) | {"space": "other"}
    content["lookalike.json"] = json.dumps(other).encode()
    manifest = json.dumps(json.loads(manifest_of(content)) | {"spec": other}).encode()
    write(tmp_path / "x.tar", {MANIFEST: manifest} | content)
    said = f"lookalike.json states the space 'other', expected {SPEC.space}; nothing was restored"
    assert refusal(tmp_path / "x.tar") == said


@pytest.mark.parametrize(
    ("change", "reason"), [({"region": "x"}, "invalid region 'x'"), ({"luma": "dark"}, "luma of a")]
)
def test_a_snapshot_with_a_frame_that_cannot_be_shown_is_refused(tmp_path, change, reason) -> None:
    with open_index(tmp_path / "made", CIRCLE, create=True) as index:
        index.add([frame("a", 0), frame("a", 1)], at(30, 60))
        (first, _) = index.frames()
        index.engine.upsert([dataclasses.replace(first, **change)], at(30))
    snapshot(FolderLocation(tmp_path / "made"), tmp_path / "x.tar")
    assert refusal(tmp_path / "x.tar").startswith(f"cannot read the index ({reason}")


TABLES = [f"CREATE TABLE t{number} (a)" for number in range(1000)]
LEDGERS = {
    "a view behind a thousand tables": ([*TABLES, "CREATE VIEW v AS SELECT 1"], "has a view"),
    "a virtual table": (["CREATE VIRTUAL TABLE v USING fts5(a)"], "has a virtual table"),
    "an index": (["CREATE INDEX i ON finished (length(source))"], "has a index"),
    "a generated column": (["ALTER TABLE finished ADD COLUMN g AS (zeroblob(1000000000))"], "has a generated column"),
    "a check": (["ALTER TABLE finished ADD COLUMN c CHECK (c IS NOT zeroblob(1000000000))"], "has a constraint"),
    "a default": (["ALTER TABLE finished ADD COLUMN d DEFAULT 'x'"], "has a default"),
    "bytes for a text": (["UPDATE finished SET source_id = x'6162'"], "source_id: got \"b'ab'\", expected a string"),
    "text that is not UTF-8": (["UPDATE finished SET source = CAST(x'ff' AS TEXT)"], "cannot read the ledger"),
    "a negative count": (["UPDATE finished SET frames = -1"], "frames: got '-1', expected 0 to"),
}


@pytest.mark.parametrize("kind", LEDGERS)
def test_a_ledger_that_no_ingest_writes_is_refused(tmp_path, content, kind) -> None:
    statements, reason = LEDGERS[kind]
    made = tmp_path / "made.sqlite"
    with closing(sqlite3.connect(made, isolation_level=None)) as file:
        file.execute("BEGIN")
        for statement in statements:
            file.execute(statement)
        file.execute("COMMIT")
    content[LEDGER] = made.read_bytes()
    made.unlink()
    write(tmp_path / "x.tar", {MANIFEST: manifest_of(content)} | content)
    assert reason in refusal(tmp_path / "x.tar")


def test_a_ledger_with_a_broken_page_is_refused(tmp_path, content) -> None:
    whole = bytearray(content[LEDGER])
    whole[4096:4106] = b"\xff" * 10  # the first page of the table
    content[LEDGER] = bytes(whole)
    write(tmp_path / "x.tar", {MANIFEST: manifest_of(content)} | content)
    assert "cannot read the ledger (" in refusal(tmp_path / "x.tar")
