"""The signs of collapse, on features whose feature_std and rank are known."""

from __future__ import annotations

import math

import pytest
import torch

from training.health import COLLAPSED, effective_rank, feature_std


@pytest.mark.parametrize("dims", [2, 8, 64])
def test_orthonormal_directions_have_a_spread_of_one(dims: int) -> None:
    """Per dimension one 1 and d - 1 zeros: variance (1/d)(1 - 1/d) d / (d - 1) = 1/d, so std * sqrt(d) = 1."""
    assert feature_std(torch.eye(dims)).item() == pytest.approx(1.0, abs=1e-5)


def test_length_does_not_count_towards_spread() -> None:
    """The features are normalised first: without that, this would be 5.5 instead of 1."""
    assert feature_std(torch.diag(torch.tensor([1.0, 10.0]))).item() == pytest.approx(1.0, abs=1e-5)


def test_two_opposite_directions_spread_along_one_dimension() -> None:
    """+1 and -1: standard deviation sqrt(2) along one of two dimensions, mean sqrt(2) / 2, times sqrt(2) = 1."""
    assert feature_std(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item() == pytest.approx(1.0, abs=1e-6)


def test_spread_is_in_units_of_one_over_the_root_of_the_dimensions_and_not_of_the_batch() -> None:
    """+-1 along each of two dimensions, four rows: variance 2/3 in each, so sqrt(2/3) * sqrt(2)."""
    features = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert feature_std(features).item() == pytest.approx(math.sqrt(4 / 3), abs=1e-6)


def test_equal_features_have_no_spread() -> None:
    row = torch.tensor([[1.0, 2.0, 3.0]])
    assert feature_std(row.expand(8, 3)).item() == pytest.approx(0.0, abs=1e-6)
    assert feature_std(row * torch.arange(1, 9)[:, None]).item() < COLLAPSED  # one direction, eight lengths


@pytest.mark.parametrize("rank", [1, 2, 5, 16])
def test_k_equal_singular_values_have_an_effective_rank_of_k(rank: int) -> None:
    features = torch.zeros(32, 16)
    features[:rank, :rank] = 7 * torch.eye(rank)
    assert effective_rank(features) == pytest.approx(rank, rel=1e-4)


def test_effective_rank_is_exp_of_the_entropy_of_singular_values() -> None:
    """Shares 3/4 and 1/4. Of their squares, 9/10 and 1/10, it would be 1.38 instead of 1.75."""
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))) == pytest.approx(math.exp(entropy), rel=1e-4)


def test_effective_rank_does_not_depend_on_scale() -> None:
    features = torch.rand(20, 6, generator=torch.Generator().manual_seed(0))
    assert effective_rank(1e-3 * features) == pytest.approx(effective_rank(features), rel=1e-4)


def test_features_that_are_all_zero_have_the_smallest_rank_and_not_nan() -> None:
    """What is left of a collapsed encoder once its mean is taken out."""
    assert effective_rank(torch.zeros(10, 512)) == pytest.approx(1.0, abs=1e-2)
