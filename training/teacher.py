"""Distil a teacher: an exported encoder whose embeddings a smaller network learns to predict, in addition to BYOL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lookalike.console import step_bar
from lookalike.contract import RunDevice
from lookalike.encoder import Encoder
from lookalike.parts import join, split
from training.data import FrameCache, pictures_of
from training.pictures import fit_all

BATCH = 64  # pictures at a time


def teacher_targets(path: Path, cache: FrameCache, device: RunDevice) -> Tensor:
    """Embed each cached picture with the teacher: unit float32 (N + R, T), in the order of Pictures.

    The colour part is left out: a student has the same histogram.
    Raises: EncoderError if the file is not an encoder; DeviceError if `device` is not available.
    """
    teacher, pictures = Encoder(path, device), pictures_of(cache, by_novelty=False, region_share=1.0)
    count, found = len(pictures.camera), []
    with step_bar("embedding with the teacher", count) as update:
        for start in range(0, count, BATCH):
            rows = np.arange(start, min(start + BATCH, count))
            embeddings = teacher.embed(fit_all(pictures.read(rows), teacher.spec.input_px))
            found.append(without_colour(embeddings, teacher))
            update(int(rows[-1]) + 1, "")
    return torch.from_numpy(np.concatenate(found))


def without_colour(embeddings: np.ndarray, teacher: Encoder) -> np.ndarray:
    """Drop the colour part of embeddings, unit float32 (N, D), if they have one. Returns: unit float32 (N, T)."""
    kept = [number for number, part in enumerate(teacher.spec.parts) if part.name != "colour"]
    if len(kept) == len(teacher.spec.parts):
        return embeddings
    pieces = [split(embedding, teacher.spec.parts) for embedding in embeddings]
    return join([np.stack([piece[number] for piece in pieces]) for number in kept])


def targets_of(teacher: Tensor | None, *rows: np.ndarray) -> Iterator[Tensor]:
    """Yield the teacher's targets of each list of rows, int64 (B,): float32 (B, T) each; nothing without a teacher."""
    return (teacher[torch.from_numpy(numbers)] for numbers in rows) if teacher is not None else iter(())
