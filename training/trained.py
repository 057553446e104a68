"""What is left of a run when it is over: the online encoder and its last layer, ready to embed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lookalike import pixels
from lookalike.console import step_bar
from lookalike.errors import TrainingError
from training.augment import camera_policy, draw_view, make_view
from training.checkpoint import ENCODER, load_encoder, weights_digest, write_atomically
from training.config import CONFIG, TrainConfig
from training.data import FrameCache, load_cache
from training.encoders import build_encoder, device_of, embedding_dim
from training.whiten import fit_whitening

HEAD = "head.safetensors"  # of a run: the last layer, and in its metadata the digest of its encoder
BATCH = 64  # frames per forward pass
SAMPLE = 2000  # of longer footage, so many frames stand for all
FITTED = 1000  # and so many for the last layer
DISTURBED = 8  # copies of each frame for the last layer


class ServedEncoder(nn.Module):
    """What the ONNX graph does: uint8 (N, S, S, 3) RGB -> unit float32 (N, E).

    A linear layer follows the encoder. Made of the footage's frames, it takes out their mean direction, which would
    make every cosine nearly 1, and weighs down what a disturbed camera changes: see whiten.fit_whitening.
    """

    center: Tensor
    weight: Tensor

    def __init__(self, encoder: nn.Module, dim: int) -> None:
        """dim: D, what the encoder gives. Until it is fitted, the layer changes nothing."""
        super().__init__()
        self.encoder = encoder
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("weight", torch.eye(dim))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.last_layer(self._direction(_images(pixels)))

    def last_layer(self, directions: Tensor) -> Tensor:
        """What `forward` does after the encoder: unit (N, D) -> unit (N, E)."""
        return F.normalize(F.linear(directions - self.center, self.weight), dim=1)

    @torch.no_grad()
    def directions(self, pixels: Tensor) -> Tensor:
        """The encoder's own features: uint8 (N, S, S, 3) -> unit float32 (N, D), in bounded memory."""
        return torch.cat([self._direction(_images(part)) for part in pixels.split(BATCH)])

    @torch.no_grad()
    def center_on(self, directions: Tensor) -> None:
        """Take out the mean of these, unit (N, D), and change nothing else."""
        self.center, self.weight = directions.mean(0), torch.eye(directions.shape[1], device=directions.device)

    @torch.no_grad()
    def whiten_on(self, directions: Tensor, frames: Tensor, input_px: int, dim: int, copies: int = DISTURBED) -> None:
        """Fit the layer to frames and disturbed copies of them, which a bar counts: it may take minutes.

        directions: of the frames as they are, unit (N, D). frames: uint8 (N, C, C, 3), C at least input_px, on the
        encoder's device. dim: E, at most so many. copies: of each frame.
        """
        generator = torch.Generator().manual_seed(0)
        seen = [directions]
        with step_bar("last layer", copies * len(frames)) as tell:
            for copy in range(copies):
                draw = draw_view(len(frames), camera_policy(), generator)
                moved: list[Tensor] = []
                for start in range(0, len(frames), BATCH):
                    part = slice(start, start + BATCH)
                    moved.append(self._direction(make_view(frames[part], draw[part], input_px)))
                    tell(copy * len(frames) + min(start + BATCH, len(frames)), "")
                seen.append(torch.cat(moved))
        center, weight = fit_whitening(torch.stack(seen).cpu(), dim)
        self.center, self.weight = center.to(frames.device), weight.to(frames.device)

    def _direction(self, images: Tensor) -> Tensor:
        return F.normalize(self.encoder(images), dim=1)


def _images(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 3, 1, 2).float() / 255  # (N, S, S, 3) -> (N, 3, S, S) in [0, 1]


def serve(encoder: nn.Module, frames: np.ndarray, config: TrainConfig) -> ServedEncoder:
    """The encoder with its last layer made for these frames, in eval mode on the device that it is on.

    frames: uint8 (N, C, C, 3), C is config.cache_px; of many, an even sample is taken.
    """
    device = device_of(encoder)
    served = ServedEncoder(encoder, embedding_dim(encoder, config.input_px)).to(device).eval()
    frames = frames[sample_rows(len(frames), FITTED)]
    directions = served.directions(torch.from_numpy(fit_all(frames, config.input_px)).to(device))
    if config.embedding:
        served.whiten_on(directions, torch.from_numpy(frames).to(device), config.input_px, config.embedding)
    else:
        served.center_on(directions)
    return served


def load_trained(run: Path) -> tuple[ServedEncoder, TrainConfig]:
    """The trained encoder of a run with its last layer, in eval mode on the CPU, and the run's config.

    The layer is fitted when it is first asked for, and kept in the run.
    Raises: TrainingError if the run is incomplete.
    """
    if not run.is_dir():
        raise TrainingError(f"{run}: no such folder; expected a run made by `lookalike pretrain --out {run}`")
    config = TrainConfig.load(run / CONFIG)
    encoder = build_encoder(config.arch, config.light)
    load_encoder(run / ENCODER, encoder)
    digest = weights_digest(encoder)
    if (head := _read_head(run / HEAD, digest)) is not None:
        served = ServedEncoder(encoder, len(head["center"])).eval()
        served.center, served.weight = head["center"], head["weight"]
    else:
        served = serve(encoder, load_cache(run / "cache").frames, config)
        layer = {"center": served.center, "weight": served.weight}
        write_atomically(run / HEAD, save(layer, {"encoder": digest}))
    return served, config


def _read_head(path: Path, digest: str) -> dict[str, Tensor] | None:
    """The last layer, if there is one and it was made for this encoder."""
    try:
        with safe_open(path, "pt") as file:
            fits = (file.metadata() or {}).get("encoder") == digest
            return {name: file.get_tensor(name) for name in ("center", "weight")} if fits else None
    except (OSError, SafetensorError):
        return None


def sample_rows(among: int, count: int) -> np.ndarray:
    """Up to `count` of so many rows, evenly spaced: int64."""
    return np.linspace(0, among - 1, min(count, among)).round().astype(int)


def sample_frames(cache: FrameCache, input_px: int) -> tuple[np.ndarray, np.ndarray]:
    """An even sample of the footage. Returns: rows of the cache, int64 (N,), and uint8 (N, S, S, 3)."""
    rows = sample_rows(len(cache), SAMPLE)
    return rows, fit_all(cache.frames[rows], input_px)


def fit_all(pictures: Iterable[np.ndarray], side_px: int) -> np.ndarray:
    """uint8 (H, W, 3) each -> uint8 (N, side_px, side_px, 3), as every picture is made to fit."""
    return np.stack([pixels.fit(picture, side_px) for picture in pictures])


@torch.no_grad()
def embed_pixels(served: ServedEncoder, pixels: Tensor) -> Tensor:
    """uint8 (N, S, S, 3) -> unit float32 (N, E), in bounded memory."""
    return torch.cat([served(part) for part in pixels.split(BATCH)])
