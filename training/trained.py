"""What is left of a run when it is over: the online encoder, ready to embed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookalike import pixels
from lookalike.errors import TrainingError
from training.checkpoint import ENCODER, load_encoder
from training.config import CONFIG, TrainConfig
from training.data import FrameCache, load_cache
from training.encoders import build_encoder, embedding_dim

BATCH = 64  # frames per forward pass
SAMPLE = 2000  # of longer footage, so many frames stand for all


class ServedEncoder(nn.Module):
    """What the ONNX graph does: uint8 (N, S, S, 3) RGB -> unit float32 (N, D), centred.

    What all frames of the footage share would make every cosine nearly 1; so their mean direction, a constant in the
    graph, is taken out before the last normalisation.
    """

    center: Tensor

    def __init__(self, encoder: nn.Module, dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("center", torch.zeros(dim))

    def forward(self, pixels: Tensor) -> Tensor:
        return F.normalize(self._direction(pixels) - self.center, dim=1)

    @torch.no_grad()
    def center_on(self, pixels: Tensor) -> None:
        """Take the mean direction of these frames, uint8 (N, S, S, 3), as the new centre."""
        directions = torch.cat([self._direction(part) for part in pixels.split(BATCH)])
        self.center.copy_(directions.mean(0))

    def _direction(self, pixels: Tensor) -> Tensor:
        images = pixels.permute(0, 3, 1, 2).float() / 255  # (N, 3, S, S) in [0, 1]
        return F.normalize(self.encoder(images), dim=1)


def load_trained(run: Path) -> tuple[ServedEncoder, TrainConfig]:
    """The trained encoder of a run, in eval mode and centred on the run's frames, and the run's config.

    Raises: TrainingError if the run is incomplete.
    """
    if not run.is_dir():
        raise TrainingError(f"{run}: no such folder; expected a run made by `lookalike pretrain --out {run}`")
    config = TrainConfig.load(run / CONFIG)
    encoder = build_encoder(config.arch)
    load_encoder(run / ENCODER, encoder)
    served = ServedEncoder(encoder, embedding_dim(encoder, config.input_px)).eval()
    served.center_on(torch.from_numpy(sample_frames(load_cache(run / "cache"), config.input_px)[1]))
    return served, config


def sample_rows(cache: FrameCache, count: int) -> np.ndarray:
    """Up to `count` rows, evenly spaced: int64."""
    return np.linspace(0, len(cache) - 1, min(count, len(cache))).round().astype(int)


def sample_frames(cache: FrameCache, input_px: int) -> tuple[np.ndarray, np.ndarray]:
    """An even sample of the footage. Returns: rows of the cache, int64 (N,), and uint8 (N, S, S, 3)."""
    rows = sample_rows(cache, SAMPLE)
    return rows, np.stack([pixels.fit(cache.frames[row], input_px) for row in rows])


@torch.no_grad()
def embed_pixels(served: ServedEncoder, pixels: Tensor) -> Tensor:
    """uint8 (N, S, S, 3) -> unit float32 (N, D), in bounded memory."""
    return torch.cat([served(part) for part in pixels.split(BATCH)])
