"""The JSON that an encoder says of itself, in its file and next to an index."""

from __future__ import annotations

import dataclasses

from lookalike.contract import EncoderSpec
from lookalike.errors import EncoderError
from lookalike.parts import Part, Weights
from tests.fuzz.target import Target, refused

SPEC = EncoderSpec("gate", 96, 512, "ab" * 32, 600, 12_345)
PARTS = (Part("content", 300), Part("layout", 200), Part("colour", 12))


def run(data: bytes) -> None:
    with refused(EncoderError):
        spec = EncoderSpec.from_json(data.decode("utf-8", "replace"), "encoder.onnx")
        assert spec.space.encode()
        assert EncoderSpec.from_json(spec.to_json(), "encoder.onnx").to_json() == spec.to_json()


def seeds() -> list[bytes]:
    whole = dataclasses.replace(SPEC, parts=PARTS, crop=Weights(0.2, 0), arch="lite0", whitened=True)
    return [spec.to_json().encode() for spec in (SPEC, whole, dataclasses.replace(whole, parity={"cosine": 1.0}))]


TARGET = Target(run, seeds)
