"""One file, which others can run, which says what it is, and which is only there when it agrees with the encoder."""

from __future__ import annotations

import hashlib
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from exporters.onnx import Exported, export, export_run
from exporters.parity import LIMITS, Parity, check_parity
from lookalike import cli
from lookalike.contract import EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import EncoderError, ExportError, TrainingError
from tests.training.small import SMALL, noise_frames, small_config, untrained_run
from training.checkpoint import load_checkpoint, weights_digest
from training.data import load_cache
from training.encoders import build_encoder
from training.evaluation.contenders import contenders
from training.evaluation.gallery import of_pictures
from training.head import EncoderWithHead, embed_pixels
from training.pictures import sample_frames
from training.train import train
from training.trained import load_trained

STEPS = 3
FP32 = LIMITS["fp32"]
GOOD = Parity(
    frames=64,
    batches=(1, 7),
    provider="CPUExecutionProvider",
    min_cosine=1.0,
    mean_cosine=1.0,
    min_cosine_centred=1.0,
    mean_cosine_centred=1.0,
    max_batch_difference=0.0,
    top10=1.0,
)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps on 24 frames."""
    config = small_config(steps=STEPS)
    run = untrained_run(tmp_path_factory.mktemp("runs") / "run", config)
    train(load_cache(run / "cache"), config, run)
    return run


@pytest.fixture(scope="session")
def exported(run: Path) -> Exported:
    return export_run(run, run.parent / "deep" / "encoder.onnx")


@pytest.fixture(scope="session")
def encoder(run: Path) -> EncoderWithHead:
    return load_trained(run)[0]


@pytest.fixture
def written_at_once(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the file that is there already for what the exporter writes: it takes seconds."""
    monkeypatch.setattr("exporters.onnx.to_onnx", lambda encoder, spec: onnx.load(exported.path))


@pytest.fixture(scope="session")
def real(run: Path) -> np.ndarray:
    return sample_frames(load_cache(run / "cache"), SMALL.input_px)[1]


def another(encoder: EncoderWithHead) -> EncoderWithHead:
    """The same network with other weights."""
    torch.manual_seed(SMALL.seed + 1)
    layer = encoder.layer("layout")
    other = EncoderWithHead(build_encoder(SMALL.arch), len(layer.center)).eval()
    other.layer("layout").set(layer.center, layer.weight)
    return other


def test_onnxruntime_alone_runs_the_file_and_gives_what_the_encoder_gives(
    exported: Exported, encoder: EncoderWithHead, real: np.ndarray, tmp_path: Path
) -> None:
    """Five lines in a process of its own, where Lookalike and torch cannot even be imported from."""
    np.save(tmp_path / "pixels.npy", real[:5])
    lines = f"""
import numpy, onnxruntime, sys
session = onnxruntime.InferenceSession({str(exported.path)!r}, providers=["CPUExecutionProvider"])
[embedding] = session.run(["embedding"], {{"pixels": numpy.load("pixels.npy")}})
numpy.save("embedding.npy", embedding)
assert not {{"lookalike", "training", "torch"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-I", "-c", lines], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "embedding.npy")
    assert found.dtype == np.float32
    assert np.allclose(found, embed_pixels(encoder, torch.from_numpy(real[:5])).numpy(), atol=1e-5)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_graph_takes_bytes_channels_last_and_any_number_of_pictures(exported: Exported) -> None:
    session = ort.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])
    [given], [answer] = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape[1:]) == ("pixels", "tensor(uint8)", [32, 32, 3])
    assert (answer.name, answer.type, answer.shape[1:]) == ("embedding", "tensor(float)", [exported.spec.dim])
    assert isinstance(given.shape[0], str)  # a name: dynamic
    assert given.shape[0] == answer.shape[0]
    for count in (1, 2, 7, 33):
        pictures = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        found = np.asarray(session.run(None, {"pixels": pictures})[0])
        assert found.shape == (count, exported.spec.dim)
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_graph_passes_the_checker_at_the_opset_stated(exported: Exported) -> None:
    model = onnx.load(exported.path)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [18]
    assert {node.domain for node in model.graph.node} == {""}  # nothing that only some runtimes know


def test_the_file_says_what_it_is(exported: Exported, encoder: EncoderWithHead, run: Path) -> None:
    assert exported.spec == EncoderSpec(
        name="compact-32",
        input_px=32,
        dim=encoder.dim,
        weights_sha256=weights_digest(encoder),
        steps=STEPS,
        frames=24,
        precision="fp32",
        arch="compact",
        light="absolute",
        whitened=False,
        fitted_to="gate.mp4",
        parity=exported.parity.to_dict(),
    )
    assert Encoder(exported.path, "cpu").spec == exported.spec
    entries = {entry.key: entry.value for entry in onnx.load(exported.path).metadata_props}
    graph = onnx.load(exported.path).graph.SerializeToString()
    assert entries.keys() == {"lookalike", "lookalike_graph_sha256"}
    assert entries["lookalike_graph_sha256"] == hashlib.sha256(graph).hexdigest()
    assert json.loads(entries["lookalike"])["space"] == exported.spec.space
    assert load_checkpoint(run / "checkpoint.pt")["step"] == STEPS


@pytest.mark.trust
def test_a_file_with_one_bit_of_its_weights_changed_is_refused(exported: Exported, tmp_path: Path) -> None:
    data, model = bytearray(exported.path.read_bytes()), onnx.load(exported.path)
    weights = max((tensor.raw_data for tensor in model.graph.initializer), key=len)
    assert data.count(weights) == 1
    data[data.index(weights) + len(weights) // 2] ^= 1
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(data)
    with pytest.raises(EncoderError, match=r"damaged\.onnx: its graph is not the one that was exported"):
        Encoder(damaged, "cpu")


def test_the_file_says_nothing_about_the_machine_that_wrote_it(exported: Exported) -> None:
    model = onnx.load(exported.path)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")  # among millions of random bytes, ".py" turns up by itself
    contents = model.SerializeToString()
    for path in (str(exported.path.parent), str(Path(__file__).parents[2]), sys.prefix, str(Path.home()), ".py"):
        assert path.encode() not in contents
    assert not re.search(rb"(?<![\w.])/(?:home|root|usr|tmp|work|var|opt|Users)/", contents)


def test_the_folder_is_made_and_holds_the_one_file(exported: Exported) -> None:
    assert [entry.name for entry in exported.path.parent.iterdir()] == ["encoder.onnx"]


def test_the_parity_is_measured_on_the_runs_frames(exported: Exported) -> None:
    parity = exported.parity
    assert (parity.frames, parity.batches) == (24, (1, 7))
    assert 0.99999 <= parity.min_cosine <= parity.mean_cosine <= 1 + 1e-6
    assert 0.9999 <= parity.min_cosine_centred <= 1 + 1e-6
    assert 0 <= parity.max_batch_difference <= 1e-5
    assert parity.top10 == 1


def test_evaluation_gives_the_file_the_embeddings_of_its_run(exported: Exported, run: Path) -> None:
    pictures = [frame.image for frame in noise_frames(6)]
    of_file, of_run = (contenders(path, of_pictures(pictures)) for path in (exported.path, run))
    assert [one.name for one in of_file] == [one.name for one in of_run]
    assert "untrained, same head" in [one.name for one in of_file]
    for one, other in zip(of_file, of_run, strict=True):
        assert np.allclose(one.embed(pictures), other.embed(pictures), atol=1e-5)


@pytest.mark.usefixtures("written_at_once")
def test_the_verb_prints_where_what_and_how_well(
    exported: Exported, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    cli.main(["export", str(run), "--out", str(tmp_path / "again.onnx")])
    printed = json.loads(capsys.readouterr().out)
    assert (printed["encoder"], printed["space"]) == (str(tmp_path / "again.onnx"), exported.spec.space)
    assert printed["parity"] == json.loads(exported.to_json())["parity"]
    assert printed["parity"]["frames"] == 24


@pytest.mark.usefixtures("written_at_once")
def test_a_file_that_disagrees_with_the_encoder_is_not_left(
    exported: Exported, encoder: EncoderWithHead, real: np.ndarray, tmp_path: Path
) -> None:
    """The file holds the weights of the run, the encoder has others."""
    with pytest.raises(ExportError, match=r"encoder\.onnx: not written: min_cosine is .*, expected at least 0.99999"):
        export(another(encoder), exported.spec, real, tmp_path / "encoder.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("written_at_once")
def test_a_centre_that_was_lost_is_noticed(
    exported: Exported, encoder: EncoderWithHead, real: np.ndarray, tmp_path: Path
) -> None:
    uncentred = EncoderWithHead(encoder.encoder, len(encoder.layer("layout").center)).eval()
    with pytest.raises(ExportError, match="not written: min_cosine"):
        export(uncentred, exported.spec, real, tmp_path / "encoder.onnx")


@pytest.mark.usefixtures("written_at_once")
def test_a_good_file_survives_an_export_that_fails(
    exported: Exported, encoder: EncoderWithHead, real: np.ndarray, tmp_path: Path
) -> None:
    out = tmp_path / "encoder.onnx"
    export(encoder, exported.spec, real, out)
    before = out.read_bytes()
    assert Encoder(out, "cpu").spec == exported.spec
    with pytest.raises(ExportError, match="not written"):
        export(another(encoder), exported.spec, real, out)
    assert out.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["encoder.onnx"]


@pytest.mark.usefixtures("written_at_once")
@pytest.mark.parametrize("where", ["a folder", "below a file"])
def test_an_out_that_cannot_be_written_is_told_in_one_line(
    exported: Exported, encoder: EncoderWithHead, real: np.ndarray, tmp_path: Path, where: str
) -> None:
    out = tmp_path / "taken" / "encoder.onnx" if where == "below a file" else tmp_path / "taken"
    if where == "below a file":
        (tmp_path / "taken").write_text("")
    else:
        out.mkdir()
    with pytest.raises(ExportError, match=r"taken.*: cannot write \(.+\)$"):
        export(encoder, exported.spec, real, out)
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_a_run_without_weights_is_told_in_one_line(tmp_path: Path) -> None:
    run = untrained_run(tmp_path / "run")
    (run / "checkpoint.pt").unlink()
    with pytest.raises(TrainingError, match="no such checkpoint"):
        export_run(run, tmp_path / "encoder.onnx")
    (run / "encoder.safetensors").unlink()
    with pytest.raises(TrainingError, match="cannot read the encoder's weights"):
        export_run(run, tmp_path / "encoder.onnx")
    assert not (tmp_path / "encoder.onnx").exists()


class Answers:
    """In place of an exported encoder: picture [[row]] -> row of the table, a little off when it is alone."""

    def __init__(self, table: np.ndarray, alone: float = 0.0) -> None:
        self.table, self.alone, self.provider = table, alone, "CPUExecutionProvider"

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        return self.table[pixels[:, 0, 0, 0]] + (self.alone if len(pixels) == 1 else 0)


def parity_of(wanted: np.ndarray, got: np.ndarray, alone: float = 0.0) -> Parity:
    """What `check_parity` says of two tables of embeddings."""
    real = np.zeros((len(wanted), 1, 1, 3), np.uint8)
    real[:, 0, 0, 0] = np.arange(len(wanted))
    return check_parity(wanted, Answers(got, alone), real)  # pyright: ignore[reportArgumentType]


def circle(*degrees: float) -> np.ndarray:
    angles = np.radians(np.array(degrees, float))
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def test_equal_embeddings_agree_in_every_measure() -> None:
    table = circle(*range(0, 360, 15))
    found = parity_of(table, table)
    assert (found.frames, found.max_batch_difference, found.top10) == (24, 0, 1)
    assert (found.min_cosine, found.mean_cosine, found.min_cosine_centred) == pytest.approx((1, 1, 1), abs=1e-6)
    assert found.shortfall(FP32) is None


def test_one_frame_that_is_turned_is_the_smallest_cosine() -> None:
    """One of four by 60 degrees: cosine 1/2, mean (3 + 1/2) / 4."""
    found = parity_of(circle(0, 90, 180, 270), circle(0, 90, 180, 330))
    assert (found.min_cosine, found.mean_cosine) == pytest.approx((0.5, 0.875), abs=1e-6)
    assert found.mean_cosine_centred == pytest.approx(0.875, abs=1e-6)  # their mean is 0 already


def test_centred_cosines_show_what_a_common_direction_hides() -> None:
    """All within +-0.1 degrees, mirrored: a plain cosine of 0.99999, a centred one of -1."""
    found = parity_of(circle(0.1, -0.1), circle(-0.1, 0.1))
    assert found.min_cosine == pytest.approx(math.cos(math.radians(0.2)), abs=1e-6)
    assert found.min_cosine_centred == pytest.approx(-1, abs=1e-3)


def test_a_change_with_the_batch_is_measured_in_numbers() -> None:
    """A frame alone comes out .25 larger in each number; in batches of seven it does not."""
    table = circle(*range(0, 360, 15))
    assert parity_of(table, table, alone=0.25).max_batch_difference == pytest.approx(0.25, abs=1e-6)


def test_neighbours_that_are_lost_are_counted() -> None:
    """Two groups of eleven: each frame's ten neighbours are its own group. One of each group changes sides.

    The 20 that stay find nine of ten (the tenth is the stranger), the two strangers none: (20 * .9 + 0) / 22.
    """
    wanted = np.repeat(np.eye(2, dtype=np.float32), 11, 0)
    got = wanted.copy()
    got[[0, 11]] = got[[11, 0]]
    assert parity_of(wanted, got).top10 == pytest.approx(18 / 22)


def test_neighbours_that_are_as_near_are_not_lost() -> None:
    """Of twelve equal ones any ten are the nearest."""
    wanted = np.tile(np.array([[1.0, 0.0]], np.float32), (12, 1))
    rounded = wanted + np.linspace(0, 1e-7, 12, dtype=np.float32)[:, None]
    assert parity_of(wanted, rounded).top10 == 1


@pytest.mark.parametrize("name", ["min_cosine", "top10", "max_batch_difference"])
def test_a_measure_that_is_not_a_number_does_not_hold(name: str) -> None:
    assert GOOD.shortfall(FP32) is None
    assert "nan" in (replace(GOOD, **{name: math.nan}).shortfall(FP32) or "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_cosine": 0.99998}, "min_cosine is 0.999980, expected at least 0.99999"),
        ({"top10": 0.98}, "top10 is 0.980000, expected at least 0.99"),
        (
            {"max_batch_difference": 2e-5},
            "max_batch_difference is 2.00e-05, expected at most 1e-05",
        ),
    ],
)
def test_the_measure_that_failed_is_named(changes: dict[str, float], message: str) -> None:
    assert replace(GOOD, **changes).shortfall(FP32) == message


def test_measures_at_their_limits_hold() -> None:
    at_limit = replace(GOOD, min_cosine=FP32.min_cosine, top10=FP32.top10, max_batch_difference=FP32.batch_difference)
    assert at_limit.shortfall(FP32) is None


def test_an_encoder_that_gives_no_numbers_is_not_exported() -> None:
    table = circle(*range(0, 360, 15))
    broken = np.full_like(table, np.nan)
    assert "min_cosine is nan" in (parity_of(broken, broken).shortfall(FP32) or "")
