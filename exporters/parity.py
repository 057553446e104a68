"""Does the exported file give what the trained encoder gives?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lookalike.encoder import Encoder
from lookalike.errors import ExportError

BATCHES = (1, 7)  # alone, and a size that divides nothing
MIN_COSINE = 0.99999
MAX_BATCH_DIFFERENCE = 1e-5
MIN_TOP10 = 0.99


@dataclass(frozen=True)
class Parity:
    """Agreement of the ONNX file with the PyTorch encoder on real frames.

    frames: how many. min_cosine, mean_cosine: over frames and batch sizes; min_cosine_centred: after taking out
    the mean embedding, since embeddings that all point one way flatter a plain cosine. max_batch_difference: largest
    change of any number when a frame is embedded alone or in a batch. top10: shared share of nearest neighbours.
    """

    frames: int
    batches: tuple[int, ...]
    min_cosine: float
    mean_cosine: float
    min_cosine_centred: float
    max_batch_difference: float
    top10: float

    def raise_unless_held(self, where: str) -> None:
        """Raises: ExportError that names the measure that failed."""
        limits = {"min_cosine": MIN_COSINE, "top10": MIN_TOP10}
        for name, limit in limits.items():
            if not getattr(self, name) >= limit:  # so that NaN fails
                raise ExportError(
                    f"{where}: not written: {name} is {getattr(self, name):.6f}, expected at least {limit}"
                )
        if not self.max_batch_difference <= MAX_BATCH_DIFFERENCE:
            raise ExportError(
                f"{where}: not written: an embedding changes by {self.max_batch_difference:.2e} with its batch,"
                f" expected at most {MAX_BATCH_DIFFERENCE}"
            )


def check_parity(reference: Callable[[Tensor], Tensor], exported: Encoder, real: np.ndarray) -> Parity:
    """Compare on real frames, uint8 (N, S, S, 3), at each batch size.

    reference: the PyTorch encoder, uint8 (N, S, S, 3) -> unit float32 (N, D).
    """
    with torch.no_grad():
        wanted = reference(torch.from_numpy(real)).numpy()
    got = [_embed_in_batches(exported, real, batch) for batch in BATCHES]
    cosines = np.stack([(wanted * one).sum(1) for one in got])
    mean = wanted.mean(0)
    centred = np.stack([_cosine(wanted - mean, one - mean) for one in got])
    return Parity(
        len(real),
        BATCHES,
        float(cosines.min()),
        float(cosines.mean()),
        float(centred.min()),
        float(np.abs(got[0] - got[1]).max()),
        _shared_neighbours(wanted, got[0]),
    )


def _embed_in_batches(encoder: Encoder, real: np.ndarray, batch: int) -> np.ndarray:
    return np.concatenate([encoder.embed(real[start : start + batch]) for start in range(0, len(real), batch)])


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(lengths > 1e-6, (a * b).sum(1) / np.maximum(lengths, 1e-12), 1.0)


def _shared_neighbours(wanted: np.ndarray, got: np.ndarray, top: int = 10) -> float:
    """Share of the neighbours found with `got` that are, up to rounding, among the best `top` of `wanted`."""
    top = min(top, len(wanted) - 1)
    similarity, other = wanted @ wanted.T, got @ got.T
    np.fill_diagonal(similarity, -2)
    np.fill_diagonal(other, -2)
    worst = np.sort(similarity, axis=1)[:, -top][:, None]  # the similarity of the last one that counts
    found = np.argsort(-other, axis=1)[:, :top]
    return float((np.take_along_axis(similarity, found, 1) >= worst - 1e-5).mean())
