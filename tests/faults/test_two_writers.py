"""Two processes that write the same: the second one is refused with one line, and the first one is not disturbed.

Two watchers of one folder are in test_sources.py, two openers of an index in tests/index/test_open.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyarrow import parquet

from lookalike import cli
from lookalike.encoder import Encoder
from lookalike.errors import ExportError, FootageError, IndexStoreError
from lookalike.footage import find_sources
from lookalike.index import open_index
from lookalike.index.embedded.folder import FolderLocation
from lookalike.index.embedded.snapshot import snapshot
from lookalike.ingest.settings import WHOLE_FRAMES
from lookalike.ingest.to_file import embed_footage
from tests.clips import write_clip
from tests.index.circle import SPEC, at, frame
from tests.training.small import noise_frames, small_config
from training.data import load_cache
from training.run import start_run

pytestmark = [
    pytest.mark.trust,
    pytest.mark.skipif(sys.platform == "win32", reason="TWO WRITERS ARE NOT TESTED: Windows has no locks of folders"),
]
HOLDER = """
import sys
from pathlib import Path
from lookalike.files import durable
with durable.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process holds a folder."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_run_that_another_process_trains_is_not_begun_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its frames were cut off below the first process, which has them mapped: SIGBUS ended it."""
    run, footage = tmp_path / "run", write_clip(tmp_path / "a.mp4", range(0, 2000, 40))
    cache, _ = start_run(noise_frames(12), small_config(), run, lambda frame: None)
    begin = ["pretrain", str(footage), "--out", str(run), "--arch", "compact", "--init", "none", "--steps", "0"]
    for arguments in (begin, ["pretrain", "--out", str(run), "--resume"]):
        with held_elsewhere(run), pytest.raises(SystemExit) as exit_:
            cli.main(arguments)
        said = f"lookalike: {run}: cannot write (another process is writing it); choose another --out\n"
        assert (exit_.value.code, capfd.readouterr().err) == (1, said)
    assert int(cache.frames.sum()) == int(load_cache(run / "cache").frames.sum())


def test_a_table_that_another_process_writes_is_refused(tmp_path: Path, tiny: Encoder) -> None:
    """When the other one is killed, the next takes over what it has left."""
    sources, out = find_sources([write_clip(tmp_path / "a.mp4", range(0, 400, 40))]), tmp_path / "frames.parquet"
    parts = tmp_path / "frames.parquet.parts"
    parts.mkdir()
    with held_elsewhere(parts), pytest.raises(FootageError, match=r"parquet: cannot write \(another process is"):
        embed_footage(sources, tiny, out, WHOLE_FRAMES)
    embed_footage(sources, tiny, out, WHOLE_FRAMES)
    assert parquet.read_metadata(out).num_rows == 10
    assert not parts.exists()


def test_a_snapshot_that_another_process_writes_is_refused(tmp_path: Path) -> None:
    """Of two indexes that were written to one file, one verb exited with 0, and the file had parts of both."""
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        index.add([frame("a", 0.0)], at(0))
    out, partial = tmp_path / "index.tar", tmp_path / "index.tar.partial"
    partial.write_text("theirs")
    with held_elsewhere(partial), pytest.raises(IndexStoreError, match=r"tar: cannot write \(another process is"):
        snapshot(FolderLocation(tmp_path / "index"), out)
    assert partial.read_text() == "theirs"
    assert snapshot(FolderLocation(tmp_path / "index"), out).points == 1  # what a killed one left is replaced
    assert not partial.exists()


def test_what_another_process_makes_in_its_folder_is_left_alone(tmp_path: Path) -> None:
    """Of two exports to one file, the second removed the files of the first."""
    from exporters.onnx import write_verified
    from tests.tiny import SPEC

    folder = tmp_path / ".encoder.onnx.partial"
    folder.mkdir()
    (folder / "theirs").touch()
    with held_elsewhere(folder), pytest.raises(ExportError, match=r"cannot write \(another process is writing it\)"):
        write_verified(tmp_path / "encoder.onnx", SPEC, None, lambda folder: (folder, ""))  # pyright: ignore[reportArgumentType]
    assert (folder / "theirs").exists()
