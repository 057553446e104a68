"""Who is measured: the encoder, others, and baselines with heads of their own."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from exporters.onnx import describe
from lookalike import pixels
from lookalike.errors import TrainingError
from lookalike.parts import FRAME, PHOTO, Part, Weights
from tests.tiny import SPEC, tiny_embedding, write_tiny_encoder
from tests.training.evaluation.footage import blind, gallery_of, plain
from tests.training.small import noise_frames, small_config, untrained_run
from training.config import Views
from training.evaluation.contenders import Contender, contenders
from training.evaluation.gallery import Gallery, of_pictures
from training.evaluation.panel import Panel
from training.trained import load_trained

PLAIN = ["raw pixels 8x8", "raw pixels 32x32", "HSV histogram"]
WITH_HEAD = ["untrained, same head", "16x16 pixels, same head", "pretrained, same head"]


def noise(count: int, side_px: int) -> Gallery:
    return of_pictures([one.image for one in noise_frames(count, side_px=side_px)])


def test_a_run_contends_with_its_baselines_and_with_itself_untrained(tmp_path: Path) -> None:
    """Weights drawn with seed 0 are the untrained baseline's own; with seed 1 they are others."""
    pictures = [pixels.fit(one.image, 37) for one in noise_frames(24)]  # the very frames of the run's cache
    embedded = {}
    for seed in (0, 1):
        found = contenders(untrained_run(tmp_path / str(seed), small_config(seed=seed)), of_pictures(pictures))
        assert [one.name for one in found] == ["this encoder", *PLAIN, *WITH_HEAD]
        assert [one.role for one in found] == ["own"] + ["baseline"] * 6
        for one in found:
            assert np.allclose(np.linalg.norm(one.embed(pictures), axis=1), 1, atol=1e-4)
        embedded[seed] = (found[0].embed(pictures), found[4].embed(pictures))
    assert np.allclose(*embedded[0], atol=1e-5)
    assert np.allclose(embedded[0][1], embedded[1][1], atol=1e-5)
    assert not np.allclose(*embedded[1], atol=0.1)


def test_an_encoder_of_another_architecture_has_no_untrained_baseline(tiny_encoder: Path) -> None:
    gallery = noise(3, 64)
    found = contenders(tiny_encoder, gallery)
    assert [one.name for one in found] == ["this encoder", *PLAIN, *WITH_HEAD[1:]]
    expected = np.stack([tiny_embedding(pixels.fit(picture, 32)) for picture in gallery.pictures])
    assert np.allclose(found[0].embed(gallery.pictures), expected, atol=1e-5)


def test_other_encoders_are_compared_by_their_files_names(tiny_encoder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(tiny_encoder, tmp_path / "other.onnx"))
    found = contenders(tiny_encoder, noise(3, 64), compare=[other, tiny_encoder])
    assert [(one.name, one.role) for one in found[:3]] == [
        *(("this encoder", "own"), ("other", "compared"), ("tiny", "compared"))
    ]
    (tmp_path / "x").mkdir()
    twice = [other, Path(shutil.copy(other, tmp_path / "x" / "other.onnx"))]
    assert [one.name for one in contenders(tiny_encoder, noise(3, 64), compare=twice)[1:3]] == [
        "other (1)",
        "other (2)",
    ]


def test_a_folder_that_is_no_run_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"config\.json: cannot read the run's config"):
        contenders(tmp_path, gallery_of(("a", 0)))


def test_an_encoders_parts_are_weighed_for_crops_and_for_whole_frames_as_its_file_says(tmp_path: Path) -> None:
    """Two halves, content and colour. A crop has all by colour, a frame none of it: against a stored picture the dot
    product is that half's cosine."""
    parts = (Part("content", 24), Part("colour", 24))
    spec = dataclasses.replace(SPEC, parts=parts, crop=Weights(1, 0), frame=Weights(0, 0))
    own = contenders(write_tiny_encoder(tmp_path / "parts.onnx", spec), noise(3, 64))[0]
    one, other = own.embed([plain(20), np.arange(48, dtype=np.uint8).reshape(4, 4, 3)])
    cosines = [float(one[half] @ other[half]) / float(np.linalg.norm(one[half])) for half in (slice(24), slice(24, 48))]
    asked = [float(own.weighed(one[None], crops)[0] @ other) for crops in (False, True)]
    # A stored half has the length that the encoder gave it; joined parts would have 1 / sqrt(2) each.
    assert asked == pytest.approx([cosine * 2**0.5 for cosine in cosines], rel=1e-4)


def test_baselines_without_colour_stand_once_more_with_it() -> None:
    colour = (Part("content", 10), Part("colour", 16))
    rivals = [
        *(Contender("this encoder", blind, "own"), Contender("other", blind, "compared"), Contender("raw", blind)),
        *(Contender("with parts", blind, parts=colour), Contender("HSV histogram", blind)),
    ]
    assert [one.name for one in Panel(rivals, [plain(0)]).entries] == [
        *("this encoder", "other", "raw", "raw, with colour", "with parts", "HSV histogram")
    ]


@pytest.mark.parametrize(("views", "weights"), [("camera", FRAME), ("photo", PHOTO)])
def test_whole_pictures_are_weighed_as_what_was_trained_on_asks_for(
    tmp_path: Path, views: Views, weights: Weights
) -> None:
    run = untrained_run(tmp_path / "run", small_config(views=views))
    assert {one.frame for one in contenders(run, noise(4, 40)) if one.role == "own"} == {weights}
    head, config = load_trained(run)
    assert describe(head, config, 0, 24, []).frame == weights
