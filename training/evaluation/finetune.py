"""Fine-tune an encoder end to end with a few labels, and compare it with the same network from new weights."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookalike import pixels
from lookalike.contract import Device
from lookalike.errors import TrainingError
from training.augment import ViewPolicy, draw_view, make_view
from training.config import TrainConfig
from training.data import batch_indices
from training.encoders import build_encoder, embedding_dim
from training.optim import build_optimizer, lr_at
from training.train import pick_bf16, pick_device

CROPS_AND_FLIPS = ViewPolicy(crop_area_min=0.6, jitter_p=0, grey_p=0, blur_p=0)
TEST_BATCH = 256  # test pictures per forward pass


@dataclass(frozen=True)
class Schedule:
    """Length and learning rate: AdamW, a linear warm-up over a tenth of the steps, then a cosine to 0.

    lr: at its peak, of encoder and classifier alike.
    """

    epochs: int = 5
    batch: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.05

    def steps(self, pictures: int) -> int:
        return self.epochs * math.ceil(pictures / self.batch)


SCHEDULE = Schedule()


@dataclass(frozen=True)
class Examples:
    """Pictures at the encoder's size with their classes. pixels: uint8 (N, S, S, 3). labels: int64 (N,)."""

    pixels: np.ndarray
    labels: np.ndarray


def store_examples(
    pictures: Iterable[tuple[np.ndarray, int]],
    input_px: int,
    file: Path,
    on_picture: Callable[[int], None] = lambda done: None,
) -> Examples:
    """Resize pictures, uint8 (H, W, 3), for the encoder and store them in a memory-mapped file.

    on_picture: called with the number done.
    """
    labels: list[int] = []
    with file.open("wb") as out:
        for picture, label in pictures:
            out.write(pixels.fit(picture, input_px).tobytes())
            labels.append(label)
            on_picture(len(labels))
    shape = (len(labels), input_px, input_px, 3)
    return Examples(np.memmap(file, np.uint8, "r", shape=shape), np.array(labels))


def compare_with_scratch(
    encoder: nn.Module,
    config: TrainConfig,
    train: Examples,
    test: Examples,
    seed: int,
    device: Device = "auto",
    schedule: Schedule = SCHEDULE,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> tuple[float, float]:
    """Train two classifiers in the same way: on a copy of `encoder`, and on the same network from new weights.

    seed: determines the classifier's and the new encoder's weights, order, crops and flips; both networks get the same
    crops and flips. on_step: called with the steps done, of both together, and the loss.
    Returns: their accuracies on `test`.
    Raises: TrainingError on Ctrl-C, or if the device is not there.
    """
    steps = schedule.steps(len(train.labels))
    torch.manual_seed(seed)
    networks = copy.deepcopy(encoder), build_encoder(config.arch, config.light)
    found: list[float] = []
    for number, one in enumerate(networks):
        found.append(
            fine_tune(one, config, train, test, seed, device, schedule, partial(_offset, on_step, number * steps))
        )
    return found[0], found[1]


def _offset(on_step: Callable[[int, float], None], before: int, step: int, loss: float) -> None:
    on_step(before + step, loss)


def fine_tune(
    encoder: nn.Module,
    config: TrainConfig,
    train: Examples,
    test: Examples,
    seed: int,
    device: Device,
    schedule: Schedule,
    on_step: Callable[[int, float], None],
) -> float:
    """Train `encoder`, in place, and a linear classifier on it. Returns: accuracy on `test`. Raises: TrainingError.

    Source: BYOL, arXiv 2006.07733, section 4 (transfer by fine-tuning); AdamW, arXiv 1711.05101.
    """
    where, steps = pick_device(device), schedule.steps(len(train.labels))
    torch.manual_seed(seed)
    head = nn.Linear(embedding_dim(encoder, config.input_px), int(train.labels.max()) + 1)
    network = nn.Sequential(encoder, head).to(where).train()
    settings = _settings(config, schedule, steps)
    optimizer, bf16 = build_optimizer(network, settings), pick_bf16(config.precision, where, network)
    order = batch_indices(np.zeros(len(train.labels), int), settings.batch, False, seed)
    generator = torch.Generator().manual_seed(seed)
    step = 0
    try:
        for step, rows in zip(range(steps), order, strict=False):
            rows = np.sort(rows)  # a memory map is read forwards
            frames, wanted = (torch.from_numpy(one[rows]).to(where) for one in (train.pixels, train.labels))
            views = make_view(frames, draw_view(len(rows), CROPS_AND_FLIPS, generator), config.input_px)
            for group in optimizer.param_groups:
                group["lr"] = lr_at(step, settings)
            with torch.autocast(where.type, torch.bfloat16, enabled=bf16):
                loss = F.cross_entropy(network(views).float(), wanted)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            on_step(step + 1, float(loss.detach()))
        return _accuracy(network.eval(), test, where)
    except KeyboardInterrupt:
        raise TrainingError(
            f"interrupted at step {step} of {steps} of fine-tuning, which keeps no partial results"
        ) from None


def _settings(config: TrainConfig, schedule: Schedule, steps: int) -> TrainConfig:
    """Translate the schedule for training.optim, which scales `lr` by batch / 256."""
    return dataclasses.replace(
        config,
        optimizer="adamw",
        lr=schedule.lr * 256 / schedule.batch,
        batch=schedule.batch,
        steps=steps,
        warmup=0.1,
        weight_decay=schedule.weight_decay,
    )


@torch.no_grad()
def _accuracy(network: nn.Module, test: Examples, where: torch.device) -> float:
    right = 0
    for start in range(0, len(test.labels), TEST_BATCH):
        frames = torch.from_numpy(np.array(test.pixels[start : start + TEST_BATCH])).to(where)
        scores: Tensor = network(frames.permute(0, 3, 1, 2).float() / 255)  # (B, 3, S, S) -> (B, classes)
        right += int((scores.argmax(1).cpu().numpy() == test.labels[start : start + TEST_BATCH]).sum())
    return right / len(test.labels)
