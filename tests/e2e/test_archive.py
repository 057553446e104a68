"""An archive of real recordings: what its events.csv and manifest.csv say of them comes out as JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import SHARED_DATA
from tests.e2e.conftest import run_here, run_verb
from tests.explore.copies import write_copy

pytestmark = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="NO RECORDINGS: the shared footage is not beside the checkout, nothing is checked"
)
FOOTAGE, BROKEN = SHARED_DATA / "footage", SHARED_DATA / "badfiles" / "videos"
CUT_S = 10.0


@pytest.fixture(scope="module")
def archive(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("archive") / "index"
    run_here("index", FOOTAGE, "--encoder", tiny_encoder, "--index", place, "--fps", 2)
    return place


def asked(verb: str, *words: object, archive: Path, encoder: Path) -> list[dict]:
    answer = run_here(verb, *words, "--encoder", encoder, "--index", archive, "--json")
    return [json.loads(line) for line in answer.splitlines()]


def events(label: str | None = None) -> list[tuple[str, float, float]]:
    """(clip, start, end) of the labelled intervals."""
    with (FOOTAGE / "events.csv").open() as file:
        rows = [(row["clip"], float(row["start_s"]), float(row["end_s"]), row["label"]) for row in csv.DictReader(file)]
    return [row[:3] for row in rows if label in (None, row[3])]


@pytest.mark.parametrize("label", ["person5_grey_coat", "person1_grey_cardigan", "white_suv", "right_only"])
def test_the_middle_of_an_event_finds_the_event(label: str, archive: Path, tiny_encoder: Path) -> None:
    ((clip, start_s, end_s),) = events(label)
    moment = f"{FOOTAGE / clip}@{(start_s + end_s) / 2}"
    first = asked("search", "--at", moment, "--top", 1, archive=archive, encoder=tiny_encoder)[0]
    assert first["source"] == str(FOOTAGE / clip)
    assert start_s - 1 <= first["time_s"] <= end_s + 1
    only = asked("search", "--at", moment, "--until", start_s - 6, archive=archive, encoder=tiny_encoder)
    assert all(hit["time_s"] <= start_s - 6 for hit in only)


@pytest.mark.parametrize(
    ("clip", "start_s"),
    [
        ("car-detection.mp4", 3.2),
        ("car-detection.mp4", 17.7),
        ("one-by-one-person-detection.mp4", 7.3),
        ("bottle-detection.mp4", 22.3),
        ("traffic_camera.mp4", 11.3),
        ("chimp.mp4", 3.3),
    ],
)
def test_a_copy_of_ten_seconds_is_found_at_its_offset(
    clip: str, start_s: float, archive: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    copy = write_copy(FOOTAGE / clip, tmp_path / "copy.mp4", start_s, CUT_S)
    first = asked("locate", copy, archive=archive, encoder=tiny_encoder)[0]
    assert first["source"] == str(FOOTAGE / clip)
    assert first["offset_s"] == pytest.approx(start_s, abs=0.5)
    assert first["span_s"][0] == pytest.approx(start_s, abs=1.5)
    assert first["span_s"][1] == pytest.approx(start_s + CUT_S, abs=1.5)


def test_an_archive_of_broken_recordings_does_what_each_deserves(tiny_encoder: Path, tmp_path: Path) -> None:
    """What the manifest wants rejected is named, what can be read of the others is stored, and the job was done."""
    with (BROKEN.parent / "manifest.csv").open() as file:
        wanted = {row[0].removeprefix("videos/"): row[2] for row in csv.reader(file) if row[0].startswith("videos/")}
    done = run_verb("index", BROKEN, "--encoder", tiny_encoder, "--index", tmp_path / "index", "--fps", 2)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    reasons = {Path(one["source"]).name: one for one in summary["skipped"]}
    assert (summary["sources"], len(wanted)) == (len(wanted), 22)
    rejected = {name for name, expected in wanted.items() if expected.startswith("reject") and " or " not in expected}
    assert rejected == {"truncated_no_moov.mp4", "zero.mp4", "text.mp4", "audio_only.mp4"}
    assert rejected <= reasons.keys()
    assert reasons["audio_only.mp4"]["reason"] == "no video stream"
    assert reasons["truncated_faststart.mp4"]["frames"] > 0
    assert "of the 10.1 s that its header states" in reasons["truncated_faststart.mp4"]["reason"]
    assert "damaged" in reasons["bitrot.mp4"]["reason"]
    assert reasons.keys() == rejected | {"truncated_faststart.mp4", "bitrot.mp4"}
    stored = {
        entry["camera"]: entry["frames"] for entry in asked("stats", archive=tmp_path / "index", encoder=tiny_encoder)
    }
    read = {Path(name).stem for name in wanted} - {Path(name).stem for name in rejected}
    assert stored.keys() == read
    assert stored["single_frame"] == stored["jpeg_named"] == 1
    assert stored["constant_1080p_3600f"] == 240  # 120 s, two a second
    # 3 s of black, and of the still pictures all but what comes before they have stood still for 2 s
    assert summary["black"] == 6
    assert summary["frozen"] >= 236
