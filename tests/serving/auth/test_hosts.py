"""Which names are answered, and which pages may have a browser change something."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import Message

from serving.auth.headers import SECURITY_HEADERS, SecurityHeaders
from serving.auth.hosts import AllowedHosts, Hosts, is_loopback, split_host

pytestmark = pytest.mark.trust

INSIDE = Starlette(routes=[Mount("/", PlainTextResponse("inside"))])


def client_of(host: str, *allowed: str) -> TestClient:
    return TestClient(Hosts(INSIDE, AllowedHosts.of(host, allowed)), base_url="http://localhost:3000")


@pytest.mark.parametrize(
    ("host", "allowed", "asked", "status"),
    [
        ("127.0.0.1", (), "127.0.0.1:3000", 200),
        ("127.0.0.1", (), "LocalHost.", 200),
        ("127.0.0.1", (), "[::1]:3000", 200),
        ("127.0.0.1", (), "127.8.9.1", 200),
        ("127.0.0.1", (), "evil.example", 421),
        ("127.0.0.1", (), "localhost.evil.example", 421),
        ("127.0.0.1", (), "127.0.0.1.evil.example", 421),
        ("127.0.0.1", (), "192.168.1.5", 421),
        ("127.0.0.1", (), "localhost@evil.example", 421),
        ("127.0.0.1", (), "localhost:evil", 421),
        ("127.0.0.1", (), "", 421),
        ("192.168.1.5", (), "192.168.1.5:3000", 200),
        ("192.168.1.5", (), "192.168.1.6:3000", 421),
        ("archive", (), "archive:3000", 200),
        ("fd00::1", (), "[fd00::1]:3000", 200),
        ("FD00:0::1", (), "[fd00::1]", 200),
        ("fd00::1", (), "[FD00:0:0::1]:3000", 200),
        ("fd00::1", (), "fd00::1", 421),
        ("fd00::1", (), "[fd00::1%eth0]", 421),
        ("127.0.0.1", (), "0.0.0.0:3000", 421),
        ("127.0.0.1", (), "[::]:3000", 421),
        ("127.0.0.1", (), "2130706433", 421),
        ("127.0.0.1", (), "127.1", 421),
        ("127.0.0.1", (), "localhost..", 421),
        ("127.0.0.1", (), "[::ffff:127.0.0.1]", 200),
        ("127.0.0.1", ("Films.Example.",), "FILMS.example.:8443", 200),
        ("127.0.0.1", ("[FD00::2]",), "[fd00::2]:3000", 200),
        ("127.0.0.1", ("10.0.0.9",), "10.0.0.9", 200),
        ("0.0.0.0", (), "192.168.1.6:3000", 200),
        ("::", (), "[fd00::1]", 200),
        ("0.0.0.0", (), "archive", 421),
        ("0.0.0.0", ("Archive", "films.example"), "archive:3000", 200),
        ("0.0.0.0", ("Archive", "films.example"), "films.example", 200),
        ("0.0.0.0", ("films.example",), "other.films.example", 421),
    ],
)
def test_a_name_is_answered_if_it_is_ours(host: str, allowed: tuple[str, ...], asked: str, status: int) -> None:
    answer = client_of(host, *allowed).get("/library", headers={"Host": asked})
    assert answer.status_code == status
    if status == 421:
        assert answer.json()["error"]["type"] == "wrong_host"


@pytest.mark.parametrize(
    "text", ["films.example:8443", "https://films.example", "films.example/ui", "*.example", "*", "a b", ""]
)
def test_a_name_that_no_request_would_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a host without scheme and port"):
        AllowedHosts.of("127.0.0.1", [text])


def test_two_hosts_and_none_are_not_ours() -> None:
    hosts = [(b"host", b"localhost:3000"), (b"host", b"evil.example")]
    assert [status_of(headers) for headers in (hosts, hosts[::-1], [], hosts[:1])] == [421, 421, 421, 200]


def status_of(headers: list[tuple[bytes, bytes]]) -> int:
    """Of a request with these headers alone: clients add a Host."""
    sent = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    connection = {"type": "http", "method": "GET", "path": "/library", "query_string": b"", "headers": headers}
    asyncio.run(Hosts(INSIDE, AllowedHosts.of("127.0.0.1"))(connection, receive, send))
    return sent[0]["status"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_asked_by_any_name(path: str) -> None:
    assert client_of("127.0.0.1").get(path, headers={"Host": "pod-7.cluster"}).status_code == 200


def test_two_hosts_are_none() -> None:
    headers = [("Host", "localhost"), ("Host", "evil.example")]
    assert client_of("127.0.0.1").get("/library", headers=headers).status_code == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "http://LOCALHOST:3000"}, 200),
        ({"Origin": "https://localhost:3000"}, 200),  # a proxy ends TLS
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "http://localhost:3001"}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "chrome-extension://localhost:3000"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:3000"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "something new"}, 403),
    ],
)
def test_another_site_s_page_changes_nothing_and_may_link_here(headers: dict[str, str], status: int) -> None:
    client = client_of("127.0.0.1")
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/search", headers=headers).status_code == status
    assert client.get("/ui", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://films.example", 200), ("https://films.example:443", 200), ("http://films.example", 403)],
)
def test_default_ports_are_those_of_the_scheme_and_http_is_foreign_under_tls(origin: str, status: int) -> None:
    client = TestClient(Hosts(INSIDE, AllowedHosts.of("", ["films.example"])), base_url="https://films.example")
    assert client.post("/search", headers={"Origin": origin}).status_code == status


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Films.Example:80", ("films.example", 80)),
        ("films.example.", ("films.example", None)),
        ("[::1]:3000", ("[::1]", 3000)),
        ("::1", None),
        ("a b", None),
        ("a/b", None),
        ("a:123456", None),
        ("", None),
    ],
)
def test_hosts_are_split(text: str, parts: tuple[str, int | None] | None) -> None:
    assert split_host(text) == parts


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("archive", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


def test_every_response_tells_browsers_what_they_must_not_do() -> None:
    client = TestClient(SecurityHeaders(Hosts(INSIDE, AllowedHosts.of("127.0.0.1"))), base_url="http://localhost")
    for answer in (client.get("/ui"), client.get("/ui", headers={"Host": "evil.example"})):
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
