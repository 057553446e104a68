"""POST /export: frames in a zip."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import httpx
import pytest

from lookalike.index import StoredFrame
from lookalike.pixels import decode
from serving.http.limits import MAX_EXPORT
from tests.clips import number_of
from tests.serving.conftest import refused

Stored = dict[str, list[StoredFrame]]


@pytest.mark.parametrize("sent_as", ["data", "files"])
def test_frames_come_as_pictures_with_a_table(recordings: httpx.Client, stored: Stored, sent_as: str) -> None:
    frames = [stored["gate.mp4"][3], stored["late.mkv"][7], stored["gone.mp4"][0], stored["1.png"][0]]
    ids = [*(fields.id for fields in frames), "gate"]
    sent: dict[str, Any] = (
        {"data": {"id": ids}} if sent_as == "data" else {"files": [("id", (None, one)) for one in ids]}
    )
    answer = recordings.post("/export", **sent)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    pictures = ["001_gate_2026-01-05T08-00-03Z.jpg", "002_late_late_7s.jpg", "004_yard_1_0s.jpg"]
    assert archive.namelist() == [*pictures, "hits.csv", "errors.txt"]
    assert [number_of(decode(archive.read(name))) for name in pictures] == [3, 7, 1]
    table = list(csv.DictReader(io.StringIO(archive.read("hits.csv").decode())))
    assert [row["id"] for row in table] == [fields.id for fields in frames]
    assert table[0] == {
        "id": frames[0].id,
        "camera": "gate",
        "captured_at": "2026-01-05T08:00:03Z",
        "source": frames[0].source,
        "time_s": "3.0",
    }
    gone, unknown = archive.read("errors.txt").decode().splitlines()
    assert gone.startswith(f"003 {frames[2].id}: {frames[2].source}: no such file")
    assert unknown.startswith("005 gate: no frame has the id 'gate'")


def test_what_is_no_list_of_ids_is_refused(recordings: httpx.Client) -> None:
    for sent in ({"other": "a"}, {"id": ["a"] * (MAX_EXPORT + 1)}):
        refused(recordings.post("/export", data=sent), 400)
    refused(recordings.post("/export", content=b"", headers={"Content-Type": "application/x-www-form-urlencoded"}), 400)
    refused(recordings.post("/export", json={"id": "a"}), 415)
