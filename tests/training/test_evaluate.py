"""An encoder beside its floors: what is measured, and what is said of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike import pixels
from lookalike.cli import main
from lookalike.errors import FootageError, TrainingError
from lookalike.footage import Frame
from tests.tiny import tiny_embedding
from tests.training.small import noise_frames, small_config, untrained_run
from training.evaluate import (
    Candidate,
    candidates,
    embed_labelled,
    evaluate_finetune,
    evaluate_footage,
    evaluate_images,
    evaluate_transfer,
    gather,
    over_seeds,
    sample_pictures,
    verdict,
)
from training.finetune import Schedule
from training.floors import raw_pixels
from training.probe import Labelled, find_labelled
from training.retrieval import Disturbance, Event, Gallery

NOTHING = Disturbance(zoom=(1.0, 1.0), gamma=(1.0, 1.0), gain=(1.0, 1.0), noise=0.0)
HALVED = Disturbance(zoom=(1.0, 1.0), gamma=(1.0, 1.0), gain=(0.5, 0.5), noise=0.0)


def one_hot(levels: list[int]) -> np.ndarray:
    """Level 10 n of a plain picture -> axis n."""
    return np.eye(20, dtype=np.float32)[np.array(levels) // 10]


def exact(pictures: list[np.ndarray]) -> np.ndarray:
    return one_hot([int(picture[0, 0, 0]) for picture in pictures])


def blind(pictures: list[np.ndarray]) -> np.ndarray:
    """Takes all pictures for the same."""
    return one_hot([0] * len(pictures))


def plain(level: int) -> np.ndarray:
    return np.full((4, 4, 3), level, np.uint8)


CONTENDERS = [Candidate("this encoder", exact, trained=True), Candidate("blind", blind)]

# x at 0 and 10 s (level 20), y at 20 and 30 s (level 40): halved, an x looks like level 10, a y like an x.
GALLERY = Gallery(
    [plain(20), plain(20), plain(40), plain(40)],
    np.array(["a"] * 4),
    np.array([0.0, 10.0, 20.0, 30.0]),
    np.array(["gate"] * 4),
)
EVENTS = [Event("a", 0, 10, "x"), Event("a", 20, 30, "y")]


def test_with_events_precision_is_measured_clean_and_disturbed() -> None:
    """Clean, each finds its other. Halved, x is like nothing, so the first of the others is its answer: right for both.

    A halved y is like x: wrong for both. The blind one always answers with the first of the others.
    """
    result = evaluate_footage(CONTENDERS, GALLERY, EVENTS, guard_s=3, how=HALVED, seed=0)
    own, floor = result["rows"]
    assert (result["frames"], result["guard_s"]) == (4, 3)
    assert (own["name"], own["trained"], floor["name"], floor["trained"]) == ("this encoder", True, "blind", False)
    assert own["precision5_clean"] == {"a": 1.0, "mean": 1.0}
    assert own["precision5_disturbed"]["mean"] == pytest.approx(2 / 4)  # 0 finds 1, 1 finds 0, both y find 0
    assert floor["precision5_clean"]["mean"] == floor["precision5_disturbed"]["mean"] == pytest.approx(2 / 4)
    assert own["self_retrieval_disturbed"] == 1 / 4  # all nearest to frame 0, for want of anything nearer
    assert result["verdict"].startswith("Does not beat blind: precision@5 of disturbed queries 0.50, the floor 0.50.")


def test_without_events_the_verdict_is_about_self_retrieval() -> None:
    """Undisturbed: 0 and 1 are level, so the first is found for both; so it is for 2 and 3. The blind finds only 0."""
    result = evaluate_footage(CONTENDERS, GALLERY, None, guard_s=3, how=NOTHING, seed=0)
    assert [row["self_retrieval_disturbed"] for row in result["rows"]] == [0.5, 0.25]
    assert not any("precision5_clean" in row for row in result["rows"])
    assert not any("camera_share" in row for row in result["rows"])  # of one camera
    assert result["verdict"] == ("Beats every floor: disturbed self-retrieval 0.50, the best floor (blind) 0.25.")


def test_near_in_time_and_the_cameras_share_stand_beside_them() -> None:
    """x of the gate at 0 and 5 s, x and y of the road: for `exact`, the gate is axis 2, the road axes 2 and 4.

    Near in time for the gate's two are each other, 5 s apart. Clean, the first x finds the second, and the second the
    first: 1. The road's x has y alone to find, and takes the gate's x: 0; y, like nothing else, takes frame 0: 0.
    Mean of all (.75, .25), of the gate (1, 0), of the road (.5, .5). Between: 4 * (.25^2 + .25^2); in all: 3 * (.25^2 +
    .25^2) + .75^2 + .75^2. That is .5 of 1.5.
    """
    gallery = Gallery(
        [plain(20), plain(20), plain(20), plain(40)],
        np.array(["a", "a", "b", "b"]),
        np.array([0.0, 5.0, 0.0, 5.0]),
        np.array(["gate", "gate", "road", "road"]),
    )
    result = evaluate_footage(CONTENDERS, gallery, None, guard_s=3, how=NOTHING, seed=0, window_s=9)
    own, floor = result["rows"]
    assert result["window_s"] == 9
    assert own["temporal_recall_clean"] == own["temporal_recall_disturbed"] == 2 / 4
    assert own["camera_share"] == pytest.approx(0.5 / 1.5)
    assert floor["camera_share"] == 0
    assert (
        "temporal_recall_clean" not in evaluate_footage(CONTENDERS, gallery, None, 3, NOTHING, 0, window_s=4)["rows"][0]
    )


def test_seeds_are_counted_from_the_first_and_averaged() -> None:
    """Each seed's own values are those of an evaluation with that seed alone."""
    noise = [np.random.default_rng(row).integers(0, 256, (8, 8, 3), dtype=np.uint8) for row in range(12)]
    gallery = Gallery(noise, np.array(["a"] * 12), np.arange(12) * 4.0, np.array(["gate"] * 12))
    contenders = [Candidate("this encoder", raw_pixels(8), trained=True), Candidate("blind", blind)]
    events = [Event("a", 0, 20, "x"), Event("a", 24, 44, "y")]
    how = Disturbance(zoom=(0.3, 1.0), noise=0.3)
    alone = [evaluate_footage(contenders, gallery, events, 3, how, seed)["rows"][0] for seed in (4, 5, 6)]
    assert all("std" not in row for row in alone)
    result = evaluate_footage(contenders, gallery, events, 3, how, seed=4, seeds=3)
    own = result["rows"][0]
    assert result["seeds"] == [4, 5, 6]
    for name in ("self_retrieval_disturbed", "temporal_recall_disturbed"):
        values = [row[name] for row in alone]
        assert own[name] == pytest.approx(np.mean(values))
        assert own["std"][name] == pytest.approx(np.std(values, ddof=1))
    means = [row["precision5_disturbed"]["mean"] for row in alone]
    assert len(set(means)) > 1
    assert own["precision5_disturbed"]["mean"] == pytest.approx(np.mean(means))
    assert own["std"]["precision5_disturbed"]["mean"] == pytest.approx(np.std(means, ddof=1))
    assert not {"precision5_clean", "camera_share"} & own["std"].keys()
    assert f"queries {np.mean(means):.2f} +-{np.std(means, ddof=1):.2f}, the" in result["verdict"]


def test_a_deviation_is_that_of_a_sample() -> None:
    """1, 2 and 6: mean 3, squares 4 + 1 + 9 over 2."""
    found = over_seeds([{"a": 1.0, "b": {"c": 0.0}}, {"a": 2.0, "b": {"c": 1.0}}, {"a": 6.0, "b": {"c": 0.5}}])
    assert found == {"a": 3.0, "b": {"c": 0.5}, "std": {"a": pytest.approx(7**0.5), "b": {"c": 0.5}}}
    assert over_seeds([{"a": 1.0}]) == {"a": 1.0}


@pytest.mark.parametrize(
    ("events", "guard_s"),
    [([Event("elsewhere.mp4", 0, 30, "x")], 3.0), (EVENTS, 30.0)],
    ids=["another clip", "a long guard"],
)
def test_events_that_cannot_be_found_again_are_an_error_and_not_a_verdict(events: list[Event], guard_s: float) -> None:
    with pytest.raises(FootageError, match=rf"no event is seen at two moments more than {guard_s:g} s apart"):
        evaluate_footage(CONTENDERS, GALLERY, events, guard_s, NOTHING, seed=0)


def test_labelled_images_are_measured_by_their_ten_nearest() -> None:
    """Twelve of each of two classes. The blind one asks the first ten others, all of the first class."""
    pictures, labels = [plain(20)] * 12 + [plain(40)] * 12, np.repeat([0, 1], 12)
    result = evaluate_images(CONTENDERS, [one.embed(pictures) for one in CONTENDERS], labels, ["cat", "dog"])
    assert (result["images"], result["classes"]) == (24, ["cat", "dog"])
    assert [row["knn10"] for row in result["rows"]] == [1.0, 0.5]
    assert result["verdict"] == "Beats every floor: kNN accuracy 1.00, the best floor (blind) 0.50."


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
    monkeypatch.setattr("training.evaluate.PICTURES", 4)
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

    embed_labelled([Candidate("this encoder", look, trained=True)], found)
    assert seen == [(384, 384, 3)] * 2


def test_a_sample_of_labelled_pictures_has_all_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluate.LABELLED", 2)
    found = sample_pictures(find_labelled(class_folders(tmp_path / "known")))
    assert [int(picture[0, 0, 0]) for picture in found] == [20, 40]


def test_what_was_learned_is_asked_about_others() -> None:
    """Asked about three cats and one dog. The blind one answers with one class, whatever is asked: cats are 3 of 4."""
    known = [one.embed([plain(20)] * 6 + [plain(40)] * 5) for one in CONTENDERS], np.repeat([0, 1], [6, 5])
    asked = [one.embed([plain(20)] * 3 + [plain(40)]) for one in CONTENDERS], np.repeat([0, 1], [3, 1])
    done: list[int] = []
    result = evaluate_transfer(CONTENDERS, known, asked, ["cat", "dog"], done.append)
    assert (result["train"], result["test"], result["classes"], done) == (11, 4, ["cat", "dog"], [1, 2])
    own, floor = ({name: row[name] for name in ("knn200_weighted", "knn10", "linear_probe")} for row in result["rows"])
    assert own == {"knn200_weighted": 1.0, "knn10": 1.0, "linear_probe": 1.0}
    assert floor == {"knn200_weighted": 0.75, "knn10": 0.75, "linear_probe": 0.75}
    assert result["verdict"] == "Beats every floor: linear probe 1.00, the best floor (blind) 0.75."


def test_a_run_is_fine_tuned_beside_itself_from_scratch(tmp_path: Path) -> None:
    """Steps are counted over all: 2 epochs of one batch, for two seeds of two networks."""
    known, asked = (find_labelled(class_folders(tmp_path / name)) for name in ("known", "asked"))
    run, steps = untrained_run(tmp_path / "run"), []
    schedule = Schedule(epochs=2, batch=6)
    result = evaluate_finetune(run, known, asked, 3, 2, "cpu", schedule, lambda done, loss: steps.append(done))
    assert steps == list(range(1, 9))
    assert (result["train"], result["test"], result["seeds"]) == (6, 6, [3, 4])
    assert (result["steps"], result["epochs"], result["batch"]) == (2, 2, 6)
    assert [(row["name"], row["trained"]) for row in result["rows"]] == [
        *(("this encoder, fine-tuned", True), ("the same network, from scratch", False))
    ]
    assert all(0 <= row["accuracy"] <= 1 and "accuracy" in row["std"] for row in result["rows"])


def rows_of(own: float, **floors: float) -> list[dict]:
    return [{"name": "this encoder", "trained": True, "value": own}] + [
        {"name": name.replace("_", " "), "trained": False, "value": value} for name, value in floors.items()
    ]


def value_of(row: dict) -> float:
    return row["value"]


def test_the_verdict_says_how_much_the_seeds_differ() -> None:
    rows = [
        row | {"std": {"value": deviation}} for row, deviation in zip(rows_of(0.7, floor=0.5), (0.01, 0.2), strict=True)
    ]
    expected = "Beats every floor: precision@5 0.70 +-0.01, the best floor (floor) 0.50 +-0.20."
    assert verdict(rows, value_of, "precision@5") == expected


def test_the_verdict_names_the_best_floor() -> None:
    rows = rows_of(0.731, raw_pixels=0.55, HSV_histogram=0.618, untrained=0.2)
    expected = "Beats every floor: precision@5 0.73, the best floor (HSV histogram) 0.62."
    assert verdict(rows, value_of, "precision@5") == expected


@pytest.mark.parametrize("own", [0.6, 0.3])
def test_the_verdict_says_so_when_a_floor_is_as_good(own: float) -> None:
    rows = rows_of(own, raw_pixels=0.25, HSV_histogram=0.6)
    assert verdict(rows, value_of, "precision@5") == (
        f"Does not beat HSV histogram: precision@5 {own:.2f}, the floor 0.60."
        " Try more steps, more footage, or a larger --input-px."
    )


def frame(image: np.ndarray, source: str = "videos/gate.mp4", time_s: float = 0.0) -> Frame:
    return Frame(image, source, "id", "gate", time_s, round(time_s * 1e6))


def test_frames_are_gathered_with_where_and_when_they_are_from() -> None:
    gallery = gather(iter([frame(plain(10), time_s=1.5), frame(plain(20), "other/road.mp4", 2.5)]))
    assert [int(picture[0, 0, 0]) for picture in gallery.pictures] == [10, 20]
    assert gallery.clip.tolist() == ["gate.mp4", "road.mp4"]
    assert gallery.time_s.tolist() == [1.5, 2.5]
    assert gallery.camera.tolist() == ["gate", "gate"]


@pytest.mark.parametrize(
    ("shape", "kept"),
    [((400, 768), (200, 384)), ((768, 400), (384, 200)), ((384, 10), (384, 10)), ((1, 4000), (1, 384))],
)
def test_large_frames_are_made_smaller_and_small_ones_are_not_touched(
    shape: tuple[int, int], kept: tuple[int, int]
) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    [picture, _] = gather([frame(image), frame(plain(0))]).pictures
    assert picture.shape == (*kept, 3)
    assert np.all(picture == 77)


@pytest.mark.parametrize("count", [0, 1])
def test_there_must_be_something_to_search_among(count: int) -> None:
    with pytest.raises(FootageError, match=rf"^{count} readable frame\(s\), expected at least 2 to search among"):
        gather([frame(plain(0))] * count)


FLOORS = ["raw pixels 8x8", "raw pixels 32x32", "HSV histogram"]


def test_a_run_contends_with_its_floors_and_with_itself_untrained(tmp_path: Path) -> None:
    """Weights drawn with seed 0 are the untrained floor's own; with seed 1 they are others."""
    pictures = [pixels.fit(one.image, 37) for one in noise_frames(24)]  # the very frames of the run's cache
    embedded = {}
    for seed in (0, 1):
        found = candidates(untrained_run(tmp_path / str(seed), small_config(seed=seed)), pictures)
        assert [one.name for one in found] == ["this encoder", *FLOORS, "the same encoder, untrained"]
        assert [one.trained for one in found] == [True, False, False, False, False]
        for one in found:
            assert np.allclose(np.linalg.norm(one.embed(pictures), axis=1), 1, atol=1e-4)
        embedded[seed] = (found[0].embed(pictures), found[-1].embed(pictures))
    assert np.allclose(*embedded[0], atol=1e-5)
    assert np.allclose(embedded[0][1], embedded[1][1], atol=1e-5)
    assert not np.allclose(*embedded[1], atol=0.1)


def test_an_encoder_of_another_architecture_has_no_untrained_floor(tiny_encoder: Path) -> None:
    pictures = [one.image for one in noise_frames(3, side_px=64)]
    found = candidates(tiny_encoder, pictures)
    assert [one.name for one in found] == ["this encoder", *FLOORS]
    expected = np.stack([tiny_embedding(pixels.fit(picture, 32)) for picture in pictures])
    assert np.allclose(found[0].embed(pictures), expected, atol=1e-5)


def test_a_folder_that_is_no_run_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"config\.json: cannot read the run's config"):
        candidates(tmp_path, [plain(0)])


def verb(*arguments: str | Path) -> None:
    main(["evaluate", *map(str, arguments)])


def test_the_verb_prints_one_object_or_tables(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dark cats and light dogs, six to learn from and four to be asked about: the colours alone tell them apart."""
    known, asked = class_folders(tmp_path / "known"), class_folders(tmp_path / "asked", 2)
    verb(tiny_encoder, "--train", known, "--test", asked, "--json")
    result = json.loads(capsys.readouterr().out)
    assert (result["train"], result["test"], result["classes"]) == (6, 4, ["cat", "dog"])
    assert {row["name"]: row["knn10"] for row in result["rows"]}["HSV histogram"] == 0.5  # all six vote: a tie
    verb(tiny_encoder, "--train", known, "--test", asked, "--limit", "2")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Against the floors"
    assert [line.split("  ")[0] for line in lines[3:7]] == ["this encoder", *FLOORS]
    verb(tiny_encoder, "--images", known, "--json")
    assert json.loads(capsys.readouterr().out)["images"] == 6


def test_the_verb_disturbs_as_it_is_told(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures of their own names are clips of their own: undisturbed, each finds itself."""
    for row in range(4):
        Image.fromarray(noise_frames(row + 1)[-1].image).save(tmp_path / f"{row}.png")
    nothing = ["--zoom", "1", "1", "--gamma", "1", "1", "--gain", "1", "1", "--noise", "0"]
    verb(tiny_encoder, "--footage", tmp_path, *nothing, "--seeds", "2", "--seed", "7", "--json")
    result = json.loads(capsys.readouterr().out)
    assert (result["frames"], result["seeds"]) == (4, [7, 8])
    assert [row["self_retrieval_disturbed"] for row in result["rows"]] == [1.0] * 4
    assert [row["std"]["self_retrieval_disturbed"] for row in result["rows"]] == [0.0] * 4


def test_ctrl_c_is_said_in_one_line(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(found: Labelled) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.evaluate.sample_pictures", interrupt)
    with pytest.raises(SystemExit) as stopped:
        verb(tiny_encoder, "--images", class_folders(tmp_path / "known"))
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "lookalike: interrupted; of an evaluation nothing is kept, run it again\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("", 2, "expected one of --footage, --images, or --train with --test"),
        ("--images known --footage known", 2, "expected one of --footage, --images, or --train with --test"),
        ("--test known", 2, "--test without --train; give both"),
        ("--train known", 2, "--train without --test; give both"),
        ("--train known --test known --finetune", 2, "an ONNX file cannot be trained"),
        ("--images known --finetune", 2, "--finetune needs --train and --test"),
        ("--images known --events events.csv", 2, "--events without --footage"),
        ("--footage known --seeds 0", 2, "--seeds is 0, expected at least 1"),
        ("--images known --limit 1", 2, "--limit is 1, expected at least 2"),
        ("--footage known --fps 0", 2, "--fps is 0.0, expected more than 0"),
        ("--footage known --guard-s 12", 2, "--guard-s is 12, expected 0 or more, and less than --window-s, 10"),
        ("--footage known --zoom 0.9 0.5", 2, "--zoom is 0.9 0.5"),
        ("--train nowhere --test known", 1, "nowhere: no such folder or zip"),
        ("--train empty --test known", 1, "no images or videos in empty"),
        ("--train one --test known", 1, "one: 1 class(es) with readable pictures, expected at least 2"),
        ("--train known --test other", 1, "--train and --test have different classes (dog only in known; elk only in"),
        ("--footage known --events events.csv", 1, "no event is seen at two moments more than 3 s apart"),
        ("--footage known --events nowhere.csv", 1, "nowhere.csv: cannot read events"),
    ],
)
def test_a_mistake_gets_one_line(
    tiny_encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    class_folders(Path("known"))
    shutil.copytree("known", "other")
    Path("other", "dog").rename(Path("other", "elk"))
    shutil.copytree("known/cat", "one/cat")
    Path("empty").mkdir()
    Path("events.csv").write_text("clip,start_s,end_s,label\nelsewhere.mp4,0,9,x\n")
    with pytest.raises(SystemExit) as stopped:
        verb(tiny_encoder, *arguments.split())
    told = capsys.readouterr()
    assert (stopped.value.code, told.out) == (code, "")
    assert says in " ".join(told.err.split())
