"""The training loop: straight, interruptible, and bit-exact when resumed on a CPU."""

from __future__ import annotations

import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from lookalike.contract import Device
from lookalike.errors import TrainingError
from training.augment import policies
from training.byol import Byol, tau_at
from training.checkpoint import CHECKPOINT, ENCODER, load_checkpoint, save_checkpoint, save_encoder
from training.config import Precision, Switch, TrainConfig
from training.data import FrameCache
from training.distributed import ALONE, World, share_batch_norm, without_exchange
from training.encoders import build_encoder, embedding_dim, grid_of
from training.feed import Batch, batches
from training.frozen import VIEWS, ViewBatch, build_pool, pool_batches
from training.health import COLLAPSED, feature_std
from training.monitor import Monitor
from training.optim import build_optimizer, lr_at
from training.record import Recorder
from training.teacher import teacher_targets
from training.warm_start import settle, warm_start

RECORD_EVERY = 10  # steps between lines of metrics.jsonl; reading the loss waits for the device


@dataclass(frozen=True)
class Progress:
    """One line of metrics.jsonl. step: steps done. feature_std: see health.feature_std, about 1 is healthy.

    quality: measurements of the monitor, at the steps that have them.
    """

    step: int
    loss: float
    feature_std: float
    lr: float
    tau: float
    images_per_s: float
    quality: dict[str, float] = field(default_factory=dict)

    def line(self) -> dict[str, float]:
        return {name: value for name, value in self.__dict__.items() if name != "quality"} | self.quality


def train(
    cache: FrameCache,
    config: TrainConfig,
    run: Path,
    resume: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    world: World = ALONE,
) -> int:
    """Train to `config.steps`, or until Ctrl-C, and write checkpoint, encoder and metrics to `run`.

    on_progress: called with each line of metrics. world: the processes that share the run, see distributed.joined;
    only the first writes.
    Returns: the number of steps done; fewer than `config.steps` if interrupted.
    Raises: TrainingError if the loss is not finite, a checkpoint does not fit, or a file cannot be written.
    """
    config, device = settle(config), pick_device(config.device)
    if not resume:
        (run / VIEWS).unlink(missing_ok=True)
    resume = resume and (run / CHECKPOINT).exists()  # it may have been stopped before the first checkpoint
    encoder = first_encoder(config) if not resume else build_encoder(config.arch, config.light)
    cells = grid_of(encoder) ** 2 if config.pooled else 1
    dim = embedding_dim(encoder, config.input_px)
    teacher = teacher_targets(Path(config.teacher), cache, config.device) if config.teacher else None
    network = Byol(
        encoder,
        dim,
        config.hidden,
        config.projection,
        cells,
        config.freeze_norms,
        config.frozen_stages,
        teacher_dim=teacher.shape[1] if teacher is not None else 0,
    )
    network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if world.size > 1:
        share_batch_norm(network, device.type == "cuda")
    optimizer = build_optimizer(network, config)
    start = _restore(run, network, optimizer) if resume else 0
    monitor = Monitor(cache, config) if world.first and config.monitor_every else None
    use_bf16 = pick_bf16(config.precision, device, network)
    torch.backends.cudnn.benchmark = device.type == "cuda"  # shapes stay the same: algorithms are tried once
    wrapped = world.wrap(network, parts_rest=config.heads_first > 0)
    forward = pick_forward(wrapped, config, device, world)
    feed = _feed(cache, config, run, network, device, world, start, teacher)
    step, since, clock, loss = start, start, time.perf_counter(), torch.zeros((), device=device)

    recorded = closing(Recorder(run, start)) if world.first else nullcontext()

    with closing(feed), recorded as recorder, _interrupt_flag() as interrupted:
        while step < config.steps and not _stop(world, step, interrupted()):
            batch, loss, projection = next(feed), torch.zeros((), device=device), torch.empty(0)
            network.train_encoder(step >= config.heads_first)
            for group in optimizer.param_groups:
                group["lr"] = lr_at(step, config)
            optimizer.zero_grad(set_to_none=True)
            for part, views in enumerate(batch.views(config.input_px, config.accumulate), 1):
                with without_exchange(wrapped, part < config.accumulate):
                    with torch.autocast(device.type, torch.bfloat16, enabled=use_bf16):
                        part_loss, projection = forward(*views)
                    (part_loss / config.accumulate).backward()
                loss += part_loss.detach() / config.accumulate
            optimizer.step()
            tau = tau_at(step, config.steps, config.tau0, config.tau_end)
            network.update_target(tau)
            step += 1
            measured = config.monitor_every > 0 and (step % config.monitor_every == 0 or step == config.steps)
            if step % RECORD_EVERY == 0 or step == config.steps or measured:
                mean_loss, mean_std = world.mean(loss), world.mean(feature_std(projection))
                rate = (step - since) * config.batch / (time.perf_counter() - clock)
                _raise_unless_finite(mean_loss, step)
                quality = monitor.measure(network.encoder) if measured and monitor else {}
                progress = Progress(step, mean_loss, mean_std, lr_at(step - 1, config), tau, rate, quality)
                if recorder:
                    recorder.write(progress.line())
                    on_progress(progress)
                if config.stop_on_collapse and progress.feature_std < COLLAPSED:
                    raise TrainingError(
                        f"collapsed at step {step}: feature_std is {progress.feature_std:.3f}, expected at least"
                        f" {COLLAPSED}; lower --lr, or raise --batch (the last checkpoint is kept)"
                    )
                since, clock = step, time.perf_counter()
            if step % config.checkpoint_every == 0 and step < config.steps:
                _raise_unless_finite(world.mean(loss), step)
                if recorder:
                    recorder.flush()
                    _save(run, network, optimizer, config, step)
        _raise_unless_finite(world.mean(loss), step)
        if recorder:
            recorder.flush()
            _save(run, network, optimizer, config, step)
    if step == config.steps and world.first:
        (run / VIEWS).unlink(missing_ok=True)
    return step


def _feed(
    cache: FrameCache,
    config: TrainConfig,
    run: Path,
    network: Byol,
    device: torch.device,
    world: World,
    first: int,
    teacher: Tensor | None,
) -> Generator[Batch] | Generator[ViewBatch]:
    """Yield steps from `first` on; on a CPU from views that have passed the frozen stages, if that is faster."""
    frozen = network.frozen if device.type == "cpu" and world.size == 1 else None
    if frozen and (pool := build_pool(cache, config, frozen, run)):
        network.past_frozen = True
        return pool_batches(cache, config, pool, first, teacher)
    both = policies(config.views, config.crop_area_min, config.blur)
    return batches(cache, config, both, device, world, first, teacher)


def first_encoder(config: TrainConfig) -> nn.Sequential:
    """Build the encoder with the initial weights of a run: float (B, 3, S, S) in [0, 1] -> (B, D).

    Raises: TrainingError if the architecture is unknown, or its weights are not available.
    """
    torch.manual_seed(config.seed)
    config = settle(config)
    encoder = build_encoder(config.arch, config.light)
    warm_start(encoder, config.arch, config.init)
    return encoder


def pick_device(device: Device) -> torch.device:
    """Choose the device. Raises: TrainingError if it is `cuda` and there is no GPU."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise TrainingError("--device cuda: torch sees no NVIDIA GPU; check the driver, or use --device cpu")
    if not available or device == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))  # by number: the feed's thread starts at 0


def pick_bf16(precision: Precision, device: torch.device, network: nn.Module) -> bool:
    """Choose whether to train in bf16. `auto` does if the hardware supports it; emulated, it is slower than fp32.

    Depthwise convolutions on CPUs stay in fp32: their bf16 gradients take up to 15 times as long (torch 2.15, a Xeon
    with AMX).
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    depthwise = any(isinstance(module, nn.Conv2d) and module.groups > 1 for module in network.modules())
    return torch.cpu._is_avx512_bf16_supported() and not depthwise


def pick_compile(switch: Switch, device: torch.device) -> bool:
    """Choose whether to compile. `auto` does on a GPU if a C compiler is found, which torch.compile needs there.

    Raises: TrainingError if `switch` is on and there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if switch == "on" and not compiler:
        raise TrainingError(
            "--compile on: no C compiler found, expected cc, gcc or clang; install one, or omit --compile"
        )
    return switch == "on" or (switch == "auto" and device.type == "cuda" and compiler is not None)


def pick_forward(network: nn.Module, config: TrainConfig, device: torch.device, world: World = ALONE) -> nn.Module:
    """Return what a step calls: the network, compiled if `pick_compile` says so, on a GPU with CUDA graphs.

    Without CUDA graphs the GPU waits for Python to launch a thousand kernels per step (docs/speed.md). A replay
    overwrites the gradients of the last one, so accumulated steps and several processes cannot use them.
    Raises: TrainingError as `pick_compile`.
    """
    if not pick_compile(config.compile, device):
        return network
    graphs = device.type == "cuda" and config.accumulate == 1 and world.size == 1
    return torch.compile(network, mode="reduce-overhead" if graphs else "default")  # pyright: ignore[reportReturnType]


def _stop(world: World, step: int, interrupted: bool) -> bool:
    """Return whether to stop before this step. Several processes exchange their flags at every tenth step only."""
    return (world.size == 1 or step % RECORD_EVERY == 0) and world.any(interrupted)


def _raise_unless_finite(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"loss is {loss} at step {step}, expected a finite number; lower --lr (the last checkpoint is kept)"
        )


def _save(run: Path, network: Byol, optimizer: torch.optim.Optimizer, config: TrainConfig, step: int) -> None:
    """Save a checkpoint. Frame order, views and schedules follow from config and step; `random` is for dropout."""
    state = {"step": step, "config": asdict(config), "random": torch.get_rng_state()}
    state |= {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    if torch.cuda.is_available():
        state["random_cuda"] = torch.cuda.get_rng_state()
    save_checkpoint(run / CHECKPOINT, state)
    save_encoder(run / ENCODER, network.encoder)


def _restore(run: Path, network: Byol, optimizer: torch.optim.Optimizer) -> int:
    state = load_checkpoint(run / CHECKPOINT)
    try:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        if torch.cuda.is_available() and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"])
        return state["step"]
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"{run / CHECKPOINT}: does not match the run's config ({reason}); start again with another --out"
        ) from error


@contextmanager
def _interrupt_flag() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C or SIGTERM finish the current step; a second one stops at once."""
    seen: list[int] = []

    def on_signal(number: int, frame: object) -> None:
        seen.append(number)
        for caught in (signal.SIGINT, signal.SIGTERM):
            signal.signal(caught, signal.default_int_handler)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
