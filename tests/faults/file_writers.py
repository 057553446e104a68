"""Each file that Lookalike replaces: how to write a version of it, and how to read which version is there."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.clips import picture, write_clip
from tests.index.circle import SPEC, at, frame
from tests.tiny import SPEC as TINY
from tests.tiny import write_tiny_encoder

FRAMES = 4  # of a clip


@dataclass(frozen=True)
class Writer:
    """write: called with the folder and a version from 1. read: called with the folder; returns the version, 0 if there
    is no file. Both raise an exception if the file is broken. keeps: whether a version stays until the next one is
    complete."""

    write: Callable[[Path, int], None]
    read: Callable[[Path], int]
    keeps: bool = True


def _write_checkpoint(folder: Path, version: int) -> None:
    from training.checkpoint import save_checkpoint

    save_checkpoint(folder / "checkpoint.pt", {"step": version})


def _read_checkpoint(folder: Path) -> int:
    from training.checkpoint import load_checkpoint

    path = folder / "checkpoint.pt"
    return load_checkpoint(path)["step"] if path.exists() else 0


def _write_config(folder: Path, version: int) -> None:
    from training.config import TrainConfig

    TrainConfig(steps=version).save(folder / "config.json")


def _read_config(folder: Path) -> int:
    from training.config import TrainConfig

    path = folder / "config.json"
    return TrainConfig.load(path).steps if path.exists() else 0


def _write_cache(folder: Path, version: int) -> None:
    """Two pictures, each as bright as the version."""
    from training.data import build_cache

    frames = [frame("a", second) for second in range(2)]
    grey = np.full((2, 2, 3), 100 + version, np.uint8)
    build_cache(folder / "cache", [dataclasses.replace(one, image=grey) for one in frames], 2, lambda frame: None)


def _read_cache(folder: Path) -> int:
    from training.data import INDEX, load_cache

    if not (folder / "cache" / INDEX).exists():
        return 0
    values = np.unique(load_cache(folder / "cache").frames)
    assert len(values) == 1, f"pictures of {values}"
    assert values[0] > 100, f"a picture of {values[0]}"
    return int(values[0]) - 100


def _write_export(folder: Path, version: int) -> None:
    from exporters.int8 import Judge
    from exporters.onnx import write_verified
    from exporters.parity import LIMITS, Parity

    parity = Parity(2, (1,), "CPUExecutionProvider", 1.0, 1.0, 1.0, 1.0, 0.0, 1.0)
    spec = dataclasses.replace(TINY, steps=version)

    def make(partial: Path) -> tuple[Path, str]:
        return write_tiny_encoder(partial / "encoder.onnx", spec), ""

    judge = Judge(lambda path: parity, lambda path: 1.0, LIMITS["fp32"])
    write_verified(folder / "new" / "encoder.onnx", spec, judge, make)


def _read_export(folder: Path) -> int:
    from lookalike.encoder import Encoder

    path = folder / "new" / "encoder.onnx"
    return Encoder(path, "cpu", threads=1).spec.steps if path.exists() else 0


def _write_snapshot(folder: Path, version: int) -> None:
    from lookalike.index import open_index
    from lookalike.index.embedded.folder import FolderLocation
    from lookalike.index.embedded.snapshot import snapshot

    index = folder.parent / f"{folder.name}-index"  # not recorded
    with open_index(index, SPEC, create=True) as opened:
        opened.add([frame("a", second) for second in range(version)], at(*range(version)))
    snapshot(FolderLocation(index), folder / "new" / "index.tar.gz")


def _read_snapshot(folder: Path) -> int:
    from lookalike.index.embedded.snapshot import restore

    archive = folder / "new" / "index.tar.gz"
    if not archive.exists():
        return 0
    with TemporaryDirectory(dir=folder.parent) as restored:
        return restore(archive, Path(restored)).points


def _embedded(name: str, count: Callable[[Path], int], keeps: bool = True) -> Writer:
    def write(folder: Path, version: int) -> None:
        from lookalike.encoder import Encoder
        from lookalike.footage import find_sources
        from lookalike.ingest.settings import WHOLE_FRAMES
        from lookalike.ingest.to_file import embed_footage

        clips = folder.parent / f"{folder.name}-clips"
        clips.mkdir(exist_ok=True)
        for number in range(version):
            pictures = [picture(number * FRAMES + at) for at in range(FRAMES)]
            write_clip(clips / f"{number}.mp4", range(0, 40 * FRAMES, 40), pictures)
        encoder = Encoder(write_tiny_encoder(clips / "tiny.onnx"), "cpu", threads=1)
        sources = find_sources([str(path) for path in sorted(clips.glob("*.mp4"))])
        summary = embed_footage(sources, encoder, folder / name, WHOLE_FRAMES)
        assert summary.skipped == []

    def read(folder: Path) -> int:
        return count(folder / name) // FRAMES if (folder / name).exists() else 0

    return Writer(write, read, keeps)


def _count_parquet(path: Path) -> int:
    from pyarrow import parquet

    from lookalike.ingest.table import from_table

    frames, embeddings = from_table(parquet.read_table(path))
    _check_unit(embeddings)
    return len(frames)


def _count_npy(path: Path) -> int:
    embeddings = np.load(path)
    _check_unit(embeddings)
    assert len(path.with_suffix(".jsonl").read_text().splitlines()) == len(embeddings)
    return len(embeddings)


def _check_unit(embeddings: np.ndarray) -> None:
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def _write_report(folder: Path, version: int) -> None:
    from lookalike.report.page import Report, write_report

    write_report(Report(f"Version {version}.", "", []), folder / "report.html")


def _read_report(folder: Path) -> int:
    path = folder / "report.html"
    if not path.exists():
        return 0
    text = path.read_text()
    assert text.rstrip().endswith("</html>")
    return int(text.split("Version ")[1].split(".")[0])


def _write_pointer(folder: Path, version: int) -> None:
    from lookalike.index.embedded.folder import FolderLocation
    from lookalike.index.generations import Pointer

    FolderLocation(folder / "index").point(Pointer(str(version)))


def _read_pointer(folder: Path) -> int:
    from lookalike.index.embedded.folder import FolderLocation

    pointer = FolderLocation(folder / "index").pointer()
    return int(pointer.current) if pointer else 0


def _write_ledger(folder: Path, version: int) -> None:
    from lookalike.index import SourceRecord
    from lookalike.index.embedded.ledger import Ledger

    ledger = Ledger(folder / "ledger.sqlite")
    ledger.write([SourceRecord("s", "all", "s.mp4", version, version)])
    ledger.close()


def _read_ledger(folder: Path) -> int:
    from lookalike.index.embedded.ledger import Ledger

    ledger = Ledger(folder / "ledger.sqlite")
    record = ledger.read("s", "all")
    ledger.close()
    return record.frames if record else 0


def _write_cached(folder: Path, version: int) -> None:
    from serving.recordings.disk_cache import DiskCache

    assert DiskCache(folder, 1 << 20).put("thumbnail", bytes([version]) * 100)


def _read_cached(folder: Path) -> int:
    from serving.recordings.disk_cache import DiskCache

    data = DiskCache(folder, 1 << 20).read("thumbnail")
    if data is None:
        return 0
    assert data == data[:1] * 100, f"{len(data)} bytes"
    return data[0] or -1


def _write_keys(folder: Path, version: int) -> None:
    """Add a key, and revoke the one before."""
    from lookalike.keys import KeyFile, new_key

    keys = KeyFile(folder / "new" / "keys.json")
    before = [key.name for key in keys.read()]
    if str(version) not in before:
        keys.add(new_key(str(version), ("read",))[0])
    for name in before:
        if name != str(version):
            keys.revoke(name)


def _read_keys(folder: Path) -> int:
    from lookalike.keys import KeyFile

    return max((int(key.name) for key in KeyFile(folder / "new" / "keys.json").read()), default=0)


WRITERS = {
    "checkpoint": Writer(_write_checkpoint, _read_checkpoint),
    "config of a run": Writer(_write_config, _read_config),
    "frames of a run": Writer(_write_cache, _read_cache, keeps=False),
    "exported encoder": Writer(_write_export, _read_export),
    "snapshot": Writer(_write_snapshot, _read_snapshot),
    "table of embeddings": _embedded("new/frames.parquet", _count_parquet),
    "array of embeddings": _embedded("new/frames.npy", _count_npy, keeps=False),
    "report": Writer(_write_report, _read_report),
    "ledger": Writer(_write_ledger, _read_ledger),
    "cached thumbnail": Writer(_write_cached, _read_cached, keeps=False),
    "pointer of an index": Writer(_write_pointer, _read_pointer),
    "keys": Writer(_write_keys, _read_keys),
}
VERSIONS = (1, 2, 3)


if __name__ == "__main__":
    from tests.faults.power import acknowledge

    for version in VERSIONS:
        WRITERS[sys.argv[1]].write(Path(sys.argv[2]), version)
        acknowledge(str(version))
