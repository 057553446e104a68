"""Write files and folders so that a crash or a power loss leaves the previous version or the new one, complete."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def sync(path: Path) -> None:
    """Sync a file or a folder to the disk. Folders of Windows cannot be synced. Raises: OSError."""
    if path.is_dir() and os.name != "posix":
        return
    file = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def replace(partial: Path, path: Path) -> None:
    """Give a complete file its name, on the same disk.

    The file is synced before, since after a power loss the name may otherwise belong to an empty file. The folder is
    synced afterwards, since the name may otherwise still belong to the previous file. Source: fsync(2), rename(2).
    Raises: OSError.
    """
    sync(partial)
    partial.replace(path)
    sync(path.parent)


def partial_of(path: Path) -> Path:
    """Return the temporary path of a file; a killed process may leave it. Raises: OSError for a folder such as `.`."""
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(path.name + ".partial")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to. The file replaces `path` at the end, and is removed after an error.

    Raises: OSError.
    """
    partial = partial_of(path)
    try:
        yield partial
        replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder with its parents, if it is missing; their names are durable.

    mode: of the folder itself, less the umask. Raises: OSError.
    """
    if folder.is_dir():
        return
    if not folder.parent.exists():
        make_folder(folder.parent)
    folder.mkdir(mode, exist_ok=True)
    sync(folder.parent)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes that call this from writing to a folder, without a file in it. It ends with the process.

    folder: or a file that is there.

    File systems without such locks, such as NFS, and Windows: nothing is kept. Source: flock(2).
    Raises: OSError, EBUSY if another process holds the folder.
    """
    if fcntl is None:
        yield
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(errno.EBUSY, "another process is writing it", str(folder)) from None
        except OSError:
            pass
        yield
    finally:
        os.close(file)


@contextmanager
def working_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder next to what is made in it. What a killed process left there is removed.

    Raises: OSError, EBUSY if another process makes the same.
    """
    folder = partial_of(target.with_name(f".{target.name}") if target.name else target)
    folder.mkdir(exist_ok=True)
    with held(folder):
        for path in folder.iterdir():  # the folder itself stays, since it is what is held
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
