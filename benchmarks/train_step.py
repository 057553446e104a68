"""Measure images per second of the whole training step, compared with the machine's limit and with a peer.

    python -m benchmarks.train_step
    python -m benchmarks.train_step --preset cifar10 --device cpu --batch 8

Ours is `training.train.train` itself, timed from one of its progress lines to the next. The peer is lightly's BYOL,
following its documentation: its heads, loss, target update and transforms (torchvision's, on PIL pictures), in a
DataLoader with workers, with a network, optimiser, batch, precision and size equal to ours. Both see the same pictures
in memory, and run in turns, in one process. On a shared machine, read the ratio of processor time: the peer has more
processes, which get a larger share of a busy machine.

The lower bound is the step's arithmetic at the speed of a large matrix product.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from cyclopts import App
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import Spent, Stopwatch, describe
from lookalike.contract import Device
from lookalike.footage import Frame
from training.augment import policies
from training.byol import Byol, tau_at
from training.config import TrainConfig, find_recipe, read_recipe
from training.data import FrameCache, build_cache
from training.encoders import build_encoder, embedding_dim
from training.feed import batches
from training.optim import build_optimizer, lr_at
from training.train import RECORD_EVERY, Progress, pick_bf16, pick_compile, pick_device, pick_forward, train
from training.warm_start import settle

PEER = ("lightly==1.6.0", "lightning-utilities==0.15.3")  # all that its BYOL imports, except torch and torchvision
Preset = Literal["compact-cpu", "cifar10"]
PRESETS: dict[Preset, TrainConfig] = {
    # The views and the normalisation that the peer has too.
    "compact-cpu": settle(
        TrainConfig(
            arch="compact",
            init="none",
            input_px=64,
            batch=64,
            views="paper",
            light="absolute",
            novelty=False,
            pooled=False,
        )
    ),
    "cifar10": settle(TrainConfig(**read_recipe(find_recipe("cifar10")))),
}
PICTURES = 16  # batches of them
WARM_UP = 2  # progress lines before the first that counts: compilation, and the allocator's first sizes
EPOCH = 50_000  # pictures, of CIFAR-10
MATMUL = {"cpu": 1024, "cuda": 8192}  # side of the matrices

app = App(name="benchmarks.train_step", help=__doc__)


@dataclass(frozen=True)
class Round:
    """What a step took, of ours and then of the peer."""

    ours: Spent
    peer: Spent | None


@app.default
def main(
    *,
    preset: Preset | None = None,
    device: Device = "auto",
    batch: int | None = None,
    rounds: int = 7,
    peer: bool = True,
    packages: Path | None = None,
) -> None:
    """Time rounds of ten steps each, and print the table.

    preset: by default the one for this machine. packages: a folder with the peer in it; without, it is installed
    into a temporary one.
    """
    found = pick_device(device)
    config = PRESETS[preset or ("cifar10" if found.type == "cuda" else "compact-cpu")]
    config = dataclasses.replace(config, device=found.type, batch=batch or config.batch, monitor_every=0)
    config = dataclasses.replace(config, steps=RECORD_EVERY * (WARM_UP + rounds), checkpoint_every=1 << 30)
    print(f"{describe(found)}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cache = draw_pictures(Path(folder, "cache"), config)
        theirs = None
        if peer:
            sys.path.insert(0, str(packages or install_peer(Path(folder, "packages"))))
            from benchmarks.peer import Peer

            theirs = Peer(cache, config, found)
        measured = take_turns(cache, config, Path(folder), theirs.run if theirs else None)
        print(table(config, found, measured[WARM_UP:], stages(cache, config, found)))


def install_peer(folder: Path) -> Path:
    """Install the peer where nothing else sees it. Raises: SystemExit that says how, where that cannot be done."""
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python", sys.executable]
    done = subprocess.run([*command, "--target", str(folder), *PEER], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"cannot install the peer ({done.stderr.strip()}); install {' '.join(PEER)} into a folder with"
            " `pip install --no-deps --target FOLDER` and give it as --packages, or leave the peer out with --no-peer"
        )
    return folder


def draw_pictures(folder: Path, config: TrainConfig) -> FrameCache:
    """Pictures of blocks of colour, as a frame cache: what they show makes no difference to the time."""
    rng = np.random.default_rng(0)
    side = -(-config.cache_px // 8)
    blocks = rng.integers(0, 256, (PICTURES * config.batch, side, side, 3), np.uint8)
    frames = (Frame(one.repeat(8, 0).repeat(8, 1), "a.mp4", "a", "a", row / 4, row) for row, one in enumerate(blocks))
    return build_cache(folder, frames, config.cache_px, lambda frame: None)


def take_turns(
    cache: FrameCache, config: TrainConfig, folder: Path, peer: Callable[[int], Spent] | None
) -> list[Round]:
    """Train, and at each progress line let the peer take as many steps. peer: steps -> what they took."""
    found: list[Round] = []
    started = Spent.so_far()

    def on_progress(progress: Progress) -> None:
        nonlocal started
        ours = (Spent.so_far() - started) / RECORD_EVERY
        found.append(Round(ours, peer(RECORD_EVERY) / RECORD_EVERY if peer else None))
        started = Spent.so_far()

    run = folder / "run"
    run.mkdir()
    train(cache, config, run, on_progress=on_progress)
    return found


def stages(cache: FrameCache, config: TrainConfig, device: torch.device) -> dict[str, float]:
    """Time each stage per step: the functions of `train` in its order, measured separately."""
    network = build_network(config, device)
    optimizer = build_optimizer(network, config)
    forward = pick_forward(network, config, device)
    bf16 = pick_bf16(config.precision, device, network)
    watch = Stopwatch(device)
    views = policies(config.views, config.crop_area_min, config.blur)
    with closing(batches(cache, config, views, device)) as feed:
        for step in range(2 * RECORD_EVERY):
            if step == RECORD_EVERY:
                watch = Stopwatch(device)
            with watch.stage("feed"):
                batch = next(feed)
            with watch.stage("views"):
                view, other = next(batch.views(config.input_px))
            with watch.stage("forward, backward"):
                optimizer.zero_grad(set_to_none=True)
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    loss, _ = forward(view, other)
                loss.backward()
            with watch.stage("optimiser"):
                for group in optimizer.param_groups:
                    group["lr"] = lr_at(step, config)
                optimizer.step()
            with watch.stage("target"):
                network.update_target(tau_at(step, config.steps, config.tau0, config.tau_end))
    return {name: seconds / RECORD_EVERY for name, seconds in watch.seconds().items()}


def build_network(config: TrainConfig, device: torch.device) -> Byol:
    """Online, predictor and target, as `train` makes them."""
    torch.manual_seed(config.seed)
    encoder = build_encoder(config.arch, config.light)
    network = Byol(encoder, embedding_dim(encoder, config.input_px), config.hidden, config.projection)
    return network.train().to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def step_flops(config: TrainConfig) -> int:
    """Multiplications and additions of one step: online forward and backward, target forward, two views each.

    Convolutions and matrix products only; they are nearly all. A multiply-add counts as two.
    """
    network = build_network(config, torch.device("cpu"))
    views = torch.rand(2, 2, 3, config.input_px, config.input_px)  # (views, B, 3, S, S): the count grows with B evenly
    with FlopCounterMode(display=False) as counter:
        loss, _ = network(*views)
        loss.backward()
    return counter.get_total_flops() * config.batch // 2


def matmul_flops(device: torch.device, dtype: torch.dtype, rounds: int = 10) -> float:
    """The best FLOP/s of a large square matrix product."""
    side = MATMUL[device.type]
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    watch = [Stopwatch(device) for _ in range(rounds)]
    for each in watch:
        with each.stage("product"):
            torch.mm(one, other)
    return 2 * side**3 / min(each.seconds()["product"] for each in watch)


def table(config: TrainConfig, device: torch.device, measured: list[Round], stage_s: dict[str, float]) -> str:
    """The Markdown table of a benchmark."""
    bf16 = pick_bf16(config.precision, device, build_network(config, device))
    compiled = ", compiled" if pick_compile(config.compile, device) else ""
    step_s = float(np.median([one.ours.wall_s for one in measured]))
    flops, rate = step_flops(config), matmul_flops(device, torch.bfloat16 if bf16 else torch.float32)
    rows = [
        ("configuration", f"{config.arch}, {config.input_px} px, batch {config.batch}, {config.optimizer}"),
        ("precision, device", f"{'bf16' if bf16 else 'fp32'}, {device.type}{compiled}"),
        ("Lookalike", _rates([one.ours for one in measured], config.batch)),
    ]
    pairs = [(one.ours, one.peer) for one in measured if one.peer]
    if pairs:
        rows.append((PEER[0].replace("==", " "), _rates([peer for _, peer in pairs], config.batch)))
        rows.append(("ratio", _span([peer.wall_s / ours.wall_s for ours, peer in pairs], "{:.2f}")))
        rows.append(("ratio of processor time", _span([peer.cpu_s / ours.cpu_s for ours, peer in pairs], "{:.2f}")))
    total = sum(stage_s.values())
    rows += [(f"of which {name}", f"{1e3 * one:.1f} ms, {one / total:.1%}") for name, one in stage_s.items()]
    rows.append(("arithmetic of a step", f"{flops / 1e9:.1f} GFLOP; the matrix product does {rate / 1e9:.0f} GFLOP/s"))
    rows.append(("lower bound", f"{1e3 * flops / rate:.1f} ms of {1e3 * step_s:.1f}, {flops / rate / step_s:.0%}"))
    if config.arch == "resnet18-small":
        rows.append((f"epoch of {EPOCH:,}", f"{EPOCH / config.batch * step_s:.1f} s"))
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _rates(steps: list[Spent], batch: int) -> str:
    cpu_ms = 1e3 * float(np.median([one.cpu_s for one in steps])) / batch
    return f"{_span([batch / one.wall_s for one in steps], '{:.1f}')} images/s; {cpu_ms:.1f} ms of processor an image"


def _span(values: list[float], form: str) -> str:
    low, middle, high = (form.format(value) for value in (min(values), float(np.median(values)), max(values)))
    return f"{middle} ({low}-{high})"


if __name__ == "__main__":
    app()
