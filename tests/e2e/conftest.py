"""A folder in which a user has recordings, a trained encoder and an index: what the examples of every verb assume."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lookalike.demo.scenes import render_scenes
from lookalike.footage import frame_at
from tests.conftest import SHARED_DATA

Run = Callable[..., subprocess.CompletedProcess[str]]
FEW_STEPS = ["--steps", "3", "--batch", "4", "--input-px", "32"]  # enough to have an encoder, not a good one


def run_verb(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`lookalike ...` as a process of its own, as a user runs it."""
    command = [sys.executable, "-m", "lookalike", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """recordings/ (rendered, with events.csv), runs/first, encoder.onnx, index/, crop.jpg, clip.mp4."""
    home = tmp_path_factory.mktemp("home")
    render_scenes(home / "recordings", duration_s=12, size_px=(160, 90))
    os.replace(home / "recordings" / "events.csv", home / "events.csv")
    Image.fromarray(frame_at(str(home / "recordings" / "gate.mp4"), 5)).save(home / "crop.jpg")
    shutil.copy(home / "recordings" / "gate.mp4", home / "clip.mp4")
    made = [
        run_verb("pretrain", "recordings", "--out", "runs/first", *FEW_STEPS, cwd=home),
        run_verb("export", "runs/first", "--out", "encoder.onnx", cwd=home),
        run_verb("index", "recordings", "--encoder", "encoder.onnx", "--index", "index", "--fps", "2", cwd=home),
    ]
    for process in made:
        assert process.returncode == 0, process.stderr
    return home


@pytest.fixture(scope="session")
def footage(home: Path) -> Path:
    """Real recordings where they are there, else the rendered ones."""
    real = SHARED_DATA / "footage"
    return real if real.is_dir() else home / "recordings"
