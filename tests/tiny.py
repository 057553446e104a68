"""A tiny encoder whose embeddings can be worked out by hand: centred 4x4 mean colours, unit length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from lookalike.contract import INPUT_NAME, METADATA_KEY, OUTPUT_NAME, EncoderSpec

INPUT_PX = 32
GRID = 4
SPEC = EncoderSpec(name="tiny", input_px=INPUT_PX, dim=GRID * GRID * 3, weights_sha256="0" * 64, steps=0, frames=0)


def write_tiny_encoder(path: Path, spec: EncoderSpec = SPEC) -> Path:
    """Write the encoder that `tiny_embedding` computes with numpy."""
    cell = INPUT_PX // GRID
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["nchw"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("Sub", ["flat", "grey"], ["centred"]),
        helper.make_node("LpNormalization", ["centred"], [OUTPUT_NAME], axis=1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["n", INPUT_PX, INPUT_PX, 3])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["n", spec.dim])],
        [helper.make_tensor("grey", TensorProto.FLOAT, [1], [127.5])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, path)
    return path


def tiny_embedding(pixels: np.ndarray) -> np.ndarray:
    """pixels: uint8 (S, S, 3). Returns: float32 (48,), what the tiny encoder must answer."""
    cell = INPUT_PX // GRID
    cells = pixels.astype(np.float64).reshape(GRID, cell, GRID, cell, 3).mean((1, 3))
    centred = cells.transpose(2, 0, 1).ravel() - 127.5
    return (centred / np.linalg.norm(centred)).astype(np.float32)
