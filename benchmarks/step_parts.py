"""Find what a training step of the CIFAR-10 recipe waits for on a GPU: time it with a part left out, or changed.

    python -m benchmarks.step_parts

A row each: milliseconds of a step, median and range of three rounds; the time that the main thread took to launch it,
which is all of it if the GPU waits for Python; and its processor time. Then the kernels of a step, by kind.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cyclopts import App
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.machine import describe
from benchmarks.train_step import PRESETS, build_network, draw_pictures
from lookalike.contract import Device
from training.augment import policies
from training.byol import tau_at
from training.config import TrainConfig
from training.feed import PREFETCHED, Batch, batches
from training.optim import build_optimizer, lr_at
from training.train import pick_bf16, pick_device, pick_forward

ROUNDS, WARM_UP = 3, 12  # steps before the first round: compiling, recording of CUDA graphs, choice of algorithms
PROFILED = 3  # steps
KINDS = {  # of kernels, by a part of their names; the first that fits
    "convolution, forward": ("fprop", "convolve"),
    "convolution, gradient of weights": ("wgrad", "init_device_workspace"),
    "convolution, gradient of inputs": ("dgrad",),
    "convolution, other": ("ImplicitGemm", "nhwcToNchw", "nchwToNhwc"),
    "batch norm, with what is fused to it": ("batch_norm",),
}
Views = tuple[Tensor, ...]  # what Byol.forward takes
Wrap = Callable[[nn.Module], Callable[..., Any]]

app = App(name="benchmarks.step_parts", help=__doc__)


class Step:
    """The step of `training.train`, on views that are given to it."""

    def __init__(self, config: TrainConfig, device: torch.device, wrap: Wrap) -> None:
        self._network, self._config, self._device, self._done = build_network(config, device), config, device, 0
        self._optimizer, self._forward = build_optimizer(self._network, config), wrap(self._network)
        self._bf16 = pick_bf16(config.precision, device, self._network)

    def __call__(self, views: Views) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = lr_at(self._done, self._config)
        self._optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            loss, _ = self._forward(*views)
        loss.backward()
        self._optimizer.step()
        self._network.update_target(tau_at(self._done, self._config.steps, self._config.tau0, self._config.tau_end))
        self._done += 1


@app.default
def main(*, batch: int | None = None, steps: int = 30, device: Device = "auto") -> None:
    """Time each row and print the tables. steps: of a round."""
    found = pick_device(device)
    config = dataclasses.replace(PRESETS["cifar10"], device=found.type)
    config = dataclasses.replace(config, batch=batch or config.batch)
    print(f"{describe(found)}\n")
    print(f"| {config.arch}, batch {config.batch} | a step, ms | launched in | processor |", flush=True)
    print("|---|---|---|---|", flush=True)
    both = policies(config.views, config.crop_area_min, config.blur)
    with tempfile.TemporaryDirectory() as folder:
        cache = draw_pictures(Path(folder), config)
        with closing(batches(cache, config, both, found)) as feed:
            rows(config, found, feed, steps)


def rows(config: TrainConfig, device: torch.device, feed: Iterator[Batch], steps: int) -> None:
    """Print a row for each way to take a step, and the kernels of one."""

    def report(name: str, step: Step, views: Callable[[], Views]) -> None:
        print(f"| {name} | {timed(step, views, steps, device)} |", flush=True)

    def fresh() -> Views:
        return next(next(feed).views(config.input_px))

    compiled = Step(config, device, lambda network: torch.compile(network))
    torch.backends.cudnn.benchmark = False
    report("compiled, algorithms of cuDNN not tried", compiled, fresh)
    torch.backends.cudnn.benchmark = device.type == "cuda"
    report("compiled", compiled, fresh)
    same = next(feed)
    report("compiled, one batch again and again", compiled, lambda: next(same.views(config.input_px)))
    views = fresh()
    report("compiled, the same views again and again", compiled, lambda: views)
    with ThreadPoolExecutor(1) as thread:
        pending = deque(thread.submit(next, feed) for _ in range(PREFETCHED))

        def taken() -> Views:
            pending.append(thread.submit(next, feed))
            return next(pending.popleft().result().views(config.input_px))

        report("compiled, batches drawn in a thread", compiled, taken)
    if device.type == "cuda":
        kernels = profiled(compiled, fresh)
    report("not compiled", Step(config, device, lambda network: network), fresh)
    if device.type == "cuda":
        graphs = Step(config, device, lambda network: pick_forward(network, config, device))
        report("compiled, with CUDA graphs: as in training", graphs, fresh)
        print(f"\n{by_kind(kernels)}")


def timed(step: Step, views: Callable[[], Views], steps: int, device: torch.device) -> str:
    """Milliseconds of a step, in the columns of the table."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(WARM_UP):
        step(views())
    wait()
    found: list[tuple[float, float, float]] = []
    for _ in range(ROUNDS):
        started, busy = time.perf_counter(), time.thread_time()
        for _ in range(steps):
            step(views())
        asked, busy = time.perf_counter() - started, time.thread_time() - busy
        wait()
        found.append((time.perf_counter() - started, asked, busy))
    wall, asked, busy = (1e3 * np.sort(one) / steps for one in zip(*found, strict=True))
    return f"{wall[1]:.1f} ({wall[0]:.1f}-{wall[2]:.1f}) | {asked[1]:.1f} | {busy[1]:.1f}"


def profiled(step: Step, views: Callable[[], Views]) -> list[tuple[str, float, float]]:
    """Of each kernel of a step: its name, milliseconds, and how often it was launched."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        for _ in range(PROFILED):
            step(views())
        torch.cuda.synchronize()
    kernels = [one for one in seen.key_averages() if one.device_type.name == "CUDA"]
    return [(one.key, one.self_device_time_total / 1e3 / PROFILED, one.count / PROFILED) for one in kernels]


def by_kind(kernels: list[tuple[str, float, float]]) -> str:
    """The Markdown table of kernels; those of no kind come last. kernels: as `profiled` gives them."""
    rows = dict.fromkeys([*KINDS, "other"], (0.0, 0.0))
    for name, ms, launches in kernels:
        kind = next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "other")
        rows[kind] = (rows[kind][0] + ms, rows[kind][1] + launches)
    rows["all"] = (sum(ms for ms, _ in rows.values()), sum(launches for _, launches in rows.values()))
    lines = [f"| {name} | {ms:.2f} ms | {launches:.0f} |" for name, (ms, launches) in rows.items()]
    return "\n".join(["| kernels of a compiled step | time | launches |", "|---|---|---|", *lines])


if __name__ == "__main__":
    app()
