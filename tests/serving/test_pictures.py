"""POST /pictures, and searches that name what they are like: kept pictures, moments of recordings, parts of them."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from lookalike.index import StoredFrame
from lookalike.pixels import decode
from tests.clips import picture as frame_of_clip
from tests.serving.conftest import encoded, picture, refused

Stored = dict[str, list[StoredFrame]]


def kept(recordings: httpx.Client, data: bytes) -> dict[str, Any]:
    return recordings.post("/pictures", files={"image": data}).raise_for_status().json()


def hits(recordings: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    return recordings.post("/search", json={"top": 50} | query).raise_for_status().json()["hits"]


def by_image(recordings: httpx.Client, image: np.ndarray, **fields: str) -> list[dict[str, Any]]:
    answer = recordings.post("/search", files={"image": encoded(image)}, data={"top": "50"} | fields)
    return answer.raise_for_status().json()["hits"]


def check_alike(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The best of each source, but for what a JPEG or a video codec loses."""
    scores = {hit["source"]: hit["score"] for hit in reversed(expected)}
    assert {hit["source"]: hit["score"] for hit in reversed(found)} == pytest.approx(scores, abs=0.02)


def test_a_picture_is_kept_upright_and_small(recordings: httpx.Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    file = io.BytesIO()
    Image.new("RGB", (1000, 2000), "red").save(file, "JPEG", exif=exif)
    about = kept(recordings, file.getvalue())
    assert (about["width"], about["height"]) == (1280, 640)
    answer = recordings.get(f"/pictures/{about['id']}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert decode(answer.content).shape == (640, 1280, 3)
    assert kept(recordings, file.getvalue()) == about
    raw = recordings.post("/pictures", content=file.getvalue(), headers={"Content-Type": "image/jpeg"})
    assert raw.json() == about


def test_a_kept_picture_is_searched_by_as_the_picture(recordings: httpx.Client) -> None:
    picture_id = kept(recordings, encoded(picture(1)))["id"]
    check_alike(hits(recordings, like=f"picture:{picture_id}"), by_image(recordings, picture(1)))
    by_part = hits(recordings, like=[f"picture:{picture_id}#.5,0,.5,.5"])
    check_alike(by_part, by_image(recordings, picture(1)[:24, 32:]))


def test_a_moment_is_searched_by_as_its_frame(recordings: httpx.Client, stored: Stored) -> None:
    for name in ("gate.mp4", "late.mkv"):
        fields = stored[name][3]
        found = hits(recordings, like=f"{fields.source_id}@3.7")  # the last frame began at 3 s
        check_alike(found, hits(recordings, like=fields.id))
        by_part = hits(recordings, like=f"{fields.source_id}@3.7#0,.5,1,.5")
        check_alike(by_part, by_image(recordings, frame_of_clip(3), region="0,.5,1,.5"))
        check_alike(hits(recordings, like=f"{fields.id}#0,.5,1,.5"), by_part)
        assert hits(recordings, id=fields.id, region="0,.5,1,.5") == hits(recordings, like=f"{fields.id}#0,.5,1,.5")


def test_unlike_takes_what_like_takes(recordings: httpx.Client, stored: Stored) -> None:
    last, first = stored["1.png"][0].id, stored["gate.mp4"][11]
    moment = f"{first.source_id}@11"
    away = hits(recordings, like=last, unlike=[moment])
    check_alike(away, hits(recordings, like=last, unlike=[first.id]))


def test_what_is_not_known_is_404(recordings: httpx.Client) -> None:
    for picture_id in ("0" * 32, "..%5Ca", "A" * 32):
        assert refused(recordings.get(f"/pictures/{picture_id}"), 404).endswith("is no longer kept; upload it again")
    for example in (f"picture:{'0' * 32}", "picture:../thumbs/a", f"{'0' * 64}@1", "7#0,0,1,1"):
        refused(recordings.post("/search", json={"like": example}), 404)


def test_a_moment_before_the_first_is_400(recordings: httpx.Client, stored: Stored) -> None:
    example = f"{stored['gate.mp4'][0].source_id}@-1"
    assert "nothing at -1 s, expected" in refused(recordings.post("/search", json={"like": example}), 400)


def test_what_cannot_be_read_is_400(recordings: httpx.Client, stored: Stored) -> None:
    gone = stored["gone.mp4"][0]
    for example in (f"{gone.source_id}@0", f"{gone.id}#0,0,.5,.5"):
        assert refused(recordings.post("/search", json={"like": example}), 400).startswith(
            f"{gone.source}: no such file"
        )


def test_pictures_are_refused_as_search_refuses_them(recordings: httpx.Client) -> None:
    good = encoded(picture(0))
    assert "not an image" in refused(recordings.post("/pictures", files={"image": b"garbage"}), 400)
    assert "broken image" in refused(recordings.post("/pictures", files={"image": good[: len(good) // 2]}), 400)
    refused(recordings.post("/pictures", files={"images": good}), 400)
    refused(recordings.post("/pictures", files=[("image", good)] * 2), 400)
    refused(recordings.post("/pictures", content=b"gate", headers={"Content-Type": "text/plain"}), 415)
    refused(recordings.post("/pictures", content=bytes(33 * 2**20), headers={"Content-Type": "image/png"}), 413)
