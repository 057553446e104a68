"""Which shard of an embedded index is in use: one folder of several, named in a file that is replaced in one step."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4

FIRST = "shard"  # the one in use where nothing else is said
POINTER = "in-use"


def current_shard(folder: Path) -> Path:
    """The shard in use of the index in `folder`; it may not have been made yet."""
    pointer = folder / POINTER
    return folder / (Path(pointer.read_text().strip()).name if pointer.exists() else FIRST)


def new_shard(folder: Path) -> Path:
    """A place for another shard, new each time: a build whose index was killed may still write to its own."""
    return folder / f"{FIRST}-{uuid4().hex}"


def use_shard(shard: Path) -> None:
    """From now on this one is in use, also after a crash. It must be durable."""
    partial = shard.parent / f"{POINTER}.partial"
    partial.write_text(f"{shard.name}\n")
    _sync(partial)
    partial.replace(shard.parent / POINTER)
    _sync(shard.parent)


def remove_others(folder: Path) -> None:
    """Whatever was left by a build that was killed. Only for who has the shard in use open: then nobody builds."""
    for path in folder.glob(f"{FIRST}*"):
        if path != current_shard(folder):
            shutil.rmtree(path, ignore_errors=True)  # what still writes to it goes on until it is done


def remove_shards(folder: Path) -> None:
    """All of an index that nobody has open."""
    for path in folder.glob(f"{FIRST}*"):
        shutil.rmtree(path, ignore_errors=True)
    (folder / POINTER).unlink(missing_ok=True)


def make_durable(shard: Path) -> None:
    """Have all that was written to its files on the disk."""
    for path in (*shard.rglob("*"), shard):
        _sync(path)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
