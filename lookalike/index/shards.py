"""The shard in use of an embedded index: one folder of several, named in a file that is replaced atomically."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4

FIRST = "shard"  # in use if there is no pointer
POINTER = "in-use"


def current_shard(folder: Path) -> Path:
    """Return the shard in use of the index in `folder`; it may not exist yet."""
    pointer = folder / POINTER
    return folder / (Path(pointer.read_text().strip()).name if pointer.exists() else FIRST)


def new_shard(folder: Path) -> Path:
    """Return a new path for another shard: a build whose service was killed may still write to its own."""
    return folder / f"{FIRST}-{uuid4().hex}"


def use_shard(shard: Path) -> None:
    """Use this shard from now on, also after a crash. It must be durable."""
    partial = shard.parent / f"{POINTER}.partial"
    partial.write_text(f"{shard.name}\n")
    _sync(partial)
    partial.replace(shard.parent / POINTER)
    _sync(shard.parent)


def remove_others(folder: Path) -> None:
    """Remove the shards of killed builds. Only for the process that has the index open, while it does not build."""
    for path in folder.glob(f"{FIRST}*"):
        if path != current_shard(folder):
            shutil.rmtree(path, ignore_errors=True)  # a build that still writes to it is not disturbed


def remove_shards(folder: Path) -> None:
    """Remove all shards of an index that no process has open."""
    for path in folder.glob(f"{FIRST}*"):
        shutil.rmtree(path, ignore_errors=True)
    (folder / POINTER).unlink(missing_ok=True)


def make_durable(shard: Path) -> None:
    """Sync all files of a shard to the disk."""
    for path in (*shard.rglob("*"), shard):
        _sync(path)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
