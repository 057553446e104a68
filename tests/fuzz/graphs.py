"""ONNX files from elsewhere: checked, opened, and run with one picture."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from lookalike.encoder import Encoder, read_spec
from lookalike.errors import EncoderError
from tests.fuzz.target import Target, refused
from tests.tiny import write_parts_encoder, write_tiny_encoder

FOLDER = tempfile.TemporaryDirectory()
FILE = Path(FOLDER.name) / "x.onnx"


def run(data: bytes) -> None:
    FILE.write_bytes(data)
    with refused(EncoderError):
        read_spec(FILE)
    with refused(EncoderError):
        encoder = Encoder(FILE, "cpu", threads=1)
        side = encoder.spec.input_px
        assert encoder.embed(np.zeros((1, side, side, 3), np.uint8)).shape == (1, encoder.spec.dim)


def seeds() -> list[bytes]:
    return [write(FILE).read_bytes() for write in (write_tiny_encoder, write_parts_encoder)]


TARGET = Target(run, seeds)
