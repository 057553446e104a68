"""Read pictures inside a zip, named as if the zip were a folder: pictures.zip/gate/0001.jpg."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from lookalike.errors import FootageError
from lookalike.files.regular import check_regular, open_regular
from lookalike.footage.limits import LIMITS, MIB

PART_BYTES = MIB  # inflated at a time
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # with others, `zipfile` does not bound the size of a read
TAIL_BYTES = 1 << 17  # of a zip: its end record, a comment of at most 64 KiB, and what zip64 adds
_BROKEN = (KeyError, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error, zipfile.BadZipFile)


def members(archive: Path) -> list[str]:
    """List the files in a zip, sorted and unchecked: see `is_below`. Raises: FootageError for other files."""
    return sorted(name for name in _opened(archive).namelist() if not name.endswith("/"))


def is_below(name: str) -> bool:
    """Whether a member's name stays inside: not absolute, no drive, no backslash, no `..` and no empty part."""
    parts = name.split("/")
    return not (re.match("[A-Za-z]:", name) or "\\" in name or {"", ".", ".."} & set(parts))


def inside(path: str) -> tuple[Path, str] | None:
    """Return the zip and the member that a path names; None for a path outside of zips."""
    for parent in Path(path).parents:
        if parent.suffix.lower() == ".zip" and parent.is_file():
            return parent, Path(path).relative_to(parent).as_posix()
    return None


def check_member(path: str) -> None:
    """Refuse a member of a zip whose name leads out of the zip. Raises: FootageError."""
    for match in re.finditer("[.]zip/", path, re.IGNORECASE):
        if not is_below(path[match.end() :]) and Path(path[: match.end() - 1]).is_file():
            raise FootageError(f"{path}: its name leads out of the zip; it is not read")


def read_bytes(path: str, limit: int = LIMITS.image_bytes) -> bytes:
    """Read a file, or a member of a zip.

    Raises: FootageError, also for more than `limit` bytes, whatever a header states; OSError.
    """
    check_member(path)
    member = inside(path)
    try:
        if member is None:
            with open_regular(path) as file:
                data = file.read(limit + 1)
        else:
            data = _inflated(*member, limit)
    except _BROKEN as error:  # RuntimeError: encrypted
        raise FootageError(f"{path}: cannot read it from the zip ({error})") from error
    if len(data) > limit:
        raise FootageError(f"{path}: more than {limit:,} bytes, the limit for an image")
    return data


def read_head(path: str, count: int) -> bytes:
    """Read at most the first `count` bytes of a file, or of a member of a zip. Raises: as `read_bytes`."""
    member = inside(path)
    if member is None:
        with open_regular(path) as file:
            return file.read(count)
    try:
        return _inflated(*member, count)[:count]
    except _BROKEN as error:
        raise FootageError(f"{path}: cannot read it from the zip ({error})") from error


def size_bytes(path: str) -> int:
    """Return the size of a file; for a member of a zip, the size that its header states."""
    member = inside(path)
    try:
        if member is None:
            check_regular(path)
            return Path(path).stat().st_size
        return _opened(member[0]).getinfo(member[1]).file_size
    except KeyError as error:
        raise FootageError(f"{path}: not in the zip") from error


def _inflated(archive: Path, name: str, limit: int) -> bytes:
    """Inflate at most one byte more than the limit, in parts: a header may understate the size.

    Raises: FootageError, any of _BROKEN.
    """
    parts, left = list[bytes](), limit + 1
    try:
        opened = _opened(archive)
        if (method := opened.getinfo(name).compress_type) not in METHODS:
            raise FootageError(f"{archive}/{name}: compression method {method}, expected Deflate or none; zip it again")
        with opened.open(name) as file:
            while left > 0 and (part := file.read(min(left, PART_BYTES))):
                parts.append(part)
                left -= len(part)
    except (OSError, zlib.error) as error:
        raise FootageError(f"{archive}/{name}: cannot read it from the zip ({error})") from error
    return b"".join(parts)


def _opened(archive: Path) -> zipfile.ZipFile:
    return _open(archive, archive.stat().st_mtime_ns)


@lru_cache(maxsize=4)  # a zip of 50,000 pictures takes a second to open
def _open(archive: Path, changed_ns: int) -> zipfile.ZipFile:
    if (listed := _directory_bytes(archive)) > LIMITS.zip_directory_bytes:
        most = f"at most {LIMITS.zip_directory_bytes:,}"
        raise FootageError(f"{archive}: its list of files has {listed:,} bytes, {most}; split it")
    try:
        opened = zipfile.ZipFile(archive)
    except _BROKEN as error:
        raise FootageError(f"{archive}: not a readable zip ({error})") from error
    if (count := len(opened.filelist)) > LIMITS.zip_members:
        opened.close()
        raise FootageError(f"{archive}: {count:,} files, at most {LIMITS.zip_members:,}; split it")
    return opened


def _directory_bytes(archive: Path) -> int:
    """Return the stated size of a zip's list of files, which `ZipFile` reads whole; 0 for other files.

    Source: APPNOTE.TXT, 4.3.14 and 4.3.16.
    """
    with archive.open("rb") as file:
        file.seek(max(archive.stat().st_size - TAIL_BYTES, 0))
        tail = file.read()
    sizes = [0]
    if (at := tail.rfind(b"PK\x05\x06")) >= 0 and len(tail) >= at + 16:
        sizes.append(int.from_bytes(tail[at + 12 : at + 16], "little"))
    if sizes[-1] == 0xFFFFFFFF and (at := tail.rfind(b"PK\x06\x06")) >= 0:
        sizes[-1] = int.from_bytes(tail[at + 40 : at + 48], "little")
    return sizes[-1]
