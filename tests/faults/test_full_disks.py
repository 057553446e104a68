"""A disk that is too full for a file: one clear line, the previous version is kept, and no part of the new one is left.

An index, and the service's 507, are in tests/index/embedded/test_full_disk.py.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lookalike.errors import LookalikeError, TrainingError
from tests.faults.file_writers import WRITERS
from tests.training.small import noise_frames
from training.config import TrainConfig
from training.data import temporary_cache
from training.record import Recorder
from training.run import start_run

pytestmark = pytest.mark.trust
SIZE_KB = 2048
# A ledger grows in its file, a cached thumbnail is optional, and the files of a run have a test of their own.
NAMES = [name for name in WRITERS if name not in ("ledger", "cached thumbnail", "config of a run", "frames of a run")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KB}k", "none", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"FULL DISKS ARE NOT TESTED: a small disk cannot be mounted here ({mounted.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, free_kb: int = 0) -> Path:
    """Fill the disk of a folder. Returns: the file that fills it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            file.truncate(file.tell() - free_kb * 1024)
            return filler
    raise AssertionError("the disk has no end")


def below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_one_line_and_the_previous_file_is_kept(name: str, small_disk: Path) -> None:
    writer = WRITERS[name]
    writer.write(small_disk, 1)
    before = below(small_disk)
    filler = fill(small_disk)
    with pytest.raises(LookalikeError) as caught:
        writer.write(small_disk, 2)
    assert "\n" not in str(caught.value)
    assert str(small_disk) in str(caught.value)
    assert "No space left on device" in str(caught.value)
    assert writer.read(small_disk) == 1
    filler.unlink()
    writer.write(small_disk, 2)
    assert writer.read(small_disk) == 2
    assert below(small_disk) == before


def test_a_run_that_does_not_fit_on_the_disk_is_one_line(small_disk: Path) -> None:
    """48 pictures of 64 x 64 pixels take 590 kB. A run that could not begin can be begun again."""
    config, frames = TrainConfig("compact", init="none", input_px=64), noise_frames(48)
    for free_kb in (0, 100):
        filler = fill(small_disk, free_kb)
        with pytest.raises(TrainingError, match=r"disk/run: cannot write \(No space left on device\)"):
            start_run(frames, config, small_disk / "run", lambda frame: None)
        filler.unlink()
    cache, _ = start_run(frames, config, small_disk / "run", lambda frame: None)
    assert len(cache) == 48


def test_a_disk_that_fills_up_while_a_run_is_recorded_is_one_error(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorBoard writes in a thread, whose error would be printed with a traceback as well."""
    printed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", printed.append)

    def record() -> None:
        with closing(Recorder(small_disk, 0)) as recorder:
            recorder.write({"step": 0, "loss": 0.5})
            recorder.flush()
            fill(small_disk)
            for step in range(1, 1000):
                recorder.write({"step": step, "loss": 0.5})
                recorder.flush()

    with pytest.raises(OSError, match="No space left on device"):
        record()
    assert printed == []
    assert threading.excepthook == printed.append


def test_a_temporary_folder_that_is_full_or_missing_is_named(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`refit` and `export --footage` keep frames there: the line named no disk, or there was a traceback."""

    def refusal() -> str:
        with pytest.raises(TrainingError) as caught, temporary_cache(noise_frames(48), 64, lambda frame: None):
            pass
        return str(caught.value)

    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    filler = fill(small_disk, 100)
    said = f"{small_disk}: cannot keep frames there (No space left on device); set TMPDIR to a folder with room"
    assert refusal() == said
    assert list(small_disk.iterdir()) == [filler]
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk / "gone"))
    assert refusal().startswith(f"{small_disk / 'gone'}: cannot keep frames there (No such file or directory)")
