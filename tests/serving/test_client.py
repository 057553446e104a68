"""The Python client against the real service, and against one that is busy at first."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest

from lookalike import session
from lookalike.client import AsyncClient, Client
from lookalike.errors import FootageError, IndexStoreError, ServiceError
from lookalike.index import Filters, Hit, open_index
from lookalike.index.server.client import connect
from lookalike.index.service import ServiceEngine, ask_who
from tests.serving.conftest import Shown, expected_embedding
from tests.serving.running import free_port
from tests.tiny import SPEC


def test_paths_bytes_and_arrays_are_embedded_in_their_order(
    service: httpx.Client, footage: list[Shown], tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(footage[0].png)
    pictures = [tmp_path / "a.png", footage[1].png, footage[2].frame.image, str(tmp_path / "a.png")]
    wanted = [expected_embedding(footage[number].png) for number in (0, 1, 2, 0)]
    with Client(str(service.base_url)) as one:
        found = one.embed(pictures, batch=3)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        assert one.embed([]).shape == (0, 0)


def test_search_by_picture_and_by_id(service: httpx.Client, footage: list[Shown]) -> None:
    with Client(str(service.base_url)) as one:
        hits = one.search(footage[5].png, top=2, camera=["yard"])
        assert (hits[0].camera, hits[0].time_s) == ("yard", footage[5].frame.time_s)
        assert {hit.camera for hit in hits} == {"yard"}
        assert one.search(id=hits[0].id, top=1, camera="yard")[0].id == hits[0].id
        with pytest.raises(ValueError, match="expected one picture, id or moment"):
            one.search()


@pytest.mark.trust
def test_a_key_that_cannot_be_sent_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the client would quote it. A line break at its end, as of a file, does not count."""
    for token in ("lk_secret\r\nX: a", "lk_sec\tret", "lk_\x7fsecret"):
        with pytest.raises(ServiceError, match="LOOKALIKE_TOKEN, or `token`, has a line break") as caught:
            Client("http://127.0.0.1:1", token=token)
        assert "secret" not in str(caught.value)
        monkeypatch.setenv("LOOKALIKE_TOKEN", token)
        with pytest.raises(ServiceError):
            AsyncClient("http://127.0.0.1:1")
    monkeypatch.setenv("LOOKALIKE_TOKEN", "lk_secret\r\n")
    with Client("http://127.0.0.1:1") as client:
        assert client._http.headers["authorization"] == "Bearer lk_secret"


def test_side_by_side_with_await(service: httpx.Client, footage: list[Shown]) -> None:
    async def ask() -> tuple[np.ndarray, np.ndarray, list[Hit]]:
        async with AsyncClient(str(service.base_url)) as one:
            return await asyncio.gather(
                one.embed([footage[0].png]), one.embed([footage[1].png]), one.search(footage[3].png, top=1)
            )

    first, second, hits = asyncio.run(ask())
    np.testing.assert_allclose(first, [expected_embedding(footage[0].png)], atol=1e-5)
    np.testing.assert_allclose(second, [expected_embedding(footage[1].png)], atol=1e-5)
    assert hits[0].time_s == footage[3].frame.time_s


def test_what_is_refused_is_said_at_once(service: httpx.Client) -> None:
    with (
        Client(str(service.base_url)) as one,
        pytest.raises(ServiceError, match=r"/embed: 400, image: not an image") as caught,
    ):
        one.embed([b"garbage"])
    assert caught.value.status == 400


def test_both_have_the_same_methods() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert methods(AsyncClient) == methods(Client) == {"close", "embed", "lines", "post", "search"}
    for name in ("__init__", "embed", "search"):
        parameters = [inspect.signature(getattr(kind, name)).parameters for kind in (Client, AsyncClient)]
        assert parameters[0] == parameters[1], name


def test_lines_come_with_await_as_without(service: httpx.Client, footage: list[Shown]) -> None:
    asked = {"space": SPEC.space, "filters": {}}

    async def ask() -> list[str]:
        one = AsyncClient(str(service.base_url))
        found = [line async for line in one.lines("/index/scroll", json=asked)]
        await one.close()
        with pytest.raises(RuntimeError, match="closed"):
            await one.post("/index/count", json=asked)
        return found

    with Client(str(service.base_url)) as one:
        lines = list(one.lines("/index/scroll", json=asked))
    assert asyncio.run(ask()) == lines
    assert sum(len(json.loads(line)) for line in lines) == len(footage)


def test_lines_that_are_refused_have_a_status_too(service: httpx.Client) -> None:
    async def ask() -> None:
        async with AsyncClient(str(service.base_url)) as one:
            async for _ in one.lines("/index/scroll", json={}):
                pass

    with pytest.raises(ServiceError, match="/index/scroll: 409, space is 'None'") as caught:
        asyncio.run(ask())
    assert caught.value.status == 409
    with Client(str(service.base_url)) as one, pytest.raises(ServiceError, match="409") as caught:
        list(one.lines("/index/scroll", json={}))
    assert caught.value.status == 409


def test_a_token_is_sent_by_both(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization"))
        return httpx.Response(200, json={"points": 3})

    one, other = Client("http://a", token="only for friends"), AsyncClient("http://a", token="only for friends")
    one._http._transport, other._http._transport = httpx.MockTransport(answer), httpx.MockTransport(answer)
    assert one.post("/index/count").json() == asyncio.run(other.post("/index/count")).json() == {"points": 3}
    assert sent == ["Bearer only for friends"] * 2


def test_a_file_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    async def ask() -> None:
        async with AsyncClient("http://127.0.0.1:1") as one:
            await one.search(tmp_path / "none.jpg")

    with pytest.raises(FootageError, match=r"none\.jpg: no such file, expected an image"):
        asyncio.run(ask())
    with Client("http://127.0.0.1:1") as one:
        with pytest.raises(FootageError, match=r"none\.jpg: no such file, expected an image"):
            one.embed([tmp_path / "none.jpg"])
        with pytest.raises(FootageError, match="a folder, expected a file"):
            one.embed([tmp_path])


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], tuple[str, list[int]]]]:
    """Starts a server that is busy so many times, and then answers one embedding of two numbers."""
    monkeypatch.setattr(session, "FIRST_WAIT_S", 0.0)
    servers: list[ThreadingHTTPServer] = []

    def start(times: int) -> tuple[str, list[int]]:
        asked: list[int] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                asked.append(self.client_address[1])
                body = (
                    b'{"error": {"message": "full"}}'
                    if len(asked) <= times
                    else np.array([0.6, 0.8], np.float32).tobytes()
                )
                self.send_response(503 if len(asked) <= times else 200)
                for name, value in (("Retry-After", "0"), ("X-Lookalike-Dim", "2"), ("Content-Length", len(body))):
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None: ...

            protocol_version = "HTTP/1.1"

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_busy_service_is_asked_again_over_the_same_connection(busy: Callable[[int], tuple[str, list[int]]]) -> None:
    url, asked = busy(2)
    with Client(url) as one:
        np.testing.assert_array_equal(one.embed([b"image"]), np.array([[0.6, 0.8]], np.float32))
    assert len(asked) == 3
    assert len(set(asked)) == 1  # ports that it was asked from


def test_one_that_stays_busy_is_given_up(busy: Callable[[int], tuple[str, list[int]]]) -> None:
    url, asked = busy(session.ATTEMPTS)
    with (
        Client(url) as one,
        pytest.raises(ServiceError, match=f"/embed: full; {session.ATTEMPTS} attempts failed") as caught,
    ):
        one.embed([b"image"])
    assert caught.value.status == 503
    assert len(asked) == session.ATTEMPTS


def test_one_that_is_not_there_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "FIRST_WAIT_S", 0.0)

    async def ask() -> None:
        async with AsyncClient(f"http://127.0.0.1:{free_port()}") as one:
            await one.embed([b"image"])

    with pytest.raises(ServiceError, match=f"ConnectError: .*; {session.ATTEMPTS} attempts failed") as caught:
        asyncio.run(ask())
    assert caught.value.status is None


@pytest.mark.parametrize("open_index_at", [False, True])
def test_https_to_a_service_without_it_says_what_to_write(
    busy: Callable[[int], tuple[str, list[int]]], open_index_at: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FIRST_WAIT_S", 0.0)
    url = busy(0)[0].replace("http:", "https:")
    with pytest.raises((ServiceError, IndexStoreError), match=r"it serves no HTTPS there: write http://"):
        open_index(url) if open_index_at else Client(url).embed([b"image"])


def test_waits_double_within_a_random_part_and_never_undercut_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most .25 s, .5 s and so on, up to 8 s; all of it after the 3 s that the service asked for."""
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    busy_for_3_s, gone = httpx.Response(503, headers={"Retry-After": "3"}), httpx.ConnectError("gone")
    assert [session._wait_s(attempt, gone) for attempt in (1, 2, 3, 10)] == [0.25, 0.5, 1.0, 8.0]
    assert session._wait_s(2, busy_for_3_s) == 3.5


@pytest.mark.trust
@pytest.mark.parametrize("status", [502, 503])
def test_lines_are_asked_for_again_while_the_service_is_busy(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose index does not answer for now, or that has too much to do, is a 503.

    One that restarts behind a proxy is a 502.
    """
    statuses = iter([status, 200] * 2)
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("lookalike.session.time.sleep", waits.append)
    monkeypatch.setattr("lookalike.session.asyncio.sleep", wait)
    one, other = Client("http://a"), AsyncClient("http://a")
    one._http._transport = other._http._transport = httpx.MockTransport(
        lambda request: httpx.Response(next(statuses), headers={"Retry-After": "1"}, text="1\n2\n")
    )

    async def ask() -> list[str]:
        return [line async for line in other.lines("/index/scroll")]

    assert list(one.lines("/index/scroll")) == asyncio.run(ask()) == ["1", "2"]
    assert len(waits) == 2
    assert min(waits) >= 1


@pytest.mark.trust
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_token_with_a_line_break_is_named_and_not_shown(line_end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As two secrets in one file; the line break at its end does no harm."""
    monkeypatch.setenv("LOOKALIKE_TOKEN", f"lk_secret{line_end}lk_other{line_end}")
    for kind in (Client, AsyncClient):
        with pytest.raises(ServiceError, match="has a line break") as caught:
            kind("http://127.0.0.1:1")
        assert "lk_secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SSL_CERT_FILE", "missing.pem", "SSL_CERT_FILE is missing.pem, which cannot be used"),
        ("SSL_CERT_FILE", "empty.pem", "SSL_CERT_FILE is empty.pem, which cannot be used"),
        ("HTTPS_PROXY", "gopher://me:secret@there", "HTTPS_PROXY: not a proxy that can be used"),
        ("ALL_PROXY", "http://me:secret@there:port", "ALL_PROXY: not a proxy that can be used"),
    ],
)
def test_certificates_and_proxies_that_cannot_be_used_are_one_line(
    name: str, value: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a service, of its index, and of a Qdrant server."""
    (tmp_path / "empty.pem").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    url = "http://127.0.0.1:1"
    for make in (lambda: Client(url), lambda: AsyncClient(url), lambda: ask_who(url), lambda: connect([url])):
        with pytest.raises((ServiceError, IndexStoreError), match=f"^{message}") as caught:
            make()
        assert "secret" not in str(caught.value)


@pytest.mark.trust
@pytest.mark.parametrize("body", ["<html></html>", "[]", "{}", '{"answer": "many"}', "\udcff"])
def test_the_response_of_something_else_is_one_line(body: str, tmp_path: Path) -> None:
    engine = ServiceEngine("http://a", {"space": "s", "index": True}, "s", 2, create=False)
    content = body.encode("utf-8", "surrogateescape")
    engine._session._http._transport = httpx.MockTransport(lambda request: httpx.Response(200, content=content))
    is_page = body in ("[]", "{}")  # of no frames
    for ask in (engine.count, *([] if is_page else [lambda: list(engine.scroll(Filters()))])):
        with pytest.raises(IndexStoreError, match="the response is not that of a Lookalike service") as caught:
            ask()
        assert "\n" not in str(caught.value)
