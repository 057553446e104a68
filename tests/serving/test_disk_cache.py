"""The cache on disk: what it keeps, and what it removes."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from serving.recordings.disk_cache import ABANDONED_S, DiskCache, open_cache


def test_what_was_not_asked_for_the_longest_goes_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, limit_bytes=1600)  # room for 15 of 100 bytes, as a sixteenth is left free
    for number in range(15):
        path = cache.put(f"{number:02}", bytes(100))
        assert path
        os.utime(path, (number, number))
    assert cache.read("00") == bytes(100)  # asked for just now
    cache.put("15", bytes(100))
    cache.put("16", bytes(1))  # what was written since the last count makes it count anew
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00", *(f"{number:02}" for number in range(3, 17))]


def test_a_half_written_file_never_has_its_name(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, limit_bytes=1000)
    with suppress(KeyboardInterrupt), cache.writing("a") as part:
        part.write_bytes(b"half")
        assert cache.find("a") is None
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    old, new = tmp_path / "a.1.part", tmp_path / "b.2.part"
    for path, age_s in ((old, ABANDONED_S + 60), (new, 0)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age_s, time.time() - age_s))
    DiskCache(tmp_path, limit_bytes=1000).put("c", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.2.part", "c"]


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file stands where the folder would be: root may write to any folder, so that its rights say nothing."""
    (tmp_path / "taken").write_bytes(b"")
    with caplog.at_level(logging.WARNING, "bentoml.lookalike"):
        other = open_cache(tmp_path / "taken")
        cache = DiskCache(tmp_path / "taken" / "thumbs", limit_bytes=1000)
        assert [cache.put("a", b"a"), cache.put("b", b"b"), cache.read("a")] == [None, None, None]
    assert other.is_dir()
    assert [record.message.split(": ", 1)[1].split(" (")[0] for record in caplog.records] == [
        "cannot be written",
        "cannot be cached",
    ]
