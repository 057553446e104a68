"""A recording is shown while it holds the bytes that were indexed, whatever its times say."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from lookalike.errors import FootageError
from serving.recordings.source_verifier import SourceVerifier


@pytest.mark.trust
def test_a_file_that_is_overwritten_and_dated_back_is_noticed(tmp_path: Path) -> None:
    path, verifier = tmp_path / "clip.mp4", SourceVerifier()
    path.write_bytes(b"a" * 1000)
    source_id, before = hashlib.sha256(b"a" * 1000).hexdigest(), path.stat()
    verifier.check(str(path), source_id)
    with path.open("r+b") as file:  # the same file, of the same size
        file.write(b"b" * 1000)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # some milliseconds at most, the kernel's own step
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    with pytest.raises(FootageError, match="another file than the one that was indexed"):
        verifier.check(str(path), source_id)
