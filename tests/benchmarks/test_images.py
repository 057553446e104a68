"""The benchmark of folders of pictures, and the pictures that it is run on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.images import MAIN, WAYS, configured, main, table, weighed_in_turn
from benchmarks.things import PRODUCTS, SIDE_PX, classes, cut, render
from lookalike.demo.sprites import COLOURS, KINDS
from lookalike.parts import Part, join
from tests.clips import write_clip
from training.evaluation.contenders import Contender
from training.evaluation.images import weighed

RECIPE = """
arch = "compact"
init = "none"
input_px = 32
batch = 4
hidden = 8
projection = 4
content = 8
layout = 8
colour = 8
views = "photo"
compile = "off"
device = "cpu"
"""


def test_each_kind_of_thing_is_rendered_so_often_and_the_seed_decides_how(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        render(tmp_path / name, 1, seed)
    assert sorted(folder.name for folder in (tmp_path / "a").iterdir()) == sorted(KINDS)
    one, same, other = (np.asarray(Image.open(tmp_path / name / "car" / "000.png")) for name in "abc")
    assert one.shape == (SIDE_PX, SIDE_PX, 3)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_product_is_a_kind_in_one_colour() -> None:
    assert len(classes("product")) == len(KINDS) * len(PRODUCTS)
    assert classes("product")["red car"] == (KINDS["car"], [COLOURS["red"]])
    assert classes("kind")["car"] == (KINDS["car"], list(COLOURS.values()))


def test_frames_are_cut_evenly_from_each_clip_of_a_class(tmp_path: Path) -> None:
    """Five frames, half a second apart: the first, the third and the last."""
    levels = [0, 60, 120, 180, 240]
    pictures = [np.full((32, 32, 3), level, np.uint8) for level in levels]
    write_clip(tmp_path / "again.mp4", range(0, 2500, 500), pictures)
    cut(tmp_path / "signs", str(tmp_path / "again.mp4"), count=3)
    found = sorted((tmp_path / "signs" / "again").iterdir())
    assert [file.name for file in found] == ["000.png", "001.png", "002.png"]
    assert [np.asarray(Image.open(file)).mean() for file in found] == pytest.approx([0, 120, 240], abs=8)


def test_flags_are_taken_instead_of_the_recipes_settings() -> None:
    config = configured("images-cpu", "none", 7)
    assert (config.init, config.steps, config.light) == ("none", 7, "relative")
    assert (config.freeze_norms, config.views, config.crop_area_min, config.batch) == (False, "photo", 0.3, 48)


def test_an_encoder_is_embedded_once_and_weighed_in_turn() -> None:
    """Two pictures of the same content and of opposite colour: cosines 1 and 0, so the share of content. Where layout
    has a quarter of the rest, and there is none, that is .6 of .8."""
    calls: list[int] = []
    vectors = join([np.array([[1, 0], [1, 0]], np.float32), np.array([[1, 0], [0, 1]], np.float32)])

    def embed(pictures: list[np.ndarray]) -> np.ndarray:
        calls.append(len(pictures))
        return vectors

    one = Contender("x", embed, parts=(Part("content", 2), Part("colour", 2)))
    found = list(weighed_in_turn(one, [np.zeros((4, 4, 3), np.uint8)] * 2, "trained", "own"))
    assert calls == [2]
    assert [float(of[0] @ of[1]) for _, of in found] == pytest.approx([1, 0.8, 0.75, 0.5])
    assert {one.name: one.role for one, _ in found}[f"trained: {MAIN}"] == "own"
    assert [one.role for one, _ in found].count("own") == 1
    assert weighed(vectors, (Part("layout", 4),), WAYS[MAIN]) is vectors


def test_the_table_shows_what_is_judged_in_bold() -> None:
    rows = [{"name": "trained", "role": "own", "knn10": 0.5}, {"name": "HSV", "role": "baseline", "knn10": 0.25}]
    assert table(rows)[2:] == ["| **trained** | **0.500** |", "| HSV | 0.250 |"]


def test_a_folder_is_trained_on_and_measured_next_to_baselines_and_the_frozen_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(RECIPE)
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "known" / name).mkdir(parents=True)
        for number in range(3):
            picture = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            picture.save(tmp_path / "known" / name / f"{number}.png")
    main(tmp_path / "known", recipe=str(tmp_path / "tiny.toml"), steps=2)
    said = capsys.readouterr().out
    assert "6 pictures of 2 classes, 32 px, weights: none" in said
    assert "2 steps of 4 in " in said
    for name in (*(f"{of}: {way}" for of in ("trained, 2 steps", "pretrained") for way in WAYS), "HSV histogram"):
        assert f"| {name} |" in said.replace("**", "")
    assert said.rstrip().endswith(".")
