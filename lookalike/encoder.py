"""Run an exported encoder: uint8 (N, S, S, 3) -> unit float32 (N, D)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort

from lookalike.contract import INPUT_NAME, METADATA_KEY, OUTPUT_NAME, EncoderSpec, RunDevice
from lookalike.errors import EncoderError
from lookalike.files.printable import short
from lookalike.graph_check import check_graph, read_metadata
from lookalike.runtime import open_session

MAX_BATCH = 64  # larger inputs are run in slices, so memory stays bounded


class Encoder:
    """An exported encoder, ready to embed."""

    def __init__(self, path: Path | str, device: RunDevice = "auto", threads: int | None = None) -> None:
        """Load and check an encoder.

        threads: cores for one run; None takes all.
        Raises: EncoderError if the file is not a Lookalike encoder, or needs too much memory, see graph_check;
        DeviceError if `device` is missing.
        """
        self.path = Path(path)
        _check_is_file(self.path)
        try:
            check_graph(self.path)
            self._session = open_session(self.path, device, threads)
        except EncoderError:
            raise
        except Exception as error:  # onnxruntime's exceptions are not exported by name
            raise EncoderError(f"{self.path}: not a readable ONNX file ({_first_line(error)})") from error
        self.provider = self._session.get_providers()[0]
        self.spec = _parse_spec(_metadata_of(self._session, self.path), self.path)
        if (side := self._session.get_inputs()[0].shape[1]) != self.spec.input_px:
            raise EncoderError(f"{self.path}: takes {side} px, its metadata says {self.spec.input_px}; export it again")
        self._check_output()

    def _check_output(self) -> None:
        """Fail at load, not at the first picture. A length that the graph does not state is not checked."""
        shapes = {output.name: output.shape for output in self._session.get_outputs() if output.type == "tensor(float)"}
        shape = shapes.get(OUTPUT_NAME)
        if shape is None or len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != self.spec.dim):
            got = f"{OUTPUT_NAME} {shape}" if shape else short(sorted(shapes))
            expected = f"{OUTPUT_NAME}, float32 (N, {self.spec.dim})"
            raise EncoderError(f"{self.path}: gives {got}, expected {expected}; export it again")

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Embed a batch.

        pixels: uint8 (N, S, S, 3) RGB, S as in `spec.input_px`. Returns: float32 (N, D), rows of length 1.
        Raises: ValueError on another shape or type; EncoderError if the graph cannot be run.
        """
        side = self.spec.input_px
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (side, side, 3):
            raise ValueError(f"pixels are {pixels.dtype} {pixels.shape}, expected uint8 (N, {side}, {side}, 3)")
        if len(pixels) == 0:
            return np.empty((0, self.spec.dim), np.float32)
        slices = [pixels[start : start + MAX_BATCH] for start in range(0, len(pixels), MAX_BATCH)]
        return np.concatenate([self._run(part) for part in slices])

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(self._session.run([OUTPUT_NAME], {INPUT_NAME: pixels})[0])
        except Exception as error:  # as above
            raise EncoderError(f"{self.path}: cannot be run ({_first_line(error)})") from error


def read_spec(path: Path | str) -> EncoderSpec:
    """Read the spec of an encoder from its file, without loading the encoder.

    Raises: EncoderError if the file is missing, broken, or not a Lookalike encoder.
    """
    path = Path(path)
    _check_is_file(path)
    return _parse_spec(read_metadata(path), path)


def _check_is_file(path: Path) -> None:
    if not path.is_file():
        raise EncoderError(f"{path}: no such file, expected an encoder; make one with `lookalike export`")


def _metadata_of(session: ort.InferenceSession, path: Path) -> dict[str, str]:
    try:
        return session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError as error:
        raise EncoderError(f"{path}: unreadable encoder metadata (not UTF-8); export it again") from error


def _parse_spec(metadata: dict[str, str], path: Path) -> EncoderSpec:
    entry = metadata.get(METADATA_KEY)
    if entry is None:
        raise EncoderError(f"{path}: an ONNX file without Lookalike metadata; make one with `lookalike export`")
    return EncoderSpec.from_json(entry, str(path))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
