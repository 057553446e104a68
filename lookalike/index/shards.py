"""Which shard of an embedded index is in use: one folder of several, named in a file that is replaced in one step."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

FIRST = "shard"  # the one in use where nothing else is said
POINTER = "in-use"
COPIED_AT_ONCE = 1 << 20  # bytes


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


def copy_shard(shard: Path, copy: Path) -> None:
    """Copy a shard that nobody writes to. The holes in its files, 150 MB of an empty one's, stay holes."""
    shutil.copytree(shard, copy, copy_function=_copy_data)


def make_durable(shard: Path) -> None:
    """Have all that was written to its files on the disk."""
    for path in (*shard.rglob("*"), shard):
        _sync(path)


def _copy_data(source: str, target: str) -> None:
    """Copy what was written of a file. Source: lseek(2), SEEK_DATA."""
    with open(source, "rb") as read, open(target, "wb") as write:
        size = os.fstat(read.fileno()).st_size
        for start, end in _written(read.fileno(), size):
            read.seek(start)
            write.seek(start)
            while data := read.read(min(end - start, COPIED_AT_ONCE)):
                start += write.write(data)
        write.truncate(size)


def _written(file: int, size: int) -> Iterator[tuple[int, int]]:
    """The stretches of a file that are no holes, as (start, end); all of it where the platform does not say."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
