"""TLS handshakes count as connections: each holds an open file before the HTTP protocol knows of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLContext
from typing import Any

from serving.http.limits import HEAD_S, LINGER_S
from serving.http.protocol import LINGERING, BoundedProtocol

BEGUN: dict[Handshake, None] = {}  # of this process, the oldest first


class Handshake(asyncio.Protocol):
    """A connection until its handshake is done. Then the HTTP protocol has it.

    A handshake has as long as a head. Past as many as there may be connections, the oldest is ended and not the newest
    refused: one that is meant is done within milliseconds, so that a flood of begun ones keeps no good one out.
    """

    def __init__(self, protocol: BoundedProtocol, context: SSLContext) -> None:
        self._protocol, self._context = protocol, context

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take the socket, of which nothing was read yet, from its transport: what follows is for TLS."""
        plain = transport.get_extra_info("socket")
        try:
            self._socket = socket.fromfd(plain.fileno(), plain.family, plain.type)  # a copy, which stays open
        except OSError:  # no open file is left
            return
        finally:
            transport.abort()
        BEGUN[self] = None
        room = BoundedProtocol.max_connections - len(self._protocol.connections)
        if len(BEGUN) > max(room, LINGERING):  # some also where all connections are in use: they are told so
            next(iter(BEGUN))._end()
        self._task = asyncio.get_running_loop().create_task(self._shake_hands())

    def _end(self) -> None:
        del BEGUN[self]
        with suppress(OSError):  # it is gone
            self._socket.shutdown(socket.SHUT_RDWR)

    async def _shake_hands(self) -> None:
        loop, limits = asyncio.get_running_loop(), {"ssl_handshake_timeout": HEAD_S, "ssl_shutdown_timeout": LINGER_S}
        try:
            await loop.connect_accepted_socket(lambda: self._protocol, self._socket, ssl=self._context, **limits)
        except OSError:  # this is not TLS, takes too long, or is gone: the connection is closed
            pass
        finally:
            BEGUN.pop(self, None)


def counting_handshakes(create_server: Callable[..., Any]) -> Callable[..., Any]:
    """As `create_server` of a loop; with `ssl`, what its protocols are made for has a handshake first."""

    def create(protocol_factory: Callable[[], BoundedProtocol], *arguments: Any, ssl: Any = None, **named: Any) -> Any:
        factory = (lambda: Handshake(protocol_factory(), ssl)) if ssl else protocol_factory
        return create_server(factory, *arguments, **named)

    return create
