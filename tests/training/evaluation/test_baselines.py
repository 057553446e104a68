"""What needs no training: vectors that can be written down."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.evaluation.baselines import Joined, hsv_histogram, normalize, raw_pixels


def plain(red: int, green: int, blue: int, side_px: int = 64) -> np.ndarray:
    return np.full((side_px, side_px, 3), (red, green, blue), np.uint8)


BLACK, WHITE, RED, BLUE = plain(0, 0, 0), plain(255, 255, 255), plain(255, 0, 0), plain(0, 0, 255)


@pytest.mark.parametrize("side_px", [8, 32])
def test_raw_pixels_of_a_plain_colour_are_its_channels_about_their_mean(side_px: int) -> None:
    """Red is (255, 0, 0), mean 85: (170, -85, -85) = 85 (2, -1, -1) at each pixel, of length sqrt(6 * side^2)."""
    [red, blue] = raw_pixels(side_px)([RED, BLUE])
    expected = np.tile([2, -1, -1], side_px * side_px) / math.sqrt(6 * side_px * side_px)
    assert red.dtype == np.float32
    assert np.allclose(red, expected, atol=1e-6)
    assert red @ red == pytest.approx(1, abs=1e-5)
    assert red @ blue == pytest.approx(-0.5, abs=1e-5)  # (2, -1, -1) . (-1, -1, 2) / 6


def test_raw_pixels_see_nothing_in_an_even_grey() -> None:
    """Black and white are each their own mean: zero, and alike."""
    assert not raw_pixels(8)([BLACK, WHITE]).any()


def test_raw_pixels_of_a_negative_are_opposite() -> None:
    halves = np.zeros((8, 8, 3), np.uint8)
    halves[:, 4:] = 255
    picture, negative = raw_pixels(8)([halves, 255 - halves])
    assert np.allclose(np.abs(picture), 1 / math.sqrt(192), atol=1e-6)
    assert picture @ negative == pytest.approx(-1, abs=1e-5)


def test_raw_pixels_do_not_mind_brightness_and_contrast() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 100, (8, 8, 3), dtype=np.uint8)
    one, two = raw_pixels(8)([picture, 2 * picture + 50])
    assert one @ two == pytest.approx(1, abs=1e-5)


def test_raw_pixels_average_over_pictures_of_any_shape() -> None:
    """Two halves of 40 x 90 come out as the same two halves at 8 x 8, but for the columns where they meet."""
    halves = np.zeros((40, 90, 3), np.uint8)
    halves[:, 45:] = 255
    small = raw_pixels(8)([halves])[0].reshape(8, 8, 3)
    assert np.allclose(small[:, :3], -small[:, 5:], atol=1e-6)
    assert np.all(small[:, :3] < 0)


@pytest.mark.parametrize(
    ("picture", "bin_"),
    [
        (BLACK, 0),
        (WHITE, 3),  # value 255 // 64
        (RED, 15),  # hue 0, saturation and value 3: 3 * 4 + 3
        (BLUE, 95),  # hue 240 degrees, 170 of 256: 170 // 32 = 5, 5 * 16 + 15
        (plain(0, 255, 0), 47),  # hue 120 degrees, 85 of 256: 2 * 16 + 15
        (plain(128, 128, 128), 2),
    ],
    ids="black white red blue green grey".split(),
)
def test_a_plain_colour_fills_one_bin_of_hue_saturation_and_value(picture: np.ndarray, bin_: int) -> None:
    [vector] = hsv_histogram([picture])
    assert (vector.dtype, vector.shape) == (np.float32, (128,))
    assert np.flatnonzero(vector).tolist() == [bin_]
    assert vector[bin_] == pytest.approx(1)


def test_a_dot_product_of_histograms_is_bhattacharyyas() -> None:
    """A quarter red and three quarters blue, against even halves: sqrt(1/4 * 1/2) + sqrt(3/4 * 1/2)."""
    quarter, half = BLUE.copy(), BLUE.copy()
    quarter[:, :16], half[:, :32] = (255, 0, 0), (255, 0, 0)
    one, two = hsv_histogram([quarter, half])
    assert one @ two == pytest.approx(math.sqrt(1 / 8) + math.sqrt(3 / 8), abs=1e-6)
    assert one @ one == pytest.approx(1, abs=1e-6)


def test_histograms_do_not_mind_where_things_are() -> None:
    left, right = BLUE.copy(), BLUE.copy()
    left[:, :32], right[:, 32:] = (255, 0, 0), (255, 0, 0)
    one, two = hsv_histogram([left, right])
    assert one @ two == pytest.approx(1, abs=1e-6)
    one, two = raw_pixels(8)([left, right])
    assert one @ two < 0


def test_rows_are_normalised_and_a_zero_row_stays_zero() -> None:
    assert np.allclose(normalize(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0.0, 0.0]])


def test_joined_with_colour_a_dot_product_is_four_fifths_of_its_own_cosine_and_a_fifth_of_colours() -> None:
    """About their means, (1, 0) and (-1, 0) point opposite ways; the colours (0, 2) and (0, 0) do, too; a third of
    both at the mean says nothing, and a fourth (1, 0) with the other's colour has .8 - .2 with the first."""
    vectors, colour = np.array([[3.0, 1], [1, 1]]), np.array([[5.0, 2], [5, 0]])
    join = Joined.on(vectors, colour)
    one, other = join(vectors, colour)
    assert one @ one == pytest.approx(1)
    assert one @ other == pytest.approx(-1)
    [mixed] = join(vectors[:1], colour[1:])
    assert mixed @ one == pytest.approx(0.8 - 0.2)
    [mean] = join(np.array([[2.0, 1]]), np.array([[5.0, 1]]))
    assert mean @ one == 0
