"""GET /frames and the thumbs of /recordings: what is shown, and what is never opened."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from lookalike.index import StoredFrame
from lookalike.pixels import decode
from serving.recordings.file_names import file_name
from tests.clips import RED, number_of
from tests.index.circle import frame
from tests.serving.conftest import refused
from tests.serving.recordings import SECONDS

Stored = dict[str, list[StoredFrame]]
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


def rgb_of(answer: httpx.Response) -> np.ndarray:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg"), answer.text
    return decode(answer.content)


def ways_to(fields: StoredFrame) -> list[str]:
    """All paths of pictures of a stored frame that is its recording's first."""
    frame = f"/frames/{fields.id}"
    return [f"{frame}/thumb", frame, f"/recordings/{fields.source_id}/thumb"]


@pytest.mark.parametrize("name", ["gate.mp4", "late.mkv", "old.avi"])
def test_each_frame_is_shown(recordings: httpx.Client, stored: Stored, name: str) -> None:
    for number, fields in reversed(list(enumerate(stored[name]))):
        for path in (f"/frames/{fields.id}/thumb?px=160", f"/frames/{fields.id}"):
            assert number_of(rgb_of(recordings.get(path))) == number


def test_all_frames_of_a_recording_at_the_same_time(recordings: httpx.Client, stored: Stored) -> None:
    paths = [f"/frames/{fields.id}/thumb?px=640" for fields in stored["gate.mp4"]] * 3
    with ThreadPoolExecutor(12) as threads:
        numbers = [number_of(rgb_of(answer)) for answer in threads.map(recordings.get, paths)]
    assert numbers == [*range(SECONDS)] * 3


def test_what_was_recorded_turned_is_upright(recordings: httpx.Client, stored: Stored) -> None:
    """Turned clockwise, what was above, the red half, is right."""
    for path in ("/thumb?px=160", ""):
        shown = rgb_of(recordings.get(f"/frames/{stored['phone.mp4'][0].id}{path}"))
        assert shown.shape == (64, 48, 3)
        np.testing.assert_allclose(shown[:, -16:].mean((0, 1)), RED, atol=6)


def test_pictures_in_a_zip_are_shown(recordings: httpx.Client, stored: Stored) -> None:
    for number in (1, 2):
        frame_id = stored[f"{number}.png"][0].id
        for path in (f"/frames/{frame_id}/thumb", f"/frames/{frame_id}"):
            assert number_of(rgb_of(recordings.get(path))) == number


def test_a_recording_is_shown_at_any_time(recordings: httpx.Client, stored: Stored) -> None:
    source_id = stored["late.mkv"][0].source_id
    for time_s, number in ((0, 0), (3.999, 3), (4, 4), (9000, SECONDS - 1)):
        assert number_of(rgb_of(recordings.get(f"/recordings/{source_id}/thumb?t={time_s}&px=160"))) == number


def test_a_recording_that_is_gone_or_another_now_is_410(recordings: httpx.Client, stored: Stored) -> None:
    for name, reason in (("gone.mp4", "no such file; it was moved"), ("other.mp4", "another file than the one that")):
        fields = stored[name][0]
        for path in ways_to(fields):
            assert refused(recordings.get(path), 410).startswith(f"{fields.source}: {reason}")


def test_what_was_cut_once_is_shown_when_the_recording_is_gone(
    recordings: httpx.Client, stored: Stored, shown_folder: Path
) -> None:
    """The id of a frame is made from its recording's bytes: the picture is the right one."""
    path, recording = f"/frames/{stored['phone.mp4'][1].id}/thumb?px=320", shown_folder / "recordings" / "phone.mp4"
    first = recordings.get(path)
    recording.rename(shown_folder / "aside")
    try:
        assert recordings.get(path).content == first.content
        assert refused(recordings.get(path.replace("320", "160")), 410).startswith(f"{recording}: no such file")
    finally:
        (shown_folder / "aside").rename(recording)


def test_browsers_keep_pictures(recordings: httpx.Client, stored: Stored) -> None:
    fields = stored["gate.mp4"][0]
    for path in ways_to(fields):
        answer = recordings.get(path)
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        again = recordings.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    saved = recordings.get(f"/frames/{fields.id}").headers["content-disposition"]
    assert saved == 'inline; filename="gate_2026-01-05T08-00-00Z.jpg"'


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"captured_at": "2026-01-05T08:00:12.500000Z"}, "gate_2026-01-05T08-00-12.5Z.jpg"),
        ({"captured_at": "2026-01-05T08:00:12Z"}, "gate_2026-01-05T08-00-12Z.jpg"),
        ({}, "gate_clip_12.5s.jpg"),
        ({"camera": '../"\r\nTür'}, "..----T-r_clip_12.5s.jpg"),
    ],
)
def test_the_name_to_save_a_frame_as(fields: dict[str, str], name: str) -> None:
    known = StoredFrame.from_frame(frame("clip", 12.5, "gate"))
    assert file_name(dataclasses.replace(known, source="footage/clip.mp4", **fields)) == name


def test_about_a_frame(recordings: httpx.Client, stored: Stored) -> None:
    fields = stored["gate.mp4"][3]
    assert recordings.get(f"/frames/{fields.id}/about").json() == {
        **{name: getattr(fields, name) for name in ("id", "source_id", "source", "camera")},
        "time_s": 3.0,
        "span_s": [3.0, 3.0],
        "captured_at": "2026-01-05T08:00:03Z",
        "region": None,
        "width": 64,
        "height": 48,
    }


@pytest.mark.parametrize("frame_id", [UNKNOWN_ID, "gate", "..%5C..%5Cetc"])
def test_an_unknown_frame_is_404(recordings: httpx.Client, frame_id: str) -> None:
    for rest in ("", "/thumb", "/about"):
        refused(recordings.get(f"/frames/{frame_id}{rest}"), 404)


@pytest.mark.parametrize("source_id", ["0" * 64, "gate", "0" * 63 + "G", "..%5Cgate.mp4"])
def test_an_unknown_recording_is_404(recordings: httpx.Client, source_id: str) -> None:
    refused(recordings.get(f"/recordings/{source_id}/thumb"), 404)


@pytest.mark.parametrize("query", ["px=100", "px=", "px=1e3", "px=-160"])
def test_other_sizes_are_400(recordings: httpx.Client, stored: Stored, query: str) -> None:
    refused(recordings.get(f"/frames/{stored['gate.mp4'][0].id}/thumb?{query}"), 400)


@pytest.mark.parametrize("time_s", ["-1", "nan", "inf", "noon"])
def test_a_time_that_is_none_is_400(recordings: httpx.Client, stored: Stored, time_s: str) -> None:
    refused(recordings.get(f"/recordings/{stored['gate.mp4'][0].source_id}/thumb?t={time_s}"), 400)
