"""Accepts all connections that wait. libuv, below uvloop, takes one in each round of the event loop (from 1.46 on).

With a thousand requests at once a round takes a tenth of a second: some clients whose connection was not accepted yet
waited for twelve seconds, while the others were answered again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from socket import socket
from typing import Any

from serving.http.protocol import LINGERING

AT_ONCE = LINGERING  # connections in a round, so that the others are read as well

Factory = Callable[[], asyncio.BaseProtocol]


def accepting_all(loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """As `create_server` of a loop, for a socket that listens."""
    create_server = loop.create_server

    def create(protocol_factory: Factory, *, sock: socket, **named: Any) -> Any:
        sock.setblocking(False)
        opening = set[asyncio.Task[Any]]()  # a loop keeps no task alive

        def make() -> asyncio.BaseProtocol:
            """For the connection that the loop has accepted, after all that wait behind it."""
            with suppress(OSError):  # nobody waits, the service ends, or no open file is left
                for _ in range(AT_ONCE - 1):
                    connection, _ = sock.accept()
                    task = loop.create_task(loop.connect_accepted_socket(protocol_factory, connection))
                    opening.add(task)
                    task.add_done_callback(opening.discard)
            return protocol_factory()

        return create_server(make, sock=sock, **named)

    return create
