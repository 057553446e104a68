"""The engine of a running service, which owns the index, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

import httpx
import numpy as np

from lookalike.contract import EncoderSpec
from lookalike.errors import EncoderError, IndexStoreError, ServiceError, SpaceMismatch
from lookalike.index.filters import Filters
from lookalike.index.operations import ALL, MAX_POINTS, OPERATIONS, Asked, is_everything
from lookalike.index.patience import RETRY_S, OnWait, Patience
from lookalike.index.record import StoredFrame
from lookalike.network import checked_environment
from lookalike.session import Session

ASK_S, CONNECT_S = 10.0, 2.0  # timeouts of a request to /readyz, and of its connection
FOR_NOW = (None, 502, 503, 504)  # no response; of a proxy whose service restarts; busy; not done in time


class ServiceEngine(Asked):
    """Each call is a request. It is retried while the service is busy; operations are idempotent."""

    def __init__(
        self, url: str, about: dict[str, Any], space: str, dim: int, create: bool, on_wait: OnWait | None = None
    ) -> None:
        """about: the response of /readyz. create: whether frames will be added. on_wait: as for `open_index`.

        Raises: IndexStoreError if the service has no index, or is not writable (if `create`); SpaceMismatch if it runs
        another encoder.
        """
        if about["space"] != space:
            raise SpaceMismatch(
                f"{url}: serves encoder {about['space']}, this one is {space}; use the encoder that it serves"
            )
        if not about.get("index"):
            raise IndexStoreError(f"{url}: the service has no index; start it with one: lookalike serve --index")
        if create and not about.get("writable"):
            raise IndexStoreError(f"{url}: the service takes no frames; start it with: lookalike serve --writable")
        self._space, self._dim = space, dim
        self._session = Session(url)
        self._patience = Patience("the service", _reason, RETRY_S, on_wait) if on_wait else None

    def scroll(self, filters: Filters) -> Iterator[StoredFrame]:
        return chain.from_iterable(self._lines("scroll", filters))

    def vectors(self, filters: Filters, page: int) -> Iterator[tuple[list[StoredFrame], np.ndarray]]:
        return self._lines("vectors", filters, page)

    def close(self) -> None:
        if self._patience:
            self._patience.end()
        self._session.close()

    def _ask(self, operation: str, *arguments: Any) -> Any:
        joined = OPERATIONS[operation].joined
        if joined is None:
            return self._answer(operation, arguments)
        parts = (slice(start, start + MAX_POINTS) for start in range(0, len(arguments[0]), MAX_POINTS))
        return joined(self._answer(operation, [values[part] for values in arguments]) for part in parts)

    def _answer(self, operation: str, arguments: Sequence[Any]) -> Any:
        ask = partial(self._session.post, f"/index/{operation}", json=self._body(operation, arguments))
        with _answered():
            response = self._patience.call(ask) if self._patience else ask()
        return _read(operation, lambda: response.json()["answer"], self._dim)

    def _lines(self, operation: str, *arguments: Any) -> Iterator[Any]:
        with _answered():
            for line in self._session.lines(f"/index/{operation}", json=self._body(operation, arguments)):
                yield _read(operation, lambda line=line: json.loads(line), self._dim)

    def _body(self, operation: str, arguments: Sequence[Any]) -> dict[str, Any]:
        body = {"space": self._space} | OPERATIONS[operation].write(arguments)
        return body | ({ALL: True} if operation == "delete" and is_everything(arguments[0]) else {})


def _reason(error: Exception) -> str | None:
    """As for `Patience`."""
    return str(error) if isinstance(error, ServiceError) and error.status in FOR_NOW else None


def ask_who(url: str) -> dict[str, Any] | None:
    """Return what a Lookalike service at this URL reports at /readyz; None if there is no such service.

    Raises: IndexStoreError if its certificate is not trusted, or the environment names certificates or a proxy that
    cannot be used.
    """
    with checked_environment(IndexStoreError):
        client = httpx.Client(timeout=httpx.Timeout(ASK_S, connect=CONNECT_S))
    try:
        with client:
            about = client.get(f"{url}/readyz").json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            advice = "use a name that it is for, or name the file of its authority in SSL_CERT_FILE"
            raise IndexStoreError(f"{url}: its certificate is not trusted ({error}); {advice}") from error
        return None
    return about if isinstance(about, dict) and "space" in about else None


def served_spec(url: str, about: dict[str, Any]) -> EncoderSpec:
    """Return the spec of the encoder that a service runs. about: the response of /readyz.

    Raises: IndexStoreError if the service is of another version, which does not report it.
    """
    try:
        return EncoderSpec.from_json(json.dumps(about.get("encoder")), url)
    except EncoderError as error:
        raise IndexStoreError(f"{url}: the service does not state the spec of its encoder; pass --encoder") from error


def _read(operation: str, parse: Callable[[], Any], dim: int) -> Any:
    """Read a response. Raises: IndexStoreError for that of something else, such as a proxy's page."""
    try:
        return OPERATIONS[operation].answer.read(parse(), dim)
    except (ValueError, KeyError, TypeError) as error:
        raise IndexStoreError(
            f"{operation}: the response is not that of a Lookalike service ({type(error).__name__}); a proxy may have"
            " sent it, or a service of another version"
        ) from error


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except ServiceError as error:
        raise IndexStoreError(str(error)) from error
