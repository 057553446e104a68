"""`lookalike search` asks by what moves: rendered passes of two cameras, indexed as they are by default."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lookalike import cli
from lookalike.index import open_index
from tests.passes import RED_PASSES, pass_at, write_passes
from tests.tiny import PARTS_SPEC, SPEC, write_tiny_encoder


@pytest.fixture(scope="module")
def passes(parts_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """recordings/, index/ with regions, whole/ without."""
    home = tmp_path_factory.mktemp("passes")
    recordings = str(home / "recordings")
    write_passes(home / "recordings")
    at = ["index", recordings, "--encoder", str(parts_encoder), "--fps", "2", "--index"]
    cli.main([*at, str(home / "index")])
    cli.main([*at, str(home / "whole"), "--regions", "none"])
    return home


@pytest.fixture
def search(passes: Path, parts_encoder: Path, capsys: pytest.CaptureFixture[str]):
    def ask(*words: object, index: str = "index", encoder: Path = parts_encoder) -> list[dict]:
        told = [str(word).replace("recordings/", f"{passes / 'recordings'}/") for word in words]
        cli.main(["search", *told, "--encoder", str(encoder), "--index", str(passes / index), "--json"])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return ask


def passed(hit: dict) -> tuple[str, float] | None:
    return pass_at(hit["camera"], hit["time_s"])


def test_regions_are_stored_of_passes_alone(passes: Path) -> None:
    """Two frames a second of each pass, the first of which may show too little of it yet."""
    with open_index(passes / "index", PARTS_SPEC) as index:
        parts = [fields for fields in index.frames() if fields.region]
    assert {pass_at(one.camera, one.time_s) for one in parts} == {*RED_PASSES, ("gate", 25.0)}
    assert len(parts) <= 4 * 8


def test_a_moment_with_a_pass_finds_the_others_before_all_empty_moments(search) -> None:
    """Asked as a whole, as an index without regions is, empty moments of the gate come before the yard."""
    hits = search("--at", "recordings/gate.mp4@12", "--top", "20")
    assert {passed(hit) for hit in hits[:3]} == RED_PASSES
    assert all(hit["asked"] and hit["region"] for hit in hits[:3])
    assert hits[0]["score"] == pytest.approx(1, abs=1e-4)
    assert not {passed(hit) for hit in hits[3:]} & RED_PASSES
    whole = search("--at", "recordings/gate.mp4@12", "--top", "20", index="whole")
    order = [passed(hit) for hit in whole]
    assert {hit["asked"] for hit in whole} == {None}
    assert ("yard", 20.0) not in order[: order.index(None)]


def test_unlike_an_empty_moment_leaves_what_passes(search) -> None:
    """Empty moments score nothing, or less, and the red passes come first; with regions, and without."""
    words = ("--at", "recordings/gate.mp4@12", "--unlike", "recordings/gate.mp4@5", "--top", "20")
    for index in ("index", "whole"):
        hits = search(*words, index=index)
        assert {passed(hit) for hit in hits[:2]} <= RED_PASSES
        assert all(hit["score"] < 0.01 for hit in hits if hit["camera"] == "gate" and not passed(hit))
    assert {passed(hit) for hit in search(*words)[:3]} == RED_PASSES


def test_an_empty_moment_is_asked_as_a_whole(search) -> None:
    hits = search("--at", "recordings/gate.mp4@5", "--top", "3")
    assert hits[0]["score"] == pytest.approx(1, abs=1e-4)
    assert {hit["asked"] for hit in hits} == {None}
    assert passed(hits[0]) is None


def test_a_region_that_is_given_is_what_is_asked(search) -> None:
    hits = search("--at", "recordings/gate.mp4@12", "--region", "0,0,1,.3")
    assert {hit["asked"] for hit in hits} == {None}


def test_colour_alone_tells_red_from_blue(search) -> None:
    same_look = search("--at", "recordings/gate.mp4@12", "--colour", "1", "--top", "20")
    assert {passed(hit) for hit in same_look[:3]} == RED_PASSES
    assert all(hit["score"] > 0.95 for hit in same_look[:3])
    assert all(hit["score"] < 0.9 for hit in same_look[3:])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--colour", ".5"), "cannot weight colour: got 0.5 for an encoder with no parts, expected"),
        (("--layout", "0"), "cannot weight layout: got 0 for an encoder with no parts"),
        (("--colour", "2"), "invalid colour: got 2, expected from 0 to 1"),
    ],
)
def test_weights_that_cannot_be_are_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    encoder = write_tiny_encoder(tmp_path / "tiny.onnx")
    open_index(tmp_path / "index", SPEC, create=True).close()
    with pytest.raises(SystemExit) as exit_:
        cli.main(["search", "x.png", "--encoder", str(encoder), "--index", str(tmp_path / "index"), *words])
    (line,) = capfd.readouterr().err.splitlines()
    assert exit_.value.code == 2
    assert line.startswith(f"lookalike: {said}")
