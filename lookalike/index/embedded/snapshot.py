"""Write the current generation of an embedded index to one tar file, and restore it, checking members by hash."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, cast

from lookalike.contract import EncoderSpec
from lookalike.errors import EncoderError, IndexStoreError
from lookalike.files import durable
from lookalike.files.printable import short
from lookalike.files.regular import open_regular
from lookalike.footage.archive import is_below
from lookalike.index.embedded.folder import SIDECAR, FolderLocation
from lookalike.index.embedded.ledger import LEDGER, Ledger
from lookalike.index.embedded.shards import FIRST as SHARD
from lookalike.index.embedded.shards import current_shard, make_durable
from lookalike.index.filters import Filters
from lookalike.index.generations import FIRST, existing_pointer
from lookalike.index.record import check_payload
from lookalike.index.wire import read_record

MANIFEST = "manifest.json"  # the first member: what the others are
FORMAT = 1
GZIP = b"\x1f\x8b"
MANIFEST_BYTES = 4 * 1024 * 1024  # of the manifest, and of the sidecar; they have some ten kilobytes
DEEPEST = 16  # folders above a member; an index has 5, and Python makes them one within the other
HEAD_BYTES = 64 * 1024  # of the headers of one member, which tarfile holds in memory; they have some kilobytes
# The first object of a ledger that is computed: a view, a trigger, a virtual table, a generated column, a constraint or
# a default, which may take all memory with each record, or fill the disk.
_COMPUTED = """
SELECT CASE WHEN sql LIKE 'CREATE VIRTUAL%' THEN 'virtual table' ELSE type END FROM sqlite_master
  WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%' OR (type = 'index' AND sql IS NOT NULL)
UNION ALL SELECT 'generated column' FROM pragma_table_xinfo('finished') WHERE hidden <> 0
UNION ALL SELECT 'default' FROM pragma_table_xinfo('finished') WHERE dflt_value <> '0'
UNION ALL SELECT 'constraint' FROM sqlite_master
  WHERE sql LIKE '%CHECK%' OR sql LIKE '%REFERENCES%' OR sql LIKE '%CONFLICT%' OR sql LIKE '%COLLATE%'
LIMIT 1"""


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds. spec: of the encoder that filled it. points: stored frames. sources: complete ones.

    engine: name and version of the engine that wrote the shard. members: SHA-256 by name.
    """

    spec: dict[str, Any]
    points: int
    sources: int
    engine: str
    members: dict[str, str]
    format: int = FORMAT

    @classmethod
    def read(cls, text: bytes) -> Manifest:
        """Read a manifest. Raises: ValueError, TypeError for what `snapshot` does not write."""
        try:
            entry = json.loads(text)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(entry, dict):
            raise TypeError(f"{type(entry).__name__}, expected an object")
        manifest = cls(**entry)
        kinds = {"spec": dict, "points": int, "sources": int, "engine": str, "members": dict, "format": int}
        for name, kind in kinds.items():
            if type(getattr(manifest, name)) is not kind:
                raise TypeError(f"{name} is {short(getattr(manifest, name))!r}")
        if manifest.format == FORMAT:
            manifest._check()
        return manifest

    def _check(self) -> None:
        for name, digest in self.members.items():
            of_index = name in (SIDECAR, LEDGER) or name.startswith(f"{SHARD}/")
            if not of_index or not is_below(name) or name.count("/") > DEEPEST:
                raise ValueError(f"{name[:100]!r} does not belong to an index")
            if not isinstance(digest, str):
                raise TypeError(f"{name[:100]!r} has no SHA-256")
        if SIDECAR not in self.members:
            raise ValueError(f"{SIDECAR} is missing")


def snapshot(location: FolderLocation, out: Path) -> Manifest:
    """Write the current generation to a file, compressed if its name ends with .gz. The file appears when complete.

    Raises: IndexInUse if another process has the index open; IndexStoreError if there is no index, or `out` cannot be
    written, or is in the folder of the index, whose files it may replace.
    """
    generation = existing_pointer(location).current
    if Path(os.path.realpath(location.at(FIRST))) in Path(os.path.realpath(out)).parents:
        raise IndexStoreError(f"{out}: in the folder of the index; choose another place for the snapshot")
    engine = location.open_as_it_is(generation)  # keeps other processes from writing
    try:
        engine.flush()
        files = _files(location.at(generation))
        manifest = Manifest(
            json.loads(files[SIDECAR].read_text()),
            engine.count(),
            len({record.source_id for record in engine.source_records()}),
            f"qdrant-edge {version('qdrant-edge-py')}",
            {name: _sha256(path) for name, path in files.items()},
        )
        with _written(out) as partial:
            _write(partial, manifest, files, compressed=out.suffix in (".gz", ".tgz"))
    finally:
        engine.close()
    return manifest


def restore(archive: Path, folder: Path) -> Manifest:
    """Restore an index from a snapshot. Every member is checked before the folder appears.

    folder: a link is followed, also one to a folder that is not there yet.
    Raises: IndexStoreError if the folder is not empty, a mount point or the working folder, or the file is cut off,
    altered, or not a snapshot; FootageError if it is not a regular file.
    """
    folder = Path(os.path.realpath(folder))
    if folder.is_mount() or folder == Path.cwd():
        what = "a mount point" if folder.is_mount() else "the working folder"
        raise IndexStoreError(f"{folder}: {what}, which cannot be replaced; choose a folder in it for the index")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise IndexStoreError(f"{folder}: not an empty folder; choose another place for the index")
    try:
        durable.make_folder(folder.parent)
        with durable.working_folder(folder) as partial:
            inside = partial / "index"
            manifest = _unpack(archive, inside)
            _check_counts(archive, inside, manifest)
            make_durable(inside)
            inside.replace(folder)
            durable.sync(folder.parent)
    except OSError as error:
        raise IndexStoreError(f"{error.filename or folder}: cannot restore ({error.strerror or error})") from error
    return manifest


def _files(folder: Path) -> dict[str, Path]:
    """Return the files by their names in a snapshot, where the shard in use has the name of the first shard."""
    shard = current_shard(folder)
    named = {name: folder / name for name in (SIDECAR, LEDGER) if (folder / name).exists()}
    inside = sorted(path for path in shard.rglob("*") if path.is_file())
    return named | {f"{SHARD}/{path.relative_to(shard).as_posix()}": path for path in inside}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _written(out: Path) -> Iterator[Path]:
    """Yield a temporary file in the same folder. It is renamed to `out` at the end, and removed after an error.

    Another index may be written to the same file at the same time: both would have their parts in it.
    """
    try:
        durable.make_folder(out.parent)
        durable.partial_of(out).touch()
        with durable.held(durable.partial_of(out)), durable.replacing(out) as partial:
            yield partial
    except OSError as error:
        raise IndexStoreError(f"{out}: cannot write ({error.strerror or error})") from error


def _write(path: Path, manifest: Manifest, files: dict[str, Path], compressed: bool) -> None:
    with tarfile.open(path, "w:gz", compresslevel=1) if compressed else tarfile.open(path, "w") as tar:
        text = (json.dumps(manifest.__dict__, indent=1) + "\n").encode()
        head = tarfile.TarInfo(MANIFEST)
        head.size, head.mode = len(text), 0o644
        tar.addfile(head, io.BytesIO(text))
        for name, file in files.items():
            tar.add(file, name, recursive=False)


def _unpack(archive: Path, into: Path) -> Manifest:
    """Extract only the members that the manifest names."""
    at, waiting = "its beginning", dict[str, str]()
    try:
        with _opened(archive) as (tar, parts):
            manifest = _read_manifest(archive, tar, parts)
            waiting = dict(manifest.members)
            for member in _members(tar, parts):
                at = member.name if member.name.isprintable() else repr(member.name)
                expected = waiting.pop(member.name, None)
                if expected is None or not member.isreg() or member.issparse():
                    raise IndexStoreError(f"{archive}: {at} is not in its manifest; nothing was restored")
                if member.size > (free := shutil.disk_usage(into.parent).free):
                    raise IndexStoreError(f"{archive}: {at} has {member.size:,} bytes, {free:,} are free")
                tar.extract(member, into, set_attrs=False, filter="data")  # its date may be one that no system has
                if _sha256(into / member.name) != expected:
                    raise IndexStoreError(f"{archive}: {at} is not what was written (SHA-256); nothing was restored")
    except (tarfile.TarError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")[:200]
        raise IndexStoreError(f"{archive}: cut off or altered at {at} ({why}); nothing was restored") from error
    if waiting:
        raise IndexStoreError(f"{archive}: cut off or altered before {next(iter(waiting))}; nothing was restored")
    return manifest


def _members(tar: tarfile.TarFile, parts: _Parts) -> Iterator[tarfile.TarInfo]:
    """Yield the members after the last that was read. Raises: as `_Parts.read`."""
    while True:
        parts.allow(HEAD_BYTES)
        if (member := tar.next()) is None:
            return
        parts.allow(member.size)
        yield member


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[tarfile.TarFile, _Parts]]:
    """Raises: tarfile.TarError; OSError."""
    with open_regular(archive) as file:
        is_compressed = file.read(2) == GZIP
        file.seek(0)
        parts = _Parts(gzip.GzipFile(fileobj=file) if is_compressed else file)
        with tarfile.TarFile(fileobj=cast(IO[bytes], parts)) as tar:
            yield tar, parts


class _Parts:
    """A file of which only so much may be read at a time.

    tarfile holds all headers of a member in memory: one may state any size, and compressed ones that follow each other
    take a thousandth of that.
    """

    name = ""
    mode = "rb"

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file, self._left = file, HEAD_BYTES
        self.seek, self.tell = file.seek, file.tell

    def allow(self, count: int) -> None:
        """Allow `count` bytes to be read from here on."""
        self._left = count

    def read(self, size: int = -1) -> bytes:
        """Raises: tarfile.ReadError past what is allowed."""
        if not 0 <= size <= self._left:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        self._left -= size
        return self._file.read(size)


def _read_manifest(archive: Path, tar: tarfile.TarFile, parts: _Parts) -> Manifest:
    first = next(_members(tar, parts), None)
    file = tar.extractfile(first) if first is not None and first.name == MANIFEST and first.isreg() else None
    if file is None or first is None:
        raise IndexStoreError(f"{archive}: not a snapshot of an index; make one with `lookalike snapshot`")
    if first.size > MANIFEST_BYTES:
        raise IndexStoreError(f"{archive}: {MANIFEST} has {first.size:,} bytes, at most {MANIFEST_BYTES:,}")
    try:
        manifest = Manifest.read(file.read())
    except (ValueError, TypeError) as error:
        raise IndexStoreError(f"{archive}: {MANIFEST} is not what was written ({error})") from error
    if manifest.format != FORMAT:
        raise IndexStoreError(f"{archive}: snapshot format {manifest.format}, this version knows {FORMAT}")
    return manifest


def _sidecar(archive: Path, folder: Path) -> object:
    try:
        if (size := (folder / SIDECAR).stat().st_size) > MANIFEST_BYTES:
            raise ValueError(f"{size:,} bytes")
        return json.loads((folder / SIDECAR).read_bytes())
    except (ValueError, RecursionError) as error:
        raise IndexStoreError(f"{archive}: {SIDECAR} is not what was written; nothing was restored") from error


def _check_ledger(archive: Path, path: Path) -> None:
    """Refuse what SQLite would execute when the ledger is used, and values of other types. Raises: IndexStoreError."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            computed = file.execute(_COMPUTED).fetchone()
    except sqlite3.Error as error:
        raise IndexStoreError(f"{archive}: {LEDGER} is not readable ({error}); nothing was restored") from error
    if computed:
        raise IndexStoreError(f"{archive}: {LEDGER} has a {computed[0]}; nothing was restored")
    ledger = Ledger(path)
    try:
        for record in ledger.all():
            read_record(asdict(record))
    except (IndexStoreError, ValueError) as error:
        raise IndexStoreError(f"{archive}: {LEDGER} is not what was written ({error}); nothing was restored") from error
    finally:
        ledger.close()


def _check_counts(archive: Path, folder: Path, manifest: Manifest) -> None:
    """Compare the manifest, which has no hash of its own, with what was extracted."""
    stated = _sidecar(archive, folder)
    if not isinstance(stated, dict) or stated != manifest.spec:
        raise IndexStoreError(f"{archive}: {MANIFEST} names another encoder than {SIDECAR}; nothing was restored")
    try:
        spec = EncoderSpec.from_json(json.dumps(stated), f"{archive}: {SIDECAR}")
    except EncoderError as error:
        raise IndexStoreError(f"{error}; nothing was restored") from error
    if stated["space"] != spec.space:
        got = f"states the space {short(stated['space'])!r}, expected {spec.space}"
        raise IndexStoreError(f"{archive}: {SIDECAR} {got}; nothing was restored")
    if (folder / LEDGER).exists():
        _check_ledger(archive, folder / LEDGER)
    counts = _counts(archive, folder)
    if counts != (manifest.points, manifest.sources):
        said = f"{short(manifest.points)} frames of {short(manifest.sources)} sources"
        raise IndexStoreError(
            f"{archive}: {MANIFEST} says {said}, found {counts[0]} of {counts[1]}; nothing was restored"
        )


def _counts(archive: Path, folder: Path) -> tuple[int, int]:
    """Return how many frames are stored, and how many sources are complete. Each frame is checked."""
    try:
        with closing(FolderLocation(folder).open_as_it_is(FIRST)) as engine:
            for frame in engine.scroll(Filters()):
                check_payload({name: value for name, value in frame.to_payload().items() if name != "remote"})
            return engine.count(), len({record.source_id for record in engine.source_records()})
    except BaseException as error:  # a panic of the embedded engine is a BaseException
        if isinstance(error, KeyboardInterrupt):
            raise
        why = " ".join(str(error).split()).replace(f"{folder}: ", "")[:200]
        raise IndexStoreError(f"{archive}: cannot read the index ({why}); nothing was restored") from error
