"""A copy of a shard: the same bytes, and no more of the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookalike.index.embedded.shards import copy_shard
from tests.index.circle import SPEC

MB = 1 << 20


def taken(folder: Path) -> int:
    """Bytes of the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def write_with_holes(path: Path) -> None:
    """4 MB: a hole, 5 bytes at 1 MB, a hole, 3 bytes at 3 MB, a hole."""
    with path.open("wb") as file:
        for at, written in ((MB, b"first"), (3 * MB, b"end")):
            file.seek(at)
            file.write(written)
        file.truncate(4 * MB)


def test_holes_stay_holes(tmp_path: Path) -> None:
    shard = tmp_path / "shard"
    (shard / "segments").mkdir(parents=True)
    write_with_holes(shard / "segments" / "some")
    (shard / "hole").touch()
    with (shard / "hole").open("r+b") as file:
        file.truncate(MB)
    (shard / "empty").touch()
    (shard / "all").write_bytes(bytes(range(256)) * 8192)
    if taken(shard / "segments") > MB:
        pytest.skip("NOT TESTED: the file system of the temporary folder keeps no holes")
    copy_shard(shard, tmp_path / "copy")
    for path in ("segments/some", "hole", "empty", "all"):
        assert (tmp_path / "copy" / path).read_bytes() == (shard / path).read_bytes()
    assert taken(tmp_path / "copy") <= taken(shard) + 64 * 1024


def test_a_copy_of_a_new_shard_is_as_small_and_opens(tmp_path: Path) -> None:
    """Its files are 150 MB long, and a copy with their holes filled takes as much."""
    from lookalike.index.embedded.edge import Shard

    Shard(tmp_path / "shard", SPEC.space, SPEC.dim).close()
    copy_shard(tmp_path / "shard", tmp_path / "copy")
    assert taken(tmp_path / "copy") < taken(tmp_path / "shard") + MB
    copy = Shard(tmp_path / "copy", SPEC.space, SPEC.dim)
    assert copy.count() == 0
    copy.close()
