"""What is done to a query does to it what it says."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.perturb import Perturbation, perturb, perturb_all, perturb_rows

NOTHING = Perturbation(zoom=(1.0, 1.0), gamma=(1.0, 1.0), gain=(1.0, 1.0), noise=0.0)
REAL = Perturbation(zoom=(0.75, 0.9), gamma=(0.6, 1.7), gain=(0.7, 1.3), noise=0.03)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (Perturbation(zoom=(0.9, 0.75)), "--zoom is 0.9 0.75, expected two numbers above 0, the smaller one first"),
        (Perturbation(zoom=(0.5, 1.5)), "--zoom is 0.5 1.5, expected at most 1"),
        (Perturbation(gamma=(0, 1)), "--gamma is 0 1"),
        (Perturbation(gain=(2, 1)), "--gain is 2 1"),
        (Perturbation(noise=-0.1), "--noise is -0.1, expected 0 or more"),
    ],
)
def test_a_perturbation_out_of_range_names_its_flag(how: Perturbation, says: str) -> None:
    REAL.check()
    NOTHING.check()
    with pytest.raises(ValueError, match=says):
        how.check()


def noise_picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (30, 50, 3), dtype=np.uint8)


def test_a_perturbation_of_nothing_is_the_picture() -> None:
    assert np.array_equal(perturb(noise_picture(), NOTHING, np.random.default_rng(0)), noise_picture())


def test_a_perturbed_picture_keeps_its_shape_and_is_another() -> None:
    perturbed = perturb(noise_picture(), REAL, np.random.default_rng(0))
    assert (perturbed.dtype, perturbed.shape) == (np.uint8, (30, 50, 3))
    assert np.abs(perturbed.astype(int) - noise_picture()).mean() > 10


def test_perturbations_are_drawn_per_frame_and_repeat_with_their_seed() -> None:
    pictures = [noise_picture()] * 3
    first, again, other = (perturb_all(pictures, REAL, seed) for seed in (4, 4, 5))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])
    assert not any(np.array_equal(one, two) for one, two in zip(first, other, strict=True))
    [alone] = perturb_rows(pictures, [2], REAL, 4)  # what others there are does not matter
    assert np.array_equal(alone, first[2])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Perturbation((1, 1), (2, 2), (1, 1), 0), 36),  # (96 / 255)^2 * 255 = 36.14
        (Perturbation((1, 1), (1, 1), (0.5, 0.5), 0), 48),
        (Perturbation((1, 1), (1, 1), (5, 5), 0), 255),  # clipped, not wrapped around
        (Perturbation((0.5, 0.5), (1, 1), (1, 1), 0), 96),
    ],
    ids="gamma gain clip zoom".split(),
)
def test_each_part_of_a_perturbation_does_to_a_grey_what_it_says(how: Perturbation, expected: int) -> None:
    grey = np.full((20, 20, 3), 96, np.uint8)
    assert set(perturb(grey, how, np.random.default_rng(0)).ravel().tolist()) == {expected}


def test_gains_are_drawn_per_channel_and_noise_per_value() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    tinted = perturb(grey, Perturbation((1, 1), (1, 1), (0.5, 1.5), 0), np.random.default_rng(0))
    assert len(set(tinted[0, 0].tolist())) == 3
    assert np.array_equal(tinted, np.broadcast_to(tinted[0, 0], tinted.shape))
    noisy = perturb(grey, Perturbation((1, 1), (1, 1), (1, 1), 0.05), np.random.default_rng(0))
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.05)


def test_a_zoom_of_half_shows_half_of_each_side_at_offsets_of_its_own() -> None:
    """A ramp of one level per pixel, from left to right: what is kept spans half of its 200 levels."""
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (40, 200, 3)).copy()
    how = Perturbation((0.5, 0.5), (1, 1), (1, 1), 0)
    shown = [perturb(ramp, how, np.random.default_rng(seed)) for seed in range(20)]
    starts = [int(picture[0, 0, 0]) for picture in shown]
    assert all(98 <= int(picture[0, -1, 0]) - int(picture[0, 0, 0]) <= 100 for picture in shown)
    assert min(starts) < 20
    assert max(starts) > 80
