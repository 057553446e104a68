"""A head fitted to other footage, without training: of a file, and of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from exporters.graph import write_spec
from exporters.onnx import export_run
from exporters.refit import refit
from lookalike import cli
from lookalike.encoder import Encoder, read_spec
from lookalike.errors import ExportError
from lookalike.footage import Frame
from lookalike.parts import PartName
from tests.training.small import noise_frames, small_config, untrained_run
from training.data import NO_REGIONS, build_cache
from training.head import Features, embed_pixels, fit_head, fit_layers
from training.pictures import fit_all
from training.trained import load_trained

CONFIG = small_config(head=True, content=6, layout=8, colour=5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("refit") / "run", CONFIG)


@pytest.fixture(scope="module")
def encoder(run: Path) -> Path:
    return export_run(run, run.parent / "encoder.onnx").path


def elsewhere() -> list[Frame]:
    """Footage that the run was not trained on: darker noise, of another camera."""
    frames = noise_frames(40)[24:]
    return [Frame(frame.image // 2, "yard.mp4", "yard", "yard", frame.time_s, frame.pts_us) for frame in frames]


def wanted(run: Path, folder: Path, in_bytes: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of that footage, and what the run's encoder gives for them with a head fitted to it.

    in_bytes: whether the encoder sees perturbed pictures in 8 bits, as a graph does; with so few, that decides much.
    """
    cache = build_cache(folder, elsewhere(), CONFIG.cache_px, lambda frame: None)
    head = load_trained(run)[0]
    if in_bytes:
        lengths: dict[PartName, int | None] = {part.name: part.dim for part in head.parts}

        def seen(images: torch.Tensor) -> Features:
            return head.features_of((images * 255).round() / 255)

        layers = fit_layers(seen, lengths, cache.frames, NO_REGIONS, CONFIG.input_px, camera=cache.camera)
        for name, layer in layers.items():
            head.layer(name).set(*layer)
    else:
        head = fit_head(head.encoder, cache.frames, CONFIG, camera=cache.camera)
    pixels = fit_all(cache.frames, CONFIG.input_px)
    return pixels, embed_pixels(head, torch.from_numpy(pixels)).numpy()


def test_a_refitted_file_gives_what_a_head_fitted_there_gives(run: Path, encoder: Path, tmp_path: Path) -> None:
    pixels, there = wanted(run, tmp_path / "cache", in_bytes=True)
    before, exported = Encoder(encoder, "cpu"), refit(encoder, elsewhere(), tmp_path / "here.onnx")
    after = Encoder(tmp_path / "here.onnx", "cpu")
    cosines = (after.embed(pixels) * there).sum(1)
    assert cosines.min() > 0.99
    assert (before.embed(pixels) * there).sum(1).min() < 0.9
    assert exported.parity.min_cosine > 0.99999
    assert after.spec.parts == before.spec.parts
    assert after.spec.space != before.spec.space
    assert (before.spec.fitted_to, after.spec.fitted_to) == ("gate.mp4", "yard.mp4")


def test_a_run_is_exported_with_a_head_for_other_footage(run: Path, tmp_path: Path) -> None:
    pixels, there = wanted(run, tmp_path / "cache")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, frame in enumerate(elsewhere()):
        Image.fromarray(frame.image).save(folder / f"{number:02}.png")
    cli.main(["export", str(run), "--footage", str(folder), "--out", str(tmp_path / "here.onnx")])
    found = Encoder(tmp_path / "here.onnx", "cpu")
    assert (found.embed(pixels) * there).sum(1).min() > 0.999
    assert found.spec.fitted_to == "00.png, 01.png, 02.png and 13 more"


def test_the_verb_prints_its_parity(encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, frame in enumerate(elsewhere()):
        Image.fromarray(frame.image).save(tmp_path / f"{number}.png")
    out = tmp_path / "here.onnx"
    cli.main(["refit", str(encoder), "--footage", str(tmp_path), "--out", str(out)])
    assert json.loads(capsys.readouterr().out)["parity"]["top10"] == 1


def test_a_file_whose_graph_has_no_head_is_refused_and_nothing_is_written(encoder: Path, tmp_path: Path) -> None:
    model = onnx.load(encoder)
    for node in model.graph.node:
        node.input[:] = [name.replace("layers.layout.center", "other") for name in node.input]
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.replace("layers.layout.center", "other")
    write_spec(model, read_spec(encoder), sealed=True)
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ExportError, match=r"other\.onnx: the graph has no layout layer to fit"):
        refit(tmp_path / "other.onnx", elsewhere(), tmp_path / "here.onnx")
    assert not (tmp_path / "here.onnx").exists()
