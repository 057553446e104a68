"""Footage and settings so small that a training run takes seconds. No default decides a test: all is stated."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lookalike.footage import Frame
from tests.conftest import TEST_SEED
from training.checkpoint import CHECKPOINT, ENCODER, save_checkpoint, save_encoder
from training.config import CONFIG, TrainConfig
from training.data import FrameCache, build_cache
from training.encoders import build_encoder

SMALL = TrainConfig(
    arch="compact",
    init="none",
    input_px=32,
    fps=4.0,
    steps=12,
    batch=8,
    camera_batches=False,
    novelty=False,
    views="paper",
    light="absolute",
    head=False,
    heads_first=0,
    frozen_stages=0,
    freeze_norms=False,
    pooled=False,
    region_share=0.0,
    track_s=0.0,
    crop_area_min=0.6,
    optimizer="adamw",
    lr=1e-2,
    weight_decay=1e-4,
    warmup=0.1,
    tau0=0.99,
    hidden=32,
    projection=16,
    precision="fp32",
    device="cpu",
    seed=TEST_SEED,
    checkpoint_every=1000,
    monitor_every=0,
    compile="off",
)


def small_config(**changes: Any) -> TrainConfig:
    return dataclasses.replace(SMALL, **changes)


def noise_frames(count: int, cameras: tuple[str, ...] = ("gate",), side_px: int = 40) -> list[Frame]:
    """Frame i: coarse noise of its own, camera i modulo their number, a quarter of a second after the one before."""
    rng = np.random.default_rng(0)
    found: list[Frame] = []
    for row in range(count):
        camera = cameras[row % len(cameras)]
        coarse = rng.integers(0, 256, (side_px // 8, side_px // 8, 3), dtype=np.uint8)
        image = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
        found.append(Frame(image, f"{camera}.mp4", camera, camera, row / 4, row * 250_000))
    return found


def small_cache(folder: Path, count: int = 24) -> FrameCache:
    return build_cache(folder, noise_frames(count), SMALL.cache_px, lambda frame: None)


def untrained_run(run: Path, config: TrainConfig = SMALL, count: int = 24) -> Path:
    """What `pretrain` leaves behind, with weights as they were drawn."""
    run.mkdir()
    config.save(run / CONFIG)
    small_cache(run / "cache", count)
    torch.manual_seed(config.seed)
    save_encoder(run / ENCODER, build_encoder(config.arch, config.light))
    save_checkpoint(run / CHECKPOINT, {"step": config.steps, "network": {}, "optimizer": {}})
    return run
