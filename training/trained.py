"""What is left of a run when it is over: the online encoder and its head, ready to embed."""

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
from training.fit import fit_head, part_names
from training.head import EncoderWithHead

HEAD = "head.safetensors"  # of a run: the layers of its head, and in its metadata the digest of its encoder


def load_trained(run: Path, arch: str | None = None) -> tuple[EncoderWithHead, TrainConfig]:
    """The trained encoder of a run with its head, in eval mode on the CPU, and the run's config.

    arch: as for `TrainConfig.load`.
    The head is fitted when it is first asked for, and kept in the run.
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
    head = fit_head(encoder, cache.frames, config, cache.regions, camera=cache.camera)
    write_atomically(run / HEAD, save(head.layers.state_dict(), {"encoder": digest}))
    return head, config


def _read_head(path: Path, digest: str) -> dict[str, Tensor] | None:
    """The head's layers, if there are any and they were made for this encoder."""
    try:
        with safe_open(path, "pt") as file:
            fits = (file.metadata() or {}).get("encoder") == digest
            return {name: file.get_tensor(name) for name in file.keys()} if fits else None  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
