"""Bounds of TLS handshakes, over real sockets."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn.config
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lookalike import Client, open_index, session
from lookalike.errors import IndexStoreError, ServiceError
from serving.http import handshakes
from serving.http.protocol import LINGERING, BoundedProtocol
from tests.serving.test_protocol import FEW, head_of, read


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """The address of a service with TLS."""
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem"
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setitem(uvicorn.config.LOOP_FACTORIES, "auto", "serving.http.uvicorn_setup:loop_factory")
    monkeypatch.setattr(BoundedProtocol, "max_connections", FEW)
    app = Starlette(routes=[Route("/", lambda request: PlainTextResponse(request.url.scheme))])
    config = uvicorn.Config(app, http=BoundedProtocol, log_config=None, lifespan="off")
    config.ssl_certfile, config.ssl_keyfile = tmp_path / "cert.pem", str(tmp_path / "key.pem")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield listening.getsockname()
        server.should_exit = True
        thread.join()


def ask_by_tls(address: tuple[str, int]) -> bytes:
    context = ssl._create_unverified_context()
    with context.wrap_socket(socket.create_connection(address, 60)) as connection:
        connection.sendall(head_of(100))
        return read(connection)


def begin_handshakes(opened: ExitStack, address: tuple[str, int], count: int) -> list[socket.socket]:
    begun = [opened.enter_context(socket.create_connection(address, 60)) for _ in range(count)]
    for connection in begun:
        with suppress(ConnectionError):
            connection.sendall(b"\x16\x03\x01")
    return begun


@pytest.mark.trust
def test_a_tls_handshake_that_is_not_complete_in_time_is_ended(
    monkeypatch: pytest.MonkeyPatch, tls: tuple[str, int]
) -> None:
    """It holds an open file before the protocol knows of it."""
    monkeypatch.setattr(handshakes, "HEAD_S", 0.2)
    with ExitStack() as opened:
        (connection,) = begin_handshakes(opened, tls, 1)
        connection.settimeout(30)
        assert read(connection) == b""


@pytest.mark.trust
def test_begun_tls_handshakes_keep_no_good_connection_out(tls: tuple[str, int], record_property: Any) -> None:
    """Each held an open file for 10 s, which no bound counted: nine of ten connections were reset."""
    tried = 5 * LINGERING
    with ExitStack() as opened:
        begun = begin_handshakes(opened, tls, tried)
        assert [read(connection) for connection in begun[:-LINGERING]] == [b""] * (tried - LINGERING)
        assert ask_by_tls(tls).endswith(b"https")
        begun[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):  # it may still end its handshake
            read(begun[-1])
    record_property("tried", f"{tried} begun TLS handshakes, five times as many as may be at once")


@pytest.mark.trust
def test_what_is_not_tls_is_closed_and_holds_nothing(tls: tuple[str, int]) -> None:
    with socket.create_connection(tls, 60) as connection:
        connection.sendall(head_of(100))
        read(connection)
    assert ask_by_tls(tls).endswith(b"https")
    assert not handshakes.BEGUN


def test_a_client_by_http_is_told_what_to_write(tls: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "FIRST_WAIT_S", 0.0)
    url = f"http://127.0.0.1:{tls[1]}"
    with pytest.raises(ServiceError, match=r"If it serves HTTPS there, write https://"):
        Client(url).embed([b"image"])
    with pytest.raises(IndexStoreError, match=r"If it serves HTTPS there, write https://"):
        open_index(url)


@pytest.mark.trust
def test_past_the_most_connections_one_by_tls_takes_the_place_of_an_idle_one(tls: tuple[str, int]) -> None:
    context = ssl._create_unverified_context()
    with ExitStack() as opened:
        plain = [opened.enter_context(socket.create_connection(tls, 60)) for _ in range(FEW)]
        longest, *_ = (opened.enter_context(context.wrap_socket(connection)) for connection in plain)
        assert ask_by_tls(tls).endswith(b"https")
        with suppress(ssl.SSLError):
            assert read(longest) == b""
