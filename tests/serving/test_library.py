"""GET /library: what the index holds, by recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import numpy as np
import pytest

from lookalike.index import Filters, FrameIndex, StoredFrame, open_index
from serving.inference.pipeline import Pipeline
from serving.recordings.library import Library, group_frames
from tests.index.circle import SPEC as CIRCLE
from tests.index.circle import frame
from tests.serving.recordings import FRAMES, SECONDS
from tests.tiny import SPEC


def test_it_lists_each_recording(recordings: httpx.Client, shown_folder: Path) -> None:
    answer = recordings.get("/library").raise_for_status().json()
    assert (answer["space"], answer["frames"]) == (SPEC.space, sum(FRAMES.values()))
    by_name = {one["name"]: one for one in answer["recordings"]}
    assert {name: one["frames"] for name, one in by_name.items()} == FRAMES
    assert len(by_name["gate.mp4"].pop("source_id")) == 64
    assert by_name["gate.mp4"] == {
        "source": str(shown_folder / "recordings" / "gate.mp4"),
        "name": "gate.mp4",
        "camera": "gate",
        "began_at": "2026-01-05T08:00:00Z",
        "length_s": SECONDS - 1,  # where the last frame begins
        "frames": SECONDS,
        "kind": "video",
        "served": True,
        "width": 64,
        "height": 48,
    }
    assert (by_name["1.png"]["kind"], by_name["1.png"]["camera"]) == ("picture", "yard")
    assert by_name["late.mkv"]["began_at"] is None


def stored(source: str, time_s: float, captured_at: datetime | None = None, remote: bool = False) -> StoredFrame:
    return replace(StoredFrame.from_frame(frame("a", time_s, "gate", captured_at), remote), source=source)


def test_what_was_named_over_http_and_streams_are_not_served() -> None:
    assert not group_frames([stored("/etc/hostname", 0, remote=True)])["a"].served
    assert not group_frames([stored("rtsp://camera/stream", 0)])["a"].served
    found = group_frames([stored("/etc/hostname", 0, remote=True), stored("gate.mp4", 1)])["a"]
    assert (found.source, found.served, found.frames) == ("gate.mp4", True, 2)


def test_a_recording_began_before_its_first_stored_frame() -> None:
    found = group_frames([stored("gate.mp4", 90.5, datetime(2026, 1, 5, 8, 1, 30, 500_000, UTC))])["a"]
    assert (found.began_at, found.length_s) == ("2026-01-05T08:00:00Z", 90.5)


def test_an_empty_index_has_an_empty_library() -> None:
    assert group_frames([]) == {}


def test_what_was_forgotten_is_not_served_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask_three_times(index: FrameIndex) -> list[bool]:
        async def ask(question: Callable[[FrameIndex], object], heavy: bool = False) -> object:
            return question(index)

        library = Library(cast(Pipeline, SimpleNamespace(ask=ask)))
        known = [set((await library.holdings()).recordings) == {"one"}]
        index.forget(Filters())
        known.append(await library.recording("one") is not None)
        monkeypatch.setattr("serving.recordings.library.VALID_S", 0.0)
        monkeypatch.setattr("serving.recordings.library.SHARE", 0)
        known.append(await library.recording("one") is not None)
        return known

    with open_index(tmp_path / "index", CIRCLE, create=True) as index:
        index.add([frame("one", 0.0)], np.array([[1, 0]], np.float32))
        assert asyncio.run(ask_three_times(index)) == [True, True, False]
