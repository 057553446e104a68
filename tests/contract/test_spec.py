"""What an encoder says about itself, and which encoders may share an index."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lookalike.contract import FORMAT_VERSION, EncoderSpec
from lookalike.errors import EncoderError
from lookalike.parts import Part, Weights
from tests.tiny import SPEC


def entry(**changes) -> str:
    """The JSON of SPEC with some fields changed; those changed to None are left out."""
    fields = json.loads(SPEC.to_json()) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def test_json_and_back_is_the_same_spec():
    spec = EncoderSpec("gate", 96, 512, "ab" * 32, 600, 12_345, precision="int8")
    assert EncoderSpec.from_json(spec.to_json(), "encoder.onnx") == spec


def test_parts_and_their_weights_are_in_the_json():
    parts = (Part("content", 300), Part("colour", 212))
    spec = EncoderSpec("gate", 96, 512, "ab" * 32, 0, 9, parts=parts, crop=Weights(0.1, 0.0), fitted_to="gate.mp4")
    assert EncoderSpec.from_json(spec.to_json(), "encoder.onnx") == spec


def test_parts_that_do_not_add_up_are_an_error():
    with pytest.raises(EncoderError, match=r"its parts have 5 numbers, expected \d+"):
        EncoderSpec.from_json(entry(parts=[{"name": "content", "dim": 5}]), "encoder.onnx")


def test_json_states_the_space_for_other_readers():
    assert json.loads(SPEC.to_json())["space"] == SPEC.space


def test_space_is_spelt_as_in_indexes_that_exist():
    """First 12 hex digits of: printf '%064d|32|squash-bilinear-gap3-jpeg2|fp32' 0 | sha256sum."""
    assert SPEC.space == "tiny-425a7d179c9f"


@pytest.mark.parametrize(
    "change",
    [{"weights_sha256": "1" * 64}, {"input_px": 64}, {"precision": "int8"}, {"resize": "crop"}],
    ids=lambda change: next(iter(change)),
)
def test_space_changes_with_all_that_changes_embeddings(change):
    assert dataclasses.replace(SPEC, **change).space != SPEC.space


@pytest.mark.parametrize("change", [{"steps": 600}, {"frames": 12_345}], ids=lambda change: next(iter(change)))
def test_space_stays_with_what_does_not_change_embeddings(change):
    assert dataclasses.replace(SPEC, **change).space == SPEC.space


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "unreadable encoder metadata"),
        ("{", "unreadable encoder metadata"),
        ("[]", "unreadable encoder metadata"),
        ("null", "unreadable encoder metadata"),
        (entry(format_version=None), "unreadable encoder metadata ('format_version')"),
        (entry(space=None), "unreadable encoder metadata ('space')"),
        (entry(input_px=None), "input_px"),
        (entry(colour="red"), "colour"),
        (entry(format_version=FORMAT_VERSION + 1), f"encoder format {FORMAT_VERSION + 1}, expected {FORMAT_VERSION}"),
        (entry(resize="crop"), "resize rule 'crop', this version knows 'squash-bilinear-gap3-jpeg2'"),
    ],
)
def test_metadata_of_another_format_is_refused_in_one_line(text, says):
    with pytest.raises(EncoderError) as caught:
        EncoderSpec.from_json(text, "models/old.onnx")
    message = str(caught.value)
    assert message.startswith("models/old.onnx: ")
    assert says in message
    assert "export it again" in message
    assert "\n" not in message
