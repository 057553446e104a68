"""A key that is limited to cameras finds nothing of the others in lists, by ids, in pictures, media and exports."""

from __future__ import annotations

import base64
import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from lookalike.client import Client
from lookalike.errors import ServiceError
from lookalike.index import Filters, StoredFrame, open_index
from lookalike.index.operations import OPERATIONS
from serving.service import ENDPOINTS
from tests.clips import picture
from tests.e2e.conftest import run_verb
from tests.serving.auth.conftest import Keys, write_keys
from tests.serving.conftest import encoded
from tests.serving.recordings import SECONDS, write_recordings
from tests.serving.running import ROOT, START_S, bentoml_env, served
from tests.tiny import SPEC

pytestmark = pytest.mark.trust

OURS = "gate"


@dataclass(frozen=True)
class Guarded:
    """A service that asks for keys. frames: all that are stored."""

    client: httpx.Client
    keys: Keys
    frames: list[StoredFrame]
    audit_log: Path

    @property
    def ours(self) -> list[StoredFrame]:
        return [frame for frame in self.frames if frame.camera == OURS]

    @property
    def theirs(self) -> list[StoredFrame]:
        return [frame for frame in self.frames if frame.camera != OURS]

    def get(self, path: str, holder: str = "gatekeeper") -> httpx.Response:
        return self.client.get(path, headers=self.keys.bearer(holder))

    def post(self, path: str, holder: str = "gatekeeper", **request: Any) -> httpx.Response:
        return self.client.post(path, headers=self.keys.bearer(holder), **request)


@pytest.fixture(scope="module")
def guarded(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("guarded")
    sources, index, keys = write_recordings(home / "recordings"), home / "index", write_keys(home / "keys.json")
    process = run_verb("index", *sources, "--encoder", tiny_encoder, "--index", index, "--regions", "none")
    assert process.returncode == 0, process.stderr
    with open_index(index, SPEC) as opened:
        frames = list(opened.frames())
    settings = {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_INDEX": index, "LOOKALIKE_KEYS": keys.path}
    env = bentoml_env(home, settings | {"LOOKALIKE_WRITABLE": "1", "LOOKALIKE_AUDIT_LOG": home / "audit"})
    with served("serving.service:Lookalike", env, ROOT, home / "log") as client:
        yield Guarded(client, keys, frames, home / "audit")


def error_of(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["message"]


def test_there_is_something_to_hide(guarded: Guarded) -> None:
    assert len(guarded.ours) == SECONDS
    assert {frame.camera for frame in guarded.theirs} == {"late", "old", "third", "phone", "yard", "gone", "other"}


def test_the_library_has_these_cameras_alone(guarded: Guarded) -> None:
    for _ in range(2):  # made, then cached
        limited, whole = guarded.get("/library").json(), guarded.get("/library", "viewer").json()
        assert {recording["camera"] for recording in limited["recordings"]} == {OURS}
        assert (limited["frames"], whole["frames"]) == (SECONDS, len(guarded.frames))


@pytest.mark.parametrize("path", ["/frames/{}", "/frames/{}/thumb", "/frames/{}/thumb?px=160", "/frames/{}/about"])
def test_a_frame_of_another_camera_is_one_that_does_not_exist(guarded: Guarded, path: str) -> None:
    frame = guarded.theirs[0]
    for name in ("viewer", "gatekeeper"):  # the viewer's request has the picture cached
        guarded.get(path.format(frame.id), name)
    hidden, missing = guarded.get(path.format(frame.id)), guarded.get(path.format("0" * 8 + frame.id[8:]))
    assert error_of(hidden, 404) == error_of(missing, 404).replace("0" * 8, frame.id[:8])
    etag = guarded.get(path.format(frame.id), "viewer").headers.get("etag", "")
    answer = guarded.client.get(
        path.format(frame.id), headers=guarded.keys.bearer("gatekeeper") | {"If-None-Match": etag}
    )
    assert answer.status_code == 404
    assert guarded.get(path.format(guarded.ours[0].id)).status_code == 200


@pytest.mark.parametrize("path", ["/recordings/{}", "/recordings/{}/media", "/recordings/{}/thumb?t=1"])
def test_a_recording_of_another_camera_is_one_that_does_not_exist(guarded: Guarded, path: str) -> None:
    """old.avi needs a proxy: that it was made for another key does not show it."""
    for source_id in {frame.source_id for frame in guarded.theirs}:
        guarded.get(path.format(source_id), "viewer")
        assert error_of(guarded.get(path.format(source_id)), 404).startswith("no recording has the id")
    assert guarded.get(path.format(guarded.ours[0].source_id)).status_code == 200


def test_every_route_with_an_id_hides_other_cameras(guarded: Guarded) -> None:
    """Walks the routes, so that a new one is tried as well; HEAD, ranges and a cookie change nothing."""
    frame = guarded.theirs[0]
    paths = [endpoint.path for endpoint in ENDPOINTS if "{" in endpoint.path and endpoint.method == "GET"]
    assert len(paths) >= 7
    cookie = {"Cookie": f"lookalike_key={guarded.keys.secrets['gatekeeper']}", "Range": "bytes=0-1"}
    for path in paths:
        for hidden in (frame.id, frame.id.upper(), frame.id.replace("-", ""), frame.source_id, frame.source):
            address = re.sub(r"{\w+}", quote(hidden, safe=""), path)
            for method in ("GET", "HEAD"):
                answer = guarded.client.request(method, address, headers=cookie)
                assert (method, address, answer.status_code) == (method, address, 404)
                assert frame.camera not in answer.text.replace(frame.source, "")


def test_media_play_with_the_cookie(guarded: Guarded) -> None:
    """By ranges, as a video element asks for them."""
    headers = {"Cookie": f"lookalike_key={guarded.keys.secrets['gatekeeper']}", "Range": "bytes=0-99"}
    answer = guarded.client.get(f"/recordings/{guarded.ours[0].source_id}/media", headers=headers)
    assert (answer.status_code, answer.content) == (206, Path(guarded.ours[0].source).read_bytes()[:100])


def test_searches_find_these_cameras_alone(guarded: Guarded) -> None:
    upload = {"image": encoded(picture(20))}  # what gone.mp4 shows
    for data in ({"top": 100}, {"top": 100, "camera": [OURS, "gone"]}, {"top": 100, "diverse": 0.5}, {"by": "clip"}):
        hits = guarded.post("/search", files=upload, data=data).json()["hits"]
        assert {hit["camera"] for hit in hits} == {OURS}
    assert guarded.post("/search", files=upload, data={"camera": "gone"}).json()["hits"] == []
    assert guarded.post("/search", "viewer", files=upload).json()["hits"][0]["camera"] == "gone"


def test_no_example_of_another_camera_is_taken(guarded: Guarded) -> None:
    frame = guarded.theirs[0]
    at, at_id = f"{frame.source}@{frame.time_s}", f"{frame.source_id}@{frame.time_s}"
    for fields in (
        {"id": frame.id},
        {"id": frame.id, "region": "0,0,.5,.5"},
        {"like": [frame.id]},
        {"like": [guarded.ours[0].id], "unlike": [frame.id]},
        {"like": [f"{frame.id}#0,0,.5,.5"]},
        {"at": at},
        {"at": at_id},
        {"like": [at]},
        {"like": [f"{at_id}#0,0,.5,.5"]},
    ):
        error_of(guarded.post("/search", json=fields), 404)
        assert guarded.post("/search", "viewer", json=fields).status_code in (
            200,
            400,
        )  # 400: regions of small pictures
    assert guarded.post("/search", json={"id": guarded.ours[0].id}).status_code == 200


def test_a_moment_of_another_camera_is_one_that_does_not_exist(guarded: Guarded) -> None:
    frame = guarded.theirs[0]
    for name, other in ((frame.source, "/nowhere.mp4"), (frame.source_id, "0" * 64)):
        hidden, missing = (guarded.post("/search", json={"at": f"{text}@{frame.time_s}"}) for text in (name, other))
        assert error_of(hidden, 404) == error_of(missing, 404).replace(other, name)


def test_an_export_leaves_out_other_cameras(guarded: Guarded) -> None:
    ids = [guarded.theirs[0].id, guarded.ours[0].id]
    with zipfile.ZipFile(io.BytesIO(guarded.post("/export", data={"id": ids}).content)) as archive:
        names, errors = archive.namelist(), archive.read("errors.txt").decode()
        assert archive.read("hits.csv").decode().count(OURS) >= 1
        assert guarded.theirs[0].source not in archive.read("hits.csv").decode()
    assert len([name for name in names if name.endswith(".jpg")]) == 1
    assert "no frame has the id" in errors


def test_explorations_are_of_these_cameras_also_when_others_asked_before(guarded: Guarded) -> None:
    for path in ("/explore/outliers?top=50", "/explore/duplicates", "/explore/clusters?clusters=2"):
        whole, limited = explored(guarded, path, "viewer"), explored(guarded, path, "gatekeeper")
        assert "late" in json.dumps(whole)
        for name in ("late", "old", "third", "phone", "yard", "gone", "other"):
            assert not [found for found in limited if f'"{name}"' in json.dumps(found)]
    assert explored(guarded, "/explore/outliers?camera=late", "gatekeeper") == []


def explored(guarded: Guarded, path: str, holder: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + START_S
    while (answer := guarded.get(path, holder)).status_code == 202:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answer.status_code == 200, answer.text
    return answer.json()["found"]


READING = {"existing", "points", "nearest", "scroll", "vectors", "source_record", "source_records", "count"}


def test_each_operation_that_reads_is_tried_here() -> None:
    assert {name for name, operation in OPERATIONS.items() if not operation.writes} == READING


def test_operations_of_the_index_are_of_these_cameras(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKALIKE_TOKEN", guarded.keys.secrets["gatekeeper"])
    with open_index(str(guarded.client.base_url), SPEC) as index:
        assert index.count() == SECONDS
        assert {frame.camera for frame in index.frames()} == {OURS}
        assert list(index.frames(Filters(("late",)))) == []
        assert index.engine.points([frame.id for frame in guarded.theirs]) == {}
        assert index.engine.existing([frame.id for frame in guarded.frames]) == {frame.id for frame in guarded.ours}
        assert {record.camera for record in index.source_records()} == {OURS}
        (sampler,) = {record.sampler for record in index.source_records()}
        for frame in (guarded.ours[0], guarded.theirs[0]):
            record = index.engine.source_record(frame.source_id, sampler)
            assert (record is not None) == (frame.camera == OURS)
        assert sum(len(frames) for frames, _ in index.vectors()) == SECONDS
        vector = index.vector(guarded.ours[0].id)
        assert {scored.frame.camera for scored in index.engine.nearest(vector, 100, Filters())} == {OURS}


def test_a_limited_key_changes_nothing(guarded: Guarded) -> None:
    for operation in ("delete", "upsert", "flush", "rename"):
        assert "lacks the scope 'write'" in error_of(
            guarded.post(f"/index/{operation}", json={"space": SPEC.space}), 403
        )


def test_locate_finds_copies_in_these_cameras(
    guarded: Guarded, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = next(frame.source for frame in guarded.theirs if frame.camera == "late")
    at = ("--encoder", tiny_encoder, "--index", str(guarded.client.base_url).rstrip("/"), "--json")
    found = {}
    for holder in ("viewer", "gatekeeper"):
        monkeypatch.setenv("LOOKALIKE_TOKEN", guarded.keys.secrets[holder])
        process = run_verb("locate", clip, *at)
        assert process.returncode == 0, process.stderr
        found[holder] = {json.loads(line)["camera"] for line in process.stdout.splitlines()}
    assert found == {"viewer": {OURS, "late", "old", "third"}, "gatekeeper": {OURS}}


def test_all_frames_are_removed_only_if_that_is_said(guarded: Guarded) -> None:
    for filters in ({}, {"whole": True}, {"cameras": []}):
        answer = guarded.post("/index/delete", "recorder", json={"space": SPEC.space, "filters": filters})
        assert '"all": true' in error_of(answer, 400)
        answer = guarded.post("/index/delete", "recorder", json={"space": SPEC.space, "filters": filters, "all": 1})
        assert '"all": true' in error_of(answer, 400)
    count = guarded.post("/index/count", "viewer", json={"space": SPEC.space}).json()["answer"]
    assert count == len(guarded.frames)


def test_clients_send_their_key_as_they_always_do(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKALIKE_TOKEN", guarded.keys.secrets["embedder"])
    url = str(guarded.client.base_url)
    with Client(url) as client, Client(url, token=guarded.keys.secrets["viewer"]) as viewer:
        assert client.embed([encoded(picture(1))]).shape == (1, SPEC.dim)
        with pytest.raises(ServiceError, match=r"401, expected .*; the key that was sent is not known there$"):
            Client(url, token="lk_guessed").embed([encoded(picture(1))])
        assert viewer.search(encoded(picture(1)))[0].camera
    monkeypatch.delenv("LOOKALIKE_TOKEN")
    with Client(url) as nobody, pytest.raises(ServiceError, match=r"401, expected .*; set LOOKALIKE_TOKEN to a key$"):
        nobody.embed([encoded(picture(1))])
    openai = pytest.importorskip("openai")
    embedder = openai.OpenAI(base_url=f"{url.rstrip('/')}/v1", api_key=guarded.keys.secrets["embedder"])
    data = "data:image/png;base64," + base64.b64encode(encoded(picture(1))).decode()
    assert len(embedder.embeddings.create(model="lookalike", input=[data]).data) == 1


def test_readyz_says_nothing_of_what_is_stored(guarded: Guarded) -> None:
    about = guarded.client.get("/readyz").raise_for_status().json()
    assert set(about) == {"space", "dim", "encoder", "precision", "provider", "index", "writable"}
    assert guarded.client.get("/metrics").status_code == 401
    assert guarded.get("/metrics").status_code == 403
    assert guarded.get("/metrics", "viewer").status_code == 200


def test_the_audit_log_says_who_saw_what(guarded: Guarded) -> None:
    frame = guarded.ours[3]
    guarded.get(f"/frames/{frame.id}/about", "viewer")
    guarded.post("/search", "gatekeeper", json={"id": frame.id, "top": 3, "camera": [OURS]})
    guarded.post("/index/existing", "recorder", json={"space": SPEC.space, "ids": [frame.id]})
    guarded.post("/index/delete", "recorder", json={"space": SPEC.space, "filters": {"cameras": ["nowhere"]}})
    (path,) = guarded.audit_log.iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    found = [(line["key"], line["operation"], line["status"], line["asked"]) for line in lines[-4:]]
    assert found == [
        ("viewer", "frame_about", 200, {"frame_id": frame.id, "camera": OURS}),
        ("gatekeeper", "search", 200, {"pictures": 0, "like": [frame.id], "camera": [OURS], "top": 3}),
        ("recorder", "ask_index", 200, {"operation": "existing", "ids": [frame.id]}),
        ("recorder", "ask_index", 200, {"operation": "delete", "filters": {"cameras": ["nowhere"]}}),
    ]
    assert not [secret for secret in guarded.keys.secrets.values() if secret in path.read_text()]
