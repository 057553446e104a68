"""Fit the linear layers of a head: suppress what a perturbed camera changes, keep what differs between pictures.

Each picture is a class, as is each track, so this needs no labels. Source: within-class covariance
normalisation, Hatch and Stolcke, ICASSP 2006; the weight of each direction is that of probabilistic LDA, Ioffe, ECCV
2006, section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHRINKAGE = 0.01  # of the mean variance, added to each, since the perturbations do not cover all directions


TRACKS = 0.2  # weight of the variance within tracks, the rest is that of perturbed copies
LIGHT = 0.5  # the same if the frames of a camera are a track: how its light changes


def fit_whitening(
    copies: Tensor, dim: int, track: Tensor | None = None, tracks: float = TRACKS
) -> tuple[Tensor, Tensor]:
    """Fit a layer to several copies of each frame, each perturbed differently.

    copies: float (K, N, D), K at least 2: the encoder's features of K copies of each of N frames.
    dim: number of directions to keep, those of largest variance; at most D. track: int (N,), which pictures show the
    same thing at other moments, -1 for no track: how a thing changes while it passes is suppressed, too. tracks: weight
    of that; the rest is that of the perturbation.
    Returns: centre, float32 (D,), and weight, float32 (dim or fewer, D): an embedding is weight @ (features - centre).
    Along each kept direction the perturbed copies of a frame have variance 1, before it is scaled by the root of
    s / (s + 1), the share of signal; s is the variance of frames there: that of their means, less the 1 / K that
    remains of the perturbation. Directions in which frames do not differ are dropped; if all frames are equal, the
    weight is the identity.
    """
    frames = copies.mean(0)  # (N, D)
    centre = frames.mean(0)
    shaken = (copies - frames).flatten(0, 1)
    nuisance = (shaken.T @ shaken / len(frames) / (len(copies) - 1)).double()  # (D, D)
    moved = (frames - centre).double().T / len(frames) ** 0.5  # (D, N); moved @ moved.T is the covariance of frames
    within = _within_tracks(frames, track)
    if within is not None:
        nuisance = (1 - tracks) * nuisance + tracks * within
    size, signal = len(nuisance), moved.square().sum()
    if not signal > 0:
        return centre, torch.eye(size)[:dim]
    nuisance += torch.eye(size) * (SHRINKAGE * nuisance.trace() / size).clamp_min(1e-9 * signal)
    root = torch.linalg.cholesky(nuisance)
    variance, directions = _principal(torch.linalg.solve_triangular(root, moved, upper=False))
    variance = (variance - 1 / len(copies)).clamp_min(0)
    if not variance[0] > 0:
        return centre, torch.eye(size)[:dim]
    kept = int((variance[:dim] > 1e-6 * variance[0]).sum())
    share = (variance / (variance + 1))[:kept]
    weight = torch.linalg.solve_triangular(root.T, directions[:, :kept] * share.sqrt(), upper=True).T
    return centre, weight.float().contiguous()


def _within_tracks(frames: Tensor, track: Tensor | None) -> Tensor | None:
    """Return the covariance of pictures about the mean of their track, float64 (D, D); None if no track has two."""
    if track is None or not len(track):
        return None
    followed = track >= 0
    _, number, counts = track[followed].unique(return_inverse=True, return_counts=True)
    free = int((counts - 1).sum())
    if not free:
        return None
    of_track = frames[followed].double()
    means = torch.zeros(len(counts), of_track.shape[1], dtype=torch.float64).index_add_(0, number, of_track)
    apart = of_track - (means / counts[:, None])[number]
    return apart.T @ apart / free


def _principal(columns: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues, largest first, and eigenvectors, (D, D or N), of columns @ columns.T; columns: (D, N)."""
    if columns.shape[0] <= columns.shape[1]:
        values, vectors = torch.linalg.eigh(columns @ columns.T)
    else:  # the same from N x N
        values, vectors = torch.linalg.eigh(columns.T @ columns)
        vectors = columns @ vectors / values.clamp_min(1e-300).sqrt()
    return values.flip(-1), vectors.flip(-1)
