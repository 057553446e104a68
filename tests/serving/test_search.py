"""POST /search on the running service, over the indexed footage: two cameras, a frame each 10 s from 08:00:00."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.serving.conftest import CAMERAS, TIMES_S, Shown, encoded
from tests.tiny import SPEC

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


def hits(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.json()["space"] == SPEC.space
    return answer.json()["hits"]


def shown_at(found: list[dict[str, Any]]) -> set[tuple[str, float]]:
    return {(hit["camera"], hit["time_s"]) for hit in found}


def test_a_frame_finds_itself_first(service: httpx.Client, footage: list[Shown]) -> None:
    for shown in footage:
        best, second = hits(service.post("/search", files={"image": shown.png}, data={"top": "2"}))
        assert best["score"] > 0.999 > second["score"]
        frame = shown.frame
        assert best == {
            "id": frame.id,
            "score": best["score"],
            "source": frame.source,
            "source_id": frame.source_id,
            "camera": frame.camera,
            "time_s": frame.time_s,
            "span_s": [frame.time_s, frame.time_s],
            "captured_at": f"2026-01-05T08:00:{int(frame.time_s):02}Z",
            "frames": 1,
            "moments": 1,
            "percentile": 75,  # all three other frames of its camera are less similar: 3 / (3 + 1)
            "region": None,
            "asked": None,
        }


def test_by_id_is_as_by_its_image(service: httpx.Client, footage: list[Shown]) -> None:
    shown = footage[3]
    by_id = hits(service.post("/search", json={"id": shown.frame.id, "top": 8}))
    by_image = hits(service.post("/search?top=8", content=shown.png, headers={"Content-Type": "image/png"}))
    assert [hit["id"] for hit in by_id] == [hit["id"] for hit in by_image]
    assert [hit["score"] for hit in by_id] == pytest.approx([hit["score"] for hit in by_image], abs=1e-4)
    assert by_id[0]["id"] == shown.frame.id


def test_likes_alone_are_as_their_mean_and_unlikes_lead_away(service: httpx.Client, footage: list[Shown]) -> None:
    one, other, last = (shown.frame.id for shown in (footage[0], footage[1], footage[7]))
    both = hits(service.post("/search", json={"like": [one, other], "top": 2}))
    assert {hit["id"] for hit in both} == {one, other}
    assert both[0]["score"] == pytest.approx(both[1]["score"], abs=1e-4)  # the mean of two is as near to each
    image = {"image": footage[0].png}
    away = hits(service.post("/search", files=image, data={"unlike": last, "top": "8"}))
    assert (away[0]["id"], away[-1]["id"]) == (one, last)


def test_a_region_is_as_the_picture_that_it_cuts_out(service: httpx.Client, footage: list[Shown]) -> None:
    cut = encoded(footage[2].frame.image[:24, 32:])
    by_cut = hits(service.post("/search", files={"image": cut}))
    for region in ("32,0,32,24", ".5,0,.5,.5"):
        by_region = hits(service.post("/search", files={"image": footage[2].png}, data={"region": region}))
        assert [hit["id"] for hit in by_region] == [hit["id"] for hit in by_cut]
        assert [hit["score"] for hit in by_region] == pytest.approx([hit["score"] for hit in by_cut], abs=1e-4)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"region": "1,2,3"}, "invalid region"),
        ({"region": "64,0,1,1"}, "begins at 64,0, outside of a picture of 64x48 pixels"),
    ],
)
def test_regions_that_cannot_be_are_refused(
    service: httpx.Client, footage: list[Shown], fields: dict[str, str], reason: str
) -> None:
    answer = service.post("/search", files={"image": footage[0].png}, data=fields)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


def test_a_region_of_a_frame_whose_recording_is_gone_is_refused(service: httpx.Client, footage: list[Shown]) -> None:
    """The footage of these tests was never a file."""
    answer = service.post("/search", json={"id": footage[0].frame.id, "region": "0,0,.5,.5"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("gate.mp4: no such file")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, {(camera, time_s) for camera in CAMERAS for time_s in TIMES_S}),
        ({"camera": "yard"}, {("yard", time_s) for time_s in TIMES_S}),
        ({"camera": ["gate", "yard"], "since": 20}, {(camera, t) for camera in CAMERAS for t in (20.0, 30.0)}),
        ({"camera": "gate", "until": "10"}, {("gate", 0.0), ("gate", 10.0)}),
        ({"camera": "gate", "since": "2026-01-05T08:00:30Z"}, {("gate", 30.0)}),
        ({"until": "2026-01-05T09:00:00+01:00"}, {(camera, 0.0) for camera in CAMERAS}),
        ({"time_of_day": "08:00-08:01"}, {(camera, time_s) for camera in CAMERAS for time_s in TIMES_S}),
        ({"time_of_day": "08:00-08:01", "zone": "Europe/Berlin"}, set()),
        (
            {"time_of_day": "23:00-09:30", "zone": "Europe/Berlin", "camera": "gate", "since": 20},
            {("gate", 20.0), ("gate", 30.0)},
        ),
        ({"camera": "nowhere"}, set()),
    ],
)
def test_filters(
    service: httpx.Client, footage: list[Shown], filters: dict[str, Any], expected: set[tuple[str, float]]
) -> None:
    by_json = service.post("/search", json={"id": footage[0].frame.id, **filters})
    by_form = service.post("/search", files={"image": footage[0].png}, data=filters)
    by_query = service.post("/search", params=filters, content=footage[0].png, headers={"Content-Type": "image/png"})
    for answer in (by_json, by_form, by_query):
        assert shown_at(hits(answer)) == expected


def test_a_clip_is_one_hit_where_asked_for(service: httpx.Client, footage: list[Shown]) -> None:
    found = hits(service.post("/search", json={"id": footage[5].frame.id, "by": "clip"}))
    assert [(hit["camera"], hit["frames"], hit["moments"], hit["span_s"]) for hit in found] == [
        ("yard", 4, 4, [0, 30]),
        ("gate", 4, 4, [0, 30]),
    ]


@pytest.mark.parametrize("least", [{"min_score": 0.999}, {"min_percentile": 75, "camera": "yard"}])
def test_hits_are_at_least_as_near_as_asked_for(
    service: httpx.Client, footage: list[Shown], least: dict[str, Any]
) -> None:
    (only,) = hits(service.post("/search", json={"id": footage[5].frame.id, **least}))
    assert only["id"] == footage[5].frame.id


@pytest.mark.parametrize("frame_id", [UNKNOWN_ID, "gate", "7"])
def test_an_unknown_id_is_404(service: httpx.Client, frame_id: str) -> None:
    answer = service.post("/search", json={"id": frame_id})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"no frame has the id '{frame_id}'; take an id of a search hit"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"id": UNKNOWN_ID, "top": 0}, "invalid top: got 0, expected from 1 to 1000"),
        ({"id": UNKNOWN_ID, "since": "noon"}, "since: invalid time 'noon'"),
        ({"id": UNKNOWN_ID, "camra": "gate"}, "unknown field 'camra'"),
        ({"top": 3}, "got 0 pictures, ids and moments; expected one picture, id or moment, or only `like`"),
    ],
)
def test_a_wrong_query_is_400(service: httpx.Client, query: dict[str, Any], reason: str) -> None:
    answer = service.post("/search", json=query)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


def test_images_are_refused_as_embed_refuses_them(service: httpx.Client, footage: list[Shown]) -> None:
    garbage = service.post("/search", files={"image": b"garbage"})
    misspelt = service.post("/search", files={"images": footage[0].png})
    two = service.post("/search", files=[("image", footage[0].png)] * 2)
    text = service.post("/search", content=b"gate", headers={"Content-Type": "text/plain"})
    assert [answer.status_code for answer in (garbage, misspelt, two, text)] == [400, 400, 400, 415]
