"""Every verb as a user runs it, on real recordings where they are there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lookalike import cli
from lookalike.footage import find_sources, read_frames
from tests.e2e.conftest import run_verb
from tests.tiny import write_tiny_encoder

WHOLE = ["--fps", "2", "--regions", "none"]
STORED = ["--encoder", "encoder.onnx", "--index", "index"]
SEARCH = ["search", "crop.jpg", *STORED]


@pytest.fixture(scope="module")
def indexed(home: Path, footage: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """An index of the footage at 2 frames a second, and what the verb printed."""
    index = tmp_path_factory.mktemp("indexed") / "index"
    process = run_verb("index", footage, "--encoder", home / "encoder.onnx", "--index", index, *WHOLE)
    assert process.returncode == 0, process.stderr
    return index, json.loads(process.stdout)


def test_indexing_twice_adds_nothing(home: Path, footage: Path, indexed: tuple[Path, dict]) -> None:
    index, first = indexed
    frames = sum(1 for _ in read_frames(find_sources([footage]), 2))
    assert (first["frames"], first["added"], first["points"]) == (frames, frames, frames)
    again = run_verb("index", footage, "--encoder", home / "encoder.onnx", "--index", index, *WHOLE)
    second = json.loads(again.stdout)
    assert (second["frames"], second["added"], second["points"]) == (frames, 0, frames)


def test_a_frame_cut_from_a_clip_is_found_first_at_its_time(
    home: Path, footage: Path, indexed: tuple[Path, dict], tmp_path: Path
) -> None:
    for source in find_sources([footage]):
        # The first frame from 2 s on: the one that `ffmpeg -ss 2 -frames:v 1` cuts.
        cut = next(frame for frame in read_frames([source]) if frame.time_s >= 2.0)
        Image.fromarray(cut.image).save(tmp_path / "frame.png")
        found = run_verb(
            *("search", tmp_path / "frame.png", "--encoder", home / "encoder.onnx"), *("--index", indexed[0], "--json")
        )
        first = json.loads(found.stdout.splitlines()[0])
        assert first["source"] == source.path
        assert abs(first["time_s"] - 2.0) <= 0.5
        # Stored frames were made small before their colours were converted; to an encoder of a few steps at 32 px that
        # is as much as JPEG compression.
        assert first["score"] > 0.96
        assert first["span_s"][0] <= first["time_s"] <= first["span_s"][1]
        assert {"id", "score", "source", "camera", "time_s", "span_s"} <= first.keys()


def test_search_keeps_to_the_camera_and_the_times_asked_for(home: Path) -> None:
    asked = ["--camera", "road", "--since", "3", "--until", "8", "--json"]
    found = run_verb("search", "crop.jpg", "--encoder", "encoder.onnx", "--index", "index", *asked, cwd=home)
    hits = [json.loads(line) for line in found.stdout.splitlines()]
    assert {hit["camera"] for hit in hits} == {"road"}
    assert all(3 <= hit["time_s"] <= 8 for hit in hits)


def hits(home: Path, *words: str) -> list[dict]:
    found = run_verb("search", *words, "--encoder", "encoder.onnx", "--index", "index", "--json", cwd=home)
    assert found.returncode == 0, found.stderr
    return [json.loads(line) for line in found.stdout.splitlines()]


def test_a_stored_frame_a_moment_and_a_whole_region_find_the_same_frame(home: Path) -> None:
    moment = "recordings/gate.mp4@5"
    first = hits(home, "--at", moment)[0]
    assert (first["source"], first["time_s"]) == ("recordings/gate.mp4", 5.0)
    assert first["score"] == pytest.approx(1, abs=1e-4)
    by_id = hits(home, "--id", first["id"])[0]
    assert (by_id["id"], by_id["score"]) == (first["id"], pytest.approx(1, abs=1e-4))
    for words in (["--at", moment, "--region", "0,0,1,1"], ["--id", first["id"], "--region", "0,0,160,90"]):
        whole = hits(home, *words)[0]  # cut from the whole picture, and made small then: not to the last digit the same
        assert (whole["id"], whole["score"]) == (first["id"], pytest.approx(1, abs=0.005))
    part = hits(home, "--at", moment, "--region", "0,0,.5,.5")[0]
    assert part["score"] < first["score"] - 0.01


def test_likes_and_unlikes_move_the_answer(home: Path) -> None:
    """Between two frames each is as near; with one of them unlike, it is not among the first."""
    one, other = "recordings/gate.mp4@2", "recordings/road.mp4@8"
    between = {hit["source"]: hit["score"] for hit in reversed(hits(home, "--like", one, "--like", other))}
    assert between["recordings/gate.mp4"] == pytest.approx(between["recordings/road.mp4"], abs=0.05)
    away = hits(home, "crop.jpg", "--unlike", other)
    assert away[0]["source"] == "recordings/gate.mp4"
    assert min(hit["score"] for hit in away) < hits(home, "crop.jpg")[-1]["score"]


@pytest.mark.parametrize("verb", ["outliers", "duplicates", "cluster"])
def test_what_stands_out_comes_as_lines_and_as_a_page_of_pictures(home: Path, tmp_path: Path, verb: str) -> None:
    """The rendered cameras have nothing twice; else each hit is there, with a picture on the page."""
    sheet = tmp_path / "sheet.html"
    flags = ["--encoder", "encoder.onnx", "--index", "index", "--camera", "gate", "--camera", "road"]
    process = run_verb(verb, *flags, "--json", "--sheet", sheet, cwd=home)
    assert process.returncode == 0, process.stderr
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    shown = [hit for line in lines for hit in line.get("representatives", [line])]
    assert sheet.read_text().count('<img src="data:image/jpeg') == len(shown)
    assert {hit["camera"] for hit in shown} == (set() if verb == "duplicates" else {"gate", "road"})


def test_another_encoder_is_refused_in_one_line(home: Path, tmp_path: Path) -> None:
    other = write_tiny_encoder(tmp_path / "other.onnx")
    refused = run_verb("search", "crop.jpg", "--encoder", other, "--index", "index", cwd=home)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1
    assert "filled by encoder compact-32-" in refused.stderr
    assert "this one is tiny-" in refused.stderr


def test_embedding_a_clip_gives_a_row_for_each_fifth_of_a_second(home: Path, footage: Path, tmp_path: Path) -> None:
    clip = footage / "car-detection.mp4"
    clip, frames, frame_s = (clip, 151, 0.08) if clip.exists() else (footage / "gate.mp4", 60, 0.1)
    out = tmp_path / "frames.parquet"
    flags = ["--fps", "5", "--regions", "none", "--out", out]
    process = run_verb("embed", clip, "--encoder", home / "encoder.onnx", *flags)
    assert process.returncode == 0, process.stderr
    table = pq.read_table(out)
    assert {"source", "camera", "time_s", "embedding"} <= set(table.column_names)
    assert table.num_rows == frames
    # The first frame in each fifth of a second: at its beginning, or less than one frame later.
    late = np.array(table["time_s"]) - np.arange(frames) / 5
    assert late.min() > -1e-6
    assert late.max() < frame_s
    vectors = np.stack(table["embedding"].to_numpy(zero_copy_only=False))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert set(table["camera"].to_pylist()) == {clip.stem}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["search", "nothing.jpg", "--encoder", "encoder.onnx", "--index", "index"], 1, "nothing.jpg: no such file"),
        (["search", "crop.jpg", "--encoder", "nothing.onnx", "--index", "index"], 1, "nothing.onnx: no such file"),
        (["search", "crop.jpg", "--encoder", "encoder.onnx", "--index", "nowhere"], 1, "nowhere: no index there"),
        (["search", "events.csv", "--encoder", "encoder.onnx", "--index", "index"], 1, "events.csv: not an image"),
        (["index", "nowhere", "--encoder", "encoder.onnx", "--index", "index"], 1, "nowhere: no such file or folder"),
        (["export", "recordings", "--out", "x.onnx"], 1, "cannot read the run's config"),
        (["info", "crop.jpg"], 1, "crop.jpg: not a readable ONNX file"),
        (
            ["search", "crop.jpg", "--encoder", "encoder.onnx", "--index", "index", "--since", "noon"],
            2,
            "'noon' is no time",
        ),
        (["pretrain", "recordings", "--out", "r", "--batch", "1"], 2, "--batch is 1"),
        (["index", "--encoder", "encoder.onnx", "--index", "index"], 2, "no SOURCE given"),
        (["embed", "recordings", "--encoder", "encoder.onnx", "--out", "x", "--fps", "0"], 2, "--fps is 0"),
        (["search", "--unknown"], 2, "Unknown option"),
        ([*SEARCH, "--time-of-day", "night"], 2, "'night' is no time of day; expected a range such as 22:00-06:00"),
        ([*SEARCH, "--time-of-day", "22:00-06:00", "--zone", "Here"], 2, "--zone is 'Here', expected one"),
        ([*SEARCH, "--min-percentile", "100"], 2, "min_percentile is 100.0"),
        (["outliers", *STORED, "--usual", "2"], 2, "--usual is 2, expected a share between 0 and 1"),
        (["cluster", *STORED, "--clusters", "10000"], 1, "too few for 10000 clusters"),
    ],
)
def test_a_mistake_gets_one_clear_message_and_no_traceback(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(home)
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    out, err = capfd.readouterr()
    assert exit_.value.code == code
    assert says in err
    assert "Traceback" not in err
    assert out == ""


def test_serve_without_its_encoder_says_so(tmp_path: Path) -> None:
    """In a process of its own: `serve` becomes the service."""
    process = run_verb("serve", "--encoder", "nothing.onnx", cwd=tmp_path)
    assert process.returncode == 1
    assert "nothing.onnx: no such file" in process.stderr
    assert "Traceback" not in process.stderr
    assert process.stdout == ""
