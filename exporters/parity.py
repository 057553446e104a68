"""Compare the exported file with the trained encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.contract import Precision
from lookalike.encoder import Encoder

BATCHES = (1, 7)  # alone, and in an odd batch


@dataclass(frozen=True)
class Limits:
    """Limits of an export's parity. batch_difference: of any value of an embedding, between batch sizes."""

    min_cosine: float
    top10: float
    batch_difference: float


LIMITS: dict[Precision, Limits] = {
    "fp32": Limits(0.99999, 0.99, 1e-5),
    "fp16": Limits(0.999, 0.95, 5e-3),  # sums in another order round at 2^-11
    "int8": Limits(0.0, 0.95, 5e-2),  # a sum that rounds to the other side moves a number by one step of 256
}


@dataclass(frozen=True)
class Parity:
    """Agreement of the ONNX file with the PyTorch encoder on real frames.

    frames: their number. provider: of ONNX Runtime. min_cosine, mean_cosine: over frames and batch sizes; the same
    _centred: after subtracting the mean embedding, since the plain cosine of embeddings that all point one way is high.
    max_batch_difference: largest difference of any value between a frame alone and in a batch. top10: share of nearest
    neighbours among these frames that both agree on.
    """

    frames: int
    batches: tuple[int, ...]
    provider: str
    min_cosine: float
    mean_cosine: float
    min_cosine_centred: float
    mean_cosine_centred: float
    max_batch_difference: float
    top10: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as for JSON."""
        return self.__dict__ | {"batches": list(self.batches)}

    def shortfall(self, limits: Limits) -> str | None:
        """Describe the first measure beyond its limit; None if all are within."""
        for name in ("min_cosine", "top10"):
            got, limit = getattr(self, name), getattr(limits, name)
            if not got >= limit:  # so that NaN fails
                return f"{name} is {got:.6f}, expected at least {limit}"
        if not self.max_batch_difference <= limits.batch_difference:
            return (
                f"max_batch_difference is {self.max_batch_difference:.2e}, expected at most {limits.batch_difference}"
            )
        return None


def check_parity(wanted: np.ndarray, exported: Encoder, real: np.ndarray) -> Parity:
    """Compare on real frames, uint8 (N, S, S, 3), at each batch size.

    wanted: embeddings of the PyTorch encoder, unit float32 (N, D).
    """
    got = [_embed_in_batches(exported, real, batch) for batch in BATCHES]
    cosines = np.stack([(wanted * embeddings).sum(1) for embeddings in got])
    mean = wanted.mean(0)
    centred = np.stack([_cosine(wanted - mean, embeddings - mean) for embeddings in got])
    return Parity(
        len(real),
        BATCHES,
        exported.provider,
        float(cosines.min()),
        float(cosines.mean()),
        float(centred.min()),
        float(centred.mean()),
        float(np.abs(got[0] - got[1]).max()),
        shared_neighbours(wanted, got[0]),
    )


def agreement(wanted: np.ndarray, exported: Encoder, real: np.ndarray) -> float:
    """Return the mean cosine after subtracting the mean embedding, to rank files by. See `check_parity`."""
    mean = wanted.mean(0)
    return float(_cosine(wanted - mean, exported.embed(real) - mean).mean())


def _embed_in_batches(encoder: Encoder, real: np.ndarray, batch: int) -> np.ndarray:
    return np.concatenate([encoder.embed(real[start : start + batch]) for start in range(0, len(real), batch)])


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(lengths > 1e-6, (a * b).sum(1) / np.maximum(lengths, 1e-12), 1.0)


def shared_neighbours(wanted: np.ndarray, got: np.ndarray, top: int = 10) -> float:
    """Return the share of neighbours by `got` that are, up to rounding, among the best `top` by `wanted`."""
    top = min(top, len(wanted) - 1)
    similarity, other = wanted @ wanted.T, got @ got.T
    np.fill_diagonal(similarity, -2)
    np.fill_diagonal(other, -2)
    worst = np.sort(similarity, axis=1)[:, -top][:, None]  # the similarity of the last one that counts
    found = np.argsort(-other, axis=1)[:, :top]
    return float((np.take_along_axis(similarity, found, 1) >= worst - 1e-5).mean())
