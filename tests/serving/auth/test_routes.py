"""Every route of the service as BentoML serves it asks for a key, and each for its scope."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

import serving.routes
from lookalike.index.operations import OPERATIONS
from lookalike.keys import SCOPES
from serving.auth.headers import SECURITY_HEADERS
from serving.auth.hosts import PROBES
from serving.auth.rules import OWN_RULES, find_rule, rules_of
from serving.http.endpoint import Endpoint
from serving.service import ENDPOINTS, Lookalike
from tests.serving.auth.conftest import HOLDERS, Keys, write_keys

pytestmark = pytest.mark.trust

ID = "00000000-0000-4000-8000-000000000000"


def addresses(routes: Sequence[BaseRoute], below: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of each handler."""
    for route in routes:
        if isinstance(route, Mount) and isinstance(route.app, Starlette):
            yield from addresses(route.app.routes, below + route.path.rstrip("/"))
        elif isinstance(route, Mount):
            yield "GET", f"{below}{route.path}/anything"
        else:
            assert isinstance(route, Route)
            path = below + re.sub(r"{\w+(:\w+)?}", ID, route.path)
            yield from ((method, path) for method in route.methods or ("GET", "POST"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return write_keys(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture(scope="module")
def assembled(keys: Keys) -> Iterator[Starlette]:
    """As a worker makes it, but for what runs at its start: nothing may be reached that needs it.

    Once in a process, as BentoML's metrics can only be made once.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LOOKALIKE_KEYS", str(keys.path))
        made = Lookalike.to_asgi(is_main=True)
        assert isinstance(made, Starlette)
        yield made


@pytest.fixture(scope="module")
def client(assembled: Starlette) -> TestClient:
    return TestClient(assembled, base_url="http://localhost:3000", follow_redirects=False)


def test_each_handler_but_the_probes_is_401_without_a_key(assembled: Starlette, client: TestClient) -> None:
    found = set(addresses(assembled.routes))
    ours = {(endpoint.method, re.sub(r"{\w+}", ID, endpoint.path)) for endpoint in ENDPOINTS}
    assert ours | {("GET", path) for path in ("/metrics", "/schema.json", "/docs.json", "/", "/ui", *PROBES)} <= found
    open_ = {(method, path) for method, path in found if path in PROBES}
    answers = {(method, path): client.request(method, path) for method, path in found - open_}
    assert {address: answer.status_code for address, answer in answers.items() if answer.status_code != 401} == {}
    for answer in answers.values():
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_each_endpoint_is_403_with_every_key_that_lacks_its_scope(client: TestClient, keys: Keys) -> None:
    for endpoint in ENDPOINTS:
        for variables, scope in scopes_of(endpoint):
            assert scope in SCOPES
            path = re.sub(r"{\w+}", variables, endpoint.path)
            lacking = [name for name, (scopes, _) in HOLDERS.items() if not {scope, "admin"} & set(scopes)]
            assert lacking
            for name in lacking:
                answer = client.request(endpoint.method, path, headers=keys.bearer(name))
                assert (path, name, answer.status_code) == (path, name, 403)
                assert answer.json()["error"]["message"] == f"key {name!r} lacks the scope {scope!r}"


def scopes_of(endpoint: Endpoint) -> list[tuple[str, str]]:
    """What stands for the variables of the path, and the scope that this needs."""
    if not callable(endpoint.scope):
        return [(ID, endpoint.scope)]
    return [(name, "write" if operation.writes else "read") for name, operation in OPERATIONS.items()]


def test_what_changes_the_index_needs_write() -> None:
    by_name = {endpoint.name: endpoint for endpoint in ENDPOINTS}
    assert {name for name, scope in scopes_of(by_name["ask_index"]) if scope == "write"} == {
        *("upsert", "delete", "rename", "mark_complete", "unmark", "flush", "optimize")
    }
    assert {name for name, endpoint in by_name.items() if endpoint.scope == "embed"} == {"embed", "openai_embeddings"}
    assert {name for name, endpoint in by_name.items() if endpoint.scope not in ("read", "embed")} == {"ask_index"}


def test_bentoml_s_own_pages_are_for_admins_and_what_is_not_there_is_404(client: TestClient, keys: Keys) -> None:
    for path in ("/schema.json", "/nothing", "/search/", "/index", "/frames"):
        assert (path, client.get(path, headers=keys.bearer("recorder")).status_code) == (path, 404)
    assert client.get("/nothing", headers=keys.bearer("owner")).status_code == 404
    assert client.get("/schema.json", headers=keys.bearer("owner")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/ui", "/ui/main.js", "/docs.json", "/static_content/swagger-ui.css"])
def test_pages_are_for_any_key(client: TestClient, keys: Keys, path: str) -> None:
    assert [client.get(path, headers=keys.bearer(name)).status_code for name in HOLDERS] == [200] * len(HOLDERS)


def test_no_other_site_may_read_a_response(client: TestClient, keys: Keys) -> None:
    """CORS is closed: a browser keeps a response from a page of another site, and sends it no preflighted request."""
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method, path, holder in [
        ("OPTIONS", "/search", None),
        ("OPTIONS", "/search", "owner"),
        ("GET", "/ui", "owner"),
    ]:
        answer = client.request(method, path, headers=origin | (keys.bearer(holder) if holder else {}))
        assert [name for name in answer.headers if name.startswith("access-control-")] == []
        assert (method == "GET") == (answer.status_code == 200)


def test_no_handler_takes_more_than_its_request_may_see() -> None:
    """`view_of` is the only way to the index and the recordings."""
    for path in Path(serving.routes.__file__).parent.glob("*.py"):
        assert "app.state" not in path.read_text(encoding="utf-8"), path.name


def test_a_path_has_the_rule_that_the_router_would_take() -> None:
    rules = rules_of(ENDPOINTS)
    assert len(rules) == len(ENDPOINTS) + len(OWN_RULES)
    for path, name in [("/frames/x/about", "frame_about"), ("/frames/x", "frame"), ("/search", "search")]:
        for method in ("GET", "POST", "PUT"):
            asked = find_rule(rules, {"type": "http", "path": path, "method": method, "headers": []})
            assert asked is not None
            assert asked.rule.name == name
    assert find_rule(rules, {"type": "http", "path": "/uix", "method": "GET", "headers": []}) is None
