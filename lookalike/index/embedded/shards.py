"""The shard in use of an embedded index: one folder of several, named in a file that is replaced atomically."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from lookalike.errors import IndexInUse, IndexStoreError
from lookalike.files import durable
from lookalike.files.printable import short

FIRST = "shard"  # in use if there is no pointer
POINTER = "in-use"
_NAME = re.compile(rf"{FIRST}(-[0-9a-f]{{32}})?")
COPIED_AT_ONCE = 1 << 20  # bytes


def current_shard(folder: Path) -> Path:
    """Return the shard in use of the index in `folder`; the first one may not exist yet.

    Raises: IndexStoreError if the file that names it is damaged. Another shard would be made, and all others removed.
    """
    pointer = folder / POINTER
    if not pointer.exists():
        return folder / FIRST
    try:
        name = pointer.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise IndexStoreError(f"{pointer}: unreadable ({error}); restore a snapshot") from error
    if not _NAME.fullmatch(name) or not (folder / name).is_dir():
        raise IndexStoreError(f"{pointer}: got {short(name)!r}, expected the name of a shard; restore a snapshot")
    return folder / name


def in_use(folder: Path) -> IndexInUse:
    """Return the error for an index that another process has open."""
    return IndexInUse(
        f"{folder}: in use by another process; stop it first, or if it is"
        " `lookalike serve`, give its URL, as --index http://127.0.0.1:3000"
    )


def new_shard(folder: Path) -> Path:
    """Return a new path for another shard: a build whose service was killed may still write to its own."""
    return folder / f"{FIRST}-{uuid4().hex}"


def name_shard(made: Path, shard: Path) -> bool:
    """Give a new shard its name, with all that it holds made durable.

    Returns: whether it has the name now; False if another process was first.
    """
    make_durable(made)
    try:
        made.replace(shard)  # an empty folder is replaced
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    durable.sync(shard.parent)
    return True


def use_shard(shard: Path) -> None:
    """Use this shard from now on, also after a crash. It must be durable."""
    with durable.replacing(shard.parent / POINTER) as partial:
        partial.write_text(f"{shard.name}\n")


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


def copy_shard(shard: Path, copy: Path) -> None:
    """Copy a shard that nobody writes to. The holes in its files, 150 MB of an empty one's, stay holes."""
    shutil.copytree(shard, copy, copy_function=_copy_data)


def make_durable(shard: Path) -> None:
    """Sync all files of a shard to the disk."""
    for path in (*shard.rglob("*"), shard):
        durable.sync(path)


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
    """Yield the stretches of a file that hold data, as (start, end); all of it where the platform does not say."""
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
