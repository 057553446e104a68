"""The ONNX session, with an encoder whose answers numpy can work out."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from lookalike import runtime
from lookalike.contract import METADATA_KEY, RunDevice
from lookalike.encoder import MAX_BATCH, Encoder, read_spec
from lookalike.errors import DeviceError, EncoderError
from tests.tiny import INPUT_PX, SPEC, tiny_embedding


@pytest.fixture(scope="module")
def encoder(tiny_encoder):
    return Encoder(tiny_encoder, "cpu", threads=1)


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, INPUT_PX, INPUT_PX, 3), np.uint8)


def expected(batch: np.ndarray) -> np.ndarray:
    return np.stack([tiny_embedding(one) for one in batch])


def refusal(path, device: RunDevice = "cpu", kind=EncoderError) -> str:
    with pytest.raises(kind) as caught:
        Encoder(path, device)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_spec_is_read_from_the_file(encoder):
    assert encoder.spec == SPEC
    assert encoder.provider == "CPUExecutionProvider"


def test_the_spec_is_read_without_a_session(tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(ort, "InferenceSession", None)
    assert read_spec(tiny_encoder) == SPEC
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(tiny_encoder.read_bytes()[:-1])
    for path, said in ((tmp_path / "none.onnx", "no such file"), (cut, "not a readable ONNX file")):
        with pytest.raises(EncoderError, match=f"{path}: {said}"):
            read_spec(path)


def test_embeddings_are_what_the_graph_computes(encoder):
    batch = pictures(5)
    embeddings = encoder.embed(batch)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, expected(batch), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_a_view_that_is_not_contiguous_is_embedded_as_it_looks(encoder):
    mirrored = pictures(3)[:, :, ::-1]
    np.testing.assert_allclose(encoder.embed(mirrored), expected(mirrored), atol=1e-5)


def test_an_empty_batch_gives_no_rows(encoder):
    assert encoder.embed(pictures(0)).shape == (0, SPEC.dim)


def test_large_batches_are_run_in_slices(encoder, monkeypatch):
    batch = pictures(2 * MAX_BATCH + 1)
    sizes: list[int] = []
    session = encoder._session

    class Watched:
        def run(self, names, feeds):
            sizes.append(len(next(iter(feeds.values()))))
            return session.run(names, feeds)

    monkeypatch.setattr(encoder, "_session", Watched())
    np.testing.assert_allclose(encoder.embed(batch), expected(batch), atol=1e-5)
    assert sizes == [MAX_BATCH, MAX_BATCH, 1]


@pytest.mark.parametrize(
    "batch",
    [
        pictures(1).astype(np.float32),
        pictures(1).transpose(0, 3, 1, 2),
        pictures(1)[0],
        pictures(1)[:, :-1],
        pictures(1)[..., :1],
        np.zeros(3, np.uint8),
    ],
    ids=["float", "channels first", "no batch", "31 rows", "grey", "flat"],
)
def test_other_shapes_and_types_are_refused(encoder, batch):
    with pytest.raises(ValueError, match=r"pixels are .*, expected uint8 \(N, 32, 32, 3\)") as caught:
        encoder.embed(batch)
    assert str(batch.shape) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    assert refusal(tmp_path / "gone.onnx").startswith(f"{tmp_path / 'gone.onnx'}: no such file")


def test_a_folder_is_no_encoder(tmp_path):
    assert refusal(tmp_path).startswith(f"{tmp_path}: no such file")


@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_file_that_is_cut_is_refused(tmp_path, tiny_encoder, keep):
    whole = tiny_encoder.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: round(len(whole) * keep)])
    assert refusal(tmp_path / "cut.onnx").startswith(f"{tmp_path / 'cut.onnx'}: ")


def test_text_named_onnx_is_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("this is no model")
    assert "not a readable ONNX file" in refusal(tmp_path / "text.onnx")


def test_a_model_of_somebody_else_is_refused(tmp_path, tiny_encoder):
    model = onnx.load(tiny_encoder)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    assert "an ONNX file without Lookalike metadata" in refusal(tmp_path / "foreign.onnx")


def test_a_model_with_broken_metadata_is_refused(tmp_path, tiny_encoder):
    model = onnx.load(tiny_encoder)
    onnx.helper.set_model_props(model, {METADATA_KEY: "{}"})
    onnx.save(model, tmp_path / "broken.onnx")
    assert "unreadable encoder metadata" in refusal(tmp_path / "broken.onnx")


@pytest.mark.parametrize(
    ("device", "missing"),
    [("cuda", "onnxruntime-gpu"), ("tensorrt", "tensorrt-cu13"), ("openvino", "onnxruntime-openvino")],
)
def test_a_device_without_its_provider_is_an_error_that_names_what_is_missing(
    tiny_encoder, monkeypatch, device, missing
):
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    said = refusal(tiny_encoder, device, DeviceError)
    assert said.startswith(f"asked for {device}: onnxruntime has CPUExecutionProvider; it needs ")
    assert missing in said


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_an_nvidia_device_without_a_driver_is_an_error(tiny_encoder, monkeypatch, device):
    monkeypatch.setattr(ort, "get_available_providers", lambda: list(runtime.PROVIDERS.values()))
    monkeypatch.setattr(runtime, "has_nvidia_driver", lambda: False)
    assert f"asked for {device}: no NVIDIA driver is loaded; it needs" in refusal(tiny_encoder, device, DeviceError)


def test_a_device_that_onnxruntime_silently_leaves_is_an_error(tiny_encoder, monkeypatch):
    """What onnxruntime does when CUDA's libraries do not load: it warns, and takes the CPU."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: list(runtime.PROVIDERS.values()))
    monkeypatch.setattr(runtime, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(runtime, "_providers", lambda device: ["CPUExecutionProvider"])
    says = "asked for cuda, onnxruntime gave CPUExecutionProvider: it needs onnxruntime-gpu"
    assert refusal(tiny_encoder, "cuda", DeviceError).startswith(says)


def test_auto_without_a_driver_takes_the_cpu(tiny_encoder, monkeypatch):
    monkeypatch.setattr(runtime, "has_nvidia_driver", lambda: False)
    assert Encoder(tiny_encoder, "auto").provider == "CPUExecutionProvider"
