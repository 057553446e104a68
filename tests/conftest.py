"""What several tests need: a tiny encoder, and footage: the shared recordings where they are, else rendered ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookalike.encoder import Encoder
from tests.tiny import write_parts_encoder, write_tiny_encoder
from tests.two_clips import write_two_clips

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny.onnx")


@pytest.fixture(scope="session")
def parts_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts_encoder(tmp_path_factory.mktemp("encoder") / "parts.onnx")


@pytest.fixture(scope="session")
def tiny(tiny_encoder: Path) -> Encoder:
    return Encoder(tiny_encoder, "cpu", threads=1)


@pytest.fixture(scope="module")
def two_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_two_clips(tmp_path_factory.mktemp("footage"))
