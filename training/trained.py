"""What is left of a run when it is over: the online encoder, ready to embed."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.errors import TrainingError
from training.checkpoint import load_encoder
from training.config import TrainConfig
from training.encoders import build_encoder
from training.train import CONFIG, ENCODER


class ServedEncoder(nn.Module):
    """What the ONNX graph does: uint8 (N, S, S, 3) RGB -> unit float32 (N, D)."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: Tensor) -> Tensor:
        images = pixels.permute(0, 3, 1, 2).float() / 255  # (N, 3, S, S) in [0, 1]
        return F.normalize(self.encoder(images), dim=1)


def load_trained(run: Path) -> tuple[ServedEncoder, TrainConfig]:
    """The trained encoder of a run, in eval mode, and the run's config. Raises: TrainingError if incomplete."""
    if not run.is_dir():
        raise TrainingError(f"{run}: no such folder; expected a run made by `lookalike pretrain --out {run}`")
    config = TrainConfig.load(run / CONFIG)
    encoder = build_encoder(config.arch)
    load_encoder(run / ENCODER, encoder)
    return ServedEncoder(encoder).eval(), config


@torch.no_grad()
def embed_pixels(served: ServedEncoder, pixels: Tensor, batch: int = 64) -> Tensor:
    """uint8 (N, S, S, 3) -> unit float32 (N, D), in bounded memory."""
    return torch.cat([served(part) for part in pixels.split(batch)])
