"""Encoders from strangers that were faults once, kept small, and what each is answered now."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from lookalike.contract import EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import EncoderError
from tests.tiny import SPEC, write_tiny_encoder

pytestmark = pytest.mark.trust


def spec_entry(**changes: object) -> str:
    return json.dumps(json.loads(SPEC.to_json()) | changes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "recursion"),
        (spec_entry(weights_sha256="\ud800"), "surrogates not allowed"),
        (spec_entry(name="\udfff"), "surrogates not allowed"),
        (spec_entry(parts=[{"name": "content", "dim": -1}, {"name": "layout", "dim": 49}]), "its parts have [-1, 49]"),
        (spec_entry(parts=[{"name": "content", "dim": 48.0}]), "its parts have [48.0] numbers, expected 1 or more"),
        (spec_entry(parts=[{"name": "content", "dim": 24}] * 2), "its parts are ['content', 'content'], expected some"),
        (spec_entry(parts=[{"name": "sound", "dim": 48}]), "its parts are ['sound'], expected some of content, layout"),
        (spec_entry(parts=[{"name": [], "dim": 48}]), "unhashable"),
        (spec_entry(name="a\nb"), "name is 'a\\nb', expected at most 200 printable characters"),
        (spec_entry(name="a" * 201), "name is 'aaaa"),
        (spec_entry(whitened="yes"), "whitened is not true or false"),
        (spec_entry(**{"a\nb": 1}), "a b"),
        (spec_entry(format_version="1" * 10_000), "encoder format 1111"),
        (spec_entry(resize="1" * 10_000), "resize rule '1111"),
    ],
)
def test_a_spec_that_no_export_writes_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(EncoderError) as caught:
        EncoderSpec.from_json(text, "encoder.onnx")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_graph_that_opens_and_cannot_be_run_is_refused_in_one_line(tmp_path: Path) -> None:
    path = write_tiny_encoder(tmp_path / "encoder.onnx")
    model = onnx.load(path)
    norm = next(node for node in model.graph.node if node.op_type == "LpNormalization")
    next(attribute for attribute in norm.attribute if attribute.name == "axis").i = 9
    onnx.save(model, path)
    encoder = Encoder(path, "cpu")
    with pytest.raises(EncoderError, match=r"encoder\.onnx: cannot be run \(.*axis 9"):
        encoder.embed(np.zeros((1, encoder.spec.input_px, encoder.spec.input_px, 3), np.uint8))
