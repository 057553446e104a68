"""The current generation of an embedded index as one tar file, whose members are checked by hash on the way back."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lookalike.errors import IndexStoreError
from lookalike.index.folder import SIDECAR, FolderPlace
from lookalike.index.generations import FIRST, existing_pointer
from lookalike.index.ledger import LEDGER
from lookalike.index.shards import FIRST as SHARD
from lookalike.index.shards import current_shard

MANIFEST = "manifest.json"  # the first member: what the others are
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """spec: of the encoder that filled it. points: frames stored. sources: how many are there from end to end.

    engine: what wrote the shard. members: SHA-256 by name.
    """

    spec: dict[str, Any]
    points: int
    sources: int
    engine: str
    members: dict[str, str]
    format: int = FORMAT


def snapshot(place: FolderPlace, out: Path) -> Manifest:
    """Write the current generation to a file, compressed if its name ends with .gz; it has its name when it is whole.

    Raises: IndexInUse if another process has the index open; IndexStoreError if there is none, or `out` cannot be
    written.
    """
    generation = existing_pointer(place).current
    engine = place.open_as_it_is(generation)  # nobody writes while we hold it
    try:
        engine.flush()
        files = _files(place.at(generation))
        manifest = Manifest(
            json.loads(files[SIDECAR].read_text()),
            engine.count(),
            len({one.source_id for one in engine.all_finished()}),
            f"qdrant-edge {version('qdrant-edge-py')}",
            {name: _sha256(path) for name, path in files.items()},
        )
        with _written(out) as partial:
            _write(partial, manifest, files, compressed=out.suffix in (".gz", ".tgz"))
    finally:
        engine.close()
    return manifest


def restore(archive: Path, folder: Path) -> Manifest:
    """Make an index of a snapshot. Every member is checked before the folder has its name.

    Raises: IndexStoreError if the folder is not empty, or the file is cut off, altered, or no snapshot.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise IndexStoreError(f"{folder}: not an empty folder; choose another place for the index")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.", suffix=".partial") as partial:
            inside = Path(partial, "index")
            manifest = _unpack(archive, inside)
            _check_counts(archive, inside, manifest)
            inside.replace(folder)
    except OSError as error:
        raise IndexStoreError(f"{error.filename or folder}: cannot restore ({error.strerror or error})") from error
    return manifest


def _files(folder: Path) -> dict[str, Path]:
    """By their names in a snapshot, in which the shard in use is the first one."""
    shard = current_shard(folder)
    named = {name: folder / name for name in (SIDECAR, LEDGER) if (folder / name).exists()}
    inside = sorted(path for path in shard.rglob("*") if path.is_file())
    return named | {f"{SHARD}/{path.relative_to(shard).as_posix()}": path for path in inside}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _written(out: Path) -> Iterator[Path]:
    """A file beside `out` that takes its name at the end, and is gone if there is none."""
    partial = out.with_name(out.name + ".partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(out)
    except OSError as error:
        raise IndexStoreError(f"{out}: cannot write ({error.strerror or error})") from error
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, manifest: Manifest, files: dict[str, Path], compressed: bool) -> None:
    with tarfile.open(path, "w:gz", compresslevel=1) if compressed else tarfile.open(path, "w") as tar:
        text = (json.dumps(manifest.__dict__, indent=1) + "\n").encode()
        head = tarfile.TarInfo(MANIFEST)
        head.size, head.mode = len(text), 0o644
        tar.addfile(head, io.BytesIO(text))
        for name, file in files.items():
            tar.add(file, name, recursive=False)


def _unpack(archive: Path, into: Path) -> Manifest:
    """Extract what the manifest names, and nothing else."""
    at, waiting = "its beginning", dict[str, str]()
    try:
        with tarfile.open(archive) as tar:
            manifest = _read_manifest(archive, tar)
            waiting = dict(manifest.members)
            for member in tar:
                if (at := member.name) == MANIFEST:
                    continue
                expected = waiting.pop(member.name, None)
                if expected is None or not member.isreg():
                    raise IndexStoreError(f"{archive}: {at} is not in its manifest; nothing was restored")
                tar.extract(member, into, filter="data")
                if _sha256(into / member.name) != expected:
                    raise IndexStoreError(f"{archive}: {at} is not what was written (SHA-256); nothing was restored")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        why = str(error).splitlines()[0].rstrip(":")
        raise IndexStoreError(f"{archive}: cut off or altered at {at} ({why}); nothing was restored") from error
    if waiting:
        raise IndexStoreError(f"{archive}: cut off or altered before {next(iter(waiting))}; nothing was restored")
    return manifest


def _read_manifest(archive: Path, tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    file = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
    if file is None:
        raise IndexStoreError(f"{archive}: no snapshot of an index; make one with `lookalike snapshot`")
    try:
        manifest = Manifest(**json.loads(file.read()))
    except (ValueError, TypeError) as error:
        raise IndexStoreError(f"{archive}: {MANIFEST} is not what was written ({error})") from error
    if manifest.format != FORMAT:
        raise IndexStoreError(f"{archive}: snapshot format {manifest.format}, this version knows {FORMAT}")
    return manifest


def _check_counts(archive: Path, folder: Path, manifest: Manifest) -> None:
    """The manifest has no hash of its own: what it says is compared with what is there."""
    if json.loads((folder / SIDECAR).read_text()) != manifest.spec:
        raise IndexStoreError(f"{archive}: {MANIFEST} names another encoder than {SIDECAR}; nothing was restored")
    engine = FolderPlace(folder).open_as_it_is(FIRST)
    try:
        counts = engine.count(), len({one.source_id for one in engine.all_finished()})
    finally:
        engine.close()
    if counts != (manifest.points, manifest.sources):
        said = f"{manifest.points} frames of {manifest.sources} sources"
        raise IndexStoreError(
            f"{archive}: {MANIFEST} says {said}, found {counts[0]} of {counts[1]}; nothing was restored"
        )
