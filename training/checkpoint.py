"""What a run leaves on disk, written so that a crash at any moment leaves the last whole version."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from lookalike.errors import TrainingError

CHECKPOINT, ENCODER = "checkpoint.pt", "encoder.safetensors"


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside, make durable, rename. Raises: TrainingError if the disk does not take it."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(f"{path}: cannot write ({error.strerror}); the last checkpoint is kept") from error


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Raises: TrainingError if there is none, or if it is broken."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"{path}: no checkpoint there; start the run without --resume") from error
    except Exception as error:  # broken bytes make the unpickler raise nearly anything, some of it without a message
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"{path}: broken checkpoint ({reason}); start again with another --out") from error


def save_encoder(path: Path, encoder: nn.Module) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    write_atomically(path, save(tensors))


def load_encoder(path: Path, encoder: nn.Module) -> None:
    """Read weights into `encoder`. Raises: TrainingError if they are missing, or are another network's."""
    try:
        encoder.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"{path}: cannot read the encoder's weights ({reason})") from error


def weights_digest(encoder: nn.Module) -> str:
    """SHA-256 over names, shapes and bytes of all tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
