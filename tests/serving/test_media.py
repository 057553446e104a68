"""GET /recordings/...: what is played of a recording, with ranges, and how a proxy comes to be."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from lookalike.index import StoredFrame
from tests.clips import number_of
from tests.serving.conftest import refused
from tests.serving.recordings import SECONDS
from tests.serving.running import START_S

Stored = dict[str, list[StoredFrame]]


def path_of(stored: Stored, name: str) -> str:
    return f"/recordings/{stored[name][0].source_id}"


def prepared(recordings: httpx.Client, path: str) -> dict[str, Any]:
    """What is said of a recording when its proxy is done."""
    deadline = time.monotonic() + START_S
    while (about := recordings.get(path).raise_for_status().json())["media"] == "preparing":
        assert time.monotonic() < deadline, about
        assert 0 <= about["progress"] <= 1
        time.sleep(0.05)
    return about


def shown(data: bytes) -> list[tuple[float, int]]:
    with av.open(io.BytesIO(data), "r") as container:
        return [(frame.time, number_of(frame.to_ndarray(format="rgb24"))) for frame in container.decode(video=0)]


def test_what_browsers_play_is_the_file_itself(recordings: httpx.Client, stored: Stored, shown_folder: Path) -> None:
    about = recordings.get(path_of(stored, "gate.mp4")).json()
    assert (about["name"], about["media"], about["reason"]) == ("gate.mp4", "ready", None)
    assert (about["width"], about["height"], about["fps"], about["offset_s"]) == (64, 48, pytest.approx(1, 0.1), 0)
    answer = recordings.get(path_of(stored, "gate.mp4") + "/media")
    assert answer.content == (shown_folder / "recordings" / "gate.mp4").read_bytes()
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"


def test_ranges(recordings: httpx.Client, stored: Stored, shown_folder: Path) -> None:
    path, data = path_of(stored, "gate.mp4") + "/media", (shown_folder / "recordings" / "gate.mp4").read_bytes()
    size = len(data)
    for asked, start, end in (("0-", 0, size), ("0-1", 0, 2), ("100-", 100, size), ("-10", size - 10, size)):
        answer = recordings.get(path, headers={"Range": f"bytes={asked}"})
        assert (answer.status_code, answer.content) == (206, data[start:end])
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    beyond = recordings.get(path, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    etag = recordings.head(path).headers["etag"]
    for known, status in ((etag, 206), ('"another"', 200)):
        assert recordings.get(path, headers={"Range": "bytes=0-1", "If-Range": known}).status_code == status


@pytest.mark.parametrize("name", ["late.mkv", "old.avi"])
def test_a_proxy_is_made_of_the_rest(recordings: httpx.Client, stored: Stored, name: str) -> None:
    about = prepared(recordings, path_of(stored, name))
    assert (about["media"], about["offset_s"], about["progress"]) == ("ready", 0, 1)
    answer = recordings.get(path_of(stored, name) + "/media")
    assert answer.headers["content-type"] == "video/mp4"
    assert shown(answer.content) == [(number, number) for number in range(SECONDS)]
    part = recordings.get(path_of(stored, name) + "/media", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, answer.content[10:20])
    assert part.headers["etag"] == answer.headers["etag"]


def test_requests_at_the_same_time_make_one_proxy(recordings: httpx.Client, stored: Stored, shown_folder: Path) -> None:
    """Of a recording that no other test asks for; while it is made it is a 503, and never served half-made."""
    path = path_of(stored, "third.avi")

    def ask(_: int) -> httpx.Response:
        answer = recordings.get(f"{path}/media")
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
            assert "being made playable" in answer.json()["error"]["message"]
            prepared(recordings, path)
            answer = recordings.get(f"{path}/media")
        return answer

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(ask, range(6)))
    assert len({answer.content for answer in answers}) == 1
    assert shown(answers[0].content) == [(number, number) for number in range(SECONDS)]
    proxies = shown_folder / "cache" / "proxies"
    assert [one.name for one in proxies.glob(f"{stored['third.avi'][0].source_id}*")] == [
        f"{stored['third.avi'][0].source_id}.mp4"
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("1.png", "a picture, which cannot be played"),
        ("gone.mp4", "no such file; it was moved or removed after it was indexed"),
        ("other.mp4", "another file than the one that was indexed; index it again"),
    ],
)
def test_where_there_is_none_it_says_why(recordings: httpx.Client, stored: Stored, name: str, reason: str) -> None:
    about = recordings.get(path_of(stored, name)).json()
    assert (about["media"], about["reason"]) == ("none", f"{stored[name][0].source}: {reason}")
    assert refused(recordings.get(path_of(stored, name) + "/media"), 410) == about["reason"]


def test_an_unknown_recording_is_404(recordings: httpx.Client) -> None:
    for source_id in ("0" * 64, "gate.mp4", "..%5Cgate.mp4"):
        refused(recordings.get(f"/recordings/{source_id}"), 404)
        refused(recordings.get(f"/recordings/{source_id}/media"), 404)
