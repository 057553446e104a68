"""Pictures inside a zip, named as if the zip were a folder: pictures.zip/gate/0001.jpg."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from pathlib import Path

from lookalike.errors import FootageError
from lookalike.regular import check_regular, open_regular, read_regular


def members(archive: Path) -> list[str]:
    """Names of the files inside, sorted. Raises: FootageError if it is no readable zip."""
    return sorted(name for name in _opened(archive).namelist() if not name.endswith("/"))


def inside(path: str) -> tuple[Path, str] | None:
    """The zip and the member that a path names; None for a path that is in no zip."""
    for parent in Path(path).parents:
        if parent.suffix.lower() == ".zip" and parent.is_file():
            return parent, Path(path).relative_to(parent).as_posix()
    return None


def read_bytes(path: str) -> bytes:
    """The bytes of a file, or of a member of a zip. Raises: FootageError, OSError."""
    found = inside(path)
    if found is None:
        return read_regular(path)
    try:
        return _opened(found[0]).read(found[1])
    except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # the last: encrypted
        raise FootageError(f"{path}: cannot read it from the zip ({error})") from error


def read_head(path: str, count: int) -> bytes:
    """The first bytes, at most so many, of a file or of a member of a zip. Raises: as `read_bytes`."""
    found = inside(path)
    if found is None:
        with open_regular(path) as file:
            return file.read(count)
    try:
        with _opened(found[0]).open(found[1]) as member:
            return member.read(count)
    except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # the last: encrypted
        raise FootageError(f"{path}: cannot read it from the zip ({error})") from error


def size_bytes(path: str) -> int:
    """How many bytes `read_bytes` would give."""
    found = inside(path)
    if found is None:
        check_regular(path)
    return Path(path).stat().st_size if found is None else _opened(found[0]).getinfo(found[1]).file_size


def _opened(archive: Path) -> zipfile.ZipFile:
    return _open(archive, archive.stat().st_mtime_ns)


@lru_cache(maxsize=4)  # a zip of 50,000 pictures takes a second to open
def _open(archive: Path, changed_ns: int) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise FootageError(f"{archive}: not a readable zip ({error})") from error
