"""A disk that is really full, a tmpfs: the engine's files are mapped, so that a write without room is a SIGBUS."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lookalike.index import open_index
from lookalike.index.embedded.disk_space import VARIABLE
from tests.index.circle import at
from tests.small_disk import small_disk

ROOT = Path(__file__).resolve().parents[3]
DISK_MB, MIN_FREE_MB = 230, 64  # an index that is opened again takes 150
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
    with small_disk(tmp_path / "disk", DISK_MB) as folder:
        yield folder


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
        assert 0 < int(stored) <= index.count() < int(stored) + 1000  # of the last 1,000, some may be stored
        assert index.search(at(0)[0])
    record_property("tried", f"a disk of {DISK_MB} MiB, filled; {kind} index")
    record_property("survived", f"{int(stored):,} frames, and searches")
    record_property("lost", "0 frames")
