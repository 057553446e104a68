"""Everything that decides a training run, in one frozen dataclass; saved with the run as config.json."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lookalike.contract import Device
from lookalike.errors import TrainingError

Arch = Literal["compact", "resnet18", "resnet50"]
Optimizer = Literal["lars", "sgd", "adamw"]
Precision = Literal["auto", "fp32", "bf16"]
TEMPORAL_MIN_S = 0.5  # nearer moments are the same picture


@dataclass(frozen=True)
class TrainConfig:
    """One run.

    The fields' docstrings are the help texts of the flags. Source: BYOL, arXiv 2006.07733, section 3.3 and appendix J.
    """

    arch: Arch = "compact"
    """Encoder: a compact one for CPUs, or torchvision's."""
    init: str | None = None
    """Weights to start from: a state dict (.pt, .safetensors), or `imagenet` for torchvision's."""
    input_px: int = 96
    """Side of the encoder's square input, pixels."""
    fps: float = 4.0
    """Frames taken from each second of video."""
    steps: int = 600
    """Optimiser steps of the whole run."""
    batch: int = 64
    """Frames per step."""
    camera_batches: bool = False
    """Fill each batch from one camera, so that batch norm in the heads takes out what all its frames share."""
    temporal_s: float = 0.0
    """Half of the second views show another moment, .5 s to this many seconds away; 0 for none."""
    crop_area_min: float = 0.8
    """Smallest share of the picture that a view keeps (the paper's .08 is for pictures of one large object)."""
    optimizer: Optimizer = "adamw"
    """LARS is the paper's, for large batches."""
    lr: float = 4e-3
    """Peak learning rate at a batch of 256; scaled by batch / 256."""
    weight_decay: float = 1e-4
    """On weights; biases and normalisation parameters take none."""
    warmup: float = 0.1
    """Share of the steps over which the learning rate rises."""
    tau0: float = 0.99
    """Where the target's moving average starts; it ends at 1."""
    hidden: int = 1024
    """Width of the hidden layer of projector and predictor (the paper's 4096 is for ImageNet)."""
    projection: int = 256
    """Width of the projection that is compared."""
    precision: Precision = "auto"
    """bf16 where the device has it, else fp32."""
    device: Device = "auto"
    """Where to train."""
    seed: int = 0
    """Decides initial weights, order and views."""
    stop_on_collapse: bool = False
    """End the run, as an error, when the collapse meter falls below .1."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""

    def check(self) -> None:
        """Raises: ValueError that names the flag whose value is out of range."""
        for name in ("input_px", "steps", "batch", "hidden", "projection", "checkpoint_every", "fps", "lr"):
            if getattr(self, name) <= 0:
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected more than 0")
        for name in ("crop_area_min", "tau0", "warmup"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected 0 to 1")
        if self.temporal_s and self.temporal_s <= TEMPORAL_MIN_S:
            raise ValueError(f"--temporal-s is {self.temporal_s}, expected 0 or more than {TEMPORAL_MIN_S}")
        if self.batch < 2:
            raise ValueError("--batch is 1, expected at least 2: batch norm needs something to compare")

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> TrainConfig:
        """Raises: TrainingError if the file is missing, or was written by another version."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(f"{path}: cannot read the run's config ({error})") from error
