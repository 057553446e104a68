"""The head, on frames and perturbations so simple that it can be worked out."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.whiten import fit_whitening


def copies_of(frames: list[list[float]], perturbations: list[list[float]]) -> Tensor:
    """Every frame with every perturbation added: (K, N, D)."""
    return torch.tensor(perturbations, dtype=torch.float32)[:, None] + torch.tensor(frames)[None]


def test_a_direction_is_scaled_by_its_perturbation_and_by_its_share_of_signal() -> None:
    """Frames at x = +-2 differ by variance 4; copies at y = +-1 of them by variance 2, over one degree of freedom.

    Shrinkage adds .01 of the mean variance, (0 + 2) / 2: so x has nuisance .01, s = 4 / .01 less half of the
    perturbation, 1 / 2, is 399.5, and x is scaled by sqrt(399.5 / 400.5) / sqrt(.01). Along y frames do not differ: it
    is left out.
    """
    centre, weight = fit_whitening(copies_of([[2, 0], [-2, 0]], [[0, 1], [0, -1]]), dim=2)
    assert torch.allclose(centre, torch.zeros(2), atol=1e-6)
    assert weight.shape == (1, 2)
    assert torch.allclose(weight.abs(), torch.tensor([[math.sqrt(399.5 / 400.5) * 10, 0.0]]), atol=1e-5)


def test_a_small_steady_difference_tells_more_than_a_large_shaky_one() -> None:
    """Variance 4 along x, shaken by 16 / 3; 1 along y, by .04 / 3; both and .0267 more, .01 of the mean.

    s is 4 / 5.36 and 1 / .0401, less a quarter: .496 and 24.7.
    """
    frames = [[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]]
    copies = copies_of(frames, [[2, 0.1], [2, -0.1], [-2, 0.1], [-2, -0.1]])
    nuisance = torch.tensor([4.0, 0.01]) * 4 / 3
    nuisance = nuisance + 0.01 * nuisance.mean()
    signal = torch.tensor([4.0, 1.0]) / nuisance - 1 / 4
    assert torch.allclose(signal, torch.tensor([0.496, 24.7]), rtol=1e-2)
    scale = (signal / (signal + 1)).sqrt() / nuisance.sqrt()
    _, weight = fit_whitening(copies, dim=2)
    assert torch.allclose(weight.abs(), torch.tensor([[0, scale[1]], [scale[0], 0]]), atol=1e-4)
    _, first = fit_whitening(copies, dim=1)
    assert torch.allclose(first.abs(), torch.tensor([[0, scale[1]]]), atol=1e-4)


def test_perturbed_copies_of_a_frame_have_variance_one_along_what_is_kept() -> None:
    """Where signal is strong: here 1,000 times the perturbations, in a rotated frame of reference."""
    torch.manual_seed(0)
    rotation, _ = torch.linalg.qr(torch.randn(4, 4))
    frames, shakes = 1000 * torch.randn(200, 4), torch.randn(50, 200, 4) * torch.tensor([1.0, 2.0, 3.0, 4.0])
    copies = (frames + shakes) @ rotation
    _, weight = fit_whitening(copies, dim=4)
    left = (copies - copies.mean(0)) @ weight.T
    assert torch.allclose(torch.cov(left.flatten(0, 1).T), torch.eye(4), atol=0.1)


def test_the_centre_is_the_mean_of_all_copies() -> None:
    centre, _ = fit_whitening(copies_of([[5, 0], [1, 0]], [[0, 3], [0, 1]]), dim=2)
    assert torch.allclose(centre, torch.tensor([3.0, 2.0]))


def test_equal_frames_are_left_as_they_are() -> None:
    centre, weight = fit_whitening(copies_of([[1, 1, 0], [1, 1, 0]], [[0, 0, 1], [0, 0, -1]]), dim=2)
    assert torch.allclose(centre, torch.tensor([1.0, 1.0, 0.0]))
    assert torch.equal(weight, torch.eye(3)[:2])


def test_frames_that_differ_by_less_than_their_perturbation_are_left_as_they_are() -> None:
    """Means +-1 with copies +-4 of them: variance 1 beside 32 / 2, which is all chance."""
    _, weight = fit_whitening(copies_of([[1, 0], [-1, 0]], [[4, 0], [-4, 0]]), dim=1)
    assert torch.equal(weight, torch.eye(2)[:1])


def test_fewer_frames_than_dimensions_and_no_perturbation_give_finite_numbers() -> None:
    torch.manual_seed(0)
    frames = torch.randn(5, 32)
    _, weight = fit_whitening(torch.stack([frames, frames]), dim=16)
    assert weight.shape == (4, 32)  # five frames span four directions about their mean
    assert torch.isfinite(weight).all()


def test_what_changes_within_a_track_is_weighed_down() -> None:
    """Frames at (+-2, +-1): x and y differ as much as they are, and perturbation shakes neither.

    The track of the first two says that y changes while a thing passes: y's nuisance is .2 of its variance there,
    (1 + 1) / 1 = 2, so .4; x has none but the shrinkage, .01 x .4 / 2 = .002.
    """
    frames = [[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]]
    copies = copies_of(frames, [[0, 0], [0, 0]])
    _, weight = fit_whitening(copies, 2, torch.tensor([0, 0, -1, -1]))
    nuisance = torch.tensor([0.002, 0.402])
    signal = torch.tensor([4.0, 1.0]) / nuisance - 1 / 2
    scale = (signal / (signal + 1)).sqrt() / nuisance.sqrt()
    assert torch.allclose(weight.abs(), torch.diag(scale), atol=1e-3)
    _, without = fit_whitening(copies, 2, torch.tensor([0, 1, -1, -1]))
    assert without[0, 0].abs() == without[1, 1].abs()
