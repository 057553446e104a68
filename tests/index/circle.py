"""Frames without pictures on a circle of vectors: the similarity of two is the cosine of the angle between them."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from lookalike.contract import INPUT_NAME, METADATA_KEY, OUTPUT_NAME, EncoderSpec
from lookalike.footage import Frame

SPEC = EncoderSpec(name="circle", input_px=2, dim=2, weights_sha256="a" * 64, steps=0, frames=0)
OTHER = EncoderSpec(name="circle", input_px=2, dim=2, weights_sha256="b" * 64, steps=0, frames=0)


def at(*degrees: float) -> np.ndarray:
    """float32 (N, 2), each of length 1."""
    angles = [math.radians(angle) for angle in degrees]
    return np.array([[math.cos(angle), math.sin(angle)] for angle in angles], np.float32).reshape(-1, 2)


def frame(source_id: str, time_s: float, camera: str = "gate", captured_at: datetime | None = None) -> Frame:
    image = np.zeros((2, 2, 3), np.uint8)
    return Frame(image, f"{camera}/{source_id}.mp4", source_id, camera, time_s, round(time_s * 1e6), captured_at)


def write_circle_encoder(path: Path) -> Path:
    """An encoder of the space of these vectors, for a service to load: red and green, as a vector of length 1."""
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["colours"], axes=[1, 2], keepdims=0),
        helper.make_node("Gather", ["colours", "red_green"], ["two"], axis=1),
        helper.make_node("LpNormalization", ["two"], [OUTPUT_NAME], axis=1, p=2),
    ]
    pixels = helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["n", 2, 2, 3])
    embedding = helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["n", 2])
    red_green = helper.make_tensor("red_green", TensorProto.INT64, [2], [0, 1])
    graph = helper.make_graph(nodes, "circle", [pixels], [embedding], [red_green])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: SPEC.to_json()})
    onnx.save(model, path)
    return path
