"""Leave-one-out nearest neighbours, counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import FootageError
from training.probe import knn_accuracy, read_labelled


def at_degrees(*degrees: float) -> np.ndarray:
    """Unit vectors: the nearer in angle, the more similar."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


ANGLES, CLASSES = at_degrees(0, 10, 20, 32, 90, 100), np.array([0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("k", "right"),
    [
        (1, 5),  # 32 degrees is nearest to 20, of the other class
        (3, 5),  # 90 has 100, 32 and 20: two of three
        (5, 0),  # all others vote, and each class has lost one
        (10, 0),  # as many as there are
    ],
)
def test_accuracy_is_the_share_whose_nearest_others_agree(k: int, right: int) -> None:
    assert knn_accuracy(ANGLES, CLASSES, k) == pytest.approx(right / 6)


def test_a_picture_does_not_vote_for_itself() -> None:
    assert knn_accuracy(at_degrees(0, 0), np.array([0, 1]), 1) == 0


@pytest.mark.parametrize("near", [0, 1])
def test_a_tie_goes_to_the_side_of_the_nearest(near: int) -> None:
    """Four others vote, from the nearest on: n f f n for 0 and 9 degrees, which are n: right, whatever n's number.

    For 20 and 30 degrees, which are f: f n n n. For 41, which is n: f f n n, so that the nearest says f.
    """
    far = 1 - near
    assert knn_accuracy(at_degrees(0, 9, 20, 30, 41), np.array([near, near, far, far, near]), 4) == 0.4


def save(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (level, 0, 0)).save(path)


def test_folders_are_classes_in_the_order_of_their_names(tmp_path: Path) -> None:
    save(tmp_path / "dog" / "b.png", 30)
    save(tmp_path / "cat" / "deep" / "a.PNG", 10)
    save(tmp_path / "cat" / "z.png", 20)
    (tmp_path / "dog" / "notes.txt").write_text("not a picture")
    (tmp_path / "dog" / "broken.jpg").write_bytes(b"not one either")
    pictures, labels, names = read_labelled(tmp_path)
    assert names == ["cat", "dog"]
    assert labels.tolist() == [0, 0, 1]
    assert [int(picture[0, 0, 0]) for picture in pictures] == [10, 20, 30]
    assert {picture.shape for picture in pictures} == {(4, 6, 3)}


def test_one_class_is_too_few(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png", 10)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FootageError, match=r"1 class\(es\) with readable pictures, expected at least 2"):
        read_labelled(tmp_path)
    with pytest.raises(FootageError, match="no such folder or zip; expected a folder of class folders"):
        read_labelled(tmp_path / "none")
