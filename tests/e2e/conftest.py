"""A folder in which a user has recordings, a trained encoder and an index: what the examples of every verb assume."""

from __future__ import annotations

import fcntl
import io
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stdout
from pathlib import Path

import pytest
from PIL import Image

from lookalike import cli
from lookalike.demo.scenes import render_scenes
from lookalike.footage import frame_at
from tests.conftest import SHARED_DATA, TEST_SEED

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
VERB_S = 1800  # far more than any takes: a busy machine must not fail the tests
TWINS = 1 - 1e-3  # frames that look the same have this share of each other's score: which comes first is up to rounding
# Enough to have an encoder, not a good one.
FEW_STEPS = ["--steps", "3", "--batch", "4", "--input-px", "32", "--seed", str(TEST_SEED)]


def run_verb(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`lookalike ...` as a process of its own, as a user runs it."""
    command = [sys.executable, "-m", "lookalike", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=VERB_S, check=False)


def run_here(*arguments: object, cwd: Path | None = None) -> str:
    """`lookalike ...` in this process, which has imported already what a process of its own imports for seconds.

    cwd: the folder to run it in. Returns: its standard output. Raises: SystemExit where the verb fails.
    """
    out = io.StringIO()
    with redirect_stdout(out), chdir(cwd or Path.cwd()):
        cli.main([str(argument) for argument in arguments])
    return out.getvalue()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """recordings/ (rendered, with events.csv), run, encoder.onnx, index/, crop.jpg, clip.mp4.

    Made once, by whichever worker of pytest is the first to need it; each has a copy of its own.
    """
    own = tmp_path_factory.getbasetemp()
    common = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    made = common / "home"
    with (common / "home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(common / "unfinished", ignore_errors=True)
            make_home(common / "unfinished")
            os.replace(common / "unfinished", made)
    return copy_of(made, own / "own-home")


def copy_of(folder: Path, place: Path) -> Path:
    """By `cp`, which leaves the holes of an index's files what they are: nine tenths of what they would take."""
    subprocess.run(["cp", "-R", folder, place], check=True)
    return place


def make_home(home: Path) -> None:
    """Render recordings, and search them as the README says: its commands, but for the last one, which finds."""
    render_scenes(home / "recordings", duration_s=12, size_px=(160, 90))
    os.replace(home / "recordings" / "events.csv", home / "events.csv")
    Image.fromarray(frame_at(str(home / "recordings" / "gate.mp4"), 5)).save(home / "crop.jpg")
    shutil.copy(home / "recordings" / "gate.mp4", home / "clip.mp4")
    for words in five_commands()[1:-1]:
        process = run_verb(*words, *(FEW_STEPS if words[0] == "pretrain" else []), cwd=home)
        assert process.returncode == 0, process.stderr


def five_commands() -> list[list[str]]:
    """What the README says after `lookalike`, from nothing to a search; the first is what it says after `make`."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## From nothing")[1].split("##")[0]
    return [shlex.split(line)[1:] for line in section.splitlines() if line.startswith("    ")]


@pytest.fixture(scope="session")
def footage(home: Path) -> Path:
    """Real recordings where they are there, else the rendered ones."""
    real = SHARED_DATA / "footage"
    return real if real.is_dir() else home / "recordings"
