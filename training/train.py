"""The training loop, straight: load, two views, loss, step, target, record."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lookalike.contract import Device
from lookalike.errors import TrainingError
from training.augment import make_view, paper_policies
from training.byol import Byol, tau_at
from training.checkpoint import load_checkpoint, save_checkpoint, save_encoder
from training.config import TEMPORAL_MIN_S, Precision, TrainConfig
from training.data import FrameCache, batch_indices, load_batch, partners
from training.encoders import build_encoder, embedding_dim
from training.health import COLLAPSED, spread
from training.optim import build_optimizer, lr_at
from training.warm_start import warm_start

CHECKPOINT, ENCODER, CONFIG, METRICS = "checkpoint.pt", "encoder.safetensors", "config.json", "metrics.jsonl"
RECORD_EVERY = 10  # steps between lines of metrics.jsonl; reading the loss waits for the device


@dataclass(frozen=True)
class Progress:
    """One line of metrics.jsonl. step: steps done. spread: see health.spread, about 1 is healthy."""

    step: int
    loss: float
    spread: float
    lr: float
    tau: float
    images_per_s: float


def train(
    cache: FrameCache,
    config: TrainConfig,
    run: Path,
    resume: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> int:
    """Train to `config.steps`, or until Ctrl-C, and leave checkpoint, encoder and metrics in `run`.

    Returns: the steps done; fewer than `config.steps` if interrupted.
    Raises: TrainingError if the loss is not finite, a checkpoint does not fit, or a file cannot be written.
    """
    device = pick_device(config.device)
    torch.manual_seed(config.seed)
    encoder = build_encoder(config.arch)
    if config.init and not resume:
        warm_start(encoder, config.arch, config.init)
    network = Byol(encoder, embedding_dim(encoder, config.input_px), config.hidden, config.projection)
    network.train().to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = build_optimizer(network, config)
    start = _restore(run, network, optimizer) if resume else 0
    metrics = _open_metrics(run / METRICS, start)
    policies = paper_policies(config.crop_area_min)
    order = batch_indices(cache.camera, config.batch, config.camera_batches, config.seed, first=start)
    use_bf16 = pick_bf16(config.precision, device)
    step, since, clock, loss = start, start, time.perf_counter(), torch.zeros(())

    with metrics, _interrupt_flag() as interrupted:
        while step < config.steps and not interrupted():
            rows = np.sort(next(order))  # in file order: a memory map is read forwards
            frames = other_frames = load_batch(cache.frames, rows, device)
            if config.temporal_s:
                rng = np.random.default_rng((config.seed, step))
                moved = partners(cache, rows, (TEMPORAL_MIN_S, config.temporal_s), rng)
                other_frames = load_batch(cache.frames, moved, device)
            # Views depend on the seed and the step alone, so a resumed run draws what it would have drawn.
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
            view = make_view(frames, policies[0], config.input_px, generator)
            other = make_view(other_frames, policies[1], config.input_px, generator)
            for group in optimizer.param_groups:
                group["lr"] = lr_at(step, config)
            with torch.autocast(device.type, torch.bfloat16, enabled=use_bf16):
                loss, projection = network(_channels_last(view), _channels_last(other))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            tau = tau_at(step, config.steps, config.tau0)
            network.update_target(tau)
            step += 1
            if step % RECORD_EVERY == 0 or step == config.steps:
                seconds = time.perf_counter() - clock
                rate = (step - since) * config.batch / seconds
                progress = Progress(step, loss.item(), spread(projection).item(), lr_at(step - 1, config), tau, rate)
                _raise_unless_finite(progress.loss, step)
                metrics.write(json.dumps(progress.__dict__) + "\n")
                on_progress(progress)
                if config.stop_on_collapse and progress.spread < COLLAPSED:
                    raise TrainingError(
                        f"collapsed at step {step}: spread {progress.spread:.3f}, below {COLLAPSED};"
                        " lower --lr, or raise --batch (the last checkpoint is kept)"
                    )
                since, clock = step, time.perf_counter()
            if step % config.checkpoint_every == 0 and step < config.steps:
                _raise_unless_finite(loss.item(), step)
                metrics.flush()
                _save(run, network, optimizer, step)
        _raise_unless_finite(loss.item(), step)
        metrics.flush()
        _save(run, network, optimizer, step)
    return step


def pick_device(device: Device) -> torch.device:
    """Raises: TrainingError if cuda is asked for and not there."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise TrainingError("asked for cuda: torch sees no NVIDIA GPU; check the driver, or use --device cpu")
    return torch.device("cuda" if available and device != "cpu" else "cpu")


def pick_bf16(precision: Precision, device: torch.device) -> bool:
    """`auto` takes bf16 where the hardware computes in it; elsewhere it would be slower than fp32."""
    if precision != "auto":
        return precision == "bf16"
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_avx512_bf16_supported()


def _channels_last(images: torch.Tensor) -> torch.Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _raise_unless_finite(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise TrainingError(f"loss is {loss} at step {step}; lower --lr (the last checkpoint is kept)")


def _save(run: Path, network: Byol, optimizer: torch.optim.Optimizer, step: int) -> None:
    state = {"step": step, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
    save_checkpoint(run / CHECKPOINT, state)
    save_encoder(run / ENCODER, network.encoder)


def _restore(run: Path, network: Byol, optimizer: torch.optim.Optimizer) -> int:
    state = load_checkpoint(run / CHECKPOINT)
    try:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        return state["step"]
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{run / CHECKPOINT}: does not fit the run's config ({reason})") from error


def _open_metrics(path: Path, start: int):
    """Open for appending, without lines of steps that will be done again."""
    kept = [line for line in read_metrics(path) if line["step"] <= start] if start else []
    path.write_text("".join(json.dumps(line) + "\n" for line in kept))
    return path.open("a")


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl; a last line cut off by a crash is left out."""
    lines: list[dict[str, float]] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


@contextmanager
def _interrupt_flag() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C or SIGTERM finish the step in hand; a second one stops at once."""
    seen: list[int] = []

    def on_signal(number: int, frame: object) -> None:
        seen.append(number)
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.default_int_handler)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
