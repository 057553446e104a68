"""The CIFAR-10 benchmark runs on a handful of pictures, and its tables say what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from benchmarks import cifar10
from benchmarks.cifar10 import Knn, Labelled, Run, embedder, main, read
from benchmarks.narrow import resnet10
from lookalike.errors import FootageError

CPU = torch.device("cpu")
COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


def class_folders(folder: Path, each: int) -> Path:
    """Noisy pictures of one colour a class."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = np.clip(np.array(colour) + rng.integers(-20, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:04}.png")
    return folder


def test_it_trains_and_measures_every_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, test = class_folders(tmp_path / "train", 24), class_folders(tmp_path / "test", 5)
    main(train, test, arch="compact", batch=8, epochs=4, every=2, device="cpu")
    printed, told = capsys.readouterr()
    assert "compact, 48 pictures, 24 steps of 8 (4 epochs), tested on 10, seeds 0" in printed
    assert "This is not the whole recipe" in printed
    assert "| HSV histogram | 100.0% | 100.0% | | |" in printed  # colour is all that the classes differ in
    for text in (printed, told):  # each measurement is told when it is made, too
        assert [line.split("|")[2].strip() for line in text.splitlines() if line.startswith("| 0 |")] == ["2", "4"]
    assert "| BYOL, 200 epochs of 128 (lightly's benchmark page, its best epoch) | 86.9% | | 121.9 min | |" in printed


def test_settings_and_the_size_of_its_input_stand_in_for_the_recipes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two halves to train on, 16 pictures each: an epoch is 4 steps of 8."""
    halves = [class_folders(tmp_path / name, 8) for name in ("a", "b")]
    test, settings = class_folders(tmp_path / "test", 5), ("hidden=16", "compile=off")
    main(*halves, test, arch="benchmarks.narrow:resnet10", batch=8, steps=8, input_px=16, set_=settings, device="cpu")
    printed = capsys.readouterr().out
    assert "resnet10, 32 pictures, 8 steps of 8 (2 epochs), tested on 10, seeds 0, hidden=16, compile=off" in printed
    assert "| raw pixels 16x16 |" in printed
    assert "This is not the whole recipe" in printed


def test_several_sets_are_trained_on_and_the_last_is_asked_about(tmp_path: Path) -> None:
    """Two sets of six blue and six red pictures; eight, evenly, are two of each class in each set."""
    halves = [class_folders(tmp_path / name, 6) for name in ("a", "b")]
    test = class_folders(tmp_path / "test", 5)
    found = read([*halves, test], 16)
    assert [one.shape for one in (*found.train, *found.test)] == [(16, 16, 3)] * (24 + 10)
    assert found.train_labels.tolist() == ([0] * 6 + [1] * 6) * 2
    assert [bool(one[..., 2].mean() > one[..., 0].mean()) for one in found.train] == ([True] * 6 + [False] * 6) * 2
    some = read([*halves, test], 16, subset=8, questions=4)
    assert some.train_labels.tolist() == [0, 0, 1, 1] * 2
    assert some.test_labels.tolist() == [0, 0, 1, 1]


def test_sets_of_other_classes_and_a_single_set_are_refused(tmp_path: Path) -> None:
    train, test = class_folders(tmp_path / "train", 2), class_folders(tmp_path / "test", 2)
    (test / "blue").rename(test / "green")
    with pytest.raises(FootageError, match=r"test: other classes than .*train \(blue, green\), expected the same"):
        read([train, test], 32)
    with pytest.raises(FootageError, match=r"too few sets: got 1, expected one or more to train on, then"):
        read([train], 32)


def test_the_small_resnet_halves_its_input_three_times() -> None:
    network = resnet10().eval()
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 128)
    assert network[:-2](torch.zeros(2, 3, 16, 16)).shape == (2, 128, 2, 2)


def test_only_the_gallery_is_looked_among() -> None:
    """Three evenly of five are the first, third and last; the second alone is of the question's class."""
    vectors = {0: [1.0, 0.0], 1: [0.0, 1.0]}
    labels = np.array([0, 1, 0, 0, 0])
    pictures = [np.full((1, 1, 1), one, np.uint8) for one in labels]

    def embed(some: list[np.ndarray]) -> np.ndarray:
        return np.array([vectors[int(one[0, 0, 0])] for one in some], np.float32)

    whole = Labelled(pictures, labels, pictures[1:2], labels[1:2])
    assert whole.knn(embed, CPU).k200 == 1.0
    assert replace(whole, gallery=3).knn(embed, CPU).k200 == 0.0


def test_features_are_the_encoders_own_at_length_one() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3)) * self.scale

    pictures = [np.full((4, 4, 3), (30, 0, 40), np.uint8)] * 3
    assert np.allclose(embedder(Mean(), 4)(pictures), [[0.6, 0, 0.8]] * 3)
    with pytest.raises(ValueError, match=r"pictures are \(4, 4\), expected 8 px a side"):
        embedder(Mean(), 8)(pictures)


def test_both_votes_are_counted_on_the_test_set() -> None:
    """Eleven of class 1 against three of class 0, which the question is exactly like.

    All vote at k 200: 3 exp(0) against 11 exp(-10), so the weights decide for 0. At k 10, seven of 1 beat three of 0.
    """
    vectors = {0: [1.0, 0.0], 1: [0.0, 1.0]}
    labels = np.array([0] * 3 + [1] * 11)
    pictures = [np.full((1, 1, 1), one, np.uint8) for one in labels]
    labelled = Labelled(pictures, labels, pictures[:1], labels[:1])
    found = labelled.knn(lambda some: np.array([vectors[int(one[0, 0, 0])] for one in some], np.float32), CPU)
    assert found == Knn(k200=1.0, k10=0.0)


def test_the_time_to_the_goal_is_that_of_the_first_measurement_there() -> None:
    reached = Run(0, course=[(1.0, Knn(0.8, 0.89), 10.0), (2.0, Knn(0.8, 0.9), 21.0), (3.0, Knn(0.9, 0.95), 33.0)])
    missed = Run(1, course=[(1.0, Knn(0.95, 0.89), 10.0)])
    assert cifar10._time_to_goal([reached, missed]) == [
        "Time to 90% kNN (k 10), seed 0: after 21 s of training, epoch 2.",
        "Time to 90% kNN (k 10), seed 1: not reached.",
    ]
