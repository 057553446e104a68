"""Write the ONNX file: verify it against the PyTorch encoder on real frames before it gets its name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import torch

from exporters.graph import in_half, quick_to_trace, to_onnx, write_spec
from exporters.int8 import Judge, quantize
from exporters.parity import LIMITS, Limits, Parity, agreement, check_parity
from lookalike.contract import EncoderSpec, Precision, RunDevice
from lookalike.encoder import Encoder
from lookalike.errors import ExportError
from lookalike.files import durable
from training.checkpoint import CHECKPOINT, load_checkpoint, weights_digest
from training.config import BuiltIn, TrainConfig
from training.data import FrameCache, load_cache
from training.encoders import TIMM
from training.head import EncoderWithHead, OnFit, embed_pixels, fit_head, no_progress
from training.pictures import fit_all, sample_rows
from training.trained import load_trained

VERIFIED = 256  # frames, at most
CALIBRATED = 256  # other frames, at most
NAMED = 3  # sources that the spec names, of those that a head was fitted to
ROUGH = 32  # frames that layers are ranked by


@dataclass(frozen=True)
class Exported:
    """The file that was written, and its parity. note: how it was quantised, if it was."""

    path: Path
    spec: EncoderSpec
    parity: Parity
    note: str = ""

    def to_json(self) -> str:
        facts = {"encoder": str(self.path), "space": self.spec.space, "precision": self.spec.precision}
        return json.dumps(facts | ({"note": self.note} if self.note else {}) | {"parity": self.parity.to_dict()})


def _nothing(line: str) -> None: ...


def export_run(
    run: Path,
    out: Path,
    precision: Precision = "fp32",
    on_attempt: Callable[[str], None] = _nothing,
    min_top10: float | None = None,
    footage: FrameCache | None = None,
    arch: str | None = None,
    on_fit: OnFit = no_progress,
) -> Exported:
    """Export the online encoder of a training run.

    arch: as for `TrainConfig.load`.
    footage: what the head is fitted to and verified on; None for the footage of the run.
    on_attempt: called with a line for each way of quantising. min_top10: share of nearest neighbours that must agree;
    None for that of parity.LIMITS. on_fit: see head.OnFit.
    Raises: TrainingError if the run is incomplete; ExportError if the file does not agree with the encoder; then
    `out` is unchanged.
    """
    encoder, config = load_trained(run, arch, on_fit)
    steps = int(load_checkpoint(run / CHECKPOINT)["step"])
    trained_on = load_cache(run / "cache")
    cache = footage or trained_on
    if footage:
        network, camera = encoder.encoder, footage.camera
        encoder = fit_head(network, footage.frames, config, footage.regions, camera=camera, on_fit=on_fit)
    spec = describe(encoder, config, steps, len(trained_on), cache.sources)
    return export(encoder, spec, cache.frames, out, precision, on_attempt, min_top10)


def in_words(sources: Sequence[str]) -> str:
    """List the first few names, and how many more there are."""
    names = [Path(source).name for source in sources[:NAMED]]
    more = len(sources) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")


def describe(
    encoder: EncoderWithHead, config: TrainConfig, steps: int, frames: int, sources: Sequence[str]
) -> EncoderSpec:
    """Make the spec of an fp32 file of this encoder.

    frames: number that it was trained on. sources: what its head was fitted to.
    """
    return EncoderSpec(
        name=f"{config.arch.rpartition(':')[2]}-{config.input_px}",
        input_px=config.input_px,
        dim=encoder.dim,
        weights_sha256=weights_digest(encoder),
        steps=steps,
        frames=frames,
        arch=config.arch if config.arch in get_args(BuiltIn) or config.arch.startswith(TIMM) else "",
        light=config.light,
        whitened=config.head,
        parts=encoder.parts if len(encoder.parts) > 1 else (),
        frame=config.frame_weights,
        fitted_to=in_words(sources),
    )


def export(
    encoder: EncoderWithHead,
    spec: EncoderSpec,
    frames: np.ndarray,
    out: Path,
    precision: Precision = "fp32",
    on_attempt: Callable[[str], None] = _nothing,
    min_top10: float | None = None,
) -> Exported:
    """Write, verify, and move to `out`.

    frames: of the footage, at least two, uint8 (N, C, C, 3). An even sample of them is verified on; int8 is calibrated
    on other frames, between these.
    Raises: ExportError if the parity is below its limits, or the file cannot be written.
    """
    rows = sample_rows(len(frames), VERIFIED + CALIBRATED if precision == "int8" else VERIFIED)
    rows, between = (rows[::2], rows[1::2]) if precision == "int8" else (rows, rows[:0])
    real = fit_all(frames[rows], spec.input_px)
    wanted = embed_pixels(encoder, torch.from_numpy(real)).numpy()

    limits = LIMITS[precision] if min_top10 is None else dataclasses.replace(LIMITS[precision], top10=min_top10)
    judge = judge_of(wanted, real, "auto" if precision == "fp16" else "cpu", limits)
    spec = dataclasses.replace(spec, precision=precision)

    def make(folder: Path) -> tuple[Path, str]:
        path = folder / "encoder.onnx"
        quick = quick_to_trace(encoder, spec.input_px)
        onnx.save(to_onnx(in_half(quick) if precision == "fp16" else quick, spec), path)
        if precision == "int8":
            return quantize(path, fit_all(frames[between], spec.input_px), judge, on_attempt)
        return path, ""

    return write_verified(out, spec, judge, make)


def write_verified(out: Path, spec: EncoderSpec, judge: Judge, make: Callable[[Path], tuple[Path, str]]) -> Exported:
    """Write a temporary file, verify it, store its parity in it, and rename it to `out`.

    make: writes the file into a folder, and returns its path and a note on how it was made.
    Raises: ExportError if the parity is below its limits, or the file cannot be written; then `out` is unchanged.
    """
    try:
        durable.make_folder(out.parent)
        with durable.working_folder(out) as folder:
            written, note = make(folder)
            parity = judge.parity(written)
            if missed := parity.shortfall(judge.limits):
                raise ExportError(f"{out}: not written: {missed}")
            spec = _finish(written, spec, parity)
            durable.replace(written, out)
    except OSError as error:
        raise ExportError(f"{out}: cannot write ({error.strerror})") from error
    return Exported(out, spec, parity, note)


def judge_of(wanted: np.ndarray, real: np.ndarray, device: RunDevice, limits: Limits) -> Judge:
    """Make a judge of files by the embeddings wanted, unit float32 (N, E), of real frames, uint8 (N, S, S, 3)."""
    few = slice(None, None, -(-len(real) // ROUGH))
    return Judge(
        lambda path: check_parity(wanted, Encoder(path, device), real),
        lambda path: agreement(wanted[few], Encoder(path, device), real[few]),
        limits,
    )


def _finish(path: Path, spec: EncoderSpec, parity: Parity) -> EncoderSpec:
    """Store parity in the file, and the new digest of quantised weights. Returns: the spec."""
    model = onnx.load(path)
    if spec.precision == "int8":
        spec = dataclasses.replace(spec, weights_sha256=constants_digest(model.graph))
    spec = dataclasses.replace(spec, parity=parity.to_dict())
    write_spec(model, spec, sealed=True)
    onnx.save(model, path)
    return spec


def constants_digest(graph: onnx.GraphProto) -> str:
    """Return the SHA-256 of all constants, with ranges: two calibrations make two spaces."""
    digest = hashlib.sha256()
    for tensor in sorted(graph.initializer, key=lambda tensor: tensor.name):
        digest.update(tensor.SerializeToString(deterministic=True))
    return digest.hexdigest()
