"""Signs of collapse, from a batch of features and no labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

COLLAPSED = 0.1  # `spread` below this: the features say nothing
LOW_SPREAD, LOW_RANK = 0.5, 0.05  # rules of thumb: below them, of 1 and of D, something is going wrong


def spread(features: Tensor) -> Tensor:
    """Mean standard deviation per dimension of the normalised features, times sqrt(D).

    features: (B, D). Returns: scalar; about 1 when they fill the sphere, 0 when all are the same.
    Source: SimSiam, arXiv 2011.10566, section 4.1.
    """
    return F.normalize(features, dim=1).std(0).mean() * features.shape[1] ** 0.5


def effective_rank(features: Tensor) -> float:
    """exp of the entropy of the normalised singular values: how many dimensions are really used.

    features: (N, D). Returns: 1 to min(N, D). Source: RankMe, arXiv 2210.02885, eq. 1.
    """
    singular = torch.linalg.svdvals(features.double())
    share = singular / singular.sum().clamp_min(1e-12) + 1e-7  # all zero, as after a collapse, ranks 1
    return float(torch.exp(-(share * share.log()).sum()))


def spread_in_words(value: float) -> str:
    """What a `spread` means, for a person."""
    if value < COLLAPSED:
        return "Collapsed: everything looks the same to it. Lower --lr, or raise --batch."
    if value < LOW_SPREAD:
        return "Low: the projections crowd together, on the way to a collapse. Healthy is near 1; collapsed, below 0.1."
    return "Healthy: the projections spread over the sphere. Near 1 is best; below 0.1 they have collapsed."


def rank_in_words(rank: float, at_most: int) -> str:
    """What an `effective_rank` means, for a person. at_most: the smaller of N and D."""
    if rank < 2:
        return "Collapsed: one direction says everything. Lower --lr, or raise --batch."
    if rank < LOW_RANK * at_most:
        return (
            f"Low: few of {at_most} possible dimensions are used. Footage in which little happens gives that, and so"
            f" does a collapse of some; {LOW_RANK * at_most:.0f} and more is healthy."
        )
    return f"Healthy: above {LOW_RANK:.0%} of {at_most} possible dimensions. More tells more apart; 1 is a collapse."


def alignment(features: Tensor, others: Tensor) -> float:
    """Mean squared distance between the two views of each picture.

    features, others: unit (N, D), row i of both from picture i. Returns: 0 (the same) to 4 (opposite).
    Source: arXiv 2005.10242, eq. 1, alpha 2.
    """
    return float((features - others).square().sum(1).mean())


def uniformity(features: Tensor) -> float:
    """Log of the mean Gaussian potential of all pairs: how evenly the features fill the sphere.

    features: unit (N, D), N at least 2. Returns: 0 (all in one place) down to about -4 (evenly spread).
    Source: arXiv 2005.10242, eq. 2, t 2.
    """
    return float(torch.pdist(features.float()).square().mul(-2).exp().mean().log())
