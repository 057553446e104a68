"""Footage of two cameras, an index of it, and one service for all tests that only ask it something."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from lookalike.encoder import Encoder
from lookalike.footage import Frame
from lookalike.index import StoredFrame, open_index
from lookalike.pixels import decode, fit
from tests.e2e.conftest import run_here
from tests.serving.recordings import spoil, write_recordings
from tests.serving.running import ROOT, bentoml_env, served
from tests.tiny import INPUT_PX, SPEC, tiny_embedding

CAMERAS = ("gate", "yard")
TIMES_S = (0.0, 10.0, 20.0, 30.0)  # further apart than a moment, so that each frame is a hit of its own
STARTED = datetime(2026, 1, 5, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Shown:
    """A frame of the footage as someone would upload it."""

    frame: Frame
    png: bytes


def picture(seed: int) -> np.ndarray:
    """uint8 (48, 64, 3): random coloured blocks, unlike those of any other seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(blocks).resize((64, 48), Image.Resampling.NEAREST))


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def expected_embedding(data: bytes) -> np.ndarray:
    """float32 (48,): what the tiny encoder must make of an upload."""
    return tiny_embedding(fit(decode(data), INPUT_PX))


@pytest.fixture(scope="session")
def footage() -> list[Shown]:
    shown: list[Shown] = []
    for camera in CAMERAS:
        for time_s in TIMES_S:
            image = picture(seed=len(shown))
            captured_at = STARTED + timedelta(seconds=time_s)
            frame = Frame(image, f"{camera}.mp4", camera, camera, time_s, int(time_s * 1e6), captured_at)
            shown.append(Shown(frame, encoded(image)))
    return shown


@pytest.fixture(scope="session")
def index_folder(footage: list[Shown], tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage") / "index"
    pixels = np.stack([fit(shown.frame.image, INPUT_PX) for shown in footage])
    with open_index(folder, SPEC, create=True) as index:
        index.add([shown.frame for shown in footage], Encoder(tiny_encoder, "cpu").embed(pixels))
    return folder


@pytest.fixture(scope="session")
def service(tiny_encoder: Path, index_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("bentoml")
    env = bentoml_env(home, {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_INDEX": index_folder})
    with served("serving.service:Lookalike", env, ROOT, home / "log") as client:
        yield client


@pytest.fixture(scope="session")
def shown_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the recordings, the index and the cache of `recordings`."""
    return tmp_path_factory.mktemp("shown")


@pytest.fixture(scope="session")
def recordings(tiny_encoder: Path, shown_folder: Path) -> Iterator[httpx.Client]:
    """A service whose recordings are on this machine."""
    sources, index = write_recordings(shown_folder / "recordings"), shown_folder / "index"
    run_here("index", *sources, "--encoder", tiny_encoder, "--index", index, "--regions", "none")
    spoil(sources[0])
    env = bentoml_env(shown_folder, {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_INDEX": index})
    with served("serving.service:Lookalike", env, ROOT, shown_folder / "log") as client:
        yield client


@pytest.fixture(scope="session")
def stored(recordings: httpx.Client) -> dict[str, list[StoredFrame]]:
    """By the name of its recording, what is stored with each frame, in the order of their times."""
    found: dict[str, list[StoredFrame]] = {}
    with open_index(str(recordings.base_url), SPEC) as index:
        for fields in sorted(index.frames(), key=lambda one: one.time_s):
            found.setdefault(Path(fields.source).name, []).append(fields)
    return found


def refused(answer: httpx.Response, status: int) -> str:
    """The reason."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["error"]["message"]
