"""New connections while the event loop is slow."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import ExitStack

import pytest
import uvicorn.config
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from serving.http.accepting import AT_ONCE
from serving.http.protocol import BoundedProtocol
from serving.http.uvicorn_setup import loop_factory

CLIENTS = 2 * AT_ONCE


@pytest.mark.trust
def test_all_connections_that_wait_are_accepted_within_a_few_rounds_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """libuv accepts one in each: it took 128 rounds for 128 clients."""
    monkeypatch.setattr(BoundedProtocol, "max_connections", 2 * CLIENTS)
    app = Starlette(routes=[Route("/", lambda request: PlainTextResponse("here"))])
    server = uvicorn.Server(uvicorn.Config(app, http=BoundedProtocol, log_config=None, lifespan="off"))
    connections, hold, rounds = server.server_state.connections, threading.Event(), []

    async def serve(listening: socket.socket) -> None:
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        hold.wait(60)  # the loop is slow: all clients connect meanwhile
        while len(connections) < CLIENTS and not server.should_exit:
            rounds.append(len(connections))
            await asyncio.sleep(0)
        await serving

    with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS) as listening, ExitStack() as opened:
        loop = loop_factory()()
        thread = threading.Thread(target=loop.run_until_complete, args=(serve(listening),))
        thread.start()
        for _ in range(CLIENTS):
            opened.enter_context(socket.create_connection(listening.getsockname(), 60))
        hold.set()
        deadline = time.monotonic() + 60
        while len(connections) < CLIENTS and time.monotonic() < deadline:
            time.sleep(0.01)
        server.should_exit = True
        thread.join()
        loop.close()
    assert len(rounds) <= 10
