"""The client of a Qdrant server: timeouts, several nodes in turn, and, for an ingest, retries.

`connect` makes a `QdrantClient`. Requests that fail for now go to the next node, and with `on_wait` they are retried
for a limited time. All requests of an index can be repeated: points are stored by ids that are made from their content.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from qdrant_client import QdrantClient

from lookalike.errors import IndexStoreError
from lookalike.index.patience import RETRY_S, OnWait, Patience
from lookalike.index.server.errors import API_KEY, CLIENT_ERRORS, failure_of
from lookalike.network import checked_environment

logger = logging.getLogger(__name__)

Send = Callable[[httpx.Request], httpx.Response]

SERVER = "the Qdrant server"
TRICKLE = 6  # times its timeout that a whole response may take: each byte may take the timeout
CHANGE_S = 30.0  # least timeout of a request that writes: a delete by a filter reads all frames
QUESTIONS = ("/points", "/points/query", "/points/scroll", "/points/count")  # POST requests that only read
GRPC_QUESTIONS = {
    "qdrant.Points": ("Query", "Scroll", "Count", "Get"),
    "qdrant.Collections": ("Get", "List", "CollectionExists", "ListAliases", "CollectionClusterInfo"),
}
UNTIL_S = "until_s"  # an extension of a request: when its response must be complete, by the monotonic clock
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Waits:
    """Timeouts in seconds. connect_s: of a connection. answer_s: of a request that reads, for each node.

    retry_s: how long an ingest retries if the server does not answer.
    """

    connect_s: float = 2.0
    answer_s: float = 5.0
    retry_s: float = RETRY_S

    @property
    def change_s(self) -> float:
        """Timeout of a request that writes."""
        return max(CHANGE_S, self.answer_s)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Waits:
        """Read QDRANT_CONNECT_S, QDRANT_ANSWER_S and QDRANT_RETRY_S; empty counts as not set.

        Raises: IndexStoreError for a value that is not a number of seconds above 0, or 0 for QDRANT_RETRY_S.
        """
        return cls(
            _seconds(env, "QDRANT_CONNECT_S", cls.connect_s),
            _seconds(env, "QDRANT_ANSWER_S", cls.answer_s),
            _seconds(env, "QDRANT_RETRY_S", cls.retry_s, least=0.0),
        )


def _seconds(env: Mapping[str, str], name: str, usual: float, least: float = 0.001) -> float:
    text = env.get(name) or str(usual)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        raise IndexStoreError(f"{name} is {text!r}, expected a number of seconds such as {usual:g}")
    return value


class ServerClient:
    """Has the methods of a `QdrantClient`. They use the node that answered last, then the others in turn."""

    def __init__(self, nodes: Sequence[QdrantClient], patience: Patience | None = None) -> None:
        """patience: None raises the first failure."""
        self._nodes, self._patience, self._current = list(nodes), patience, 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        ask = partial(self._in_turn, name)
        patience = self._patience
        return ask if patience is None else lambda *args, **options: patience.call(partial(ask, *args, **options))

    def _in_turn(self, method: str, *args: Any, **options: Any) -> Any:
        first, count = self._current, len(self._nodes)
        for step in range(count):
            number = (first + step) % count
            try:
                found = getattr(self._nodes[number], method)(*args, **options)
            except CLIENT_ERRORS as error:
                if step == count - 1 or not failure_of(error).transient:
                    raise
            else:
                self._current = number
                return found
        raise AssertionError("there is no node")

    def end_patience(self) -> None:
        """Raise failures immediately from now on, so that closing an index does not wait for its server."""
        if self._patience:
            self._patience.end()

    def close(self) -> None:
        self.end_patience()
        for node in self._nodes:
            node.close()


def connect(urls: Sequence[str], on_wait: OnWait | None = None) -> QdrantClient:
    """Make a client of the nodes at these URLs; nothing is sent yet.

    on_wait: as for `Patience`; None raises the first failure. QDRANT_API_KEY is sent. If QDRANT_GRPC_PORT is set,
    frames and queries use gRPC. Raises: IndexStoreError for invalid settings, those of the network included.
    """
    waits, port = Waits.from_env(), grpc_port()
    nodes = [_node(url, waits, port) for url in urls]
    patience = Patience(SERVER, _reason, waits.retry_s, on_wait) if on_wait else None
    return cast(QdrantClient, ServerClient(nodes, patience))


def _reason(error: Exception) -> str | None:
    """As for `Patience`."""
    failure = failure_of(error) if isinstance(error, CLIENT_ERRORS) else None
    return failure.text if failure and failure.transient else None


def _node(url: str, waits: Waits, port: int | None) -> QdrantClient:
    key, parts = os.environ.get(API_KEY), urlsplit(url)
    if key and not (key.isascii() and key.isprintable()):  # the client's own message would show it
        raise IndexStoreError(f"{API_KEY} has a line break, or another character that no key has; set it again")
    if key and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        logger.warning("%s is sent unencrypted to %s; give an https:// URL", API_KEY, url)
    options: dict[str, Any] = {"prefer_grpc": True, "grpc_port": port, "grpc_options": _grpc_options(waits)}
    with checked_environment(IndexStoreError), warnings.catch_warnings():  # logged above, without a line of source
        warnings.filterwarnings("ignore", "Api key is used with an insecure connection", UserWarning)
        # The client's own default port is 6333 even for a URL that names none.
        client = QdrantClient(
            url=url,
            api_key=key,
            timeout=math.ceil(waits.change_s),
            check_compatibility=False,
            **(options if port else {}),
        )
    client.http.client.add_middleware(partial(_bounded, waits))
    client.http.client._client.event_hooks = {"response": [_bound_response]}
    return client


def _bounded(waits: Waits, request: httpx.Request, send: Send) -> httpx.Response:
    """Send a request with the timeouts of its kind: the client has one for all requests."""
    reads = request.method == "GET" or (request.method == "POST" and request.url.path.endswith(QUESTIONS))
    answer_s = waits.answer_s if reads else waits.change_s
    request.extensions["timeout"] = httpx.Timeout(answer_s, connect=waits.connect_s).as_dict()
    request.extensions[UNTIL_S] = time.monotonic() + TRICKLE * answer_s
    return send(request)


def _bound_response(response: httpx.Response) -> None:
    """Called when a response has begun."""
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream = _Bounded(response.stream, response.request)


class _Bounded(httpx.SyncByteStream):
    """The body of a response; it ends with an error if it takes too long, although it does not stop."""

    def __init__(self, body: httpx.SyncByteStream, request: httpx.Request) -> None:
        self._body, self._request = body, request

    def __iter__(self) -> Iterator[bytes]:
        until_s = self._request.extensions[UNTIL_S]
        for part in self._body:
            if time.monotonic() > until_s:
                raise httpx.ReadTimeout("the response is too slow", request=self._request)
            yield part

    def close(self) -> None:
        self._body.close()


def _grpc_options(waits: Waits) -> dict[str, Any]:
    """Return deadlines of methods, and pauses between connections.

    Source: grpc/grpc, `doc/service_config.md` and `grpc/impl/channel_arg_names.h`.
    """
    names = [{"service": service, "method": name} for service, all_ in GRPC_QUESTIONS.items() for name in all_]
    deadlines = {"methodConfig": [{"name": names, "timeout": f"{waits.answer_s:.3f}s"}]}
    return {
        "grpc.service_config": json.dumps(deadlines),
        "grpc.min_reconnect_backoff_ms": math.ceil(waits.connect_s * 1000),
        "grpc.initial_reconnect_backoff_ms": 500,
        "grpc.max_reconnect_backoff_ms": 5000,  # 120 s by default; this finds a recovered server sooner
    }


def grpc_port() -> int | None:
    """Read QDRANT_GRPC_PORT; None if it is not set. Raises: IndexStoreError if it is not a port number."""
    port = os.environ.get("QDRANT_GRPC_PORT") or ""
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise IndexStoreError(f"QDRANT_GRPC_PORT is {port!r}, expected a port such as 6334")
    return int(port) if port else None
