"""Has uvicorn use our protocol and event loop: BentoML gives no way to choose them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvicorn.config
from uvicorn.loops.auto import auto_loop_factory

from serving.http.accepting import accepting_all
from serving.http.handshakes import counting_handshakes
from serving.http.limits import RESERVED_FILES
from serving.http.protocol import BoundedProtocol
from serving.open_files import allow_open_files


def install() -> None:
    """Let uvicorn use this protocol and loop, with as many connections as there may be open files.

    BentoML gives uvicorn neither, so that it looks up "auto". Call it before uvicorn is configured.
    """
    files = allow_open_files()
    BoundedProtocol.max_connections = files - min(RESERVED_FILES, files // 2)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{BoundedProtocol.__module__}:{BoundedProtocol.__name__}"
    uvicorn.config.LOOP_FACTORIES["auto"] = f"{__name__}:{loop_factory.__name__}"


def loop_factory(use_subprocess: bool = False) -> Callable[[], asyncio.AbstractEventLoop]:
    """As uvicorn's own, but all connections that wait are accepted, and TLS handshakes are bounded.

    The protocol of a connection begins after its handshake only.
    """
    usual = auto_loop_factory(use_subprocess)

    def make() -> asyncio.AbstractEventLoop:
        loop = usual()
        loop.create_server = counting_handshakes(accepting_all(loop))
        return loop

    return make
