"""The picture shown at a moment: the one that a search hit stands for."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import FootageError
from lookalike.footage import frame_at
from tests.clips import noise, number_of, picture, write_clip

VARIABLE_MS = [0, 40, 120, 160, 1160, 1200, 1203, 3000]
LONG_GOP = {"g": "1000", "bf": "2"}  # one key frame, at the start


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
@pytest.mark.parametrize("start_ms", [0, 17_811])
def test_a_moment_shows_the_last_frame_that_has_started(tmp_path, suffix, start_ms):
    path = str(write_clip(tmp_path / f"a.{suffix}", [start_ms + moment for moment in VARIABLE_MS]))
    for number, moment_ms in enumerate(VARIABLE_MS):
        assert number_of(frame_at(path, moment_ms / 1000)) == number
    for time_s, number in ((0.1, 1), (1.1599, 3), (2.9, 6), (60, 7), (-1, 0)):
        assert number_of(frame_at(path, time_s)) == number


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.mpg", "a.h264"])
@pytest.mark.parametrize("options", [LONG_GOP, {"g": "10"}], ids=["one key frame", "several"])
def test_the_frame_read_is_the_frame_found(tmp_path, read, name, options):
    """Transport and program streams have no index, raw ones no times: a seek lands anywhere, or not at all."""
    codec = "mpeg2video" if name.endswith("mpg") else "libx264"
    options = options | {"bf": "0"} if name.endswith("h264") else options
    path = write_clip(
        tmp_path / name, range(60), noise(60), Fraction(1, 25), codec=codec, codec_options={"b": "2M", **options}
    )
    frames, skipped = read(path)
    assert (len(frames), skipped) == (60, [])
    for frame in frames[::7]:
        np.testing.assert_array_equal(frame_at(str(path), frame.time_s), frame.image)


def test_a_time_rounded_to_microseconds_finds_its_frame(tmp_path, read):
    """At ten million ticks a second a third of a second is 3,333,333 of them, and its time_s 3,333,330."""
    path = write_clip(tmp_path / "a.mp4", [0, 3_333_333, 6_666_667], time_base=Fraction(1, 10_000_000))
    assert [number_of(frame_at(str(path), frame.time_s)) for frame in read(path)[0]] == [0, 1, 2]


def test_an_image_is_its_own_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(picture(5)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(frame_at(str(tmp_path / "a.png"), 0), picture(5)[::-1, ::-1])


def test_of_an_animation_the_first_frame_is_shown_as_it_is_indexed(tmp_path):
    first, second = (Image.fromarray(picture(number)) for number in (5, 50))
    first.save(tmp_path / "a.webp", save_all=True, append_images=[second], lossless=True)
    np.testing.assert_array_equal(frame_at(str(tmp_path / "a.webp"), 0), picture(5))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("text.mp4", b"just text", "not a readable video"),
        ("empty.mp4", b"", "not a readable video"),
        ("text.jpg", b"just text", "not an image"),
    ],
)
def test_what_cannot_be_shown_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FootageError, match=f"^{tmp_path / name}: {says}"):
        frame_at(str(tmp_path / name), 0)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FootageError, match=f"^{tmp_path / 'gone.mp4'}: no such file$"):
        frame_at(str(tmp_path / "gone.mp4"), 0)
