"""What a power loss leaves of a folder: recorded at each sync of a process, and made again as a folder.

Only what was synced survives. Of a file, that is its content at its last fsync or fdatasync, and the ranges that msync
wrote since: what was stored to mapped memory counts from then on only. Of a folder, it depends on the file system:

names_synced    its entries at its own last fsync: all that POSIX promises
empty           its entries as they were, since a journal may write them at any time; a file that was never synced is
                empty
zeros           the same, with files as long as they were: what was not synced of them is zeros

Each of the three is legal at each moment. What really is left may also be a mixture of them.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from lookalike.index.embedded.shards import _copy_data, _written
from tests.faults.syncs import CALLS, ReportedProcess, Sync

Model = Literal["names_synced", "empty", "zeros"]
MODELS: tuple[Model, ...] = get_args(Model)
VARIABLE = "FAULTS_ACKNOWLEDGED"
CAN_RECORD = platform.system() == "Linux" and platform.machine() in CALLS
_WAIT = 4  # of msync: MS_SYNC. With MS_ASYNC, nothing is promised


@dataclass(frozen=True)
class Entry:
    """A file or folder. length: of a file, bytes."""

    inode: int
    is_folder: bool
    length: int


@dataclass(frozen=True)
class Moment:
    """The state after a sync. sync: what it was. entries: by path, as they were. folders: entries of each synced folder
    by its inode. contents: durable content of each synced file by its inode. acknowledged: what the process said until
    then."""

    sync: str
    entries: Mapping[str, Entry]
    folders: Mapping[int, Mapping[str, Entry]]
    contents: Mapping[int, Path]
    acknowledged: Sequence[str]


def acknowledge(line: str) -> None:
    """Say that something is durable. Called in the recorded process."""
    with open(os.environ[VARIABLE], "a", encoding="utf-8") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())  # reported in order with all other syncs


class Recording:
    """Records the syncs of a process below one folder."""

    def __init__(self, folder: Path, store: Path) -> None:
        """folder: exists, and is durable itself. store: of copies, elsewhere."""
        self._folder, self._store = folder.resolve(), store
        self._said = store.resolve() / "acknowledged"
        self._folders: dict[int, Mapping[str, Entry]] = {}
        self._contents: dict[int, Path] = {}
        self._digests: dict[int, bytes] = {}  # of these
        self._numbers = itertools.count()  # of copies
        self._pinned: dict[int, int] = {}  # open files by inode, so that no number is used again
        self.moments: list[Moment] = []

    def run(self, *command: str) -> int:
        """Run Python with these arguments and record it to its end. Returns: its exit status."""
        self._store.mkdir()
        self._said.touch()
        process = ReportedProcess(command, os.environ | {VARIABLE: str(self._said)})
        try:
            for sync in process.syncs():
                self._record(sync)
            self._add("the end")
            return process.process.wait()
        finally:
            process.process.kill()
            process.process.wait()
            for file in self._pinned.values():
                os.close(file)

    def _record(self, sync: Sync) -> None:
        entries = self._look()
        if sync.name in ("sync", "syncfs"):
            for path, entry in entries.items():
                self._keep(self._folder / path, entry)
            what = sync.name
        elif sync.name == "msync":
            what = self._record_mapped(sync)
        else:
            what = self._record_file(sync)
        if what:
            self._add(what, entries)

    def _record_file(self, sync: Sync) -> str | None:
        """fsync and fdatasync. Returns: what it was; None if it is outside of the folder."""
        path = Path(os.readlink(f"/proc/{sync.thread}/fd/{sync.arguments[0]}"))
        if path == self._said:
            return "acknowledging"
        if not path.is_relative_to(self._folder) or not path.exists():
            return None
        self._keep(path, _entry(path))
        return f"{sync.name} {path.relative_to(self._folder)}"

    def _record_mapped(self, sync: Sync) -> str | None:
        address, length, flags = sync.arguments[:3]
        kept = []
        for path, start, end in _mapped(sync.thread, address, address + length):
            if flags & _WAIT and path.is_relative_to(self._folder) and path.exists():
                self._keep(path, _entry(path), (start, end))
                kept.append(f"{path.relative_to(self._folder)} {start}-{end}")
        return f"msync {', '.join(kept)}" if kept else None

    def _keep(self, path: Path, entry: Entry, part: tuple[int, int] | None = None) -> None:
        """Copy what becomes durable now. part: of a file, if not all of it."""
        self._pin(path, entry)
        if entry.is_folder:
            self._folders[entry.inode] = {name: _entry(path / name) for name in sorted(os.listdir(path))}
            return
        copy, before = self._store / f"{next(self._numbers)}", self._contents.get(entry.inode)
        if part is None:
            _copy_data(str(path), str(copy))
        else:
            _copy_data(str(before), str(copy)) if before else copy.touch()
            _copy_part(path, copy, part)
        if (digest := _digest(copy)) == self._digests.get(entry.inode):
            copy.unlink()
        else:
            self._contents[entry.inode], self._digests[entry.inode] = copy, digest

    def _add(self, what: str, entries: Mapping[str, Entry] | None = None) -> None:
        said = self._said.read_text(encoding="utf-8").splitlines()
        entries = self._look() if entries is None else entries
        self.moments.append(Moment(what, entries, dict(self._folders), dict(self._contents), said))

    def _look(self) -> dict[str, Entry]:
        """Everything below the folder, and the folder itself as "."."""
        entries = {".": _entry(self._folder)}
        for parent, folders, files in os.walk(self._folder):
            for name in (*folders, *files):
                path = Path(parent, name)
                try:
                    entry = _entry(path)
                except FileNotFoundError:
                    continue
                self._pin(path, entry)
                entries[str(path.relative_to(self._folder))] = entry
        return entries

    def _pin(self, path: Path, entry: Entry) -> None:
        if entry.inode not in self._pinned:
            self._pinned[entry.inode] = os.open(path, os.O_PATH | os.O_NOFOLLOW)


def make_again(moment: Moment, model: Model, folder: Path) -> Path:
    """Make the folder as a power loss would leave it."""
    folder.mkdir(parents=True)
    if model == "names_synced":
        _make_synced(moment, moment.entries["."], folder)
        return folder
    for path, entry in sorted(moment.entries.items()):
        if entry.is_folder:
            (folder / path).mkdir(exist_ok=True)
        else:
            _make_file(moment, entry, folder / path)
            if model == "zeros" and (folder / path).stat().st_size < entry.length:
                os.truncate(folder / path, entry.length)
    return folder


def _make_synced(moment: Moment, of: Entry, folder: Path) -> None:
    for name, entry in moment.folders.get(of.inode, {}).items():
        if entry.is_folder:
            (folder / name).mkdir()
            _make_synced(moment, entry, folder / name)
        else:
            _make_file(moment, entry, folder / name)


def _make_file(moment: Moment, entry: Entry, path: Path) -> None:
    if content := moment.contents.get(entry.inode):
        _copy_data(str(content), str(path))
    else:
        path.touch()


def _entry(path: Path) -> Entry:
    status = os.lstat(path)
    return Entry(status.st_ino, stat.S_ISDIR(status.st_mode), status.st_size)


def _mapped(thread: int, start: int, end: int) -> list[tuple[Path, int, int]]:
    """The files that memory from `start` to `end` maps: path, and which bytes of it. Source: proc_pid_maps(5)."""
    found = []
    for line in Path(f"/proc/{thread}/maps").read_text().splitlines():
        addresses, _, offset, _, _, *path = line.split(maxsplit=5)
        low, high = (int(text, 16) for text in addresses.split("-"))
        if path and low < end and high > start:
            first = int(offset, 16) + max(start, low) - low
            found.append((Path(path[0]), first, first + min(end, high) - max(start, low)))
    return found


def _copy_part(source: Path, target: Path, part: tuple[int, int]) -> None:
    """Copy some bytes of a file to the same place of another, and its length. Holes stay holes."""
    with source.open("rb") as read, target.open("r+b") as write:
        length = os.fstat(read.fileno()).st_size
        write.truncate(length)
        for start, end in _written(read.fileno(), length):
            start, end = max(start, part[0]), min(end, part[1])
            if start < end:
                os.pwrite(write.fileno(), os.pread(read.fileno(), end - start, start), start)


def _digest(path: Path) -> bytes:
    """Return a digest of a file. Where its holes are, counts."""
    with path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        digest = hashlib.sha256(str(length).encode())
        for start, end in _written(file.fileno(), length):
            digest.update(b"%d" % start + os.pread(file.fileno(), end - start, start))
    return digest.digest()


def fast_folder() -> Path | None:
    """A folder in memory, where there is one: nothing here needs the disk itself."""
    return next((path for path in (Path("/dev/shm"),) if os.access(path, os.W_OK)), None)
