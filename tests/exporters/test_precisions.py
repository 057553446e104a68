"""fp16 and int8 files: float32 in and out, verified, and refused when they lose too much."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file
from torch import nn

from exporters.graph import write_spec
from exporters.int8 import Judge, QuantConfig, Quantizer, quantisable, quantize
from exporters.onnx import export
from exporters.parity import LIMITS, Parity
from lookalike import cli
from lookalike.contract import EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import ExportError
from lookalike.runtime import open_session
from tests.conftest import TEST_SEED
from tests.exporters.test_export import GOOD
from tests.small_disk import fill, small_disk
from tests.training.small import noise_frames, untrained_run
from training.config import TrainConfig
from training.encoders import Normalize, build_encoder
from training.head import EncoderWithHead, embed_pixels, fit_head
from training.pictures import fit_all

SIDE = 32
SPEC = EncoderSpec("toy", SIDE, 8, "0" * 64, 0, 0)


class Toy(nn.Module):
    """Three convolutions, one of them beside a shortcut, and the mean of each of 8 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = torch.relu(self.first(images))
        return torch.relu(self.third(found) + self.second(found)).mean((2, 3))


@pytest.fixture(scope="module")
def toy() -> EncoderWithHead:
    torch.manual_seed(TEST_SEED)
    return EncoderWithHead(nn.Sequential(Normalize(), Toy()), 8).eval()


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """64 pictures, each of one colour."""
    colours = np.random.default_rng(0).integers(0, 256, (64, 1, 1, 3), dtype=np.uint8)
    return np.tile(colours, (1, SIDE, SIDE, 1))


@pytest.fixture(scope="module")
def fp32(toy: EncoderWithHead, frames: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(toy, SPEC, frames, tmp_path_factory.mktemp("exported") / "fp32.onnx").path


@pytest.fixture
def written_at_once(fp32: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the file that is there already for what the exporter writes: it takes seconds."""

    def load(encoder: EncoderWithHead, spec: EncoderSpec) -> onnx.ModelProto:
        model = onnx.load(fp32)
        write_spec(model, spec)
        return model

    monkeypatch.setattr("exporters.onnx.to_onnx", load)


def element_types(path: Path) -> set[int]:
    return {tensor.data_type for tensor in onnx.load(path).graph.initializer}


def kernels(path: Path) -> list[onnx.TensorProto]:
    """Weights of the convolutions, which all have 8 outputs."""
    return [tensor for tensor in onnx.load(path).graph.initializer if len(tensor.dims) == 4 and tensor.dims[0] == 8]


def test_fp16_computes_in_half_and_gives_float32(toy: EncoderWithHead, frames: np.ndarray, tmp_path: Path) -> None:
    exported = export(toy, SPEC, frames, tmp_path / "half.onnx", "fp16")
    assert exported.spec.precision == "fp16"
    assert exported.spec.space != SPEC.space
    assert TensorProto.FLOAT16 in element_types(exported.path)
    encoder = Encoder(exported.path, "cpu")
    assert encoder.spec == exported.spec
    assert exported.parity.min_cosine >= 0.999
    found = encoder.embed(frames[:5])
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert toy.encoder[1].first.weight.dtype == torch.float32  # pyright: ignore[reportIndexIssue]


@pytest.mark.usefixtures("written_at_once")
def test_int8_quantises_every_convolution_and_what_lies_between(
    toy: EncoderWithHead, frames: np.ndarray, tmp_path: Path
) -> None:
    told: list[str] = []
    exported = export(toy, SPEC, frames, tmp_path / "int8.onnx", "int8", told.append)
    assert exported.note == "minmax ranges"
    assert told == [f"int8, minmax ranges: within the limits, top10 {exported.parity.top10:.3f}"]
    assert exported.parity.frames == 32  # the other half is what it was calibrated on
    assert exported.parity.top10 >= 0.95
    weights = kernels(exported.path)
    assert [tensor.data_type for tensor in weights] == [TensorProto.INT8] * 3
    for tensor in weights:  # eight bits, each channel by its own scale
        assert (np.abs(onnx.numpy_helper.to_array(tensor).astype(int)).max((1, 2, 3)) == 127).all()
    assert Encoder(exported.path, "cpu").spec == exported.spec
    assert [path.name for path in tmp_path.iterdir()] == ["int8.onnx"]


@pytest.mark.usefixtures("written_at_once")
def test_another_calibration_is_another_space(toy: EncoderWithHead, frames: np.ndarray, tmp_path: Path) -> None:
    one = export(toy, SPEC, frames, tmp_path / "one.onnx", "int8")
    same = export(toy, SPEC, frames, tmp_path / "same.onnx", "int8")
    other = export(toy, SPEC, frames // 2, tmp_path / "other.onnx", "int8")
    assert one.spec.space == same.spec.space
    assert len({SPEC.space, one.spec.space, other.spec.space}) == 3


@pytest.mark.usefixtures("written_at_once")
def test_a_file_may_not_be_quantised_by_its_pixels_or_its_last_layer(
    toy: EncoderWithHead, frames: np.ndarray, tmp_path: Path
) -> None:
    """Of the three Adds none is before the first convolution, and Gemm takes float32."""
    exported = export(toy, SPEC, frames, tmp_path / "int8.onnx", "int8")
    graph = onnx.load(exported.path).graph
    dequantised = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    [gemm] = [node for node in graph.node if node.op_type in ("Gemm", "MatMul")]
    assert not dequantised & set(gemm.input)


def graph_of(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "graph", [], [])


def test_only_what_carries_quantised_numbers_on_is_quantised() -> None:
    """An Add of pixels, one whose other side is not quantised, and what follows a convolution that is kept, are not."""
    node = helper.make_node
    graph = graph_of(
        node("Add", ["pixels", "floor"], ["x"], "light"),
        node("Conv", ["x", "w"], ["a"], "conv a"),
        node("Relu", ["a"], ["b"], "relu a"),
        node("Conv", ["b", "w"], ["c"], "conv c"),
        node("Add", ["b", "c"], ["d"], "sum"),
        node("MaxPool", ["d"], ["e"], "pool"),
        node("Mul", ["e", "scale"], ["f"], "scale"),
        node("Add", ["f", "e"], ["g"], "other sum"),
    )
    assert quantisable(graph) == ["conv a", "relu a", "conv c", "sum", "pool"]
    assert quantisable(graph, ["conv a"]) == ["conv c"]
    assert quantisable(graph, ["conv a", "conv c"]) == []


class Needs:
    """Says of each file that its neighbours agree if some convolution stayed as it was, and counts what it saw."""

    def __init__(self, needs_kept: int) -> None:
        self.needs, self.seen = needs_kept, []

    def __call__(self, path: Path) -> Parity:
        kept = sum(tensor.data_type == TensorProto.FLOAT for tensor in kernels(path))
        self.seen.append(kept)
        return dataclasses.replace(GOOD, top10=1.0 if kept == self.needs else 0.5)


def test_when_all_in_int8_loses_too_much_layers_are_kept_one_at_a_time(
    fp32: Path, frames: np.ndarray, tmp_path: Path
) -> None:
    """Two ways of taking ranges; then each of three layers alone in int8, to see which costs most; then without it."""
    shutil.copy(fp32, tmp_path / "fp32.onnx")
    needs, rough, told = Needs(needs_kept=1), Needs(needs_kept=2), []
    judge = Judge(needs, lambda path: rough(path).top10, LIMITS["int8"])
    path, note = quantize(tmp_path / "fp32.onnx", frames, judge, told.append)
    assert (needs.seen, rough.seen) == ([0, 0, 1], [2, 2, 2])
    assert note == "minmax ranges, 1 convolution(s) kept in fp32"
    assert [line.split(":")[0] for line in told] == [
        "int8, minmax ranges",
        "int8, percentile ranges",
        "int8",
        "int8, minmax ranges, 1 convolution(s) kept in fp32",
    ]
    assert len(kernels(path)) == 3


@pytest.mark.usefixtures("written_at_once")
def test_what_loses_too_much_in_every_way_is_refused_and_leaves_nothing(
    toy: EncoderWithHead, frames: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(
        ExportError, match=r"int8 costs this encoder too much accuracy: .*use --precision fp32, .*with --min-top10"
    ):
        export(toy, SPEC, frames, tmp_path / "int8.onnx", "int8", min_top10=1.01)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("written_at_once")
@pytest.mark.parametrize("files", [1.5, 2.5, 3.5, 4.5])
def test_a_disk_that_is_too_small_to_quantise_on_is_named(
    files: float, fp32: Path, toy: EncoderWithHead, frames: np.ndarray, tmp_path: Path
) -> None:
    """ONNX's native code writes half a file there and does not say so: reading it was a traceback."""
    with small_disk(tmp_path / "disk", 1) as disk:
        other = fill(disk, int(files * fp32.stat().st_size))
        with pytest.raises(ExportError, match=r"disk/int8.onnx: cannot write \(No space left on device\)"):
            export(toy, SPEC, frames, disk / "int8.onnx", "int8")
        assert list(disk.iterdir()) == [other]


@pytest.mark.usefixtures("written_at_once")
def test_quantising_needs_no_other_disk(
    toy: EncoderWithHead, frames: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder for temporary files was written to as well; a full one was a traceback, or was not named."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    assert export(toy, SPEC, frames, tmp_path / "int8.onnx", "int8").note == "minmax ranges"


def test_a_layer_that_is_kept_keeps_its_very_weights(fp32: Path, frames: np.ndarray, tmp_path: Path) -> None:
    quantizer = Quantizer(fp32, frames, tmp_path)
    path = quantizer.write(QuantConfig(kept=(quantizer.convolutions[1],)))
    [kept] = [tensor for tensor in kernels(path) if tensor.data_type == TensorProto.FLOAT]
    before = [onnx.numpy_helper.to_array(tensor) for tensor in kernels(fp32)]
    assert any(np.array_equal(onnx.numpy_helper.to_array(kept), one) for one in before)


def chain(path: Path) -> None:
    """Three convolutions in a row, a, b and c, of 4 channels: b makes them 1, .1, .01 and .001 of what they were, and
    c brings them back, so that all count the same.
    """
    node, sizes = helper.make_node, np.array([1, 0.1, 0.01, 0.001], np.float32)
    first = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], np.float32)
    weights = {"a": first, "b": np.diag(sizes), "c": np.diag(1 / sizes)}
    nodes = [
        node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        node("Transpose", ["numbers"], ["x"], perm=[0, 3, 1, 2]),
        node("Conv", ["x", "a"], ["p"], "a"),
        node("Relu", ["p"], ["q"], "relu a"),
        node("Conv", ["q", "b"], ["r"], "b"),
        node("Relu", ["r"], ["s"], "relu b"),
        node("Conv", ["s", "c"], ["embedding"], "c"),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", 4, 4, 3])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 4, 4, 4])
    constants = [onnx.numpy_helper.from_array(one[:, :, None, None], name) for name, one in weights.items()]
    graph = helper.make_graph(nodes, "chain", [pixels], [embedding], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def test_the_runtime_leaves_what_is_kept_as_it_is(tmp_path: Path) -> None:
    """onnxruntime would quantise the kept layer's weights, with one scale: the channels of .01 and .001 would be 0."""
    chain(tmp_path / "fp32.onnx")
    frames = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 3), dtype=np.uint8)
    path = Quantizer(tmp_path / "fp32.onnx", frames, tmp_path).write(QuantConfig(kept=("b",)))
    as_written = ort.SessionOptions()
    as_written.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = ort.InferenceSession(str(path), as_written, providers=["CPUExecutionProvider"])
    wanted, got = (
        np.asarray(one.run(None, {"pixels": frames})[0]) for one in (plain, open_session(path, "cpu", threads=1))
    )
    # A sum that rounds to the other side is one step of 256.
    assert np.abs(got - wanted).max() <= 1.5 * (wanted.max() - wanted.min()) / 255


@pytest.mark.parametrize(("flags", "exact"), [("avx2 avx512f", "1"), ("avx2 avx512_vnni", "0"), ("avx_vnni", "0")])
def test_slow_kernels_are_asked_for_only_where_fast_ones_overflow(
    flags: str, exact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fp32: Path
) -> None:
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: fpu {flags}\n")
    monkeypatch.setattr("lookalike.runtime.CPU_INFO", tmp_path / "cpuinfo")
    options = open_session(fp32, "cpu", threads=1).get_session_options()
    assert options.get_session_config_entry("session.x64quantprecision") == exact


def test_a_run_is_exported_in_the_precision_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = untrained_run(tmp_path / "run")
    cli.main(["export", str(run), "--out", str(tmp_path / "half.onnx"), "--precision", "fp16"])
    told = json.loads(capsys.readouterr().out)
    assert told["precision"] == "fp16"
    cli.main(["info", str(tmp_path / "half.onnx")])
    said = json.loads(capsys.readouterr().out)
    assert (said["precision"], said["parity"]) == ("fp16", told["parity"])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, frame in enumerate(noise_frames(12)):
        Image.fromarray(frame.image).save(folder / f"{number}.png")
    return folder


def test_weights_from_elsewhere_become_a_file(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(3)
    network = build_encoder("compact")[1].eval()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    out = tmp_path / "encoder.onnx"
    given = ["--from", str(tmp_path / "weights.safetensors"), "--arch", "compact", "--input-px", "32"]
    cli.main(["export", *given, "--footage", str(pictures), "--out", str(out)])
    told = json.loads(capsys.readouterr().out)
    assert told["parity"]["min_cosine"] >= 0.99999
    spec = Encoder(out, "cpu").spec
    assert (spec.arch, spec.light, spec.steps, spec.frames, spec.whitened) == ("compact", "absolute", 0, 0, True)
    assert [part.name for part in spec.parts] == ["content", "layout", "colour"]
    order = sorted(range(12), key=str)  # as the folder is read
    frames = fit_all([noise_frames(12)[row].image for row in order], round(32 * 1.15))
    config = TrainConfig(arch="compact", init="none", light="absolute", input_px=32, device="cpu")
    wanted = fit_head(nn.Sequential(Normalize(), network), frames, config, camera=np.zeros(12, int))
    own = torch.from_numpy(fit_all(frames, 32))
    assert np.allclose(Encoder(out, "cpu").embed(own.numpy()), embed_pixels(wanted, own).numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "expected either the folder of a run or --from with weights"),
        (["run", "--from", "w.pt"], "expected either the folder of a run or --from with weights"),
        (["--from", "w.pt"], "--from without --footage"),
        (["run", "--min-top10", "95"], "--min-top10 is 95, expected 0 to 1"),
        (["--from", "w.pt", "--footage", "clips", "--input-px", "0"], "--input-px is 0, expected more than 0"),
    ],
)
def test_what_does_not_go_together_is_told_in_one_line(
    given: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["export", *given, "--out", "encoder.onnx"])
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


def test_weights_of_another_network_are_refused(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file({"first": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(SystemExit) as caught:
        cli.main(
            [
                *("export", "--from", str(tmp_path / "weights.safetensors"), "--arch", "compact"),
                *("--footage", str(pictures), "--out", str(tmp_path / "encoder.onnx")),
            ]
        )
    assert caught.value.code == 1
    assert "weights.safetensors: not weights of compact" in capsys.readouterr().err
    assert not (tmp_path / "encoder.onnx").exists()
