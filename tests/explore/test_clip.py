"""Rendered recordings, and copies of a part of one that were altered: which it is, filters, and what was done to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.explore.clip import read_clip
from lookalike.explore.copies import find_copies
from lookalike.footage import find_sources
from lookalike.footage.sampling import Sampling
from lookalike.index import Filters, FrameIndex, open_index
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import IngestSettings
from tests.clips import write_clip
from tests.explore import copies
from tests.explore.copies import Alter, write_copy, write_wandering
from tests.tiny import SPEC

COPIED, START_S, LENGTH_S = 1, 7.3, 10.0


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("recordings")
    return [write_wandering(folder / f"{seed}.mp4", seed, 30) for seed in range(3)]


@pytest.fixture(scope="module")
def index(recordings: list[Path], tiny: Encoder, tmp_path_factory: pytest.TempPathFactory):
    with open_index(tmp_path_factory.mktemp("wandering") / "index", SPEC, create=True) as opened:
        index_footage(find_sources(map(str, recordings)), tiny, opened, IngestSettings(Sampling(fps=2)))
        yield opened


@pytest.mark.parametrize(
    ("alter", "speed", "mirrored", "versions"),
    [
        (lambda rgb: rgb, 1.0, False, 2),
        (copies.mirrored, 1.0, True, 2),
        (copies.letterboxed, 1.0, False, 4),
        (copies.pillarboxed, 1.0, False, 4),
        (copies.with_banner, 1.0, False, 4),
        (copies.with_banner_above, 1.0, False, 4),
        (lambda rgb: copies.letterboxed(copies.mirrored(rgb)), 1.0, True, 4),
        (lambda rgb: rgb, 1.25, False, 2),
        (lambda rgb: rgb, 0.8, False, 2),
        (copies.mirrored, 1.25, True, 2),
    ],
    ids=["plain", "mirrored", "bars", "side-bars", "banner", "banner-above", "bars-mirrored", "fast", "slow", "both"],
)
def test_a_copy_is_located(
    alter: Alter,
    speed: float,
    mirrored: bool,
    versions: int,
    recordings: list[Path],
    index: FrameIndex,
    tiny: Encoder,
    tmp_path: Path,
) -> None:
    """versions: as it is, and mirrored; twice as many where something was laid around it."""
    copy = write_copy(recordings[COPIED], tmp_path / "copy.mp4", START_S, LENGTH_S, alter, speed)
    clip = read_clip(str(copy), tiny, Sampling(fps=5))
    assert len(clip.versions) == versions
    first = find_copies(index, clip.times_s, clip.versions, 5, Filters())[0]
    assert first.source == str(recordings[COPIED])
    assert first.offset_s == pytest.approx(START_S, abs=0.5)
    assert first.span_s[1] == pytest.approx(START_S + LENGTH_S, abs=1)
    assert (first.mirrored, first.speed) == (mirrored, speed)


def test_each_version_is_embedded_in_order(tiny: Encoder, tmp_path: Path) -> None:
    """The mirrored one of a clip is what the clip of mirrored pictures is, as it is; 80 frames are three batches."""
    pictures = [np.full((48, 64, 3), (number, 40, 200), np.uint8) for number in range(40, 120)]
    for rgb in pictures:
        rgb[:, :16] = (220, 210, 30)
    moments = range(0, 80 * 40, 40)
    one = read_clip(str(write_clip(tmp_path / "one.mp4", moments, pictures)), tiny, Sampling())
    two = read_clip(
        str(write_clip(tmp_path / "two.mp4", moments, [rgb[:, ::-1] for rgb in pictures])), tiny, Sampling()
    )
    assert one.times_s == pytest.approx(np.arange(80) * 0.04)
    assert [version.mirrored for version in one.versions[:2]] == [False, True]
    assert (one.versions[1].vectors * two.versions[0].vectors).sum(1).min() > 0.999
    assert (one.versions[0].vectors * two.versions[0].vectors).sum(1).max() < 0.9


def test_a_folder_or_a_picture_is_no_clip(tiny: Encoder, tmp_path: Path) -> None:
    write_clip(tmp_path / "one.mp4", [0])
    with pytest.raises(FootageError, match="expected a video of two frames or more"):
        read_clip(str(tmp_path / "one.mp4"), tiny, Sampling())
    write_clip(tmp_path / "two.mp4", [0, 40])
    with pytest.raises(FootageError, match="expected one video"):
        read_clip(str(tmp_path), tiny, Sampling())
