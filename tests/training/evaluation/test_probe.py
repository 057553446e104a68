"""Nearest neighbours and a linear probe, counted by hand; and the pictures that they are about."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import FootageError
from training.evaluation.probe import (
    find_labelled,
    find_pair,
    knn_accuracy,
    knn_transfer,
    knn_transfers,
    linear_probe,
    read_labelled,
    read_pictures,
)


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


def test_as_many_as_a_chunk_at_a_time_are_left_out_of_their_own_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.probe.CHUNK", 4)
    assert knn_accuracy(ANGLES, CLASSES, 3) == pytest.approx(5 / 6)
    monkeypatch.setattr("training.evaluation.probe.CHUNK", 1)
    assert knn_accuracy(at_degrees(0, 0), np.array([0, 1]), 1) == 0


# Known: class 1 at 0 and 60 degrees from the query's axis, class 0 at 20, 21 and 22.
KNOWN, KNOWN_CLASSES = at_degrees(1, 60, 20, 21, 22), np.array([1, 1, 0, 0, 0])


@pytest.mark.parametrize(("k", "temperature", "found"), [(1, None, 1), (5, None, 0), (5, 0.01, 1), (5, 10.0, 0)])
def test_the_nearest_known_vote_for_what_is_asked(k: int, temperature: float | None, found: int) -> None:
    """Of 5, class 0 has three voices of five. At a temperature of .01 the voice at 1 degree is exp(6) times one at 20.

    (1 - cos 20 is .06, and .06 / .01 is 6.) At 10 all weigh about the same.
    """
    asked, classes = at_degrees(0, 0), np.array([0, 1])
    assert knn_transfer(KNOWN, KNOWN_CLASSES, asked, classes, k, temperature) == 0.5  # one is right, whichever
    assert knn_transfer(KNOWN, KNOWN_CLASSES, asked[:1], np.array([found]), k, temperature) == 1


def test_several_ways_to_vote_are_each_what_they_are_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.probe.CHUNK", 2)
    rng = np.random.default_rng(0)
    known, asked = at_degrees(*rng.uniform(0, 360, 40)), at_degrees(*rng.uniform(0, 360, 9))
    known_classes, asked_classes = rng.integers(0, 3, 40), rng.integers(0, 3, 9)
    ways = [(1, None), (7, None), (7, 0.1), (200, 0.1)]
    alone = [knn_transfer(known, known_classes, asked, asked_classes, *way) for way in ways]
    assert knn_transfers(known, known_classes, asked, asked_classes, ways) == alone
    assert len(set(alone)) > 1


def test_a_linear_probe_separates_what_a_line_separates_and_no_more() -> None:
    """Two classes on either side of x = 0, whatever y; asked about four, of which one is labelled otherwise.

    Where the label is the sign of x * y no line is better than another: three corners of four is the most there is.
    """
    known = np.array([[1, 5], [2, -5], [-1, 5], [-2, -5]], np.float32)
    asked = np.array([[0.5, -9], [3, 9], [-0.5, 9], [-3, -9]], np.float32)
    right, left = 1, 0
    found = linear_probe(known, np.array([right, right, left, left]), asked, np.array([right, right, left, right]))
    assert found == 3 / 4
    corners = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]], np.float32)
    assert linear_probe(corners, np.array([1, 1, 0, 0]), corners, np.array([1, 1, 0, 0])) <= 3 / 4


def test_a_linear_probe_looks_at_small_numbers_as_at_large_ones() -> None:
    """The first number, of a ten thousandth, tells the classes apart; the second, of ones, only as a rule."""
    known = np.array([[1e-4, y] for y in (3, 1, -1)] + [[-1e-4, y] for y in (-3, -1, 1)], np.float32)
    asked = np.array([[1e-4, -1], [-1e-4, 1]], np.float32)
    assert linear_probe(known, np.array([1, 1, 1, 0, 0, 0]), asked, np.array([1, 0])) == 1


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
    with pytest.raises(FootageError, match="no such folder or zip; expected class folders"):
        read_labelled(tmp_path / "none")


def test_the_limit_takes_evenly_from_all_classes(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number in range(6):
            save(tmp_path / name / f"{number}.png", number)
    found = find_labelled(tmp_path, limit=4)
    # Of 12 in order, those at 0, 11/3, 22/3 and 11, rounded: 0, 4, 7 and 11.
    assert [Path(path).relative_to(tmp_path).as_posix() for path in found.paths] == [
        *("cat/0.png", "cat/4.png", "dog/1.png", "dog/5.png")
    ]
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert (len(found), len(find_labelled(tmp_path, limit=12)), len(find_labelled(tmp_path))) == (4, 12, 12)


def test_a_zip_is_read_as_the_folder_that_it_holds(tmp_path: Path) -> None:
    for name, level in (("cat", 10), ("dog", 20)):
        save(tmp_path / "all" / name / "a.png", level)
    packed = Path(shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path / "all"))
    found = find_labelled(packed)
    assert (found.names, found.labels.tolist()) == (["cat", "dog"], [0, 1])
    assert [(int(picture[0, 0, 0]), label) for picture, label in read_pictures(found)] == [(10, 0), (20, 1)]


def test_what_cannot_be_decoded_is_told_and_left_out(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png", 10)
    save(tmp_path / "dog" / "b.png", 20)
    (tmp_path / "dog" / "a.png").write_bytes(b"nothing")
    told: list[tuple[str, str]] = []
    found = list(read_pictures(find_labelled(tmp_path), lambda path, reason: told.append((path, reason))))
    assert [label for _, label in found] == [0, 1]
    [(path, reason)] = told
    assert path == str(tmp_path / "dog" / "a.png")
    assert reason.startswith("not an image")


def test_a_class_of_broken_pictures_is_no_class(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png", 10)
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "a.png").write_bytes(b"nothing")
    with pytest.raises(FootageError, match=r"1 class\(es\) with readable pictures, expected at least 2"):
        list(read_pictures(find_labelled(tmp_path)))


def test_learned_and_asked_must_be_the_same_classes(tmp_path: Path) -> None:
    for part, names in (("one", "ant bee cat"), ("two", "bee cat dog"), ("three", "ant bee cat")):
        for name in names.split():
            save(tmp_path / part / name / "a.png", 10)
    one, two, three = (tmp_path / part for part in ("one", "two", "three"))
    found = find_pair(one, three)
    assert [part.names for part in found] == [["ant", "bee", "cat"]] * 2
    with pytest.raises(FootageError, match=rf"different classes \(ant only in {one}; dog only in {two}\); expected"):
        find_pair(one, two)
