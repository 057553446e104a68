"""The audit log: who asked for what; never a secret; and a disk that is full."""

from __future__ import annotations

import errno
import json
import logging
import os
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from lookalike.keys import KeyRing
from serving.auth import audit
from serving.auth.audit import Audit, AuditLog
from serving.auth.guard import Guard
from serving.auth.rules import OWN_RULES, Rule
from serving.auth.state import note
from serving.http.request_log import RequestLog
from tests.serving.auth.conftest import Keys

pytestmark = pytest.mark.trust


async def thing(request: Request) -> Response:
    note(request, camera="gate", ids=["a"] * 500, text="x" * 1000)
    if request.path_params["name"] == "broken":
        raise RuntimeError("a bug")
    return PlainTextResponse("content")


async def page(request: Request) -> Response:
    return PlainTextResponse("page")


RULES = [Rule(Route("/things/{name}", thing), "thing", "read"), *OWN_RULES]
APP = Starlette(routes=[Route("/things/{name}", thing), Route("/ui", page), Route("/livez", page)])


@pytest.fixture
def client(tmp_path: Path, keys: Keys) -> TestClient:
    guard = Guard(APP, KeyRing({"LOOKALIKE_KEYS": str(keys.path)}), RULES)
    return TestClient(
        RequestLog(Audit(guard, AuditLog(tmp_path / "log"))), raise_server_exceptions=False, follow_redirects=False
    )


def lines(tmp_path: Path) -> list[dict]:
    return [json.loads(line) for line in (tmp_path / "log" / "audit.jsonl").read_text().splitlines()]


def test_a_line_says_who_asked_for_what_and_how_it_ended(client: TestClient, keys: Keys, tmp_path: Path) -> None:
    client.get("/things/one", headers=keys.bearer("viewer") | {"X-Request-Id": "abc-1"})
    client.get("/things/one")
    client.get("/things/one", headers=keys.bearer("embedder"))
    client.get("/things/broken", headers=keys.bearer("viewer"))
    client.post("/login", data={"key": keys.secrets["viewer"]})
    client.post("/login", data={"key": "lk_guessed"})
    found = lines(tmp_path)
    assert [(line["key"], line["operation"], line["status"]) for line in found] == [
        ("viewer", "thing", 200),
        (None, "thing", 401),
        ("embedder", "thing", 403),
        ("viewer", "thing", 500),
        ("viewer", "login", 303),
        (None, "login", 401),
    ]
    assert found[0]["asked"] == {"name": "one", "camera": "gate", "ids": ["a"] * 200, "text": "x" * 300}
    assert found[0]["client"] == "testclient"
    assert found[0]["request_id"] == "abc-1"
    assert found[0]["at"].endswith("+00:00")


def test_pages_and_probes_are_no_lines_but_refusals_are(client: TestClient, keys: Keys, tmp_path: Path) -> None:
    client.get("/livez")
    client.get("/ui", headers=keys.bearer("viewer"))
    client.get("/ui")
    assert [(line["operation"], line["status"]) for line in lines(tmp_path)] == [("GET /ui", 401)]


def test_no_line_holds_a_secret_and_only_the_owner_reads_them(client: TestClient, keys: Keys, tmp_path: Path) -> None:
    for secret in (*keys.secrets.values(), "lk_guessed"):
        client.get("/things/one", headers={"Authorization": f"Bearer {secret}"})
        client.get("/things/one", headers={"Cookie": f"lookalike_key={secret}"})
        client.post("/login", data={"key": secret})
    text = (tmp_path / "log" / "audit.jsonl").read_text()
    assert not [name for name, secret in keys.secrets.items() if secret in text]
    assert "lk_" not in text
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "log" / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_is_sent_in_the_wrong_place_is_not_written(
    client: TestClient, keys: Keys, tmp_path: Path
) -> None:
    secret = keys.secrets["viewer"]
    client.get(f"/things/{secret}", headers=keys.bearer("viewer"))
    client.get(f"/{secret}/ui")
    client.get(f"/login?key={secret}")
    assert [line["operation"] for line in lines(tmp_path)] == ["thing", "GET /lk_.../ui", "login"]
    assert lines(tmp_path)[0]["asked"]["name"] == "lk_..."
    assert secret[8:] not in (tmp_path / "log" / "audit.jsonl").read_text()


def test_a_token_in_the_wrong_place_is_not_written_if_it_is_long_enough_to_be_one(tmp_path: Path) -> None:
    token = "only for friends (100%)"
    AuditLog(tmp_path, token=token).write({"operation": f"GET /{token}/ui", "asked": {"at": [token]}})
    AuditLog(tmp_path, token="gate").write({"operation": "search", "asked": {"camera": ["gate"]}})
    assert [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()] == [
        {"operation": "GET /lk_.../ui", "asked": {"at": ["lk_..."]}},
        {"operation": "search", "asked": {"camera": ["gate"]}},
    ]


def test_every_value_that_a_client_can_send_is_written(tmp_path: Path) -> None:
    sent = {"limit": 10**30, "score": float("nan"), "least": -(2**63), "flag": True, "most": 10**400}
    written = {"limit": 1e30, "score": None, "least": -(2**63), "flag": True, "most": None}
    AuditLog(tmp_path).write(sent)
    assert json.loads((tmp_path / "audit.jsonl").read_text()) == written


def test_names_of_clients_make_no_further_lines(client: TestClient, keys: Keys, tmp_path: Path) -> None:
    client.get("/things/a%0A%7B%22key%22:%22owner%22%7D%ED%A0%80", headers=keys.bearer("viewer"))
    assert [line["key"] for line in lines(tmp_path)] == ["viewer"]


def test_files_are_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_BYTES", 300)
    monkeypatch.setattr(audit, "FILES", 3)
    log = AuditLog(tmp_path)
    for number in range(100):
        log.write({"number": number, "text": "x" * 80})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    kept = [
        json.loads(line)["number"] for name in reversed(names) for line in (tmp_path / name).read_text().splitlines()
    ]
    assert kept == list(range(kept[0], 100))
    assert all(path.stat().st_size <= 300 for path in tmp_path.iterdir())


def test_a_full_disk_stops_nothing_and_is_said_once(
    client: TestClient, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with caplog.at_level(logging.WARNING, "bentoml.lookalike"):
        with monkeypatch.context() as patched:
            patched.setattr("serving.auth.audit._private", full)
            for _ in range(3):
                assert client.get("/things/one", headers=keys.bearer("viewer")).status_code == 200
        assert client.get("/things/two", headers=keys.bearer("viewer")).status_code == 200
    assert [line["asked"]["name"] for line in lines(tmp_path)] == ["two"]
    path = tmp_path / "log" / "audit.jsonl"
    assert [record.message for record in caplog.records] == [
        f"{path}: the audit log cannot be written ([Errno 28] No space left on device)",
        f"{path}: the audit log is written again",
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_fills_while_a_line_is_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "audit.jsonl").symlink_to("/dev/full")
    log = AuditLog(tmp_path)
    with caplog.at_level(logging.WARNING, "bentoml.lookalike"):
        log.write({"number": 1})
        log.write({"number": 2})
        (tmp_path / "audit.jsonl").unlink()
        log.write({"number": 3})
    assert (tmp_path / "audit.jsonl").read_text() == '{"number":3}\n'
    assert len(caplog.records) == 2


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    AuditLog(None).write({"number": 1})
    assert list(tmp_path.iterdir()) == []
