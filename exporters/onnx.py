"""Write the ONNX file, check it against the PyTorch encoder on real frames, and only then give it its name."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import torch

from exporters.parity import Parity, check_parity
from lookalike.contract import INPUT_NAME, METADATA_KEY, OUTPUT_NAME, EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import ExportError
from training.checkpoint import CHECKPOINT, load_checkpoint, weights_digest
from training.config import BuiltIn
from training.data import load_cache
from training.trained import ServedEncoder, load_trained, sample_frames

OPSET = 18  # the oldest that the exporter writes without conversion: more runtimes read it
VERIFY_FRAMES = 64


@dataclass(frozen=True)
class Exported:
    """What was written, and how well it agrees."""

    path: Path
    spec: EncoderSpec
    parity: Parity


def export_run(run: Path, out: Path) -> Exported:
    """Export the online encoder of a training run.

    Raises: TrainingError if the run is incomplete; ExportError if the file does not agree with the encoder:
    then nothing is left at `out`.
    """
    served, config = load_trained(run)
    cache = load_cache(run / "cache")
    _, frames = sample_frames(cache, config.input_px)
    real = frames[np.linspace(0, len(frames) - 1, min(VERIFY_FRAMES, len(frames))).round().astype(int)]
    spec = EncoderSpec(
        name=f"{config.arch.rpartition(':')[2]}-{config.input_px}",
        input_px=config.input_px,
        dim=len(served.weight),
        weights_sha256=weights_digest(served),
        steps=int(load_checkpoint(run / CHECKPOINT)["step"]),
        frames=len(cache),
        arch=config.arch if config.arch in get_args(BuiltIn) else "",
        light=config.light,
        whitened=config.embedding > 0,
    )
    return export(served, spec, real, out)


def export(served: ServedEncoder, spec: EncoderSpec, real: np.ndarray, out: Path) -> Exported:
    """Write, verify on `real`, uint8 (N, S, S, 3), and move to `out`.

    Raises: ExportError if the parity does not hold, or the file cannot be written.
    """
    partial = out.with_name(out.name + ".partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(_to_onnx(served, spec), partial)
        parity = check_parity(served, Encoder(partial, "cpu"), real)
        parity.raise_unless_held(str(out))
        partial.replace(out)
    except OSError as error:
        raise ExportError(f"{out}: cannot write ({error.strerror})") from error
    finally:
        if partial.exists():
            partial.unlink()
    return Exported(out, spec, parity)


def _to_onnx(served: ServedEncoder, spec: EncoderSpec) -> onnx.ModelProto:
    example = torch.zeros(2, spec.input_px, spec.input_px, 3, dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's notes to its own authors
        program = torch.onnx.export(
            served,
            (example,),
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # None only for the old exporter
    model = program.model_proto
    # The exporter records this machine's paths and a stack trace for every node: nobody else's business.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


def parity_json(exported: Exported) -> str:
    return json.dumps({"encoder": str(exported.path), "space": exported.spec.space, "parity": exported.parity.__dict__})
