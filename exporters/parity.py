"""Does the exported file give what the trained encoder gives?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.contract import Precision
from lookalike.encoder import Encoder

BATCHES = (1, 7)  # alone, and a size that divides nothing


@dataclass(frozen=True)
class Limits:
    """What an export must hold. batch_difference: of any number of an embedding, when its batch is another."""

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

    frames: how many. provider: what ran the file. min_cosine, mean_cosine: over frames and batch sizes; the same
    _centred: after taking out the mean embedding, since embeddings that all point one way flatter a plain cosine.
    max_batch_difference: largest change of any number when a frame is embedded alone or in a batch. top10: shared share
    of nearest neighbours among these frames.
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
        """As JSON has it."""
        return self.__dict__ | {"batches": list(self.batches)}

    def shortfall(self, limits: Limits) -> str | None:
        """The first measure that does not hold, in words; None if all do."""
        for name in ("min_cosine", "top10"):
            got, limit = getattr(self, name), getattr(limits, name)
            if not got >= limit:  # so that NaN fails
                return f"{name} is {got:.6f}, expected at least {limit}"
        if not self.max_batch_difference <= limits.batch_difference:
            return (
                f"an embedding changes by {self.max_batch_difference:.2e} with its batch,"
                f" expected at most {limits.batch_difference}"
            )
        return None


def check_parity(wanted: np.ndarray, exported: Encoder, real: np.ndarray) -> Parity:
    """Compare on real frames, uint8 (N, S, S, 3), at each batch size.

    wanted: what the PyTorch encoder gives for them, unit float32 (N, D).
    """
    got = [_embed_in_batches(exported, real, batch) for batch in BATCHES]
    cosines = np.stack([(wanted * one).sum(1) for one in got])
    mean = wanted.mean(0)
    centred = np.stack([_cosine(wanted - mean, one - mean) for one in got])
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
    """Mean cosine after taking out the mean embedding: what is enough to rank files by. As `check_parity`."""
    mean = wanted.mean(0)
    return float(_cosine(wanted - mean, exported.embed(real) - mean).mean())


def _embed_in_batches(encoder: Encoder, real: np.ndarray, batch: int) -> np.ndarray:
    return np.concatenate([encoder.embed(real[start : start + batch]) for start in range(0, len(real), batch)])


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(lengths > 1e-6, (a * b).sum(1) / np.maximum(lengths, 1e-12), 1.0)


def shared_neighbours(wanted: np.ndarray, got: np.ndarray, top: int = 10) -> float:
    """Share of the neighbours found with `got` that are, up to rounding, among the best `top` of `wanted`."""
    top = min(top, len(wanted) - 1)
    similarity, other = wanted @ wanted.T, got @ got.T
    np.fill_diagonal(similarity, -2)
    np.fill_diagonal(other, -2)
    worst = np.sort(similarity, axis=1)[:, -top][:, None]  # the similarity of the last one that counts
    found = np.argsort(-other, axis=1)[:, :top]
    return float((np.take_along_axis(similarity, found, 1) >= worst - 1e-5).mean())
