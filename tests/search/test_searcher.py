"""Regions are cut where they say, and several examples make the vector that arithmetic says."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike import pixels
from lookalike.encoder import Encoder
from lookalike.errors import FootageError, IndexStoreError, QueryError
from lookalike.footage import find_sources, read_frames
from lookalike.index import FrameIndex, open_index
from lookalike.index.ask import QueryExample, combine
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import WHOLE_FRAMES
from lookalike.region import Region
from lookalike.search import Example, Searcher
from tests.clips import noise, write_clip
from tests.index.circle import at
from tests.tiny import SPEC, tiny_embedding


def embedded(example: Example, encoder: Encoder, index: FrameIndex) -> QueryExample:
    return Searcher(encoder, index).embedded(example)


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> Encoder:
    return Encoder(tiny_encoder, "cpu")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "a@b.mp4", range(0, 400, 40), noise(10))


@pytest.fixture
def index(tmp_path: Path, encoder: Encoder, clip: Path):
    with open_index(tmp_path / "index", SPEC, create=True) as opened:
        index_footage(find_sources([clip]), encoder, opened, WHOLE_FRAMES)
        yield opened


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("0,0,1,1", (0, 40), (0, 100)),
        (".5,0,.5,1", (0, 40), (50, 100)),
        (".25, .5, .5, .25", (20, 30), (25, 75)),
        ("10,5,20,30", (5, 35), (10, 30)),
        ("90,30,50,50", (30, 40), (90, 100)),  # what lies outside is left out
        (".5,.5,.0001,.0001", (20, 21), (50, 51)),  # at least one pixel
    ],
)
def test_a_region_is_cut_where_it_says(text: str, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 100, 3), np.uint8)
    np.testing.assert_array_equal(Region.parse(text).crop(rgb), rgb[slice(*rows), slice(*columns)])


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "0,0,0,1", "-1,0,5,5", "0,0,nan,1", "0,0,inf,1", "1,2,3,4,5"])
def test_what_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid region"):
        Region.parse(text)


def test_a_region_outside_is_an_error() -> None:
    with pytest.raises(FootageError, match="begins at 100,0, outside of a picture of 100x40 pixels"):
        Region.parse("100,0,5,5").crop(np.zeros((40, 100, 3), np.uint8))


@pytest.mark.parametrize(
    ("like", "unlike", "degrees"),
    [
        ([30], [], 30),
        ([0, 60], [], 30),
        ([0], [180], 0),
        # 2 * (1, 0) - (0, 1) points to -26.57 degrees
        ([0], [90], -math.degrees(math.atan2(1, 2))),
    ],
)
def test_examples_are_combined(like: list[float], unlike: list[float], degrees: float) -> None:
    np.testing.assert_allclose(combine(list(at(*like)), list(at(*unlike))), at(degrees)[0], atol=1e-6)


def test_examples_that_cancel_out_are_refused() -> None:
    with pytest.raises(QueryError, match="cancel out"):
        combine(list(at(0, 180)))


def test_each_kind_of_example_gives_its_vector(clip: Path, index: FrameIndex, encoder: Encoder) -> None:
    third = list(read_frames(find_sources([clip])))[2]
    expected = tiny_embedding(pixels.fit(third.image, SPEC.input_px))
    for example in (third.id, f"{clip}@0.08", f"{clip}@0.1"):
        np.testing.assert_allclose(embedded(Example(example), encoder, index).vector, expected, atol=1e-5)
    half = Region(0, 0, 0.5, 1)
    expected = tiny_embedding(pixels.fit(third.image[:, :32], SPEC.input_px))
    for example in (third.id, f"{clip}@0.08"):
        np.testing.assert_allclose(embedded(Example(example, half), encoder, index).vector, expected, atol=1e-5)


def test_examples_that_are_not_there_are_named(clip: Path, index: FrameIndex, encoder: Encoder) -> None:
    with pytest.raises(FootageError, match=r"^nothing\.jpg: no such file, expected a picture, a frame"):
        embedded(Example("nothing.jpg"), encoder, index)
    with pytest.raises(FootageError, match=r"^me@home\.jpg: no such file"):
        embedded(Example("me@home.jpg"), encoder, index)
    with pytest.raises(FootageError, match=r"^gone\.mp4: no such file"):
        embedded(Example("gone.mp4@3"), encoder, index)
    with pytest.raises(IndexStoreError, match="no frame has the id"):
        embedded(Example("00000000-0000-0000-0000-000000000000"), encoder, index)


def test_a_picture_in_a_zip_is_an_example_as_it_is_named_in_a_hit(
    tmp_path: Path, index: FrameIndex, encoder: Encoder
) -> None:
    Image.fromarray(noise(1)[0]).save(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.write(tmp_path / "a.png", "gate/a.png")
    vector = embedded(Example(str(tmp_path / "a.png")), encoder, index).vector
    for name in ("a.zip/gate/a.png", "a.zip/gate/a.png@0"):
        assert (embedded(Example(str(tmp_path / name)), encoder, index).vector == vector).all()
    with pytest.raises(FootageError, match="no such file"):
        embedded(Example(str(tmp_path / "a.zip" / "b.png")), encoder, index)


def test_an_example_is_what_its_content_is(tmp_path: Path, clip: Path, index: FrameIndex, encoder: Encoder) -> None:
    Image.fromarray(noise(1)[0]).save(tmp_path / "a.png")
    vector = embedded(Example(str(tmp_path / "a.png")), encoder, index).vector
    (tmp_path / "a.png").rename(tmp_path / "picture.mp4")
    assert (embedded(Example(str(tmp_path / "picture.mp4")), encoder, index).vector == vector).all()
    clip.rename(tmp_path / "film.jpg")
    with pytest.raises(FootageError, match=r"film\.jpg: a video; name a moment of it"):
        embedded(Example(str(tmp_path / "film.jpg")), encoder, index)
