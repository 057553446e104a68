"""Folders that recordings arrive in, slowly, by a move, broken at first; taken into a real index."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from lookalike.encoder import Encoder
from lookalike.footage import Source, find_sources, read
from lookalike.footage.sources import find_in_folders
from lookalike.index import FrameIndex, open_index
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import WHOLE_FRAMES
from lookalike.ingest.summary import Summary
from lookalike.ingest.watch import TakenIn, watch
from tests.clips import picture, write_clip

FRAMES = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recordings").mkdir()
    return tmp_path / "recordings"


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: Path) -> Iterator[FrameIndex]:
    with open_index(tmp_path / "index", Encoder(tiny_encoder, "cpu", threads=1).spec, create=True) as opened:
        yield opened


Watching = Callable[..., TakenIn]


@pytest.fixture
def watching(folder: Path, index: FrameIndex, tiny_encoder: Path) -> Watching:
    """Watches until something is taken in, and says what. The first call says for how long files must stand still."""
    encoder = Encoder(tiny_encoder, "cpu", threads=1)
    rounds: list[Iterator[TakenIn]] = []

    def take(sources: Sequence[Source]) -> Summary:
        return index_footage(sources, encoder, index, WHOLE_FRAMES)

    def wait(settle_s: float = 0.2) -> TakenIn:
        if not rounds:
            rounds.append(watch(lambda: find_in_folders([folder]), take, settle_s, poll_s=0.02))
        return next(rounds[0])

    return wait


def names(taken: TakenIn) -> list[str]:
    return [Path(source.path).name for source in taken.sources]


def write(path: Path, first: int = 0, suffix: str = ".mp4") -> Path:
    """A clip with pictures of its own, written elsewhere and moved to its place."""
    made = path.parent.parent / f"made{suffix}"
    write_clip(made, range(0, 40 * FRAMES, 40), [picture(first + number) for number in range(FRAMES)])
    path.parent.mkdir(exist_ok=True)
    return made.rename(path)


def test_what_is_there_and_what_is_moved_there_is_taken_in_once(folder, index, watching):
    write(folder / "a.mp4")
    assert names(watching()) == ["a.mp4"]
    assert index.count() == FRAMES
    write(folder / "gate" / "b.mp4", 20)
    taken = watching()
    assert (names(taken), taken.sources[0].camera, taken.summary.added) == (["b.mp4"], "gate", FRAMES)
    assert index.count() == 2 * FRAMES
    assert {one.source for one in index.source_records()} == {str(folder / "a.mp4"), str(folder / "gate" / "b.mp4")}


def test_a_file_that_is_being_written_is_not_taken_before_it_stands_still(folder, index, watching, tmp_path):
    """Transport streams can be read at any length: taken early, it would be there with fewer frames."""
    whole = write(tmp_path / "made" / "a.ts", suffix=".ts").read_bytes()
    written = threading.Event()

    def append() -> None:
        with (folder / "a.ts").open("wb", buffering=0) as file:
            for at in range(0, len(whole), len(whole) // 20):
                file.write(whole[at : at + len(whole) // 20])
                time.sleep(0.05)
        written.set()

    threading.Thread(target=append, daemon=True).start()
    taken = watching(settle_s=1.5)
    assert written.is_set()
    assert (names(taken), taken.summary.added, taken.summary.skipped) == (["a.ts"], FRAMES, [])
    assert index.count() == FRAMES


def test_one_that_cannot_be_read_is_tried_again_when_it_has_changed(folder, index, watching):
    good = write(folder / "made.bin").read_bytes()
    (folder / "made.bin").unlink()
    (folder / "a.mp4").write_bytes(good[: len(good) // 2])
    broken = watching()
    assert [one.source for one in broken.summary.skipped] == [str(folder / "a.mp4")]
    write(folder / "b.mp4", 20)
    assert names(watching()) == ["b.mp4"]  # and not the broken one once more
    (folder / "a.mp4").write_bytes(good)
    mended = watching()
    assert (names(mended), mended.summary.added, mended.summary.skipped) == (["a.mp4"], FRAMES, [])
    assert index.count() == 2 * FRAMES


def test_images_are_taken_in_together(folder, index, watching):
    (folder / "gate").mkdir()
    for number in range(5):
        Image.fromarray(picture(number)).save(folder / "gate" / f"{number}.png")
    assert names(watching()) == [f"{number}.png" for number in range(5)]
    assert index.count() == 5


def test_what_the_index_has_is_not_decoded_again(folder, watching, index, tiny_encoder, monkeypatch):
    write(folder / "a.mp4")
    encoder = Encoder(tiny_encoder, "cpu", threads=1)
    index_footage(find_sources([folder]), encoder, index, WHOLE_FRAMES)
    monkeypatch.setattr("lookalike.footage.read._sample", lambda *_: pytest.fail("decoded again"))
    assert (watching().summary.added, index.count()) == (0, FRAMES)


def test_what_has_not_changed_is_not_even_hashed_again(folder, watching, monkeypatch):
    hashed: list[str] = []
    really_identify = read.identify

    def identify(source: Source) -> str:
        hashed.append(Path(source.path).name)
        return really_identify(source)

    monkeypatch.setattr("lookalike.footage.read.identify", identify)
    write(folder / "a.mp4")
    watching()
    write(folder / "b.mp4", 20)
    watching()
    os.utime(folder / "a.mp4")  # now it has
    assert watching().summary.added == 0
    assert hashed == ["a.mp4", "b.mp4", "a.mp4"]


def test_what_vanishes_is_no_error_and_may_come_back(folder, index, watching, tmp_path):
    write(folder / "a.mp4")
    write(folder / "b.mp4", 20)
    kept = shutil.copy(folder / "b.mp4", tmp_path / "kept.mp4")
    assert names(watching()) == ["a.mp4"]
    (folder / "b.mp4").unlink()  # it stands still, and its turn is next
    write(folder / "c.mp4", 40)
    assert names(watching()) == ["c.mp4"]
    shutil.move(kept, folder / "b.mp4")
    taken = watching()
    assert (names(taken), taken.summary.added) == (["b.mp4"], FRAMES)
    assert index.count() == 3 * FRAMES
