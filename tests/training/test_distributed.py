"""Two processes on one run: the same losses as one alone, to rounding."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from lookalike.errors import TrainingError
from tests.training.small import noise_frames, small_cache, small_config
from training.byol import Byol
from training.checkpoint import ENCODER
from training.distributed import ALONE, World
from training.encoders import build_encoder, embedding_dim
from training.record import METRICS, read_metrics
from training.run import join_run, start_run
from training.train import train

REPOSITORY = Path(__file__).parents[2]
# Batch norm in the encoder, as well as in the heads. Shallow, and by SGD: deep networks of small batches, and AdamW's
# division by gradients near 0, make a difference of rounding grow a thousandfold in a few steps, on one process too.
CONFIG = small_config(arch="tests/training/own.py:with_batch_norm", steps=20, optimizer="sgd", lr=0.5)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def torchrun(*arguments: str, processes: int = 2) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    command += ["--master-addr", "127.0.0.1", "--master-port", str(free_port()), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    options = {"cwd": REPOSITORY, "env": environment, "capture_output": True, "text": True, "timeout": 240}
    return subprocess.run(command, check=False, **options)


def test_two_processes_give_the_losses_of_one(tmp_path: Path) -> None:
    """Batch norm over the batch of both, gradients averaged, the same views: equal but for the order of sums."""
    one, two = tmp_path / "one", tmp_path / "two"
    for run in (one, two):
        start_run(noise_frames(24), CONFIG, run, lambda frame: None)
    done = torchrun("-m", "tests.training.one_of_two", str(two))
    assert done.returncode == 0, done.stderr
    found = read_metrics(two / METRICS)
    assert [line["step"] for line in found] == [10, 20]
    assert train(*join_run(one, CONFIG.arch), one) == 20
    alone = read_metrics(one / METRICS)
    assert [line["loss"] for line in found] == pytest.approx([line["loss"] for line in alone], abs=1e-4)
    torch.manual_seed(CONFIG.seed)
    before = build_encoder(CONFIG.arch).state_dict()
    after = load_file(one / ENCODER)
    assert max(float((after[name] - before[name]).abs().max()) for name in after) > 1e-2  # it went somewhere


def test_a_run_of_two_processes_by_the_command_line(tmp_path: Path) -> None:
    """Each step in two parts, which cannot be compared with one process: batch norm sees other rows together."""
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(noise_frames(12)):
        Image.fromarray(frame.image).save(tmp_path / "in" / f"{number:02}.png")
    flags = "--input-px 16 --steps 4 --batch 8 --accumulate 2 --hidden 16 --projection 8 --device cpu --monitor-every 4"
    done = torchrun("-m", "lookalike", "pretrain", str(tmp_path / "in"), "--out", str(tmp_path / "run"), *flags.split())
    assert done.returncode == 0, done.stderr
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["steps"] for one in printed] == [4]  # the first process alone speaks
    assert {"checkpoint.pt", "encoder.safetensors", "metrics.jsonl", "report.html"} <= {
        entry.name for entry in (tmp_path / "run").iterdir()
    }
    assert "effective_rank" in read_metrics(tmp_path / "run" / METRICS)[-1]


def test_a_batch_that_two_cannot_share_is_one_line() -> None:
    with pytest.raises(TrainingError, match="--batch is 6, expected a multiple of 2 processes x --accumulate 2"):
        World(1, 2).part(6, 2)
    assert World(1, 2).part(6) == slice(3, 6)
    with pytest.raises(
        TrainingError, match="--batch is 4 for 2 processes x --accumulate 2, expected at least 2 in each"
    ):
        World(1, 2).part(4, 2)


def test_alone_nothing_is_exchanged() -> None:
    network = nn.Linear(2, 2)
    assert ALONE.wrap(network) is network
    assert ALONE.mean(torch.tensor(3.0)) == 3
    assert (ALONE.any(True), ALONE.any(False)) == (True, False)


def test_parts_of_a_step_add_up_to_its_gradient(tmp_path: Path) -> None:
    """Without batch norm, which sees a part at a time: one step in one part and in four ends at the same weights."""
    ends = []
    for parts in (1, 4):
        torch.manual_seed(0)
        run = tmp_path / str(parts)
        run.mkdir()
        config = small_config(steps=1, accumulate=parts, optimizer="sgd", lr=1.0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("training.byol.nn.BatchNorm1d", nn.LayerNorm)
            train(small_cache(run / "cache"), config, run)
            encoder = build_encoder(config.arch)
            network = Byol(encoder, embedding_dim(encoder, 32), config.hidden, config.projection)
        network.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True)["network"])
        ends.append(network.state_dict())
        before = build_before(config)
    assert all(torch.allclose(ends[0][name], ends[1][name], atol=1e-5) for name in ends[0])
    moved = max(float((ends[0][name] - before[name]).abs().max()) for name in ends[0] if name.startswith("online"))
    assert moved > 1e-3


def build_before(config) -> dict[str, torch.Tensor]:
    torch.manual_seed(config.seed)
    encoder = build_encoder(config.arch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.byol.nn.BatchNorm1d", nn.LayerNorm)
        return Byol(encoder, embedding_dim(encoder, 32), config.hidden, config.projection).state_dict()
