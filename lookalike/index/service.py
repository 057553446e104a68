"""The engine of somebody else: a running service, which owns the index and is asked over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np

from lookalike.client import Client
from lookalike.contract import EncoderSpec
from lookalike.errors import EncoderError, IndexStoreError, ServiceError, SpaceMismatch
from lookalike.index.schema import REMOTE, Finished, Scored, Where
from lookalike.index.wire import MAX_POINTS, pack, read_finished, unpack, write_finished, write_where

ASK_S = 10.0  # for an answer to whether a service is there


class ServiceEngine:
    """Each call is a request; what is busy is asked again, and asking again changes nothing."""

    def __init__(self, url: str, about: dict[str, Any], space: str, dim: int, create: bool) -> None:
        """about: what /readyz said. create: frames shall be added.

        Raises: IndexStoreError if the service has no index, or takes no frames (if `create`); SpaceMismatch if it runs
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
        self._client = Client(url, token=os.environ.get("LOOKALIKE_TOKEN"))

    def upsert(self, ids: Sequence[str], vectors: np.ndarray, payloads: Sequence[dict[str, Any]]) -> None:
        for part in _parts(len(ids)):
            unmarked = [{name: value for name, value in one.items() if name != REMOTE} for one in payloads[part]]
            self._ask("upsert", ids=list(ids[part]), vectors=pack(vectors[part]), payloads=unmarked)

    def existing(self, ids: Sequence[str]) -> set[str]:
        return {one for part in _parts(len(ids)) for one in self._ask("existing", ids=list(ids[part]))["ids"]}

    def points(self, ids: Sequence[str]) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
        found: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}
        for part in _parts(len(ids)):
            answer = self._ask("points", ids=list(ids[part]))
            vectors = unpack(answer["vectors"], len(answer["points"]), self._dim)
            found |= {
                point_id: (vector, fields) for (point_id, fields), vector in zip(answer["points"], vectors, strict=True)
            }
        return found

    def nearest(self, vector: np.ndarray, limit: int, where: Where, min_score: float | None = None) -> list[Scored]:
        conditions = {"where": write_where(where), "min_score": min_score}
        found = self._ask("nearest", vectors=pack(vector), limit=limit, **conditions)
        return [Scored(*one) for one in found["points"]]

    def scroll(self, where: Where) -> Iterator[tuple[str, dict[str, Any]]]:
        for some in self._lines("scroll", where=write_where(where)):
            yield from ((fields.pop("id"), fields) for fields in some["points"])

    def vectors(self, where: Where, page: int) -> Iterator[tuple[list[dict[str, Any]], np.ndarray]]:
        for some in self._lines("vectors", where=write_where(where), page=page):
            yield some["points"], unpack(some["vectors"], len(some["points"]), self._dim)

    def delete(self, where: Where) -> None:
        self._ask("delete", where=write_where(where))

    def rename(self, source_id: str, fields: dict[str, Any]) -> None:
        self._ask("rename", source_id=source_id, fields=fields)

    def finished(self, source_id: str, sampler: str) -> Finished | None:
        found = self._ask("finished", source_id=source_id, sampler=sampler)["finished"]
        return read_finished(found) if found else None

    def finish(self, done: Sequence[Finished]) -> None:
        for part in _parts(len(done)):
            self._ask("finish", finished=[write_finished(one) for one in done[part]])

    def all_finished(self) -> Iterator[Finished]:
        return (read_finished(one) for one in self._ask("all_finished")["finished"])

    def unfinish(self, source_ids: Collection[str]) -> None:
        known = sorted(source_ids)
        for part in _parts(len(known)):
            self._ask("unfinish", source_ids=known[part])

    def count(self) -> int:
        return self._ask("count")["points"]

    def flush(self) -> None:
        self._ask("flush")

    def optimize(self) -> None:
        """Returns at once: the service builds the graph while it answers."""
        self._ask("optimize")

    def close(self) -> None:
        self._client.close()

    def _ask(self, operation: str, **fields: Any) -> dict[str, Any]:
        with _answered():
            return self._client.post(f"/index/{operation}", json={"space": self._space} | fields).json()

    def _lines(self, operation: str, **fields: Any) -> Iterator[dict[str, Any]]:
        with _answered():
            for line in self._client.lines(f"/index/{operation}", json={"space": self._space} | fields):
                yield json.loads(line)


def ask_who(url: str) -> dict[str, Any] | None:
    """What a Lookalike service at this URL says of itself; None if there is none."""
    try:
        about = httpx.get(f"{url}/readyz", timeout=ASK_S).json()
    except (httpx.HTTPError, ValueError):
        return None
    return about if isinstance(about, dict) and "space" in about else None


def served_spec(url: str, about: dict[str, Any]) -> EncoderSpec:
    """Of the encoder that a service runs. about: what /readyz said.

    Raises: IndexStoreError if the service is of another version, which does not say it.
    """
    try:
        return EncoderSpec.from_json(json.dumps(about.get("encoder")), url)
    except EncoderError as error:
        raise IndexStoreError(f"{url}: the service does not state the spec of its encoder; pass --encoder") from error


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + MAX_POINTS) for start in range(0, count, MAX_POINTS))


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except ServiceError as error:
        raise IndexStoreError(str(error)) from error
