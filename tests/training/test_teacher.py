"""A teacher's targets: what they are of, and what learning from them does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lookalike.encoder import Encoder
from lookalike.errors import EncoderError
from tests.tiny import parts_embedding, write_parts_encoder
from tests.training.small import SMALL, noise_frames, small_cache, small_config
from training.byol import Byol
from training.encoders import build_encoder, embedding_dim
from training.pictures import fit_all
from training.run import start_run
from training.teacher import targets_of, teacher_targets
from training.train import train


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of content (3 numbers), layout (4) and colour (2)."""
    return write_parts_encoder(tmp_path_factory.mktemp("teacher") / "encoder.onnx")


def test_targets_are_the_teachers_parts_but_colour(teacher: Path, tmp_path: Path) -> None:
    cache = small_cache(tmp_path)
    targets = teacher_targets(teacher, cache, "cpu")
    pictures = fit_all(cache.frames, Encoder(teacher, "cpu").spec.input_px)
    whole = np.stack([parts_embedding(picture) for picture in pictures])[:, :7]
    wanted = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    assert targets.shape == (24, 7)
    assert np.allclose(targets, wanted, atol=1e-5)


def test_an_encoder_in_one_piece_is_the_target_as_it_is(tiny_encoder: Path, tmp_path: Path) -> None:
    cache, encoder = small_cache(tmp_path), Encoder(tiny_encoder, "cpu")
    wanted = encoder.embed(fit_all(cache.frames, encoder.spec.input_px))
    assert np.allclose(teacher_targets(tiny_encoder, cache, "cpu"), wanted, atol=1e-6)


def test_each_view_has_the_target_of_its_picture() -> None:
    teacher = torch.arange(10.0)[:, None]
    one, other = targets_of(teacher, np.array([3, 1]), np.array([4, 1]))
    assert one.tolist() == [[3], [1]]
    assert other.tolist() == [[4], [1]]
    assert list(targets_of(None, np.array([3]))) == []


def test_the_loss_grows_by_the_distance_to_the_targets() -> None:
    """4 for each view where the prediction points away from its target, 0 where it points there."""
    torch.manual_seed(SMALL.seed)
    encoder = build_encoder("compact")
    network = Byol(encoder, embedding_dim(encoder, 32), 16, 8, teacher_dim=3).eval()
    views = torch.rand(2, 4, 3, 32, 32)
    assert network.student
    with torch.no_grad():
        predictions = [network.student(network.encoder(view)) for view in views]
        alone = [float(network(*views, *targets)[0]) for targets in (predictions, [-one for one in predictions])]
    assert alone[1] - alone[0] == pytest.approx(8, abs=1e-4)


def test_a_student_comes_nearer_to_its_teacher(teacher: Path, tmp_path: Path) -> None:
    losses: list[float] = []
    config = small_config(teacher=str(teacher), steps=60, views="camera")
    train(small_cache(tmp_path / "cache"), config, tmp_path, on_progress=lambda now: losses.append(now.loss))
    assert losses[-1] < losses[0] - 1  # of two views' distances, which begin near 2 each


def test_what_is_cached_is_as_large_as_the_teacher_wants_it(teacher: Path, tmp_path: Path) -> None:
    side = Encoder(teacher, "cpu").spec.input_px
    config = small_config(teacher=str(teacher), input_px=16)
    cache, settled = start_run(noise_frames(4), config, tmp_path / "run", lambda frame: None, print)
    assert cache.frames.shape[1] == settled.cache_px == side


def test_a_teacher_that_is_not_there_is_told_before_footage_is_read(tmp_path: Path) -> None:
    config = small_config(teacher=str(tmp_path / "none.onnx"))
    with pytest.raises(EncoderError, match="no such file"):
        start_run(iter(()), config, tmp_path / "run", lambda frame: None, print)
    assert not (tmp_path / "run").exists()
