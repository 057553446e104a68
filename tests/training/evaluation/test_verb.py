"""`lookalike evaluate`: what it prints, and what it says of mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.cli import main
from tests.clips import write_clip
from tests.training.evaluation.test_images import class_folders
from tests.training.small import noise_frames
from training.evaluation.probe import Labelled

NAMES = ["this encoder", "raw pixels 8x8", "raw pixels 8x8, with colour", "raw pixels 32x32"]
NAMES += ["raw pixels 32x32, with colour", "HSV histogram", "16x16 pixels, same head"]
NAMES += ["pretrained, same head"]
NOTHING = ["--zoom", "1", "1", "--gamma", "1", "1", "--gain", "1", "1", "--noise", "0"]


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
    assert lines[0] == "Compared with the baselines"
    assert [line.split("  ")[0] for line in lines[3:11]] == NAMES
    verb(tiny_encoder, "--images", known, "--json")
    assert json.loads(capsys.readouterr().out)["images"] == 6


def test_a_folder_of_pictures_without_labels_is_not_judged(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unperturbed, each picture finds itself, with any encoder; so the verdict says how to judge."""
    for row in range(4):
        Image.fromarray(noise_frames(row + 1)[-1].image).save(tmp_path / f"{row}.png")
    verb(tiny_encoder, "--footage", tmp_path, *NOTHING, "--seeds", "2", "--seed", "7", "--json")
    result = json.loads(capsys.readouterr().out)
    assert (result["frames"], result["regions"], result["seeds"]) == (4, 0, [7, 8])
    assert [row["self_retrieval"] for row in result["moments"]["rows"]] == [1.0] * 8
    assert [row["std"]["self_retrieval"] for row in result["moments"]["rows"]] == [0.0] * 8
    assert result["verdict"].startswith("No verdict: ")
    assert "lookalike evaluate --images" in result["verdict"]
    assert "eats" not in result["verdict"]


def square_at(left: int) -> np.ndarray:
    """A white square on grey, which moves to the right."""
    picture = np.full((48, 64, 3), 90, np.uint8)
    picture[16:32, left : left + 16] = 250
    return picture


def test_crops_of_what_moves_are_asked_for_with_and_without_labels(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A square crosses the picture twice, four seconds each; before, between and after are three of nothing."""
    still = [square_at(200)] * 12
    pictures = [*still, *(square_at(3 * step) for step in range(16)), *still]
    pictures += [*(square_at(3 * step) for step in range(16)), *still]
    write_clip(tmp_path / "a.mp4", range(0, 250 * len(pictures), 250), pictures)
    events = tmp_path / "events.csv"
    events.write_text("clip,start_s,end_s,label\na.mp4,0,2.5,empty\na.mp4,3.5,6.5,square\na.mp4,10.5,13.5,square\n")
    verb(tiny_encoder, "--footage", tmp_path, "--events", events, "--json")
    result = json.loads(capsys.readouterr().out)
    found = {one["name"]: one for one in result["measures"]}
    labels = {label["label"]: label for label in found["crops_another_pass"]["labels"]}
    square, empty = labels["square"], labels["empty"]
    assert square["queries"] > 0
    assert square["units"] == {"passes": 2}
    assert (empty["queries"], empty["reason"]) == (0, "a state: nothing is there")
    assert found["crops_same_track_later"]["queries"] > 0
    assert "Crops of what moves, another pass (" in result["verdict"]
    assert "Crops of what moves, later in the same track (" in result["verdict"]


def test_ctrl_c_is_said_in_one_line(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(found: Labelled) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.evaluation.images.sample_pictures", interrupt)
    with pytest.raises(SystemExit) as stopped:
        verb(tiny_encoder, "--images", class_folders(tmp_path / "known"))
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "lookalike: interrupted: an evaluation keeps no partial results; start it again\n"


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
        ("--footage known --states x", 2, "--states without --events"),
        ("--footage known --compare nowhere.onnx", 1, "nowhere.onnx: no such file"),
        ("--footage known --seeds 0", 2, "--seeds is 0, expected at least 1"),
        ("--images known --limit 1", 2, "--limit is 1, expected at least 2"),
        ("--footage known --fps 0", 2, "--fps is 0.0, expected more than 0"),
        ("--footage known --guard-s 12", 2, "--guard-s is 12, expected 0 or more, and less than --window-s, 10"),
        ("--footage known --zoom 0.9 0.5", 2, "--zoom is 0.9 0.5"),
        ("--train nowhere --test known", 1, "nowhere: no such folder or zip"),
        ("--train empty --test known", 1, "no images or videos in empty"),
        ("--train one --test known", 1, "one: 1 class(es) with readable pictures, expected at least 2"),
        ("--train known --test other", 1, "--train and --test have different classes (dog only in known; elk only in"),
        ("--footage known --events events.csv", 1, "no frame lies within a labelled interval"),
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
