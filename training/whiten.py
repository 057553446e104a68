"""The last, linear layer of a served encoder: what a disturbed camera changes is weighed down, what differs is kept.

Each frame is a class of its own, so this needs no labels. Source: within-class covariance normalisation, Hatch and
Stolcke, ICASSP 2006; the weight of each direction is that of probabilistic LDA, Ioffe, ECCV 2006, section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHRINKAGE = 0.01  # of the mean variance, added to each: directions in which no frame was ever disturbed are not all


def fit_whitening(copies: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Fit the layer on frames that were seen several times, each time disturbed in another way.

    copies: float (K, N, D), K at least 2: what the encoder gives for K copies of each of N frames.
    dim: how many directions to keep, the most telling ones; at most D.
    Returns: centre, float32 (D,), and weight, float32 (dim or fewer, D): an embedding is weight @ (features - centre).
    Along each kept direction the disturbed copies of a frame have variance 1, before it is scaled by the root of
    s / (s + 1), s the variance of frames there: the share of what is seen that is signal. Directions without signal
    are left out; if there are none, as among equal frames, the weight is a plain identity.
    """
    copies = copies.double()
    frames = copies.mean(0)  # (N, D)
    centre = frames.mean(0)
    nuisance = _covariance((copies - frames).flatten(0, 1)) * len(copies) / (len(copies) - 1)
    signal = _covariance(frames - centre)
    size = nuisance.shape[0]
    if not signal.trace() > 0:
        return centre.float(), torch.eye(size)[:dim]
    nuisance += torch.eye(size) * (SHRINKAGE * nuisance.trace() / size).clamp_min(1e-9 * signal.trace())
    root = torch.linalg.cholesky(nuisance)
    whitened = torch.linalg.solve_triangular(root, signal, upper=False)
    whitened = torch.linalg.solve_triangular(root, whitened.T, upper=False)  # root^-1 signal root^-T
    variance, directions = (one.flip(-1) for one in torch.linalg.eigh(whitened))  # the most telling first
    kept = int((variance[:dim] > 1e-6 * variance[0]).sum())
    share = (variance / (variance + 1))[:kept]
    weight = torch.linalg.solve_triangular(root.T, directions[:, :kept] * share.sqrt(), upper=True).T
    return centre.float(), weight.float().contiguous()


def _covariance(centred: Tensor) -> Tensor:
    """centred: (N, D), mean 0. Returns: (D, D)."""
    return centred.T @ centred / len(centred)
