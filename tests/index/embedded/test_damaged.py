"""An embedded index that is damaged, or half removed: one line that says what is wrong, and nothing else is lost."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lookalike.errors import IndexInUse, IndexStoreError
from lookalike.index import SourceRecord, StoredFrame, open_index
from lookalike.index.embedded.disk_space import Room
from lookalike.index.embedded.folder import FolderLocation
from lookalike.index.embedded.shards import POINTER, copy_shard, use_shard
from lookalike.index.embedded.supervised import SupervisedShard
from lookalike.index.generations import FIRST, Pointer, discard, switch_back
from tests.index.circle import OTHER, SPEC, at, frame

pytestmark = pytest.mark.trust
RECORD = SourceRecord("s", "all", "gate/a.mp4", 1, 1)
LATER = "0a"  # a generation


def filled(folder: Path) -> Path:
    """An index of two frames, in its first shard, which a pointer names."""
    with open_index(folder, SPEC, create=True) as index:
        index.add([frame("a", 0), frame("b", 0)], at(0, 90))
        index.mark_complete([RECORD])
    use_shard(folder / "shard")
    return folder


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("content", [b"", b"shard-" + b"0" * 32, b"../index", b"\0\0\0\0", b"\xff\xfe", b"shardful"])
def test_a_damaged_name_of_the_shard_loses_no_frames(tmp_path: Path, content: bytes, live: bool) -> None:
    """An empty shard would be made, and the one with the frames removed as the rest of a killed build."""
    folder = filled(tmp_path / "index")
    (folder / POINTER).write_bytes(content)
    with pytest.raises(IndexStoreError) as caught:
        open_index(folder, SPEC, create=True, live=live)
    assert str(caught.value).startswith(f"{folder / POINTER}: ")
    assert "\n" not in str(caught.value)
    (folder / POINTER).write_text("shard\n")
    with open_index(folder, SPEC) as index:
        assert index.count() == 2


def test_a_pointer_to_a_generation_that_is_gone_loses_no_frames(tmp_path: Path) -> None:
    """A discard removed all that was there, and an ingest advised a reindex."""
    folder = filled(tmp_path / "index")
    location = FolderLocation(folder)
    gone = r"index: its generation '0a' is not there; restore a snapshot"
    location.point(Pointer(LATER))
    for work in (lambda: open_index(folder, SPEC, create=True), lambda: discard(location)):
        with pytest.raises(IndexStoreError, match=gone):
            work()
    location.point(Pointer(FIRST, LATER))
    with pytest.raises(IndexStoreError, match=gone):
        switch_back(location)
    with open_index(folder, SPEC) as index:
        assert index.count() == 2


def test_what_a_killed_creation_leaves_is_no_foreign_folder(tmp_path: Path) -> None:
    """Killed before the first file had its name, the same command refused the folder from then on."""
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "lookalike.json.partial").write_text('{"space":')
    filled(tmp_path / "index")
    with open_index(tmp_path / "index", SPEC) as index:
        assert index.count() == 2
    assert not (tmp_path / "index" / "lookalike.json.partial").exists()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.partial").touch()
    with pytest.raises(IndexStoreError, match="neither an index nor an empty folder"):
        open_index(tmp_path / "photos", SPEC, create=True)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("lost", [("shard",), ("shard/segments", "shard/wal")])
def test_without_its_frames_an_index_says_so(tmp_path: Path, live: bool, lost: tuple[str, ...]) -> None:
    """Its ledger would have it that all sources are complete, so that none is read again."""
    folder = filled(tmp_path / "index")
    (folder / POINTER).unlink()
    for name in lost:
        shutil.rmtree(folder / name)
    with pytest.raises(IndexStoreError, match="its frames are gone, but its ledger has complete sources"):
        open_index(folder, SPEC, create=True, live=live)


@pytest.mark.parametrize("live", [False, True])
def test_a_shard_that_is_replaced_while_it_is_opened_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    """A service switches to another shard and releases this one, which it removes: what is added here would be lost."""
    folder = filled(tmp_path / "index")
    replacement = folder / f"shard-{'0' * 32}"

    def switch(self: object, shard: Path) -> None:
        copy_shard(shard, replacement)
        use_shard(replacement)

    def switch_then_open(shard: Path, space: str, dim: int) -> SupervisedShard:
        switch(None, shard)
        return SupervisedShard(shard, space, dim)

    with monkeypatch.context() as patched:
        if live:
            patched.setattr("lookalike.index.embedded.live.SupervisedShard", switch_then_open)
        else:
            patched.setattr(Room, "check_open", switch)
        with pytest.raises(IndexInUse, match="in use by another process"):
            open_index(folder, SPEC, create=True, live=live)
    assert replacement.exists()
    with open_index(folder, SPEC) as index:
        assert index.count() == 2


def test_frames_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    """The engine opens the index, and fails when it reads them."""
    folder = filled(tmp_path / "index")
    damage_frames(folder)
    with open_index(folder, SPEC) as index, pytest.raises(IndexStoreError, match="engine failed in scroll") as caught:
        list(index.frames())
    assert "\n" not in str(caught.value)


def damage_frames(folder: Path) -> None:
    """Overwrite what is stored of them."""
    with next(folder.rglob("payload_storage/page_0.dat")).open("r+b") as file:
        file.write(random.Random(1).randbytes(65_536))


@pytest.mark.parametrize("entry", ['{"current": 5}', '{"current": null}', '{"current": "", "previous": []}', "[]", "{"])
def test_a_damaged_pointer_is_one_line(tmp_path: Path, entry: str) -> None:
    folder = filled(tmp_path / "index")
    (folder / "current.json").write_text(entry)
    with pytest.raises(IndexStoreError, match=r"current\.json: unreadable"):
        open_index(folder)


class Killed(BaseException):
    pass


@pytest.fixture
def later(tmp_path: Path) -> FolderLocation:
    """An index whose first generation is current, with another one that is complete."""
    location = FolderLocation(filled(tmp_path / "index"))
    engine = location.open(LATER, OTHER, create=True)
    engine.upsert([StoredFrame.from_frame(frame("a", 0))], at(0))
    engine.mark_complete([RECORD])
    engine.close()
    location.point(Pointer(FIRST, LATER))
    return location


def killed_after(steps: int, remove: Callable[..., Any]) -> Callable[..., Any]:
    """Remove so many files, and then no more."""
    done = 0

    def until_killed(path: Path, *arguments: Any, **named: Any) -> None:
        nonlocal done
        if not path.exists():
            return
        if path.is_dir():
            for inside in sorted(path.rglob("*"), reverse=True):
                until_killed(inside)
        if done == steps:
            raise Killed
        done += 1
        path.rmdir() if path.is_dir() else remove(path)

    return until_killed


@pytest.mark.parametrize("steps", [0, 1, 2, 20])
def test_a_discard_that_is_killed_is_completed_by_the_next(
    later: FolderLocation, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed(monkeypatch, steps):
        discard(later)
    discard(later)
    assert not later.at(LATER).exists()
    assert later.generations() == [FIRST]
    with open_index(str(later), SPEC) as index:
        assert index.count() == 2


@pytest.mark.parametrize("steps", [0, 1, 2, 20])
def test_a_generation_that_is_half_removed_is_not_taken_for_a_complete_one(
    later: FolderLocation, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed(monkeypatch, steps):
        later.remove(LATER)
    engine = later.open(LATER, OTHER, create=True)
    assert (list(engine.source_records()), engine.count()) in (([], 0), ([RECORD], 1))
    engine.close()


def test_the_first_generation_is_discarded_as_well_when_that_was_killed(
    later: FolderLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    later.point(Pointer(LATER, FIRST))
    with killed(monkeypatch, 3):
        discard(later)
    discard(later)
    assert later.generations() == [LATER]
    assert list(Path(str(later)).glob("shard*")) == []


def test_a_damaged_generation_can_be_discarded(later: FolderLocation) -> None:
    for path in later.at(LATER).rglob("*.json"):
        if path.parent != later.at(LATER):
            path.write_bytes(b"\0" * 100)
    with pytest.raises(IndexStoreError):
        later.open_as_it_is(LATER)
    discard(later)
    assert later.generations() == [FIRST]


@contextmanager
def killed(monkeypatch: pytest.MonkeyPatch, steps: int) -> Iterator[None]:
    """Have what is done here killed after so many files were removed."""
    unlink = Path.unlink
    remove = killed_after(steps, lambda path: unlink(path))
    with monkeypatch.context() as patched:
        patched.setattr("lookalike.index.embedded.shards.shutil.rmtree", remove)
        patched.setattr(Path, "unlink", remove)
        with pytest.raises(Killed):
            yield
