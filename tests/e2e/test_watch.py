"""`lookalike index --watch`, and of a camera, as a user runs and stops them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lookalike.index import Filters, open_index
from tests.clips import picture, write_clip
from tests.e2e.conftest import run_verb
from tests.footage.rtsp_server import Visit, rtsp_server, wait_until
from tests.tiny import SPEC

FRAMES = 10


@contextmanager
def running(*words: str | Path, verb: str = "index") -> Iterator[subprocess.Popen[str]]:
    """`lookalike index ...` as a process of its own, of whole frames."""
    command = [sys.executable, "-m", "lookalike", verb, *map(str, words), "--regions", "none"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    """The next one on standard error."""
    assert process.stderr is not None
    return process.stderr.readline().strip()


def stop(process: subprocess.Popen[str], number: signal.Signals) -> dict:
    """Returns: the summary."""
    process.send_signal(number)
    told, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return json.loads(told)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_watch_takes_in_what_arrives_and_ends_with_its_summary(tmp_path: Path, tiny_encoder: Path, number) -> None:
    folder, index = tmp_path / "recordings", tmp_path / "index"
    folder.mkdir()
    write_clip(folder / "a.mp4", range(0, 40 * FRAMES, 40))
    (folder / "broken.mp4").write_bytes(b"just text")
    with running(folder, "--encoder", tiny_encoder, "--index", index, "--watch", "--settle-s", ".2") as process:
        assert line(process) == f"watching {folder}; Ctrl-C ends it"
        assert line(process) == f"{folder / 'a.mp4'}: {FRAMES} frames, {FRAMES} new"
        assert line(process).startswith(f"skipped {folder / 'broken.mp4'}: not a readable video")
        moved = write_clip(tmp_path / "b.mp4", range(0, 40 * FRAMES, 40), [picture(20 + one) for one in range(FRAMES)])
        moved.rename(folder / "b.mp4")
        assert line(process) == f"{folder / 'b.mp4'}: {FRAMES} frames, {FRAMES} new"
        summary = stop(process, number)
    assert (summary["sources"], summary["added"], summary["points"]) == (3, 2 * FRAMES, 2 * FRAMES)
    assert [one["source"] for one in summary["skipped"]] == [str(folder / "broken.mp4")]
    with open_index(index, SPEC) as opened:
        assert sum(1 for _ in opened.frames(Filters(sources=(str(folder / "b.mp4"),)))) == FRAMES


def test_a_watch_takes_folders_only(tmp_path: Path, tiny_encoder: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [0])
    for words, said in (
        ([clip, "--watch"], f"lookalike: {clip}: no folder; --watch takes folders that recordings arrive in\n"),
        ([tmp_path, "--watch", "--settle-s", "-1"], "lookalike: --settle-s is -1, expected 0 or more\n"),
        (["--watch"], "lookalike: no SOURCE given; expected images, folders, videos or stream URLs\n"),
    ):
        process = run_verb("index", *words, "--encoder", tiny_encoder, "--index", tmp_path / "index")
        assert (process.returncode, process.stderr) == (2, said)
    assert not (tmp_path / "index").exists()


def test_a_camera_is_indexed_until_it_is_stopped(tmp_path: Path, tiny_encoder: Path) -> None:
    """It drops once, and what was read until Ctrl-C is there."""
    clip = write_clip(tmp_path / "gate.mp4", range(0, 4000, 40), codec_options={"bf": "0"})
    with rtsp_server(clip, Visit("drop", 50), Visit("stall")) as server:
        with running(server.url, "--encoder", tiny_encoder, "--index", tmp_path / "index", "--fps", "5") as process:
            name = f"{server.url.removeprefix('rtsp://')}"
            assert "the connection was closed; connecting again" in line(process)
            assert line(process).startswith(f"{server.url}: frames again after ")
            summary = stop(process, signal.SIGINT)
        wait_until(lambda: server.gone == 2)
    assert summary["points"] == summary["frames"] >= 10  # two seconds before the drop
    with open_index(tmp_path / "index", SPEC) as opened:
        assert {one.camera for one in opened.frames()} == {name}


def test_a_camera_is_embedded_until_it_is_stopped(tmp_path: Path, tiny_encoder: Path) -> None:
    """What was read until Ctrl-C is in the file."""
    clip = write_clip(tmp_path / "gate.mp4", range(0, 4000, 40), codec_options={"bf": "0"})
    out = tmp_path / "frames.parquet"
    with rtsp_server(clip, Visit("drop", 50), Visit("stall")) as server:
        words = server.url, "--encoder", tiny_encoder, "--out", out, "--fps", "5"
        with running(*words, verb="embed") as process:
            assert "connecting again" in line(process)
            assert "frames again" in line(process)
            summary = stop(process, signal.SIGINT)
    assert pq.read_metadata(out).num_rows == summary["frames"] >= 10
    assert [path.name for path in tmp_path.glob("frames*")] == ["frames.parquet"]


def test_cameras_are_indexed_at_the_same_time(tmp_path: Path, tiny_encoder: Path) -> None:
    """None of them ever ends; each has given two seconds before it drops."""
    clip = write_clip(tmp_path / "gate.mp4", range(0, 4000, 40), codec_options={"bf": "0"})
    visits = Visit("drop", 50), Visit("stall")
    with rtsp_server(clip, *visits) as gate, rtsp_server(clip, *visits) as dock:
        words = ["--encoder", tiny_encoder, "--index", tmp_path / "index", "--fps", "5"]
        with running(gate.url, dock.url, *words) as process:
            again: set[str] = set()
            while again != {gate.url, dock.url}:
                source, _, told = line(process).partition(": ")
                again |= {source} if told.startswith("frames again") else set()
            summary = stop(process, signal.SIGINT)
    with open_index(tmp_path / "index", SPEC) as opened:
        found = Counter(one.source for one in opened.frames())
    assert found[gate.url] >= 10
    assert found[dock.url] >= 10
    assert sum(found.values()) == summary["points"]
