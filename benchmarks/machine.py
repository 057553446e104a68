"""Describe the machine and measure time, for every benchmark."""

from __future__ import annotations

import multiprocessing
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

CPU_INFO = Path("/proc/cpuinfo")  # Linux; elsewhere the platform's name is used


def describe(device: torch.device) -> str:
    """Describe the machine in one line: processor, GPU, threads, load, torch, date."""
    cpu = (
        f"{_cpu_name()}, {os.cpu_count()} CPUs, {torch.get_num_threads()} torch threads, load {os.getloadavg()[0]:.1f}"
    )
    gpu = f"{torch.cuda.get_device_name(device)}, " if device.type == "cuda" else ""
    return f"{gpu}{cpu}, torch {torch.__version__}, {date.today().isoformat()}"


def _cpu_name() -> str:
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (named or [platform.processor() or platform.machine()])[0]


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock, and of all processors together, of this process and its children."""

    wall_s: float
    cpu_s: float

    @classmethod
    def so_far(cls) -> Spent:
        return cls(time.perf_counter(), time.process_time() + sum(map(_cpu_s, multiprocessing.active_children())))

    def __sub__(self, earlier: Spent) -> Spent:
        return Spent(self.wall_s - earlier.wall_s, self.cpu_s - earlier.cpu_s)

    def __truediv__(self, count: int) -> Spent:
        return Spent(self.wall_s / count, self.cpu_s / count)


def _cpu_s(child: BaseProcess) -> float:
    """Read the processor time of another process on Linux; nan elsewhere. Source: proc_pid_stat(5)."""
    stat = Path(f"/proc/{child.pid}/stat")
    if not stat.exists():
        return float("nan")
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]  # fields 14 and 15, after the name in brackets
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Stopwatch:
    """Seconds by stage, on the device's own clock: events on a GPU, which never make it wait; else perf_counter."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._spans: list[tuple[str, Any, Any]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = self._now()
        yield
        self._spans.append((name, start, self._now()))

    def seconds(self) -> dict[str, float]:
        """The sum over all spans of each stage, in order of first appearance."""
        if self._cuda:
            torch.cuda.synchronize()
        total: dict[str, float] = {}
        for name, start, end in self._spans:
            seconds = start.elapsed_time(end) / 1000 if self._cuda else end - start
            total[name] = total.get(name, 0.0) + seconds
        return total

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event
