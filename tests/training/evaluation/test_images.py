"""An encoder and its baselines on labelled pictures: what is measured, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.parts import Part, Weights
from tests.training.evaluation.footage import blind, exact, one_hot, panel, plain
from tests.training.small import untrained_run
from training.evaluation.contenders import HISTOGRAM, Contender
from training.evaluation.finetune import Schedule
from training.evaluation.images import (
    embed_labelled,
    entry_names,
    evaluate_finetune,
    evaluate_images,
    evaluate_transfer,
    sample_pictures,
    verdict,
)
from training.evaluation.probe import find_labelled

CONTENDERS = panel()


def test_labelled_images_are_measured_by_their_ten_nearest() -> None:
    """Twelve of each of two classes. The blind one asks the first ten others, all of the first class.

    Chance on 24 pictures is 1.96 times the root of .5 * .5 / 24.
    """
    pictures, labels = [plain(20)] * 12 + [plain(40)] * 12, np.repeat([0, 1], 12)
    result = evaluate_images(CONTENDERS, [one.embed(pictures) for one in CONTENDERS], labels, ["cat", "dog"])
    assert (result["images"], result["classes"]) == (24, ["cat", "dog"])
    assert [row["knn10"] for row in result["rows"]] == [1.0, 0.5]
    assert [row["role"] for row in result["rows"]] == ["own", "baseline"]
    assert result["verdict"] == (
        "Beats every baseline: kNN accuracy 1.00, HSV histogram 0.50, on 24 pictures; +0.500, chance 0.200."
    )


def test_a_baseline_without_colour_is_measured_with_it_too() -> None:
    """The histogram sees what the blind one does not: joined, a fifth of it decides."""
    pictures, labels = [plain(20)] * 12 + [plain(40)] * 12, np.repeat([0, 1], 12)
    rivals = [Contender("this encoder", blind, "own"), Contender("raw", blind), Contender(HISTOGRAM, exact)]
    assert entry_names(rivals) == ["this encoder", "raw", "raw, with colour", HISTOGRAM]
    result = evaluate_images(rivals, [one.embed(pictures) for one in rivals], labels, ["cat", "dog"])
    assert [row["name"] for row in result["rows"]] == entry_names(rivals)
    assert [row["knn10"] for row in result["rows"]] == [0.5, 0.5, 1.0, 1.0]
    assert result["verdict"].startswith("Does not beat raw, with colour: kNN accuracy 0.50, raw, with colour 1.00")


def test_parts_are_weighed_as_a_search_by_a_whole_picture_weighs_them(tmp_path: Path) -> None:
    """Content and colour, each of length 1 and joined: with a tenth for colour, (1, 0 | 1, 0) and (1, 0 | 0, 1) have
    .9 * 1 + .1 * 0."""
    vectors = {20: [1, 0, 1, 0], 40: [1, 0, 0, 1]}

    def embed(pictures: list[np.ndarray]) -> np.ndarray:
        return np.array([vectors[int(one[0, 0, 0])] for one in pictures], np.float32) / np.float32(2**0.5)

    parts = (Part("content", 2), Part("colour", 2))
    own = Contender("this encoder", embed, "own", parts, frame=Weights(colour=0.1, layout=0.0))
    [vectors_found], _ = embed_labelled([own], find_labelled(class_folders(tmp_path / "known", 1)))
    assert vectors_found @ vectors_found.T == pytest.approx(np.array([[1, 0.9], [0.9, 1]]), abs=1e-6)


def class_folders(folder: Path, count: int = 3, side_px: int = 8) -> Path:
    """So many pictures of level 20, `cat`, and of level 40, `dog`."""
    for name, level in (("cat", 20), ("dog", 40)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(np.full((side_px, side_px, 3), level, np.uint8)).save(folder / name / f"{number}.png")
    return folder


def test_pictures_are_embedded_in_batches_by_every_contender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four at a time of three cats and three dogs, of which one is broken: 4 and 1."""
    found = find_labelled(class_folders(tmp_path / "known"))
    (tmp_path / "known" / "dog" / "1.png").write_bytes(b"nothing")
    monkeypatch.setattr("training.evaluation.images.PICTURES", 4)
    counts: list[int] = []
    told: list[str] = []
    vectors, labels = embed_labelled(CONTENDERS, found, counts.append, lambda path, reason: told.append(path))
    assert (counts, told) == ([4, 1], [str(tmp_path / "known" / "dog" / "1.png")])
    assert labels.tolist() == [0, 0, 0, 1, 1]
    assert [one.tolist() for one in vectors] == [one_hot([20] * 3 + [40] * 2).tolist(), one_hot([0] * 5).tolist()]


def test_large_labelled_pictures_are_made_smaller_before_they_are_kept(tmp_path: Path) -> None:
    found = find_labelled(class_folders(tmp_path / "large", 1, side_px=800))
    assert {picture.shape for picture in sample_pictures(found)} == {(384, 384, 3)}
    seen: list[tuple[int, ...]] = []

    def look(pictures: list[np.ndarray]) -> np.ndarray:
        seen.extend(picture.shape for picture in pictures)
        return blind(pictures)

    embed_labelled([Contender("this encoder", look, "own")], found)
    assert seen == [(384, 384, 3)] * 2


def test_a_sample_of_labelled_pictures_has_all_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.images.LABELLED", 2)
    found = sample_pictures(find_labelled(class_folders(tmp_path / "known")))
    assert [int(picture[0, 0, 0]) for picture in found] == [20, 40]


def test_what_was_learned_is_asked_about_others() -> None:
    """Asked about three cats and one dog. The blind one answers with one class, whatever is asked: cats are 3 of 4."""
    known = [one.embed([plain(20)] * 6 + [plain(40)] * 5) for one in CONTENDERS], np.repeat([0, 1], [6, 5])
    asked = [one.embed([plain(20)] * 3 + [plain(40)]) for one in CONTENDERS], np.repeat([0, 1], [3, 1])
    done: list[int] = []
    result = evaluate_transfer(CONTENDERS, known, asked, ["cat", "dog"], done.append)
    assert (result["train"], result["test"], result["classes"], done) == (11, 4, ["cat", "dog"], [1, 2])
    own, baseline = (
        {name: row[name] for name in ("knn200_weighted", "knn10", "linear_probe")} for row in result["rows"]
    )
    assert own == {"knn200_weighted": 1.0, "knn10": 1.0, "linear_probe": 1.0}
    assert baseline == {"knn200_weighted": 0.75, "knn10": 0.75, "linear_probe": 0.75}
    assert result["verdict"] == (  # of 4 pictures: 1.96 times the root of .75 * .25 / 4
        "Not better than HSV histogram by more than chance: linear probe 1.00, HSV histogram 0.75, on 4 pictures;"
        " +0.250, chance 0.424."
    )


def test_a_run_is_fine_tuned_next_to_itself_from_scratch(tmp_path: Path) -> None:
    """Steps are counted over all: 2 epochs of one batch, for two seeds of two networks."""
    known, asked = (find_labelled(class_folders(tmp_path / name)) for name in ("known", "asked"))
    run, steps = untrained_run(tmp_path / "run"), []
    schedule = Schedule(epochs=2, batch=6)
    result = evaluate_finetune(run, known, asked, 3, 2, "cpu", schedule, lambda done, loss: steps.append(done))
    assert steps == list(range(1, 9))
    assert (result["train"], result["test"], result["seeds"]) == (6, 6, [3, 4])
    assert (result["steps"], result["epochs"], result["batch"]) == (2, 2, 6)
    assert [(row["name"], row["role"]) for row in result["rows"]] == [
        *(("this encoder, fine-tuned", "own"), ("the same network, from scratch", "baseline"))
    ]
    assert all(0 <= row["accuracy"] <= 1 and "accuracy" in row["std"] for row in result["rows"])


def rows_of(own: float, **baselines: float) -> list[dict]:
    return [{"name": "this encoder", "role": "own", "value": own}] + [
        {"name": name.replace("_", " "), "role": "baseline", "value": value} for name, value in baselines.items()
    ]


def test_the_verdict_names_the_best_baseline() -> None:
    """Chance of 10,000: 1.96 times the root of (.731 * .269 + .618 * .382) / 10,000."""
    rows = rows_of(0.731, raw_pixels=0.55, HSV_histogram=0.618, untrained=0.2)
    expected = "Beats every baseline: kNN 0.73, HSV histogram 0.62, on 10,000 pictures; +0.113, chance 0.013."
    assert verdict(rows, "value", "kNN", 10_000) == expected


def test_the_verdict_says_how_much_the_seeds_differ() -> None:
    """.2 between draws: chance is at least 1.96 * .2."""
    rows = rows_of(0.7, scratch=0.5)
    rows = [row | {"std": {"value": spread}} for row, spread in zip(rows, (0.01, 0.2), strict=True)]
    expected = "Not better than scratch by more than chance: kNN 0.70 +-0.01, scratch 0.50 +-0.20, on 10,000 pictures"
    assert verdict(rows, "value", "kNN", 10_000).startswith(expected)


@pytest.mark.parametrize("own", [0.6, 0.3])
def test_the_verdict_says_so_when_a_baseline_is_as_good(own: float) -> None:
    rows = rows_of(own, raw_pixels=0.25, HSV_histogram=0.6)
    expected = f"Does not beat HSV histogram: kNN {own:.2f}, HSV histogram 0.60, on 100 pictures."
    assert verdict(rows, "value", "kNN", 100) == expected


def test_every_baseline_that_is_not_beaten_is_named() -> None:
    rows = rows_of(0.5, raw_pixels=0.5, HSV_histogram=0.6, untrained=0.49)
    expected = (
        "Does not beat HSV histogram: kNN 0.50, HSV histogram 0.60, on 100 pictures. Also not beaten: raw pixels 0.50."
    )
    assert verdict(rows, "value", "kNN", 100) == expected
