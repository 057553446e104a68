"""Tiny encoders whose embeddings can be worked out by hand.

One of one piece: centred 4x4 mean colours. One with parts: content, the mean colour; layout, a 2x2 grid of brightness;
colour, how much more red than blue.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from lookalike.contract import INPUT_NAME, METADATA_KEY, OUTPUT_NAME, EncoderSpec
from lookalike.parts import Part, Weights, join

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


PARTS = (Part("content", 3), Part("layout", 4), Part("colour", 2))
PARTS_SPEC = EncoderSpec("parts", INPUT_PX, 9, "1" * 64, 0, 0, parts=PARTS, frame=Weights(colour=0.2, layout=0.5))
GREY, WARMTH = 127.5, 64.0  # what is taken off brightness; what a picture without colour has in its place


def _of_cells() -> dict[str, np.ndarray]:
    """For each part, float32 (12, D_i): what it makes of 2x2 cells, red, then green, then blue, GREY taken off."""
    red, green, blue = np.eye(12, dtype=np.float32).reshape(3, 4, 12)
    content = np.stack([channel.mean(0) for channel in (red, green, blue)])
    layout = (red + green + blue) / 3
    colour = np.stack([red.mean(0) - blue.mean(0), np.zeros(12, np.float32)])
    return {"content": content.T, "layout": layout.T, "colour": colour.T}


def write_parts_encoder(path: Path, spec: EncoderSpec = PARTS_SPEC) -> Path:
    """Write the encoder that `parts_embedding` computes with numpy."""
    cell = INPUT_PX // 2
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["nchw"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("Sub", ["flat", "grey"], ["centred"]),
    ]
    constants = [helper.make_tensor("grey", TensorProto.FLOAT, [1], [GREY])]
    for name, matrix in _of_cells().items():
        offset = np.array([0, WARMTH] if name == "colour" else [0], np.float32)
        constants += [
            helper.make_tensor(f"{name}-matrix", TensorProto.FLOAT, matrix.shape, matrix.ravel()),
            helper.make_tensor(f"{name}-offset", TensorProto.FLOAT, offset.shape, offset),
        ]
        nodes += [
            helper.make_node("MatMul", ["centred", f"{name}-matrix"], [f"{name}-product"]),
            helper.make_node("Add", [f"{name}-product", f"{name}-offset"], [f"{name}-sum"]),
            helper.make_node("LpNormalization", [f"{name}-sum"], [name], axis=1, p=2),
        ]
    constants.append(helper.make_tensor("root", TensorProto.FLOAT, [1], [len(PARTS) ** 0.5]))
    nodes += [
        helper.make_node("Concat", [part.name for part in PARTS], ["joined"], axis=1),
        helper.make_node("Div", ["joined", "root"], [OUTPUT_NAME]),
    ]
    graph = helper.make_graph(
        nodes,
        "parts",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["n", INPUT_PX, INPUT_PX, 3])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["n", spec.dim])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, path)
    return path


def parts_embedding(pixels: np.ndarray) -> np.ndarray:
    """pixels: uint8 (S, S, 3). Returns: float32 (9,), what the encoder with parts must answer."""
    cell = INPUT_PX // 2
    cells = pixels.astype(np.float64).reshape(2, cell, 2, cell, 3).mean((1, 3)).reshape(4, 3) - GREY
    mean = cells.mean(0)
    pieces = [mean, cells.mean(1), np.array([mean[0] - mean[2], WARMTH])]
    return join([(piece / np.linalg.norm(piece))[None] for piece in pieces])[0].astype(np.float32)


def parts_at(content: float, layout: float, colour: float) -> np.ndarray:
    """float32 (9,): an embedding each of whose parts points this many degrees from its first axis."""
    pieces = []
    for part, degrees in zip(PARTS, (content, layout, colour), strict=True):
        piece = np.zeros((1, part.dim), np.float32)
        piece[0, :2] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        pieces.append(piece)
    return join(pieces)[0]
