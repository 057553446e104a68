"""A disk that is really full, a tmpfs: the engine's files are mapped, so that a write without room is a SIGBUS."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lookalike.index import open_index
from lookalike.index.disk_space import VARIABLE
from tests.index.circle import at

ROOT = Path(__file__).resolve().parents[2]
DISK_MB, MIN_FREE_MB = 300, 64
FILL = """
import sys
from lookalike.errors import DiskFull
from lookalike.index import open_index
from tests.index.circle import SPEC, at, frame
live = sys.argv[2] == "live"
stored = 0
with open_index(sys.argv[1], SPEC, create=True, live=live) as index:
    try:
        while True:
            index.add([frame(f"s{stored + number}", 0.0) for number in range(1000)], at(*range(1000)))
            stored += 1000
    except DiskFull as error:
        print(stored, error, sep="\\n")
        assert index.search(at(0)[0]), "no search is answered"
        index.engine.flush()
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"NOT TRIED: a full disk cannot be made here ({error}); run as root on Linux")
    if done.returncode:
        pytest.skip(f"NOT TRIED: a full disk cannot be made here ({done.stderr.strip()}); run as root on Linux")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.trust
@pytest.mark.parametrize("kind", ["plain", "live"])
def test_an_index_stops_before_its_disk_is_full(
    disk: Path, kind: str, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setenv(VARIABLE, str(MIN_FREE_MB))
    folder = disk / "index"
    command = [sys.executable, "-c", FILL, str(folder), kind]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr  # -7 is a SIGBUS
    stored, message = done.stdout.splitlines()
    assert "MiB are free on its disk, expected at least" in message
    with open_index(folder) as index:
        assert index.count() == int(stored) > 0
        assert index.search(at(0)[0])
    record_property("tried", f"a disk of {DISK_MB} MiB, filled; {kind} index")
    record_property("survived", f"{int(stored):,} frames, and searches")
    record_property("lost", "0 frames")
