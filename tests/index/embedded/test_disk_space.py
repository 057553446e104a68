"""Room on the disk of an index is looked at before each write; on a disk that is really full, nothing dies."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from lookalike.errors import DiskFull, IndexStoreError, LookalikeError
from lookalike.index.embedded.disk_space import MIB, MIN_FREE_MB, VARIABLE, Room, read_min_free, size_bytes

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many MiB the disk has free."""

    def set_free(mib: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, mib * MIB))

    return set_free


def test_writes_need_the_margin(tmp_path: Path, free: Callable[[int], None]) -> None:
    room = Room(tmp_path)
    free(MIN_FREE_MB)
    room.check()
    free(MIN_FREE_MB - 1)
    message = f"{MIN_FREE_MB - 1} MiB are free on its disk, expected at least {MIN_FREE_MB}; make room, or lower"
    with pytest.raises(DiskFull, match=message):
        room.check()
    room.check(share=0.5)


def test_a_graph_needs_room_for_copies_of_the_shard(tmp_path: Path, free: Callable[[int], None]) -> None:
    shard = tmp_path / "shard"
    shard.mkdir()
    (shard / "vectors").write_bytes(bytes(3 * MIB))
    room = Room(tmp_path)
    assert size_bytes(shard) == 3 * MIB
    free(MIN_FREE_MB + 6)
    room.check_graph(shard, 2)
    free(MIN_FREE_MB + 5)
    with pytest.raises(DiskFull, match=f"expected at least {MIN_FREE_MB + 6}"):
        room.check_graph(shard, 2)


def test_the_margin_is_a_setting(tmp_path: Path, free: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "10")
    room = Room(tmp_path)
    free(10)
    room.check()
    free(9)
    with pytest.raises(DiskFull):
        room.check()


@pytest.mark.parametrize("text", ["-1", "1.5", "much", "1e3", "9999999999"])
def test_a_margin_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(LookalikeError, match="expected a whole number of MiB from 0"):
        read_min_free({VARIABLE: text})


def test_a_shard_is_opened_where_its_holes_can_be_filled(tmp_path: Path, free: Callable[[int], None]) -> None:
    shard, room = tmp_path / "shard", Room(tmp_path)
    free(MIN_FREE_MB - 1)
    with pytest.raises(DiskFull):
        room.check_open(shard)  # would be made
    shard.mkdir()
    with (shard / "sparse").open("wb") as file:
        file.truncate(20 * MIB)
    free(20)
    room.check_open(shard)
    free(19)
    with pytest.raises(DiskFull, match="19 MiB are free on its disk, expected at least 20"):
        room.check_open(shard)


def test_a_write_leaves_room_to_open_the_shard_again(tmp_path: Path, free: Callable[[int], None]) -> None:
    shard, room = tmp_path / "shard", Room(tmp_path)
    shard.mkdir()
    with (shard / "sparse").open("wb") as file:
        file.truncate(20 * MIB)
    free(MIN_FREE_MB + 20)
    room.check_write(shard)
    free(MIN_FREE_MB + 19)
    with pytest.raises(DiskFull):
        room.check_write(shard)


def test_holes_take_no_room(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(100 * MIB)
    assert size_bytes(tmp_path) < MIB


@pytest.mark.trust
def test_a_folder_that_was_removed_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    room = Room(folder)
    assert room.trouble() is None
    folder.rmdir()
    with pytest.raises(IndexStoreError, match="was removed or replaced"):
        room.check()
    folder.mkdir()  # another folder of this name holds none of the files that are open
    while folder.stat().st_ino == room._identity[1]:  # pyright: ignore[reportOptionalSubscript]
        folder.rename(tmp_path / f"other{len(list(tmp_path.iterdir()))}")
        folder.mkdir()
    assert "was removed or replaced" in (room.trouble() or "")


def test_holes_that_were_filled_since_they_were_counted_do_not_count(
    tmp_path: Path, free: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 MiB of holes are filled a moment after they were counted: of 180 MiB 80 are left, and the margin is 64."""
    counts = iter([100 * MIB, 0])
    monkeypatch.setenv(VARIABLE, "64")
    monkeypatch.setattr("lookalike.index.embedded.disk_space.hole_bytes", lambda shard: next(counts))
    room = Room(tmp_path)
    free(180)
    room.check_write(tmp_path)
    free(80)
    room.check_write(tmp_path)
