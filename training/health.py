"""Measure signs of collapse, from a batch of features and no labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

COLLAPSED = 0.1  # feature_std below this: the features carry no information
LOW_STD, LOW_RANK = 0.5, 0.05  # rules of thumb: values below these shares, of 1 and of D, point to a problem


def feature_std(features: Tensor) -> Tensor:
    """Return the mean standard deviation per dimension of the normalised features, times sqrt(D).

    features: (B, D). Returns: scalar; about 1 when they fill the sphere, 0 when all are the same.
    Source: SimSiam, arXiv 2011.10566, section 4.1.
    """
    return F.normalize(features, dim=1).std(0).mean() * features.shape[1] ** 0.5


def effective_rank(features: Tensor) -> float:
    """Return exp of the entropy of the normalised singular values: how many dimensions are in use.

    features: (N, D). Returns: 1 to min(N, D). Source: RankMe, arXiv 2210.02885, eq. 1.
    """
    singular = torch.linalg.svdvals(features.double())
    share = singular / singular.sum().clamp_min(1e-12) + 1e-7  # all zero, as after a collapse, ranks 1
    return float(torch.exp(-(share * share.log()).sum()))


def describe_feature_std(value: float) -> str:
    """Explain a `feature_std` to a person."""
    if value < COLLAPSED:
        return "Collapsed: all pictures have nearly the same features. Lower --lr, or raise --batch."
    if value < LOW_STD:
        return "Low: the features crowd together, which precedes a collapse. Healthy is near 1; collapsed, below 0.1."
    return "Healthy: the features fill the sphere. Near 1 is best; below 0.1 they have collapsed."


def describe_rank(rank: float, at_most: int) -> str:
    """Explain an `effective_rank` to a person. at_most: the smaller of N and D."""
    if rank < 2:
        return "Collapsed: a single direction is in use. Lower --lr, or raise --batch."
    if rank < LOW_RANK * at_most:
        return (
            f"Low: few of {at_most} possible dimensions are used. The footage may show little change, or some"
            f" dimensions have collapsed. {LOW_RANK * at_most:.0f} or more is healthy."
        )
    return f"Healthy: above {LOW_RANK:.0%} of {at_most} possible dimensions. More is better; 1 is a collapse."


def alignment(features: Tensor, others: Tensor) -> float:
    """Return the mean squared distance between the two views of each picture.

    features, others: unit (N, D), row i of both from picture i. Returns: 0 (the same) to 4 (opposite).
    Source: arXiv 2005.10242, eq. 1, alpha 2.
    """
    return float((features - others).square().sum(1).mean())


def uniformity(features: Tensor) -> float:
    """Return the log of the mean Gaussian potential of all pairs: how evenly the features fill the sphere.

    features: unit (N, D), N at least 2. Returns: 0 (all in one place) down to about -4 (evenly spread).
    Source: arXiv 2005.10242, eq. 2, t 2.
    """
    return float(torch.pdist(features.float()).square().mul(-2).exp().mean().log())
