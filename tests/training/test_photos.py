"""Folders of photos are trained on as photos, unless it is said otherwise, and are judged by labels alone."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from lookalike.cli import main
from lookalike.footage import find_sources
from tests.training.evaluation.test_images import class_folders
from tests.training.small import noise_frames, small_config
from tests.training.test_run import finished
from training.config import CONFIG, TrainConfig, find_recipe, read_recipe
from training.data import load_cache, pictures_of
from training.photos import are_photos, settle_views
from training.run import finish_run, start_run

AUTO = small_config(views="auto", crop_area_min=None, novelty=True, region_share=0.5)


def photos(folder: Path, count: int = 4) -> Path:
    folder.mkdir()
    for row, frame in enumerate(noise_frames(count)):
        Image.fromarray(frame.image).save(folder / f"{row}.png")
    return folder


def test_images_in_folders_and_zips_are_photos_and_a_video_among_them_makes_footage(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(folder / "0.png", "0.png")
    assert are_photos(find_sources([folder, tmp_path / "more.zip", folder / "1.png"]))
    (folder / "clip.mp4").touch()
    assert not are_photos(find_sources([folder]))


def test_a_run_over_photos_says_so_in_one_line_and_keeps_their_colour(tmp_path: Path) -> None:
    told: list[str] = []
    frames = noise_frames(4)
    _, config = start_run(frames, AUTO, tmp_path / "run", lambda frame: None, told.append, photos=True)
    assert (config.views, config.crop_area_min, config.novelty, config.region_share) == ("photo", 0.3, False, 0.0)
    assert TrainConfig.load(tmp_path / "run" / CONFIG) == config
    [line] = told
    assert "photos" in line
    assert "30%" in line
    assert "--views camera" in line
    shown = pictures_of(load_cache(tmp_path / "run" / "cache"), config.novelty, config.region_share)
    assert shown.weight.tolist() == [1.0] * 4


def test_the_verb_takes_a_folder_of_images_for_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--arch compact --init none --input-px 32 --steps 0 --content 0 --layout 8 --colour 0 --device cpu"
    main(["pretrain", str(photos(tmp_path / "photos")), "--out", str(tmp_path / "run"), *flags.split()])
    said = capsys.readouterr()
    assert TrainConfig.load(tmp_path / "run" / CONFIG).views == "photo"
    assert said.err.count("all sources are images, treated as photos") == 1
    assert json.loads(said.out)["verdict"].startswith("No verdict: without labels it is unknown which photos")


def test_footage_is_trained_on_as_a_camera_sees_it(tmp_path: Path) -> None:
    told: list[str] = []
    _, config = start_run(noise_frames(4), AUTO, tmp_path / "run", lambda frame: None, told.append)
    assert (config.views, config.crop_area_min, config.novelty, config.region_share) == ("camera", 0.5, True, 0.5)
    assert told == []


@pytest.mark.parametrize("views", ["camera", "paper", "simclr"])
def test_views_that_are_given_win(views: str) -> None:
    told: list[str] = []
    given = dataclasses.replace(AUTO, views=views)
    settled = settle_views(given, photos=True, say=told.append)
    assert settled == dataclasses.replace(given, crop_area_min=0.5)
    assert told == []


def test_a_crop_that_is_given_wins() -> None:
    assert settle_views(dataclasses.replace(AUTO, crop_area_min=0.6), photos=True).crop_area_min == 0.6


@pytest.mark.parametrize("name", ["images-cpu", "images-gpu"])
def test_recipes_for_photos_say_all_that_is_settled_for_photos(name: str) -> None:
    config = TrainConfig(**read_recipe(find_recipe(name)))
    config.check()
    assert settle_views(config, photos=True) == config
    assert (config.views, config.crop_area_min, config.freeze_norms) == ("photo", 0.3, True)


def test_photos_without_labels_are_not_judged(tmp_path: Path) -> None:
    """Nothing moves in them; their perturbed copies find themselves, and that is no verdict."""
    found = finish_run(finished(tmp_path / "run", small_config(views="photo")))
    assert found["verdict"].startswith("No verdict: without labels it is unknown which photos")
    assert "`lookalike evaluate RUN --images FOLDER`" in found["verdict"]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f"lookalike evaluate {tmp_path / 'run'} --images FOLDER" in page
    assert "eats every baseline" not in page


def test_photos_with_labels_are_judged_by_their_nearest_neighbours(tmp_path: Path) -> None:
    """Twelve cats of level 20 and twelve dogs of level 40, both in the histogram's first bin: it knows one class."""
    known = class_folders(tmp_path / "known", 12)
    found = finish_run(finished(tmp_path / "run", small_config(views="photo", labelled=str(known))))
    images = found["evaluation"]["pictures"]
    values = {row["name"]: row["knn10"] for row in images["rows"]}
    assert (images["images"], images["classes"], values["HSV histogram"]) == (24, ["cat", "dog"], 0.5)
    assert {"raw pixels 8x8, with colour", "untrained, same head", "pretrained, same head"} <= values.keys()
    assert found["verdict"] == images["verdict"]
    assert "on 24 pictures" in found["verdict"]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Leave-one-out on 24 labelled pictures of 2 classes." in page
