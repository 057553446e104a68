"""Bounds of the protocol, over real sockets: heads, half-sent heads, and more connections than there may be."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import uvicorn.config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from serving.auth.headers import SECURITY_HEADERS
from serving.http import protocol
from serving.http.door import DROPPED_BYTES, Door
from serving.http.limits import MAX_BODY_BYTES, MAX_HEAD_BYTES
from serving.http.protocol import MAX_PIPELINED, PIECE_BYTES, BoundedProtocol
from serving.inference.backlog import Busy

FEW = 3  # connections
GET = b"GET / HTTP/1.1\r\nHost: here\r\n"
Connect = Callable[[], socket.socket]


@pytest.fixture(scope="module")
def release() -> threading.Event:
    """What requests of /waits wait for."""
    return threading.Event()


@pytest.fixture(scope="module")
def address(release: threading.Event) -> Iterator[tuple[str, int]]:
    def at_once(request: Request) -> Response:
        return PlainTextResponse("here")

    def waits(request: Request) -> Response:
        assert release.wait(60)
        return PlainTextResponse("late")

    async def body(request: Request) -> Response:
        return PlainTextResponse(await request.body())

    routes = [Route("/", at_once, methods=["GET", "POST"]), Route("/waits", waits)]
    app = Starlette(routes=[*routes, Route("/body", body, methods=["POST"])])
    config = uvicorn.Config(app, http=BoundedProtocol, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield listening.getsockname()
    server.should_exit = True
    thread.join()


@pytest.fixture
def connect(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    monkeypatch.setattr(BoundedProtocol, "max_connections", FEW)
    with ExitStack() as opened:
        yield lambda: opened.enter_context(socket.create_connection(address, 60))
    while BoundedProtocol.lingering:
        time.sleep(0.01)


def read(connection: socket.socket) -> bytes:
    """All that comes until the other end closes."""
    parts = []
    with suppress(ConnectionError):
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def dribbled(connection: socket.socket, most: int) -> int:
    """How many bytes could be sent, one at a time, until the other end closed."""
    for count in range(most):
        try:
            connection.sendall(b"a")
        except ConnectionError:
            return count
        time.sleep(0.05)
    return most


def refused(response: bytes) -> tuple[str, str]:
    """The status line, and the type of the error."""
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return head.split(b"\r\n")[0].decode(), json.loads(body)["error"]["type"]


def head_of(size: int) -> bytes:
    """A head of so many bytes."""
    rest = size - len(GET) - len(b"X: \r\nConnection: close\r\n\r\n")
    return GET + b"X: " + b"a" * rest + b"\r\nConnection: close\r\n\r\n"


def test_a_head_of_the_largest_size_is_answered(connect: Connect) -> None:
    connection = connect()
    connection.sendall(head_of(MAX_HEAD_BYTES))
    assert read(connection).endswith(b"here")


@pytest.mark.trust
@pytest.mark.parametrize("size", [MAX_HEAD_BYTES + 1, 5_000_000])
def test_a_larger_head_is_431(connect: Connect, size: int) -> None:
    connection = connect()
    with suppress(ConnectionError):
        connection.sendall(head_of(size))
    assert refused(read(connection)) == ("HTTP/1.1 431 Request Header Fields Too Large", "head_too_large")


@pytest.mark.trust
@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of TLS
        GET + b"Content-Length: many\r\n\r\n",
        b"POST /body HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_not_http_is_400_with_an_id(connect: Connect, sent: bytes) -> None:
    connection = connect()
    connection.sendall(sent)
    response = read(connection)
    assert refused(response) == ("HTTP/1.1 400 Bad Request", "bad_request")
    assert re.search(rb"\r\nx-request-id: [0-9a-f]{32}\r\n", response)


@pytest.mark.trust
def test_of_requests_that_are_sent_without_waiting_few_are_parsed(
    connect: Connect,
    release: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """Each takes memory and time of the event loop; with each response, the next thousands were read."""
    parsed = 0

    class Counted(RequestResponseCycle):
        def __init__(self, **named: Any) -> None:
            nonlocal parsed
            parsed += 1
            super().__init__(**named)

    monkeypatch.setattr("uvicorn.protocols.http.httptools_impl.RequestResponseCycle", Counted)
    release.clear()
    connection, count = connect(), 2000
    connection.sendall(GET.replace(b"/ ", b"/waits ", 1) + b"\r\n" + (GET + b"\r\n") * (count - 2) + head_of(100))
    time.sleep(0.5)  # until all is surely read that will be
    while_it_waits = parsed
    release.set()
    assert read(connection).count(b"HTTP/1.1 200 OK") == count
    assert while_it_waits <= 1 + MAX_PIPELINED + PIECE_BYTES // len(GET)
    assert parsed == count
    record_property("tried", f"{count:,} requests of one connection at once")
    record_property("survived", f"{while_it_waits} are parsed while the first one is answered")


@pytest.mark.trust
def test_headers_without_end_are_431(connect: Connect) -> None:
    connection = connect()
    connection.sendall(GET)
    with suppress(ConnectionError):
        for number in range(100_000):
            connection.sendall(b"X-%d: a\r\n" % number)
    assert refused(read(connection))[1] == "head_too_large"


@pytest.mark.trust
def test_a_head_that_is_not_sent_in_time_is_408(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    first, later, silent = connect(), connect(), connect()
    first.sendall(GET)
    assert refused(read(first)) == ("HTTP/1.1 408 Request Timeout", "timeout")
    assert read(silent) == b""
    later = connect()
    later.sendall(GET + b"\r\n" + GET[:10])  # the next one, on a connection that was used
    response = read(later)
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert b"here" in response


@pytest.mark.trust
def test_past_the_most_connections_is_503_and_room_is_given_back(connect: Connect, release: threading.Event) -> None:
    release.clear()
    held = [connect() for _ in range(FEW)]
    for connection in held:
        connection.sendall(GET.replace(b"/ ", b"/waits ", 1) + b"\r\n")
    time.sleep(0.2)  # until the server surely knows them
    response = read(connect())
    assert refused(response) == ("HTTP/1.1 503 Service Unavailable", "busy")
    assert b"retry-after: 1" in response
    release.set()
    for connection in held:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        connection.close()
    while BoundedProtocol.lingering:
        time.sleep(0.01)
    last = connect()
    last.sendall(head_of(100))
    assert read(last).endswith(b"here")


def begun(connection: socket.socket) -> None:
    connection.sendall(GET[:5])


def answered(connection: socket.socket) -> None:
    """It is kept, and waits for the next request."""
    connection.sendall(GET + b"\r\n")
    response = b""
    while not response.endswith(b"here"):
        response += connection.recv(65_536)


@pytest.mark.trust
@pytest.mark.parametrize("idle", [lambda connection: None, begun, answered])
def test_connections_without_a_request_keep_no_other_out(
    connect: Connect, release: threading.Event, idle: Callable[[socket.socket], None]
) -> None:
    """A flood of them had four of five good requests refused: each stayed for ten seconds. One at work stays."""
    release.clear()
    works = connect()
    works.sendall(GET.replace(b"/ ", b"/waits ", 1) + b"\r\n")
    held = [connect() for _ in range(FEW - 1)]
    for connection in held:
        idle(connection)
    time.sleep(0.2)  # until the server surely knows them
    for _ in range(5):
        good = connect()
        good.sendall(head_of(100))
        assert read(good).endswith(b"here")
    assert read(held[0]) == b""  # the longest
    release.set()
    assert works.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.trust
@pytest.mark.parametrize("piece", [b"a" * 60_000, b"X: a\r\n" * 10_000, b"5;" + b"a" * 60_000], ids=len)
def test_what_follows_a_body_without_end_is_cut_off(connect: Connect, piece: bytes) -> None:
    """A header after the last chunk, many of them, or a chunk that names itself for megabytes."""
    begin = b"" if piece.startswith(b"5") else b"0\r\n" + (b"X: " if piece.startswith(b"a") else b"")
    connection = connect()
    sent = 0
    with suppress(ConnectionError):
        connection.sendall(GET.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n" + begin)
        for _ in range(200):
            connection.sendall(piece)
            sent += len(piece)
            piece = piece.removeprefix(b"5;")
    assert sent < 200 * len(piece)


def test_headers_after_a_body_are_read(connect: Connect) -> None:
    connection = connect()
    head = GET.replace(b"GET /", b"POST /body") + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    connection.sendall(head + b"3\r\nabc\r\n0\r\nX-Checksum: 1\r\n\r\n")
    assert read(connection).endswith(b"abc")


@pytest.mark.trust
def test_a_body_that_does_not_come_in_time_ends_the_connection(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then would hold a connection for ever, also where the request was answered long ago."""
    monkeypatch.setattr(protocol, "BODY_S", 0.5)
    for path in (b"/nowhere", b"/body"):
        connection = connect()
        connection.sendall(b"POST %s HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\n" % path)
        assert dribbled(connection, 600) < 600


def test_a_connection_is_kept_after_a_body(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_S", 0.3)
    connection = connect()
    for _ in range(3):
        connection.sendall(b"POST /body HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\nabc")
        response = b""
        while not response.endswith(b"abc"):  # head and body are two writes
            part = connection.recv(65_536)
            assert part
            response += part
        time.sleep(0.2)


def test_many_requests_in_one_piece_are_all_answered(connect: Connect) -> None:
    """More bytes than one head may have, but each head is small."""
    count = 2 * MAX_HEAD_BYTES // len(GET)
    connection = connect()
    sender = threading.Thread(target=connection.sendall, args=((GET + b"\r\n") * (count - 1) + head_of(100),))
    sender.start()
    assert read(connection).count(b"HTTP/1.1 200 OK") == count
    sender.join()


def test_a_large_body_after_a_small_head_is_not_counted(connect: Connect) -> None:
    connection = connect()
    body = b"a" * (3 * MAX_HEAD_BYTES)
    head = b"POST /nowhere HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    connection.sendall(head % len(body) + body)
    assert read(connection).startswith(b"HTTP/1.1 404")


def test_an_earlier_request_is_answered_before_the_connection_is_refused(
    connect: Connect, release: threading.Event
) -> None:
    release.clear()
    connection = connect()
    connection.sendall(GET.replace(b"/ ", b"/waits ", 1) + b"\r\n")
    with suppress(ConnectionError):
        connection.sendall(head_of(10 * MAX_HEAD_BYTES))
    threading.Timer(0.2, release.set).start()
    response = read(connection)
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert response.endswith(b"late")


@pytest.mark.trust
def test_a_client_that_reads_no_further_does_not_keep_the_service_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a browser does with a video that is paused."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b"a" * 65_536

    app = Starlette(routes=[Route("/", lambda request: StreamingResponse(endless()))])
    server = uvicorn.Server(uvicorn.Config(app, http=BoundedProtocol, log_config=None, lifespan="off"))
    monkeypatch.setattr(BoundedProtocol, "max_connections", FEW)
    monkeypatch.setattr(protocol, "BODY_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        with socket.create_connection(listening.getsockname(), 60) as connection:
            connection.sendall(GET + b"\r\n")
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def test_the_limit_of_open_files_is_raised_to_what_the_system_allows() -> None:
    script = "from serving.open_files import allow_open_files; print(allow_open_files())"
    command = ["sh", "-c", 'ulimit -S -n 100 && ulimit -H -n 300 && exec "$0" -c "$1"', sys.executable, script]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "300"


@pytest.fixture
def shut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that lets in no image."""

    def let_in(size: int) -> Callable[[], None]:
        raise Busy(f"{size} bytes are too many")

    monkeypatch.setattr(BoundedProtocol, "door", Door(["/embed"], let_in))


def post(size: int, further: bytes = b"") -> bytes:
    """The head of a request with so many bytes of images."""
    return b"POST /embed?a=b HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n%s\r\n" % (size, further)


@pytest.mark.usefixtures("shut")
def test_images_are_refused_before_they_are_read_and_the_connection_stays(connect: Connect) -> None:
    connection = connect()
    connection.sendall(post(10, b"X-Request-Id: mine\r\n"))
    first = connection.recv(65_536)
    head, _, body = first.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"connection: keep-alive" in head
    assert b"retry-after: 1" in head
    assert b"x-request-id: mine" in head
    assert all(f"{name}: {value}".lower().encode() in head.lower() for name, value in SECURITY_HEADERS.items())
    assert json.loads(body)["error"] == {"type": "busy", "message": "10 bytes are too many; try again in 1 s"}
    connection.sendall(b"0123456789" + post(3) + b"abc" + head_of(100))
    rest = read(connection)
    assert [rest.count(status) for status in (b"HTTP/1.1 200", b"HTTP/1.1 503")] == [1, 1]
    assert rest.endswith(b"here")


@pytest.mark.usefixtures("shut")
@pytest.mark.parametrize(
    "head",
    [
        post(DROPPED_BYTES + 1),
        post(10, b"Expect: 100-continue\r\n"),
        post(10, b"Connection: close\r\n"),
        post(10).replace(b"1.1", b"1.0"),
    ],
)
def test_a_refused_body_that_is_not_read_closes_the_connection(connect: Connect, head: bytes) -> None:
    connection = connect()
    connection.sendall(head + GET + b"\r\n")  # what comes behind it is not answered
    assert refused(read(connection)) == ("HTTP/1.1 503 Service Unavailable", "busy")


@pytest.mark.usefixtures("shut")
def test_a_refused_body_that_does_not_come_closes_the_connection(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    connection = connect()
    connection.sendall(post(10) + b"01234")
    assert read(connection).count(b"HTTP/1.1") == 1


@pytest.mark.usefixtures("shut")
def test_a_request_right_behind_a_refused_one_has_its_time(
    connect: Connect, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection was closed as idle while its response was made."""
    short = property(lambda self: 0.2, lambda self, value: None)
    monkeypatch.setattr(BoundedProtocol, "timeout_keep_alive", short, raising=False)
    release.clear()
    connection = connect()
    connection.sendall(post(1) + b"a" + GET.replace(b"/ ", b"/waits ", 1) + b"Connection: close\r\n\r\n")
    threading.Timer(0.6, release.set).start()
    assert read(connection).endswith(b"late")


@pytest.mark.usefixtures("shut")
def test_others_are_let_in(connect: Connect) -> None:
    """What has no images, and what does not state its size."""
    connection = connect()
    chunked = post(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n\r\n"
    connection.sendall(post(1).replace(b"/embed", b"/other") + b"a" + chunked)
    connection.sendall(post(1).replace(b"POST", b"PUT") + b"a" + head_of(100))
    response = read(connection)
    assert response.count(b"HTTP/1.1 404") == 3
    assert response.endswith(b"here")


@pytest.mark.usefixtures("shut")
def test_images_behind_a_request_that_is_not_answered_yet_wait_for_it(
    connect: Connect, release: threading.Event
) -> None:
    release.clear()
    connection = connect()
    connection.sendall(GET.replace(b"/ ", b"/waits ", 1) + b"\r\n" + post(1) + b"a" + head_of(100))
    threading.Timer(0.2, release.set).start()
    response = read(connection)
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert response.index(b"late") < response.index(b"HTTP/1.1 404")  # routed, once its turn comes


def test_what_was_let_in_is_over_with_its_response_or_its_connection(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, over = [], threading.Semaphore(0)

    def let_in(size: int) -> Callable[[], None]:
        sizes.append(size)
        return over.release

    monkeypatch.setattr(BoundedProtocol, "door", Door(["/embed"], let_in))
    connection = connect()
    connection.sendall(post(1) + b"a" + post(MAX_BODY_BYTES + 1))  # of too large a body the handler says so
    assert over.acquire(timeout=60)
    connection.close()
    connection = connect()
    connection.sendall(post(2) + b"a")
    while sizes != [1, 2]:
        time.sleep(0.01)
    connection.close()
    assert over.acquire(timeout=60)
