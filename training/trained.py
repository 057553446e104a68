"""Load what a finished run leaves: the online encoder and its head, ready to embed."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lookalike.errors import TrainingError
from training.checkpoint import ENCODER, load_encoder, weights_digest, write_atomically
from training.config import CONFIG, TrainConfig
from training.data import load_cache
from training.encoders import build_encoder, embedding_dim
from training.head import EncoderWithHead, OnFit, fit_head, no_progress, part_names

HEAD = "head.safetensors"  # of a run: the layers of its head, and in its metadata the digest of its encoder


def load_trained(
    run: Path, arch: str | None = None, on_fit: OnFit = no_progress
) -> tuple[EncoderWithHead, TrainConfig]:
    """Load the encoder of a run with its head, in eval mode on the CPU, and the run's config.

    The first call fits the head and stores it in the run. arch: as for `TrainConfig.load`. on_fit: see head.OnFit.
    Raises: TrainingError if the run is incomplete.
    """
    if not run.is_dir():
        raise TrainingError(f"{run}: no such folder; expected a run made by `lookalike pretrain --out {run}`")
    config = TrainConfig.load(run / CONFIG, arch)
    encoder = build_encoder(config.arch, config.light)
    load_encoder(run / ENCODER, encoder)
    digest = weights_digest(encoder)
    if (tensors := _read_head(run / HEAD, digest)) is not None:
        head = EncoderWithHead(encoder, embedding_dim(encoder, config.input_px), part_names(config)).eval()
        for name in head.names:
            head.layer(name).set(tensors[f"{name}.center"], tensors[f"{name}.weight"])
        return head, config
    cache = load_cache(run / "cache")
    head = fit_head(encoder, cache.frames, config, cache.regions, camera=cache.camera, on_fit=on_fit)
    write_atomically(run / HEAD, save(head.layers.state_dict(), {"encoder": digest}))
    return head, config


def _read_head(path: Path, digest: str) -> dict[str, Tensor] | None:
    """Read the head's layers; None if there are none, or if they were fitted to another encoder."""
    try:
        with safe_open(path, "pt") as file:
            fits = (file.metadata() or {}).get("encoder") == digest
            return {name: file.get_tensor(name) for name in file.keys()} if fits else None  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
