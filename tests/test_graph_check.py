"""ONNX files that ask for more than an encoder needs: refused before anything is computed or another file is opened."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from lookalike import graph_check
from lookalike.contract import INPUT_NAME, METADATA_KEY, OUTPUT_NAME
from lookalike.encoder import Encoder
from lookalike.errors import EncoderError
from tests.conftest import SHARED_DATA
from tests.e2e.conftest import run_verb
from tests.tiny import INPUT_PX, SPEC

CASE = SHARED_DATA / "cases" / "hostile" / "onnx_allocates_64GB.onnx"
HUGE = 2**34  # values: 64 GB
Node = onnx.NodeProto


def written(tmp_path, nodes: list[Node], constants: dict[str, np.ndarray] | None = None, **rest: object):
    """An encoder whose graph has more nodes than the usual few."""
    usual = [
        helper.make_node("Cast", [INPUT_NAME], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "rows"], ["flat"]),
        helper.make_node("Slice", ["flat", "zero", "dim", "one"], ["cut"]),
        helper.make_node("LpNormalization", ["cut"], [OUTPUT_NAME], axis=1, p=2),
    ]
    own = {"rows": [0, -1], "zero": [0], "dim": [SPEC.dim], "one": [1]}
    named = {name: np.array(values, np.int64) for name, values in own.items()} | (constants or {})
    graph = helper.make_graph(
        [*usual, *nodes],
        "x",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["n", INPUT_PX, INPUT_PX, 3])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["n", SPEC.dim])],
        [numpy_helper.from_array(value, name) for name, value in named.items()],
    )
    # axes are given, so that a slice is of columns
    graph.node[2].input[3:] = ["one"]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, **rest)
    helper.set_model_props(model, {METADATA_KEY: SPEC.to_json()})
    path = tmp_path / "x.onnx"
    onnx.save(model, path)
    return path


def refusal(path) -> str:
    with pytest.raises(EncoderError) as caught:
        Encoder(path, "cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_such_a_graph_without_more_is_taken(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 256, (2, INPUT_PX, INPUT_PX, 3), np.uint8)
    assert Encoder(written(tmp_path, []), "cpu").embed(pixels).shape == (2, SPEC.dim)


def large(values: list[int]) -> np.ndarray:
    return np.array(values, np.int64)


LARGE = {
    "ConstantOfShape": ([helper.make_node("ConstantOfShape", ["s"], ["y"])], {"s": large([HUGE])}),
    "Expand": ([helper.make_node("Expand", ["floats", "s"], ["y"])], {"s": large([HUGE // 2**12, 1, 1, 1])}),
    "Tile": ([helper.make_node("Tile", ["flat", "s"], ["y"])], {"s": large([1, 2**22])}),
    "Pad": ([helper.make_node("Pad", ["flat", "s"], ["y"])], {"s": large([0, 0, 0, HUGE])}),
    "Range": (
        [helper.make_node("Range", ["a", "b", "c"], ["y"])],
        {"a": np.array(0, np.int64), "b": np.array(HUGE, np.int64), "c": np.array(1, np.int64)},
    ),
    "Resize": (
        [helper.make_node("Resize", ["floats", "", "", "s"], ["y"])],
        {"s": large([1, 2**16, 2**16, 3])},
    ),
    "RandomNormal": ([helper.make_node("RandomNormal", [], ["y"], shape=[HUGE])], {}),
    "outer product": (
        [
            helper.make_node("Reshape", ["flat", "col"], ["c"]),
            helper.make_node("Reshape", ["flat", "row"], ["r"]),
            helper.make_node("MatMul", ["c", "r"], ["y"]),
            *(helper.make_node("Identity", ["y"], [f"y{number}"]) for number in range(9)),
            helper.make_node("Sum", ["y", *(f"y{number}" for number in range(9))], ["z"]),
        ],
        {"col": large([-1, 1]), "row": large([1, -1])},
    ),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_graph_that_takes_all_memory_is_refused_with_the_limit(tmp_path, kind):
    said = refusal(written(tmp_path, *LARGE[kind]))
    assert said.startswith("one picture takes ")
    assert said.endswith("bytes to compute, at most 268,435,456")


def test_a_size_that_only_a_run_would_tell_is_refused(tmp_path):
    nodes = [
        helper.make_node("NonZero", ["floats"], ["at"]),
        helper.make_node("ReduceMax", ["at"], ["most"], keepdims=1, axes=[1]),
        helper.make_node("Reshape", ["most", "list"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["y"]),
    ]
    assert "is unknown before it runs" in refusal(written(tmp_path, nodes, {"list": large([-1])}))


def test_operators_of_its_own_are_refused(tmp_path):
    nodes = [helper.make_node("Anything", ["floats"], ["y"], domain="evil")]
    assert refusal(written(tmp_path, nodes)) == "has an operator of 'evil', expected standard operators only"


def test_functions_are_refused(tmp_path):
    body = [helper.make_node("Identity", ["a"], ["b"])]
    function = helper.make_function("evil", "Copy", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    assert "has custom functions" in refusal(written(tmp_path, [], functions=[function]))


def test_loops_are_refused(tmp_path):
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
    )
    nodes = [helper.make_node("Loop", ["times", "true"], [], body=body)]
    constants = {"times": np.array(2**62, np.int64), "true": np.array(True)}
    assert "a loop or a branch" in refusal(written(tmp_path, nodes, constants))


def test_weights_in_another_file_are_refused(tmp_path):
    path = written(tmp_path, [helper.make_node("Mul", ["flat", "w"], ["y"])], {"w": np.ones(1, np.float32)})
    model = onnx.load(path)
    weight = next(one for one in model.graph.initializer if one.name == "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/hostname")
    path.write_bytes(model.SerializeToString())
    assert "weights in another file" in refusal(path)


def disguised(number: int, kind: int = 2) -> bytes:
    """A tag of 35 bits. Protobuf keeps 32 of them, so that it is that of a field."""
    return graph_check._number(number << 3 | kind | 1 << 32)


def field(tag: bytes, content: bytes) -> bytes:
    return tag + graph_check._number(len(content)) + content


def test_what_a_tag_of_too_many_bits_hides_is_refused(tmp_path):
    """onnxruntime read weights of another file, which this check took for a field that it does not know."""
    path = written(tmp_path, [])
    entry = onnx.StringStringEntryProto(key="location", value="weights.bin").SerializeToString()
    hidden = field(disguised(13), entry) + disguised(14, kind=0) + b"\1"
    weight = onnx.TensorProto(name="w", dims=[SPEC.dim], data_type=TensorProto.FLOAT).SerializeToString() + hidden
    node = helper.make_node("Add", ["cut", "w"], ["more"]).SerializeToString()
    (tmp_path / "weights.bin").write_bytes(np.ones(SPEC.dim, np.float32).tobytes())
    graph = field(b"\x0a", node) + field(b"\x2a", weight)
    path.write_bytes(path.read_bytes() + field(b"\x3a", graph))
    assert ort.InferenceSession(path).get_inputs()[0].name == INPUT_NAME  # it takes the file
    assert refusal(path) == "not a readable ONNX file"
    loop = helper.make_node("Anything", ["floats"], ["y"], domain="evil").SerializeToString()
    path.write_bytes(written(tmp_path, []).read_bytes() + field(disguised(7), field(b"\x0a", loop)))
    assert refusal(path) == "not a readable ONNX file"


def test_a_file_of_onnxruntime_itself_is_refused(tmp_path):
    """Its length-delimited field 1 makes the header an ONNX file, too: two readers would see two graphs."""
    path = written(tmp_path, [])
    path.write_bytes(b"\x0a\x06\0\0ORTM" + path.read_bytes())
    assert refusal(path) == "in onnxruntime's own format, expected ONNX; export it again"


def test_sparse_weights_and_weights_that_are_not_there_are_refused(tmp_path):
    path = written(tmp_path, [])
    model = onnx.load(path)
    model.graph.sparse_initializer.add(dims=[HUGE])
    path.write_bytes(model.SerializeToString())
    assert "sparse weights" in refusal(path)
    model = onnx.load(written(tmp_path, []))
    model.graph.initializer.add(name="w", dims=[HUGE], data_type=TensorProto.FLOAT)
    path.write_bytes(model.SerializeToString())
    assert f"states {HUGE:,} weights in " in refusal(path)


def test_other_inputs_are_refused(tmp_path):
    path = written(tmp_path, [])
    model = onnx.load(path)
    model.graph.input.add().CopyFrom(helper.make_tensor_value_info("more", TensorProto.FLOAT, [HUGE]))
    path.write_bytes(model.SerializeToString())
    assert "expected pixels, uint8 (N, S, S, 3)" in refusal(path)


def test_other_outputs_are_refused_at_load(tmp_path):
    """The service started, and failed at the first picture."""
    path = written(tmp_path, [])
    model = onnx.load(path)
    model.graph.output[0].name = model.graph.node[-1].output[0] = "other"
    path.write_bytes(model.SerializeToString())
    assert refusal(path) == f"gives ['other'], expected embedding, float32 (N, {SPEC.dim}); export it again"
    helper.set_model_props(model, {METADATA_KEY: dataclasses.replace(SPEC, dim=SPEC.dim + 1).to_json()})
    model.graph.output[0].name = model.graph.node[-1].output[0] = OUTPUT_NAME
    path.write_bytes(model.SerializeToString())
    assert refusal(path).startswith(
        f"gives embedding ['n', {SPEC.dim}], expected embedding, float32 (N, {SPEC.dim + 1})"
    )


def test_a_side_that_is_left_open_is_refused(tmp_path):
    path = written(tmp_path, [])
    model = onnx.load(path)
    for row in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[row].dim_param = "side"
    path.write_bytes(model.SerializeToString())
    refusal(path)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(graph_check, "MAX_FILE_BYTES", 100)
    assert refusal(written(tmp_path, [])).endswith("at most 100 for an encoder")


@pytest.mark.parametrize("keep", [0, 1, 10, 100, 400])
def test_a_file_that_is_cut_off_or_altered_is_one_line(tmp_path, keep):
    path = written(tmp_path, [])
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    refusal(path)
    path.write_bytes(whole[:keep] + b"\xff" * 40 + whole[keep + 40 :])
    refusal(path)


@pytest.mark.skipif(not CASE.exists(), reason="SHARED CASES ABSENT: only the graphs made here were tried")
def test_info_refuses_the_file_of_the_collection():
    process = run_verb("info", CASE)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr == (
        f"lookalike: {CASE}: one picture takes 68,719,476,740 bytes to compute, at most 268,435,456\n"
    )
