"""On real recordings, with an encoder of mean colours: what is labelled stands out, and copies are found."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lookalike.encoder import Encoder
from lookalike.explore.clip import read_clip
from lookalike.explore.copies import find_copies
from lookalike.explore.duplicates import duplicates, load_tracks
from lookalike.explore.outliers import outliers
from lookalike.footage import find_sources
from lookalike.footage.sampling import Sampling
from lookalike.index import Filters, FrameIndex, open_index
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import IngestSettings
from tests.conftest import SHARED_DATA
from tests.explore import copies
from tests.explore.copies import Alter, write_copy
from tests.tiny import SPEC

FOOTAGE = SHARED_DATA / "footage"
GESTURES = SHARED_DATA / "asl-gestures"
LENGTH_S = 10.0
COPIED_FROM_S = {"car-detection.mp4": 9.3, "bottle-detection.mp4": 13.77, "traffic_camera.mp4": 5.23, "chimp.mp4": 3.9}

pytestmark = pytest.mark.skipif(
    not FOOTAGE.is_dir(), reason="NO RECORDINGS: the shared footage is not beside the checkout"
)


@pytest.fixture(scope="module")
def index(tiny: Encoder, tmp_path_factory: pytest.TempPathFactory):
    """Four recordings and a copy of 10 s of each, 4 frames a second."""
    folder = tmp_path_factory.mktemp("copies")
    copied = [write_copy(FOOTAGE / name, folder / name, start_s, LENGTH_S) for name, start_s in COPIED_FROM_S.items()]
    sources = [str(path) for path in [*(FOOTAGE / name for name in COPIED_FROM_S), *copied]]
    with open_index(folder / "index", SPEC, create=True) as opened:
        index_footage(find_sources(sources), tiny, opened, IngestSettings(Sampling(fps=4, regions=None)))
        yield opened


def test_the_cars_are_what_is_unusual(index: FrameIndex) -> None:
    """The three passages (of two cars at once, once) come before any empty road; each span meets a labelled one."""
    source = str(FOOTAGE / "car-detection.mp4")
    found = outliers(index, Filters(sources=(source,)), ["car-detection"], 4)
    cars = sorted(one.span_s for one in found[:3])
    assert all(start < end_s and start_s < end for (start, end), (start_s, end_s) in zip(cars, labelled(), strict=True))
    assert found[3].distance < 0.1 * found[2].distance


def labelled() -> list[tuple[float, float]]:
    """When there are cars, from first to last, of those at the same time one."""
    with (FOOTAGE / "events.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["clip"] == "car-detection.mp4" and row["label"] != "empty"]
    return sorted({(float(row["start_s"]), float(row["end_s"])) for row in rows})


def test_each_copy_is_found_at_its_offset_and_nothing_else(index: FrameIndex) -> None:
    found = duplicates(load_tracks(index, Filters()))
    assert sorted({Path(one.source).name for one in found}) == sorted(COPIED_FROM_S)
    assert len(found) == len(COPIED_FROM_S)
    for one in found:
        original, copy = (one.span_s, one.other_span_s)
        sign = 1
        if Path(one.source).parent != FOOTAGE:
            original, copy, sign = copy, original, -1
        start_s = COPIED_FROM_S[Path(one.source).name]
        assert Path(one.other_source).name == Path(one.source).name
        assert sign * one.offset_s == pytest.approx(-start_s, abs=0.5)
        assert original[0] == pytest.approx(start_s, abs=0.5)
        assert copy[1] - copy[0] > 0.8 * LENGTH_S


@pytest.mark.parametrize("name", COPIED_FROM_S)
@pytest.mark.parametrize(
    ("alter", "speed", "mirrored"),
    [
        (copies.mirrored, 1.0, True),
        (copies.letterboxed, 1.0, False),
        (copies.with_banner, 1.0, False),
        (lambda rgb: rgb, 1.25, False),
    ],
    ids=["mirrored", "letterboxed", "banner", "faster"],
)
def test_an_altered_copy_is_located(
    name: str, alter: Alter, speed: float, mirrored: bool, index: FrameIndex, tiny: Encoder, tmp_path: Path
) -> None:
    start_s = COPIED_FROM_S[name]
    copy = write_copy(FOOTAGE / name, tmp_path / "copy.mp4", start_s, LENGTH_S, alter, speed)
    clip = read_clip(str(copy), tiny, Sampling(fps=5))
    originals = tuple(str(FOOTAGE / original) for original in COPIED_FROM_S)
    first = find_copies(index, clip.times_s, clip.versions, 5, Filters(sources=originals))[0]
    assert first.source == str(FOOTAGE / name)
    assert first.offset_s == pytest.approx(start_s, abs=0.5)
    assert (first.mirrored, first.speed) == (mirrored, speed)


@pytest.mark.skipif(not GESTURES.is_dir(), reason="NO GESTURES: the shared footage is not beside the checkout")
def test_versions_and_speeds_find_no_more_that_is_no_copy(tiny: Encoder, tmp_path: Path) -> None:
    """Twenty gestures of one person in one room, each looked for among the others: as many are taken for copies by
    what `locate` asks for as when each is only compared as it is."""
    paths = [str(path) for path in sorted(GESTURES.glob("*.mkv"))]
    found: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    with open_index(tmp_path / "index", SPEC, create=True) as opened:
        index_footage(find_sources(paths), tiny, opened, IngestSettings(Sampling(fps=2)))
        for path in paths:
            clip = read_clip(path, tiny, Sampling(fps=5))
            others = Filters(sources=tuple(other for other in paths if other != path))
            for every, versions in ((False, clip.versions[:1]), (True, clip.versions)):
                hits = find_copies(opened, clip.times_s, versions, len(paths), others)
                found[every] |= {(path, hit.source) for hit in hits if hit.similarity >= 0.8 and hit.agreement >= 0.3}
    assert found[False], "gestures so alike that some agree"
    assert found[True] == found[False]
