"""kill -9 at random moments of each writer: the next run completes, nothing is lost, and no files are left over.

`lookalike index` is in tests/e2e/test_kill.py, `reindex` in tests/e2e/test_reindex.py, each step of a build of the
search graph in tests/index/embedded/test_live.py, the service in test_service_kills.py.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from lookalike import cli
from lookalike.encoder import Encoder
from lookalike.errors import TrainingError
from lookalike.index.embedded.folder import FolderLocation
from lookalike.index.embedded.snapshot import restore, snapshot
from tests.clips import noise, write_clip
from tests.e2e.conftest import run_here
from tests.faults.points import points

pytestmark = [pytest.mark.trust, pytest.mark.long]
KILLS = 1
CLIPS, FRAMES = 4, 40
STEPS = 12
# Of a process that has imported what the verbs need, so that kills fall into their work.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["training.run", "exporters.onnx", "lookalike.cli", "lookalike.ingest.index"])


@dataclass(frozen=True)
class Verb:
    """first: arguments of the first run, called with the folder of what all share and the folder to write to. again: of
    the next one; None for the same. state: called with the second; returns what may be there at any moment, in words
    that `states` lists. result: what a complete run leaves, to be compared with that of a run that nobody killed."""

    first: Callable[[Path, Path], list[str]]
    state: Callable[[Path], str]
    states: tuple[str, ...]
    result: Callable[[Path], object]
    again: Callable[[Path, Path], list[str]] | None = None


def _pretrain(shared: Path, folder: Path) -> list[str]:
    settings = "--arch compact --input-px 32 --batch 4 --hidden 16 --projection 8 --device cpu --precision fp32"
    more = f"--steps {STEPS} --checkpoint-every 2 --seed 5 --init none --monitor-every 0"
    return ["pretrain", str(shared / "pictures"), "--out", str(folder / "run"), *settings.split(), *more.split()]


def _resume(shared: Path, folder: Path) -> list[str]:
    """What the messages say: `--resume`, or from the beginning if there is nothing to resume."""
    from training.config import TrainConfig
    from training.run import continue_run

    try:
        continue_run(folder / "run", TrainConfig())
    except TrainingError:
        return _pretrain(shared, folder)
    return ["pretrain", "--out", str(folder / "run"), "--resume"]


def _checkpoint(folder: Path) -> str:
    from training.checkpoint import CHECKPOINT, load_checkpoint

    path = folder / "run" / CHECKPOINT
    if not path.exists():
        return "nothing"
    step = load_checkpoint(path)["step"]
    return "a checkpoint" if step in range(2, STEPS + 1, 2) else f"step {step}"


def _weights(folder: Path) -> bytes:
    return (folder / "run" / "encoder.safetensors").read_bytes()


def _export(shared: Path, folder: Path) -> list[str]:
    return ["export", str(shared / "home" / "run"), "--out", str(folder / "encoder.onnx")]


def _encoder(folder: Path) -> str:
    path = folder / "encoder.onnx"
    return Encoder(path, "cpu", threads=1).spec.precision if path.exists() else "nothing"


def _embed(shared: Path, folder: Path) -> list[str]:
    common = ["--encoder", str(shared / "tiny.onnx"), "--regions", "none"]
    return ["embed", str(shared / "clips"), "--out", str(folder / "frames.parquet"), *common]


def _rows(folder: Path) -> int:
    return parquet.read_metadata(folder / "frames.parquet").num_rows


def _table(folder: Path) -> str:
    if not (folder / "frames.parquet").exists():
        return "nothing"
    return "a table" if _rows(folder) == CLIPS * FRAMES else f"{_rows(folder)} rows"


def _snapshot(shared: Path, folder: Path) -> list[str]:
    return ["snapshot", "--index", str(shared / "index"), "--out", str(folder / "index.tar.gz")]


def _archive(folder: Path) -> str:
    archive, restored = folder / "index.tar.gz", folder.parent / f"{folder.name}-{next(_NUMBERS)}"
    return f"{restore(archive, restored).points} frames" if archive.exists() else "nothing"


def _restore(shared: Path, folder: Path) -> list[str]:
    return ["restore", str(shared / "index.tar"), "--index", str(folder / "restored")]


def _restore_again(shared: Path, folder: Path) -> list[str]:
    """A restored index is not replaced, so it is verified where the first run had come to its end."""
    done = _restored(folder) != "nothing"
    return ["verify", "--index", str(folder / "restored")] if done else _restore(shared, folder)


def _restored(folder: Path) -> str:
    index = folder / "restored"
    return f"{_verified(index)} frames" if index.exists() and any(index.iterdir()) else "nothing"


def _verified(index: Path) -> int:
    """Return the number of frames, after `lookalike verify`."""
    verdict = json.loads(run_here("verify", "--index", index))
    assert verdict["good"]
    return verdict["frames"]


_NUMBERS = itertools.count()
WHOLE = f"{CLIPS * FRAMES} frames"
VERBS = {
    "pretrain": Verb(_pretrain, _checkpoint, ("nothing", "a checkpoint"), _weights, _resume),
    "export": Verb(_export, _encoder, ("nothing", "fp32"), _encoder),
    "embed": Verb(_embed, _table, ("nothing", "a table"), _rows),
    "snapshot": Verb(_snapshot, _archive, ("nothing", WHOLE), _archive),
    "restore": Verb(_restore, _restored, ("nothing", WHOLE), _restored, _restore_again),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """pictures/, clips/, tiny.onnx, home/run, index/ of the clips and its snapshot index.tar."""
    shared = tmp_path_factory.mktemp("shared")
    for name in ("pictures", "clips", "home"):
        (shared / name).mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(shared / "pictures" / f"{number:02}.png")
    for number in range(CLIPS):
        write_clip(shared / "clips" / f"{number}.mp4", range(0, 40 * FRAMES, 40), noise(FRAMES, number))
    (shared / "tiny.onnx").write_bytes(tiny_encoder.read_bytes())
    run_here(*_pretrain(shared, shared / "home"))
    common = ["--encoder", shared / "tiny.onnx", "--regions", "none"]
    run_here("index", shared / "clips", "--index", shared / "index", *common)
    snapshot(FolderLocation(shared / "index"), shared / "index.tar")
    return shared


@pytest.mark.parametrize("name", VERBS)
def test_a_killed_verb_is_run_again_and_completes(name: str, shared: Path, tmp_path: Path) -> None:
    verb, chance = VERBS[name], random.Random(0)
    again = verb.again or verb.first
    whole = tmp_path / "whole"
    whole.mkdir()
    took_s = ended_s(verb.first(shared, whole), None)
    expected, left = verb.result(whole), listing(whole)
    for number in range(points(KILLS)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        for arguments in (verb.first, again):  # what the first kill leaves must not grow with the second
            ended_s(arguments(shared, folder), chance.uniform(0, took_s))
            assert verb.state(folder) in verb.states
        run_here(*again(shared, folder))
        assert verb.result(folder) == expected
        assert listing(folder) == left


def ended_s(arguments: list[str], kill_s: float | None) -> float:
    """Run a verb in a process of its own, and kill it after so many seconds. Returns: how long it ran."""
    begun = FORKS.Event()
    process = FORKS.Process(target=run, args=(arguments, begun), daemon=True)
    process.start()
    assert begun.wait(120)
    started = time.monotonic()
    process.join(kill_s)
    process.kill()
    process.join(60)
    assert process.exitcode in ((0,) if kill_s is None else (0, -signal.SIGKILL))
    return time.monotonic() - started


def run(arguments: list[str], begun) -> None:
    begun.set()
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing):
        cli.main(arguments)


def listing(folder: Path) -> list[str]:
    """Names of all files below a folder, but for those that the engine and TensorBoard number."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted({name for name in names if "/shard/" not in name and "/tensorboard/" not in name})
