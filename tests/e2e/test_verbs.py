"""Every verb as a user runs it, on real recordings where they are there."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lookalike import cli
from lookalike.encoder import Encoder
from lookalike.footage import find_sources, frame_at, read_frames
from lookalike.index import Filters, open_index
from lookalike.search import Example, Searcher, SearchRequest
from tests.e2e.conftest import TWINS, run_here, run_verb
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
    second = json.loads(run_here("index", footage, "--encoder", home / "encoder.onnx", "--index", index, *WHOLE))
    assert (second["frames"], second["added"], second["points"]) == (frames, 0, frames)


def test_a_frame_cut_from_a_clip_is_found_in_it_at_its_time(
    home: Path, footage: Path, indexed: tuple[Path, dict], tmp_path: Path
) -> None:
    """Others of a still scene look the same to the last digits: its own frame may come after them, by no more."""
    model = Encoder(home / "encoder.onnx", "cpu")
    for source in find_sources([footage]):
        # The first frame from 2 s on: the one that `ffmpeg -ss 2 -frames:v 1` cuts.
        cut = next(frame for frame in read_frames([source]) if frame.time_s >= 2.0)
        Image.fromarray(cut.image).save(tmp_path / "frame.png")
        stored = ["--encoder", home / "encoder.onnx", "--index", indexed[0]]
        first = json.loads(run_here("search", tmp_path / "frame.png", *stored, "--json").splitlines()[0])
        assert first["source"] == source.path
        assert first["span_s"][0] <= first["time_s"] <= first["span_s"][1]
        assert {"id", "score", "source", "camera", "time_s", "span_s"} <= first.keys()
        alone = Filters(sources=(source.path,), since=cut.time_s, until=cut.time_s)
        with open_index(indexed[0], model.spec) as index:
            own = [
                hit
                for example in (str(tmp_path / "frame.png"), f"{source.path}@{cut.time_s}")
                for hit in Searcher(model, index).search(SearchRequest((Example(example),), filters=alone))
            ]
        assert [hit.time_s for hit in own] == [cut.time_s] * 2
        assert own[0].score >= TWINS * first["score"]
        # Made small as the stored frames were, before its colours were converted, it is the stored one.
        assert own[1].score == pytest.approx(1, abs=1e-4)


def test_search_keeps_to_the_camera_and_the_times_asked_for(home: Path) -> None:
    asked = ["--camera", "road", "--since", "3", "--until", "8", "--json"]
    found = run_verb("search", "crop.jpg", "--encoder", "encoder.onnx", "--index", "index", *asked, cwd=home)
    hits = [json.loads(line) for line in found.stdout.splitlines()]
    assert {hit["camera"] for hit in hits} == {"road"}
    assert all(3 <= hit["time_s"] <= 8 for hit in hits)


@pytest.fixture(scope="module")
def whole(home: Path) -> Path:
    """The user's folder, with an index of whole frames next to the other."""
    run_here("index", "recordings", "--encoder", "encoder.onnx", "--index", "whole", *WHOLE, cwd=home)
    return home


def hits(home: Path, *words: str, index: str = "index") -> list[dict]:
    found = run_here("search", *words, "--encoder", "encoder.onnx", "--index", index, "--json", cwd=home)
    return [json.loads(line) for line in found.splitlines()]


def score_of(home: Path, camera: str, second: float, *words: str) -> float:
    """Of the one frame that a recording has at this time, as a whole."""
    at = ["--camera", camera, "--since", str(second), "--until", str(second)]
    (hit,) = hits(home, *words, *at, index="whole")
    assert (hit["source"], hit["time_s"]) == (f"recordings/{camera}.mp4", second)
    return hit["score"]


def test_a_stored_frame_and_a_moment_are_that_very_frame(whole: Path) -> None:
    moment = "recordings/gate.mp4@5"
    first = hits(whole, "--at", moment, index="whole")[0]  # itself, or one that looks the same to the last digits
    assert (first["source"], first["score"]) == ("recordings/gate.mp4", pytest.approx(1, abs=1e-4))
    assert score_of(whole, "gate", 5, "--at", moment) == pytest.approx(1, abs=1e-4)
    assert score_of(whole, "gate", first["time_s"], "--id", first["id"]) == pytest.approx(1, abs=1e-4)


def test_a_region_is_as_the_picture_that_it_cuts_out(whole: Path, tmp_path: Path) -> None:
    """Of a moment and of a stored frame, in shares and in pixels, all of it and a quarter; weighed alike."""
    alike = ["--colour", ".2", "--layout", ".5"]
    picture, scores = frame_at(str(whole / "recordings" / "gate.mp4"), 5), []
    (found,) = hits(whole, "crop.jpg", "--camera", "gate", "--since", "5", "--until", "5", index="whole")
    for shares, pixels in (("0,0,1,1", "0,0,160,90"), ("0,0,.5,.5", "0,0,80,45")):
        width, height = (int(number) for number in pixels.split(",")[2:])
        Image.fromarray(picture[:height, :width]).save(tmp_path / "cut.png")
        scores.append(score_of(whole, "gate", 5, str(tmp_path / "cut.png"), *alike))
        for words in (["--at", "recordings/gate.mp4@5", "--region", shares], ["--id", found["id"], "--region", pixels]):
            assert score_of(whole, "gate", 5, *words, *alike) == pytest.approx(scores[-1], abs=1e-4)
    assert scores[1] < scores[0] - 1e-3


def test_likes_and_unlikes_move_the_answer(whole: Path) -> None:
    """By arithmetic, of content alone, among whole frames. Of frames whose cosine is c, the mean of both is at a cosine
    of sqrt((1 + c) / 2) to each.

    Away from u, to which it is at a cosine c, a picture p becomes s p - u with s = 2 - max(c, 0); that is at
    (s c - 1) / its length to u.
    """
    one, other = "recordings/gate.mp4@2", "recordings/road.mp4@8"
    content = ["--colour", "0", "--layout", "0"]
    between = math.sqrt((1 + score_of(whole, "road", 8, "--at", one, *content)) / 2)
    for camera, second in (("gate", 2), ("road", 8)):
        found = score_of(whole, camera, second, "--like", one, "--like", other, *content)
        assert found == pytest.approx(between, abs=1e-4)
    c = score_of(whole, "road", 8, "crop.jpg", *content)
    after = score_of(whole, "road", 8, "crop.jpg", "--unlike", other, *content)
    s = 2 - max(c, 0)
    assert after == pytest.approx((s * c - 1) / math.sqrt(s**2 + 1 - 2 * s * c), abs=1e-4)
    assert after < c
    assert after < score_of(whole, "gate", 5, "crop.jpg", "--unlike", other, *content)


@pytest.mark.parametrize("verb", ["outliers", "duplicates", "cluster"])
def test_what_stands_out_comes_as_lines_and_as_a_page_of_pictures(home: Path, tmp_path: Path, verb: str) -> None:
    """Each has its pictures on the page, a pair of duplicates eight: an encoder of a few steps may see some."""
    sheet = tmp_path / "sheet.html"
    flags = ["--encoder", "encoder.onnx", "--index", "index", "--camera", "gate", "--camera", "road"]
    lines = [json.loads(line) for line in run_here(verb, *flags, "--json", "--sheet", sheet, cwd=home).splitlines()]
    shown = [hit for line in lines for hit in line.get("representatives", [line])]
    pictures = len(shown) * (8 if verb == "duplicates" else 1)
    assert sheet.read_text(encoding="utf-8").count('<img src="data:image/jpeg') == pictures
    cameras = {hit["camera"] for hit in shown}
    if verb == "outliers":  # of 12 s each, six moments at most: all of them
        assert cameras == {"gate", "road"}
    assert cameras <= {"gate", "road"}
    if verb == "cluster":
        assert sum((Counter(line["cameras"]) for line in lines), Counter()) == {"gate": 24, "road": 24}


def test_another_encoder_is_refused_in_one_line(home: Path, tmp_path: Path) -> None:
    other = write_tiny_encoder(tmp_path / "other.onnx")
    refused = run_verb("search", "crop.jpg", "--encoder", other, "--index", "index", cwd=home)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1
    assert "filled by encoder tf_efficientnet_lite0-32-" in refused.stderr
    assert "this one is tiny-" in refused.stderr


def test_embedding_a_clip_gives_a_row_for_each_fifth_of_a_second(home: Path, footage: Path, tmp_path: Path) -> None:
    clip = footage / "car-detection.mp4"
    clip, frames, frame_s = (clip, 151, 0.08) if clip.exists() else (footage / "gate.mp4", 60, 0.1)
    out = tmp_path / "frames.parquet"
    flags = ["--fps", "5", "--regions", "none", "--out", out]
    run_here("embed", clip, "--encoder", home / "encoder.onnx", *flags)
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
            "invalid time 'noon'",
        ),
        (["pretrain", "recordings", "--out", "r", "--batch", "1"], 2, "--batch is 1"),
        (["index", "--encoder", "encoder.onnx", "--index", "index"], 2, "no SOURCE given"),
        (["embed", "recordings", "--encoder", "encoder.onnx", "--out", "x", "--fps", "0"], 2, "--fps is 0"),
        (["search", "--unknown"], 2, "Unknown option"),
        ([*SEARCH, "--time-of-day", "night"], 2, "invalid time of day 'night': expected a range such as 22:00-06:00"),
        (
            [*SEARCH, "--time-of-day", "22:00-06:00", "--zone", "Here"],
            2,
            "zone: invalid time zone 'Here': expected a name such as Europe/Berlin or UTC",
        ),
        ([*SEARCH, "--min-percentile", "100"], 2, "invalid min_percentile: got 100, expected from 0 to below 100"),
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
