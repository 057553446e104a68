"""Write a run's files so that a crash at any moment leaves the last complete version."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from lookalike.errors import TrainingError
from lookalike.files import durable

CHECKPOINT, ENCODER = "checkpoint.pt", "encoder.safetensors"


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file durably. Raises: TrainingError if it cannot be written; the previous one is kept."""
    try:
        with durable.replacing(path) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise TrainingError(f"{path}: cannot write ({error.strerror}); the last checkpoint is kept") from error


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint. Raises: TrainingError if it is missing or corrupt."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"{path}: no such checkpoint; start the run without --resume") from error
    except Exception as error:  # corrupt bytes make the unpickler raise nearly anything, some of it without a message
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"{path}: corrupt checkpoint ({reason}); start again with another --out") from error


def save_encoder(path: Path, encoder: nn.Module) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    write_atomically(path, save(tensors))


def load_encoder(path: Path, encoder: nn.Module) -> None:
    """Load weights into `encoder`. Raises: TrainingError if they are missing, or of another network."""
    try:
        encoder.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"{path}: cannot read the encoder's weights ({reason})") from error


def weights_digest(encoder: nn.Module) -> str:
    """Return the SHA-256 of names, shapes and bytes of all tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
