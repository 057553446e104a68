"""Quantise an fp32 graph to int8: static, convolutions only, per channel, calibrated on the user's frames.

Quantise and dequantise nodes surround each convolution and the nodes that only pass its values on (Relu, Clip, MaxPool,
sums of two branches); the runtime fuses them into integer kernels. Normalisation and head stay fp32.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from exporters.parity import Limits, Parity
from lookalike.contract import INPUT_NAME
from lookalike.errors import ExportError

CARRIES = ("Relu", "Clip", "MaxPool", "Add")
ROOM = 5  # files as large as the fp32 one, that are there at once
BATCH = 16  # frames per calibration run; the histograms of onnxruntime take whole batches only


@dataclass(frozen=True)
class QuantConfig:
    """One way to quantise. ranges: how ranges of activations are chosen. kept: convolutions that stay fp32."""

    ranges: CalibrationMethod = CalibrationMethod.MinMax
    kept: tuple[str, ...] = ()

    def __str__(self) -> str:
        kept = f", {len(self.kept)} convolution(s) kept in fp32" if self.kept else ""
        return f"{self.ranges.name.lower()} ranges{kept}"


@dataclass(frozen=True)
class Judge:
    """Measures a file. parity: in full. agreement: a fast estimate, higher is better. limits: of the parity."""

    parity: Callable[[Path], Parity]
    agreement: Callable[[Path], float]
    limits: Limits


def quantize(fp32: Path, frames: np.ndarray, judge: Judge, on_attempt: Callable[[str], None]) -> tuple[Path, str]:
    """Quantise as many convolutions as the limits of the parity allow.

    It tries, in order: all convolutions with the full ranges; with the ranges of all but the rarest values; then
    without the convolutions that cost most agreement: 1, 2, 4 and so on, up to half of them.
    fp32: the exported file; the result is written next to it. frames: uint8 (N, S, S, 3) to calibrate on.
    on_attempt: called with a line for each attempt.
    Returns: the file, and a description of how it was made.
    Raises: ExportError if no attempt is within the limits.
    """
    quantizer = Quantizer(fp32, frames, fp32.parent)
    tried: list[tuple[QuantConfig, Parity]] = []
    for config in _configs(quantizer, judge, tried, on_attempt):
        path = quantizer.write(config)
        parity = judge.parity(path)
        tried.append((config, parity))
        missed = parity.shortfall(judge.limits)
        on_attempt(f"int8, {config}: {missed or f'within the limits, top10 {parity.top10:.3f}'}")
        if not missed:
            return path, str(config)
    config, parity = max(tried, key=lambda attempt: attempt[1].top10)
    raise ExportError(
        f"int8 costs this encoder too much accuracy: not written: the best top10 is {parity.top10:.3f} with {config},"
        f" expected at least {judge.limits.top10}; use --precision fp32, calibrate on more footage, or accept less with"
        f" --min-top10 after checking with `lookalike evaluate`"
    )


def _configs(
    quantizer: Quantizer, judge: Judge, tried: list[tuple[QuantConfig, Parity]], on_attempt: Callable[[str], None]
) -> Iterator[QuantConfig]:
    """Yield what to try next, given the results so far in `tried`."""
    yield QuantConfig()
    yield QuantConfig(CalibrationMethod.Percentile)
    ranges = max(tried, key=lambda attempt: attempt[1].top10)[0].ranges
    layers = quantizer.convolutions
    alone = {layer: QuantConfig(ranges, tuple(other for other in layers if other != layer)) for layer in layers}
    on_attempt(f"int8: measuring the cost of each of {len(layers)} convolutions")
    agreement = {layer: judge.agreement(quantizer.write(config)) for layer, config in alone.items()}
    worst_first = sorted(layers, key=agreement.__getitem__)
    count = 1
    while count <= len(layers) / 2:
        yield QuantConfig(ranges, tuple(worst_first[:count]))
        count *= 2


class Quantizer:
    """Quantises one graph in several ways; it is calibrated once for each way of choosing ranges."""

    def __init__(self, fp32: Path, frames: np.ndarray, folder: Path) -> None:
        """fp32: the exported file. frames: uint8 (N, S, S, 3), N at least 1, to calibrate on. folder: for its files."""
        self._prepared, self._folder = folder / "prepared.onnx", folder
        repeats = -(-BATCH // len(frames))
        frames = np.concatenate([frames] * repeats)
        self._frames = frames[: len(frames) // BATCH * BATCH]
        _check_room(fp32)
        # Symbolic shapes fail on Expand in this graph (onnxruntime 1.31); plain shape inference is enough here.
        with _temporary_files_in(folder):
            quant_pre_process(str(fp32), str(self._prepared), skip_symbolic_shape=True)
        self._graph = onnx.load(self._prepared).graph
        self.convolutions = [node.name for node in self._graph.node if node.op_type == "Conv"]

    def write(self, config: QuantConfig) -> Path:
        """Quantise. Returns: the file, which the next call overwrites."""
        path = self._folder / "int8.onnx"
        chosen = quantisable(self._graph, config.kept)
        with _quiet(), _temporary_files_in(self._folder):
            quantize_static(
                str(self._prepared),
                str(path),
                _Batches(self._frames),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                # Eight-bit weights: lookalike.runtime keeps them from overflowing on CPUs without VNNI.
                reduce_range=False,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["Conv", *CARRIES],
                nodes_to_quantize=chosen,
                calibrate_method=config.ranges,
                calibration_cache_path=self._folder / f"{config.ranges.name}.json",
            )
        return path


def quantisable(graph: onnx.GraphProto, kept: Collection[str] = ()) -> list[str]:
    """List the nodes to quantise: convolutions not in `kept`, and nodes that only pass their values on."""
    chosen: dict[str, str] = {}  # output -> node
    constants = {tensor.name for tensor in graph.initializer} | {
        name for node in graph.node if node.op_type == "Constant" for name in node.output
    }
    for node in graph.node:
        convolves = node.op_type == "Conv" and node.name not in kept
        carries = node.op_type in CARRIES and all(name in chosen for name in node.input if name not in constants)
        if convolves or carries:
            chosen |= dict.fromkeys(node.output, node.name)
    return list(dict.fromkeys(chosen.values()))


def _check_room(fp32: Path) -> None:
    """Check for room next to the file: the native code of ONNX does not report a disk that is full. Raises: OSError."""
    if shutil.disk_usage(fp32.parent).free < ROOM * fp32.stat().st_size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Have the quantiser keep its temporary files there, where it was checked that there is room."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantiser, which logs advice and prints on standard output, which is for data."""
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


class _Batches(CalibrationDataReader):
    def __init__(self, frames: np.ndarray) -> None:
        self._batches: Iterator[np.ndarray] = iter(np.split(frames, len(frames) // BATCH))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT_NAME: batch}
