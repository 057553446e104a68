"""Pictures of an opened recording, for people: in any order, and small."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import FootageError
from lookalike.footage.still import pictures_of
from tests.clips import number_of, write_clip

FRAMES = 50


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.h264"])
@pytest.mark.parametrize("gop", [8, 1000])
def test_one_recording_gives_its_pictures_in_any_order(tmp_path, name, gop):
    options = {"g": str(gop), "bf": "0" if name.endswith("h264") else "2"}
    path = write_clip(tmp_path / name, range(0, 40 * FRAMES, 40), codec_options=options)
    order = [*range(0, FRAMES, 3), *np.random.default_rng(0).permutation(FRAMES).tolist(), 7, 7]
    with pictures_of(str(path)) as picture:
        assert [number_of(picture(0.04 * number, None)) for number in order] == order
        assert number_of(picture(60, None)) == FRAMES - 1  # past its end
        assert number_of(picture(0.2, None)) == 5


def test_a_picture_is_no_larger_than_asked_for(tmp_path):
    Image.fromarray(np.zeros((90, 1000, 3), np.uint8)).save(tmp_path / "wide.png")
    for path, longest_px, shape in (
        (tmp_path / "wide.png", 160, (14, 160, 3)),
        (tmp_path / "wide.png", None, (90, 1000, 3)),
        (write_clip(tmp_path / "a.mp4", [0]), 32, (24, 32, 3)),
        (tmp_path / "a.mp4", 640, (48, 64, 3)),
    ):
        with pictures_of(str(path)) as picture:
            assert picture(0, longest_px).shape == shape


def test_what_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "text.mp4").write_bytes(b"just text")
    for name, says in (("text.mp4", "not a readable video"), ("gone.mp4", "no such file")):
        with pytest.raises(FootageError, match=f"{name}: {says}"), pictures_of(str(tmp_path / name)):
            pass
