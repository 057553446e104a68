"""POST /index/{operation}: who may ask what, and what is refused. What is answered: tests/index/test_engines.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from lookalike.errors import IndexStoreError, SpaceMismatch
from lookalike.footage import Frame
from lookalike.index import Filters, StoredFrame, open_index
from lookalike.index.operations import MAX_POINTS
from lookalike.index.service import served_spec
from lookalike.index.wire import pack
from serving.http.limits import MAX_INDEX_BODY_BYTES
from tests.serving.conftest import Shown, expected_embedding
from tests.serving.running import ROOT, bentoml_env, served
from tests.tiny import SPEC

TOKEN = "only for friends"
OTHER = SPEC.__class__(**{**vars(SPEC), "weights_sha256": "1" * 64})
ID = "00000000-0000-4000-8000-000000000000"
HOURS = {"start_s": 0, "end_s": 3600}
RECORD = {"source_id": "a", "sampler": "all", "source": "a.mp4", "frames": 1, "stored": 1}


@pytest.fixture(scope="module")
def writable(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that takes frames of those who know the token; its index is made when it starts."""
    home = tmp_path_factory.mktemp("writable")
    settings = {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_INDEX": home / "index"}
    env = bentoml_env(home, settings | {"LOOKALIKE_WRITABLE": "1", "LOOKALIKE_TOKEN": TOKEN})
    with served("serving.service:Lookalike", env, ROOT, home / "log") as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield client


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKALIKE_TOKEN", TOKEN)


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["message"]


def upsert_of(frame: Frame, vector: np.ndarray, **changed: Any) -> dict[str, Any]:
    entry = {"id": frame.id} | StoredFrame.from_frame(frame).to_payload() | changed
    return {"space": SPEC.space, "frames": [entry], "vectors": pack(vector)}


def unit() -> np.ndarray:
    return np.eye(1, SPEC.dim, dtype=np.float32)[0]


@pytest.mark.usefixtures("known")
def test_frames_that_came_over_http_are_searched_as_others_and_never_opened(
    writable: httpx.Client, footage: list[Shown], tmp_path: Path
) -> None:
    """A client could name any file of the service's machine as the recording of a frame."""
    vectors = np.stack([expected_embedding(shown.png) for shown in footage])
    with open_index(str(writable.base_url), SPEC, create=True) as index:
        index.add([shown.frame for shown in footage], vectors)
        index.mark_complete([])
        assert index.count() == len(footage)
        assert {one.camera for one in index.frames(Filters(("yard",)))} == {"yard"}
    best = writable.post("/search", files={"image": footage[5].png}).json()["hits"][0]
    assert best["id"] == footage[5].frame.id
    by_region = writable.post("/search", json={"id": best["id"], "region": "0,0,.5,.5"})
    assert refused(by_region, 410).startswith("yard.mp4: named over HTTP or by an imported table, so not opened")
    for path in (f"/frames/{best['id']}/thumb", f"/frames/{best['id']}"):
        assert refused(writable.get(path), 410).startswith(
            "yard.mp4: named over HTTP or by an imported table, so not opened"
        )
    assert {one["served"] for one in writable.get("/library").json()["recordings"]} == {False}


def test_a_renamed_recording_is_not_opened_either(writable: httpx.Client, footage: list[Shown]) -> None:
    writable.post("/index/upsert", json=upsert_of(footage[0].frame, unit())).raise_for_status()
    asked = {"space": SPEC.space, "source_id": footage[0].frame.source_id, "source": "/etc/hostname", "camera": "gate"}
    asked |= {"remote": False}
    writable.post("/index/rename", json=asked).raise_for_status()
    by_region = writable.post("/search", json={"id": footage[0].frame.id, "region": "0,0,.5,.5"})
    assert refused(by_region, 410).startswith("/etc/hostname: named over HTTP or by an imported table, so not opened")


def test_without_the_token_nothing_is_answered(writable: httpx.Client) -> None:
    for sent in ("", f"Bearer {TOKEN}x", TOKEN):
        answer = writable.post("/index/count", json={"space": SPEC.space}, headers={"Authorization": sent})
        assert refused(answer, 401).startswith("expected `Authorization: Bearer` with a key of this service")
    with open_index(str(writable.base_url), SPEC) as index, pytest.raises(IndexStoreError, match="401, expected"):
        index.count()


def test_a_service_that_is_not_writable_answers_and_takes_nothing(service: httpx.Client, footage: list[Shown]) -> None:
    with open_index(str(service.base_url), SPEC) as index:
        assert index.count() == len(footage)
        vector = index.vector(footage[3].frame.id)
        np.testing.assert_allclose(vector, expected_embedding(footage[3].png), atol=1e-5)
        assert index.search(vector)[0].id == footage[3].frame.id
        with pytest.raises(IndexStoreError, match="403, this service takes no frames; start it with `lookalike serve"):
            index.forget(Filters())
        assert index.count() == len(footage)
    with pytest.raises(IndexStoreError, match="takes no frames; start it with: lookalike serve --writable"):
        open_index(str(service.base_url), SPEC, create=True)


def test_a_service_says_the_spec_of_its_encoder(service: httpx.Client, footage: list[Shown]) -> None:
    with open_index(str(service.base_url)) as index:
        assert index.spec == SPEC
        assert index.count() == len(footage)


def test_a_service_of_an_earlier_version_says_no_spec() -> None:
    with pytest.raises(IndexStoreError, match="http://a: the service does not state the spec of its encoder; pass --e"):
        served_spec("http://a", {"space": SPEC.space, "index": True})


@pytest.mark.parametrize("operation", ["upsert", "delete", "rename", "mark_complete", "unmark", "flush", "optimize"])
def test_all_that_changes_the_index_is_403(service: httpx.Client, operation: str) -> None:
    refused(service.post(f"/index/{operation}", json={"space": SPEC.space}), 403)


def test_another_encoder_is_refused_at_both_ends(service: httpx.Client) -> None:
    with pytest.raises(SpaceMismatch, match=f"serves encoder {SPEC.space}, this one is {OTHER.space}"):
        open_index(str(service.base_url), OTHER)
    for space in (OTHER.space, None, 3):
        answer = service.post("/index/count", json={"space": space})
        assert refused(answer, 409).endswith(f"this service is {SPEC.space}; use the encoder that it serves")


def test_an_unknown_operation_is_404(service: httpx.Client) -> None:
    assert refused(service.post("/index/close", json={"space": SPEC.space}), 404).startswith("no operation 'close'")
    assert service.get("/index/count").status_code == 405


def test_only_json_is_taken_so_that_no_page_can_have_a_browser_send_it(writable: httpx.Client) -> None:
    body = b'{"space": "%s"}' % SPEC.space.encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        refused(writable.post("/index/count", content=body, headers={"Content-Type": kind}), 415)
    refused(writable.post("/index/count", content=b"{", headers={"Content-Type": "application/json"}), 400)
    refused(writable.post("/index/count", json=[]), 400)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"vectors": pack(np.full(48, np.nan))}, "vectors: row 0 has length nan, expected 1"),
        ({"vectors": pack(np.zeros(48))}, "vectors: row 0 has length 0.0, expected 1"),
        ({"vectors": pack(np.ones(47))}, "vectors: got 188 bytes, expected rows of 48 float32"),
        ({"vectors": pack(np.eye(2, 48))}, "got 1 frames and 2 vectors, expected as many of each"),
        ({"vectors": "?"}, "vectors: expected base64"),
        ({"vectors": None}, "vectors: expected base64"),
        ({"frames": [{"id": "../../etc"}]}, "frames: a payload has no camera"),
        ({"frames": ID}, f"frames: got '{ID}', expected a list"),
        ({"frames": [{"id": ID}]}, "frames: a payload has no camera"),
        ({"frames": [[]]}, "frames: a payload has no camera"),
    ],
)
def test_points_that_cannot_be_are_refused(
    writable: httpx.Client, footage: list[Shown], changed: dict[str, Any], reason: str
) -> None:
    answer = writable.post("/index/upsert", json=upsert_of(footage[0].frame, unit()) | changed)
    assert refused(answer, 400) == reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"time_s": "now"}, "frames: time_s of a payload is 'now'"),
        ({"source": 3}, "frames: source of a payload is '3'"),
        ({"luma": True}, "frames: luma of a payload is 'True'"),
        ({"pts_us": 2**60}, f"frames: pts_us of a payload is '{2**60}'"),
        ({"captured_at": "today"}, "frames: Invalid isoformat string: 'today'"),
        ({"label": "car"}, "frames: unknown payload field 'label'"),
        ({"id": "../../etc"}, "frames: got '../../etc', expected the id of a frame"),
    ],
)
def test_payloads_that_no_search_could_answer_are_refused(
    writable: httpx.Client, footage: list[Shown], changed: dict[str, Any], reason: str
) -> None:
    answer = writable.post("/index/upsert", json=upsert_of(footage[0].frame, unit(), **changed))
    assert refused(answer, 400) == reason


@pytest.mark.parametrize(
    ("operation", "fields", "reason"),
    [
        ("delete", {}, "filters: expected an object of cameras, sources, source_ids, since, until, time_of_day, whole"),
        ("delete", {"where": {}, "filters": {}}, "expected an object of filters"),
        ("delete", {"filters": {"kamera": []}}, "filters: expected an object of cameras, sources, source_ids"),
        ("delete", {"filters": {"cameras": "gate"}}, "filters: cameras: got 'gate', expected a list of strings"),
        ("delete", {"filters": {"until": "tomorrow"}}, "filters: until: Invalid isoformat string: 'tomorrow'"),
        ("delete", {"filters": {"until": "0001-01-01T00:00:00+10:00"}}, "filters: until: date value out of range"),
        ("delete", {"filters": {"since": [1]}}, "filters: since: got '[1]', expected a number"),
        ("delete", {"filters": {"whole": 1}}, "filters: whole: got '1', expected true or false"),
        (
            "delete",
            {"filters": {"time_of_day": {"zone": "UTC"}}},
            "filters: time_of_day: start_s: got 'None', expected",
        ),
        ("delete", {"filters": {"time_of_day": HOURS | {"zone": "../etc/hostname"}}}, "filters: time_of_day: zone: "),
        ("rename", {"source_id": "a", "source": "a.mp4"}, "camera: got 'None', expected a string"),
        ("mark_complete", {"records": [{}]}, "records: source_id: got 'None', expected a string"),
        ("mark_complete", {"records": [RECORD | {"frames": "all"}]}, "records: frames: got 'all', expected 0 to"),
        (
            "mark_complete",
            {"records": [RECORD | {"began_at": "today"}]},
            "records: began_at: Invalid isoformat string: 'today'",
        ),
        ("unmark", {"source_ids": [3]}, "source_ids: got '[3]', expected a list of strings"),
        ("nearest", {"vector": pack(np.eye(2, 48))}, "vector: got 2 vectors, expected 1"),
        ("nearest", {"vector": pack(np.eye(1, 48)), "limit": 10**9}, "limit: got '1000000000', expected 1 to"),
        ("vectors", {"filters": {}, "page": 0}, "page: got '0', expected 1 to"),
    ],
)
def test_questions_that_cannot_be_are_refused(
    writable: httpx.Client, operation: str, fields: dict[str, Any], reason: str
) -> None:
    answer = writable.post(f"/index/{operation}", json={"space": SPEC.space} | fields)
    assert refused(answer, 400).startswith(reason)


def test_too_much_at_once_is_413(writable: httpx.Client) -> None:
    many = {"space": SPEC.space, "ids": [ID] * (MAX_POINTS + 1)}
    assert refused(writable.post("/index/existing", json=many), 413).startswith(f"{MAX_POINTS + 1} ids")
    large = {"space": SPEC.space, "ids": ["x" * MAX_INDEX_BODY_BYTES]}
    assert refused(writable.post("/index/existing", json=large), 413).endswith(f"{MAX_INDEX_BODY_BYTES:,} bytes")
