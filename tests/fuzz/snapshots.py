"""Snapshots from elsewhere, up to where the engine opens the shard. An input is a manifest, or a tar."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from dataclasses import asdict
from pathlib import Path

from lookalike.errors import IndexStoreError
from lookalike.index.embedded import snapshot
from lookalike.index.embedded.snapshot import MANIFEST, Manifest, restore
from tests.fuzz.target import Target, refused
from tests.tiny import SPEC

FOLDER = tempfile.TemporaryDirectory()
HERE = Path(FOLDER.name)
CONTENT = {"lookalike.json": SPEC.to_json().encode(), "shard/edge_config.json": b"{}", "shard/wal/open-1": b"frames"}
snapshot._counts = lambda archive, folder: (0, 0)  # the engine is not what is fuzzed


def run(data: bytes) -> None:
    with refused(ValueError, TypeError):
        Manifest.read(data)
    archive, folder = HERE / "x.tar", HERE / "index"
    archive.write_bytes(data)
    with refused(IndexStoreError):
        restore(archive, folder)
        assert folder.is_dir()
    for path in sorted(HERE.rglob("*"), reverse=True):  # nothing but the archive and what was restored
        assert path == archive or path.is_relative_to(folder)
        path.rmdir() if path.is_dir() else path.unlink()


def seeds() -> list[bytes]:
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}
    spec = json.loads(SPEC.to_json())
    manifest = json.dumps(asdict(Manifest(spec, 0, 0, "qdrant-edge", hashes))).encode()
    tars = [_tar({MANIFEST: manifest} | CONTENT, kind) for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)]
    return [manifest, *tars, *(gzip.compress(tar, mtime=0) for tar in tars), tars[0][:2000]]


def _tar(content: dict[str, bytes], kind: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 0.5
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue().rstrip(b"\0") + bytes(1024)


TARGET = Target(run, seeds, 16_384)
