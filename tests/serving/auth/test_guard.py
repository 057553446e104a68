"""Without a key nothing is answered, in whatever way one is missing."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message
from starlette.websockets import WebSocketDisconnect

from lookalike.encoder import Encoder
from lookalike.keys import KeyFile, KeyRing
from serving.auth.audit import Audit, AuditLog
from serving.auth.guard import Guard
from serving.auth.login import safe_next
from serving.auth.rules import OWN_RULES, Rule
from serving.auth.state import state_of
from serving.http.request_log import RequestLog
from serving.inference.pipeline import Pipeline
from serving.settings import Settings
from tests.serving.auth.conftest import Keys, write_keys
from tests.tiny import SPEC, write_tiny_encoder

pytestmark = pytest.mark.trust

HTML = {"Accept": "text/html,application/xhtml+xml"}


async def who(request: Request) -> Response:
    key = state_of(request.scope).key
    return JSONResponse(key.name if key else None)


PATHS = ("/livez", "/readyz", "/embed", "/search", "/things/{name}", "/ui", "/", "/metrics", "/unlisted")
APP = Starlette(routes=[Route(path, who, methods=["GET", "POST"]) for path in PATHS])
RULES = [
    Rule(Route("/embed", who, methods=["POST"]), "embed", "embed"),
    Rule(Route("/search", who, methods=["POST"]), "search", "read"),
    Rule(Route("/things/{name}", who), "thing", lambda variables: "write" if variables["name"] == "new" else "read"),
    *OWN_RULES,
]


def client_of(env: Mapping[str, str], base_url: str = "http://testserver") -> TestClient:
    guard: ASGIApp = RequestLog(Audit(Guard(APP, KeyRing(env), RULES), AuditLog(None)))
    return TestClient(guard, base_url=base_url, follow_redirects=False)


@pytest.fixture
def client(keys: Keys) -> TestClient:
    return client_of({"LOOKALIKE_KEYS": str(keys.path)})


def error_of(answer: Response | object, status: int) -> str:
    assert answer.status_code == status, answer.text  # type: ignore[attr-defined]
    return answer.json()["error"]["message"]  # type: ignore[attr-defined]


def test_probes_need_no_key(client: TestClient) -> None:
    assert [client.get(path).status_code for path in ("/livez", "/readyz")] == [200, 200]


@pytest.mark.parametrize(
    "path",
    [
        *("/search", "/things/one", "/ui", "/", "/metrics", "/unlisted", "/none"),
        *("/livez/", "//livez", "/LIVEZ", "/livez%20", "/healthz", "/ui/../livez/..", "/login/", "/login.css/"),
        *("/search?key=lk_guessed", "/search?token=lk_guessed&access_token=lk_guessed"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer lk_guessed"},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": b"Bearer \xff\xfe"},
        {"Authorization": "Basic dmlld2VyOg=="},
        {"Cookie": "lookalike_key=lk_guessed; lookalike_name=owner"},
        {"Cookie": "lookalike_key="},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost", "X-Original-URL": "/livez"},
        {"X-API-Key": "lk_guessed", "Proxy-Authorization": "Bearer lk_guessed"},
    ],
)
def test_without_a_key_that_is_known_everything_else_is_401(
    client: TestClient, path: str, headers: dict[str, str]
) -> None:
    for method in ("GET", "POST", "HEAD", "OPTIONS", "DELETE"):
        answer = client.request(method, path, headers=headers)
        assert (method, answer.status_code) == (method, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_what_is_said_without_a_key_names_no_recordings(tmp_path: Path) -> None:
    """An encoder says what footage its head was fitted to."""
    spec = dataclasses.replace(SPEC, fitted_to="gate-2026-01-05.mp4 and 40 more")
    encoder = Encoder(write_tiny_encoder(tmp_path / "encoder.onnx", spec), "cpu", threads=1)
    assert encoder.spec.fitted_to == spec.fitted_to
    with closing(Pipeline(encoder, None)) as pipeline:
        about = pipeline.about()
    assert (about["space"], about["encoder"]["dim"]) == (SPEC.space, SPEC.dim)
    assert "gate" not in json.dumps(about)


def test_a_secret_in_an_address_or_a_form_is_not_taken(client: TestClient, keys: Keys) -> None:
    """Addresses are written to logs, and sent on as Referer."""
    secret = keys.secrets["owner"]
    for name in ("key", "token", "access_token", "api_key", "lookalike_key"):
        assert client.post("/search", params={name: secret}).status_code == 401
        assert client.post("/search", data={name: secret}).status_code == 401
        assert client.post("/search", headers={"X-Api-Key": secret}).status_code == 401


def test_a_digest_is_not_a_secret(client: TestClient, keys: Keys) -> None:
    digest = json.loads(keys.path.read_text())[0]["digest"]
    assert client.post("/search", headers={"Authorization": f"Bearer {digest}"}).status_code == 401


def test_a_secret_is_taken_from_the_header_or_the_cookie(client: TestClient, keys: Keys) -> None:
    assert client.post("/search", headers=keys.bearer("viewer")).json() == "viewer"
    assert client.post("/search", headers={"Authorization": f"bearer {keys.secrets['viewer']}"}).json() == "viewer"
    cookie = {"Cookie": f"lookalike_key={keys.secrets['viewer']}"}
    assert client.post("/search", headers=cookie).json() == "viewer"
    assert client.post("/search", headers=cookie | {"Authorization": "Basic YTpi"}).json() == "viewer"
    assert client.post("/search", headers=cookie | {"Authorization": "Bearer no"}).status_code == 401


@pytest.mark.parametrize(
    ("holder", "method", "path", "lacks"),
    [
        ("viewer", "POST", "/search", ""),
        ("viewer", "POST", "/embed", "embed"),
        ("viewer", "GET", "/things/old", ""),
        ("viewer", "GET", "/things/new", "write"),
        ("viewer", "GET", "/ui", ""),
        ("viewer", "GET", "/metrics", ""),
        ("embedder", "POST", "/embed", ""),
        ("embedder", "POST", "/search", "read"),
        ("embedder", "GET", "/ui", ""),
        ("recorder", "GET", "/things/new", ""),
        ("owner", "POST", "/embed", ""),
        ("owner", "GET", "/things/new", ""),
        ("gatekeeper", "POST", "/search", ""),
        ("gatekeeper", "GET", "/things/new", "write"),
    ],
)
def test_scopes(client: TestClient, keys: Keys, holder: str, method: str, path: str, lacks: str) -> None:
    answer = client.request(method, path, headers=keys.bearer(holder))
    if lacks:
        assert error_of(answer, 403) == f"key {holder!r} lacks the scope {lacks!r}"
    else:
        assert answer.json() == holder


def test_metrics_are_about_all_cameras(client: TestClient, keys: Keys) -> None:
    assert "is limited to some" in error_of(client.get("/metrics", headers=keys.bearer("gatekeeper")), 403)


def test_what_has_no_rule_is_for_admins(client: TestClient, keys: Keys) -> None:
    assert client.get("/unlisted", headers=keys.bearer("recorder")).status_code == 404
    assert client.get("/unlisted", headers=keys.bearer("owner")).json() == "owner"


def test_a_token_is_a_key_for_everything_whatever_its_letters() -> None:
    token = "only für friends; \u20ac 100%"
    client = client_of({"LOOKALIKE_TOKEN": token, "LOOKALIKE_KEYS": "[]"})
    headers = {b"Authorization": b"Bearer " + token.encode()}
    assert client.get("/things/new", headers=headers).json() == "LOOKALIKE_TOKEN"
    assert client.get("/things/new").status_code == 401
    assert client.post("/login", data={"key": token}).status_code == 303
    assert client.get("/things/new").json() == "LOOKALIKE_TOKEN"


@pytest.mark.trust
def test_a_cookie_is_read_as_it_is(client: TestClient, keys: Keys) -> None:
    """Python's reader of quoted cookies took 20 s for 60 KB of backslashes, before anybody was asked for a key."""
    secret = keys.secrets["viewer"]
    for others in (f"a=b; lookalike_key={secret}; c", f"lookalike_key=no;lookalike_key={secret}"):
        assert client.post("/search", headers={"Cookie": others}).json() == "viewer"
    for value in (f'"{secret}"', '"' + "\\\\" * 30_000 + '"'):
        assert client.post("/search", headers={"Cookie": f"lookalike_key={value}"}).status_code == 401


def test_a_revoked_key_is_refused_at_once_also_as_a_cookie_and_the_last_one_opens_nothing(
    client: TestClient, keys: Keys
) -> None:
    client.post("/login", data={"key": keys.secrets["viewer"]})
    assert client.post("/search").json() == "viewer"
    KeyFile(keys.path).revoke("viewer")
    assert client.post("/search").status_code == 401
    for name in ("gatekeeper", "embedder", "recorder", "owner"):
        KeyFile(keys.path).revoke(name)
    assert client.post("/search").status_code == 401
    keys.path.unlink()
    assert client.post("/search").status_code == 401


def test_keys_that_cannot_be_read_let_nobody_in(
    client: TestClient, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.post("/search", headers=keys.bearer("owner")).status_code == 200
    keys.path.write_text("[{")
    with caplog.at_level(logging.ERROR, "bentoml.lookalike"):
        for _ in range(3):
            assert "see its log" in error_of(client.post("/search", headers=keys.bearer("owner")), 503)
            assert client.post("/login", data={"key": keys.secrets["owner"]}).status_code == 503
    assert [record.message.split(":")[0] for record in caplog.records] == ["nobody gets in"]
    assert client.get("/livez").status_code == 200


def test_without_keys_everything_is_answered_on_loopback_and_nothing_elsewhere(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    for host, status in [("127.0.0.1", 200), ("[::1]", 200), ("10.0.0.7", 403), ("[fd00::1]", 403)]:
        answer = client_of(env, f"http://{host}:3000").post("/search")
        assert (host, answer.status_code) == (host, status)
    assert "lookalike keys add NAME --scope admin" in error_of(answer, 403)


def test_a_worker_that_is_started_after_the_file_was_removed_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker reads the settings that the start has noted; it may be started again at any time."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("LOOKALIKE_KEYS")
    made = write_keys(tmp_path / "lookalike" / "keys.json")
    noted = {"XDG_CONFIG_HOME": str(tmp_path)} | Settings.from_env({"LOOKALIKE_AUDIT_LOG": "off"}).to_env()
    made.path.unlink()
    client = client_of(noted)
    assert client.post("/search").status_code == 401
    assert client.post("/search", headers=made.bearer("owner")).status_code == 401
    client.close()


def test_the_first_key_closes_a_running_service(tmp_path: Path, keys: Keys) -> None:
    late = tmp_path / "lookalike" / "keys.json"
    client = client_of({"XDG_CONFIG_HOME": str(tmp_path)})
    assert client.post("/search").json() is None
    late.parent.mkdir()
    late.write_text(keys.path.read_text())
    assert client.post("/search").status_code == 401
    assert client.post("/search", headers=keys.bearer("viewer")).json() == "viewer"


def test_websockets_are_closed(client: TestClient, keys: Keys) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/search", headers=keys.bearer("owner")):
        pass


class TestLogin:
    """In a browser: a form once, then a cookie."""

    def test_a_page_asks_for_a_key_and_leads_back(self, client: TestClient) -> None:
        page = client.get("/ui?like=a%23.1&since=1", headers=HTML)
        assert page.status_code == 401
        assert page.headers["content-type"].startswith("text/html")
        assert '<form method="post" action="login">' in page.text
        assert 'name="next" value="ui?like=a%23.1&amp;since=1"' in page.text
        assert '<a href="ui?like=a%23.1&amp;since=1">' in page.text
        assert 'action="../../login"' in client.get("/frames/1/thumb", headers=HTML).text
        assert "<script" not in page.text
        assert "style=" not in page.text
        assert client.get("/login.css").headers["content-type"].startswith("text/css")
        assert client.get("/login", headers=HTML).status_code == 401

    def test_other_requests_get_json(self, client: TestClient) -> None:
        assert "lookalike keys add" in error_of(client.get("/ui"), 401)
        assert "lookalike keys add" in error_of(client.post("/search", headers=HTML), 401)

    def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(self, client: TestClient, keys: Keys) -> None:
        answer = client.post("/login", data={"key": f" {keys.secrets['viewer']} ", "next": "ui?like=a%23.1"})
        assert (answer.status_code, answer.headers["location"]) == (303, "ui?like=a%23.1")
        secret, name = answer.headers.get_list("set-cookie")
        assert secret.startswith(f"lookalike_key={keys.secrets['viewer']}; HttpOnly; Max-Age=")
        assert secret.endswith("; Path=/; SameSite=strict")
        assert name.startswith("lookalike_name=viewer; Max-Age=")
        assert "Secure" not in secret
        assert client.get("/ui", headers=HTML).json() == "viewer"

    def test_under_tls_the_cookie_is_for_tls(self, keys: Keys) -> None:
        client = client_of({"LOOKALIKE_KEYS": str(keys.path)}, "https://testserver")
        cookies = client.post("/login", data={"key": keys.secrets["viewer"]}).headers.get_list("set-cookie")
        assert ["; Secure" in cookie for cookie in cookies] == [True, True]

    def test_a_form_that_is_cut_off_is_no_failure_of_the_service(self, keys: Keys) -> None:
        """It was counted as a 500, for which nobody needs a key."""
        statuses: list[int] = []

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

        headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"100")]
        scope = {"type": "http", "method": "POST", "path": "/login", "query_string": b"", "headers": headers}
        guard = Guard(APP, KeyRing({"LOOKALIKE_KEYS": str(keys.path)}), RULES)
        asyncio.run(RequestLog(Audit(guard, AuditLog(None)))(scope, receive, send))
        assert statuses == [400]

    def test_an_unknown_key_is_said_to_be(self, client: TestClient, keys: Keys) -> None:
        answer = client.post("/login", data={"key": keys.secrets["viewer"][:-1], "next": "ui?a=b"})
        assert answer.status_code == 401
        assert "This key is not known here." in answer.text
        assert 'value="ui?a=b"' in answer.text
        assert "set-cookie" not in answer.headers

    @pytest.mark.parametrize("path", ["/login", "/logout", "/login?a=b"])
    def test_the_form_itself_leads_to_the_page(self, client: TestClient, keys: Keys, path: str) -> None:
        """It led to itself: a right key seemed to be refused."""
        page = client.get(path, headers=HTML)
        assert (page.status_code, 'name="next" value="ui"' in page.text) == (401, True)
        answer = client.post("/login", data={"key": keys.secrets["viewer"], "next": path.removeprefix("/")})
        assert answer.headers["location"] == "ui"

    def test_logging_out_forgets_the_cookie(self, client: TestClient, keys: Keys) -> None:
        client.post("/login", data={"key": keys.secrets["viewer"]})
        answer = client.post("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "ui")
        assert client.get("/ui").status_code == 401

    def test_a_large_form_and_another_kind_are_refused(self, client: TestClient) -> None:
        error_of(client.post("/login", data={"key": "x" * 9000}), 413)
        error_of(client.post("/login", json={"key": "x"}), 415)

    @pytest.mark.parametrize(
        "text",
        [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "ui?a\r\nSet-Cookie: b",
            "ui?a b",
            "ui?\u20ac",
            "..",
            "./x",
            '"><script>',
            "",
        ],
    )
    def test_nobody_is_led_elsewhere(self, client: TestClient, keys: Keys, text: str) -> None:
        assert safe_next(text) == "ui"
        answer = client.post("/login", data={"key": keys.secrets["viewer"], "next": text})
        assert answer.headers["location"] == "ui"

    @pytest.mark.parametrize("text", ["ui", "ui?like=x%23.1,.2&since=2026-01-05T08:00", "frames/00000000-0000"])
    def test_addresses_of_this_service_are_kept(self, text: str) -> None:
        assert safe_next(text) == text


def test_when_a_key_was_used_is_kept(client: TestClient, keys: Keys) -> None:
    client.post("/search", headers=keys.bearer("viewer"))
    digest = json.loads(keys.path.read_text())[0]["digest"]
    guard = client.app.__dict__["_app"]._app
    guard._noting.shutdown(wait=True)
    assert set(KeyFile(keys.path).last_used()) == {digest}
