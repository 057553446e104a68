"""On real recordings, with an encoder of mean colours: what is labelled stands out, and copies are found."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lookalike.encoder import Encoder
from lookalike.explore.duplicates import duplicates, load_tracks
from lookalike.explore.outliers import outliers
from lookalike.footage import find_sources
from lookalike.index import FrameIndex, Where, open_index
from lookalike.ingest import index_footage
from lookalike.sampling import Sampling
from tests.conftest import SHARED_DATA
from tests.explore.copies import write_copy
from tests.tiny import SPEC

FOOTAGE = SHARED_DATA / "footage"
LENGTH_S = 10.0
COPIED_FROM_S = {"car-detection.mp4": 9.3, "bottle-detection.mp4": 13.77, "traffic_camera.mp4": 5.23, "chimp.mp4": 3.9}

pytestmark = pytest.mark.skipif(
    not FOOTAGE.is_dir(), reason="NO RECORDINGS: the shared footage is not beside the checkout"
)


@pytest.fixture(scope="module")
def index(tiny: Encoder, tmp_path_factory: pytest.TempPathFactory):
    """Four recordings and a copy of 10 s of each, 4 frames a second."""
    folder = tmp_path_factory.mktemp("copies")
    copies = [write_copy(FOOTAGE / name, folder / name, start_s, LENGTH_S) for name, start_s in COPIED_FROM_S.items()]
    sources = [str(path) for path in [*(FOOTAGE / name for name in COPIED_FROM_S), *copies]]
    with open_index(folder / "index", SPEC, create=True) as opened:
        index_footage(find_sources(sources), tiny, opened, Sampling(fps=4, regions=None), lambda batch: None)
        yield opened


def test_the_cars_are_what_is_unusual(index: FrameIndex) -> None:
    """The three passages (of two cars at once, once) come before any empty road; each span meets a labelled one."""
    source = str(FOOTAGE / "car-detection.mp4")
    found = outliers(index, Where(sources=(source,)), ["car-detection"], 4)
    cars = sorted(one.span_s for one in found[:3])
    assert all(start < end_s and start_s < end for (start, end), (start_s, end_s) in zip(cars, labelled(), strict=True))
    assert found[3].distance < 0.1 * found[2].distance


def labelled() -> list[tuple[float, float]]:
    """When there are cars, from first to last, of those at the same time one."""
    with (FOOTAGE / "events.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["clip"] == "car-detection.mp4" and row["label"] != "empty"]
    return sorted({(float(row["start_s"]), float(row["end_s"])) for row in rows})


def test_each_copy_is_found_at_its_offset_and_nothing_else(index: FrameIndex) -> None:
    found = duplicates(load_tracks(index, Where()))
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
