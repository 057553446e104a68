"""Strict mode as a Qdrant server enforces it: which requests get a 400, and its text.

Source: qdrant/qdrant, `lib/collection/src/operations/verification/mod.rs`. Of a `limit` above `max_query_limit`:
`Limit exceeded {value} > {limit} for "limit"`, with the help `Reduce the "limit" parameter to or below {limit}.`; of
`exact` without `search_allow_exact`: `Exact search disabled!`, `Set exact=false.`; of a filter on a field without a
payload index: `Index required but not found for "{key}" of one of the following types: [...]`, `Create an index for
this key or use a different filter.` (`lib/collection/src/problems/unindexed_field.rs`: every field that a condition
names, `is_empty` as well, which any index serves.) Both parts are joined as `{error}. Help: {help}`, and a BadRequest
reads `Bad request: {description}` (`lib/storage/src/content_manager/errors.rs`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from qdrant_client import models


def refusal(
    strict: models.StrictModeConfig, indexed: Collection[str], request: str, body: dict[str, Any]
) -> str | None:
    """Why a request is refused; None if it is allowed.

    request: `query`, `scroll`, `count`, `upsert`, `delete` or `set_payload`. indexed: fields with a payload index.
    """
    if not strict.enabled:
        return None
    limit = {"query": body.get("limit", 10), "scroll": body.get("limit", 10)}.get(request)
    points = len(body.get("points", ())) if request == "upsert" else None
    oversampling = ((body.get("params") or {}).get("quantization") or {}).get("oversampling")
    reads = request in ("query", "scroll", "count")
    allowed = strict.unindexed_filtering_retrieve if reads else strict.unindexed_filtering_update
    return (
        _above(points, strict.upsert_max_batchsize, "upsert limit")
        or _above(limit, strict.max_query_limit, "limit")
        or (_unindexed(body.get("filter") or {}, indexed) if allowed is False else None)
        or (_exact() if request == "count" and body.get("exact", True) and strict.search_allow_exact is False else None)
        or _above(oversampling, strict.search_max_oversampling, "oversampling")
    )


def _above(value: float | None, limit: float | None, name: str) -> str | None:
    if value is None or limit is None or value <= limit:
        return None
    return _bad(f'Limit exceeded {value} > {limit} for "{name}"', f'Reduce the "{name}" parameter to or below {limit}.')


def _exact() -> str:
    return _bad("Exact search disabled!", "Set exact=false.")


def _unindexed(filter_: dict[str, Any], indexed: Collection[str]) -> str | None:
    missing = next((key for key in keys(filter_) if key not in indexed), None)
    if missing is None:
        return None
    error = f'Index required but not found for "{missing}" of one of the following types: [keyword]'
    return _bad(error, "Create an index for this key or use a different filter.")


def keys(condition: dict[str, Any]) -> Iterator[str]:
    for clause in ("must", "should", "must_not"):
        for inner in condition.get(clause) or []:
            yield from keys(inner)
    if condition.get("key"):
        yield condition["key"]
    if condition.get("is_empty"):
        yield condition["is_empty"]["key"]


def _bad(error: str, help_: str) -> str:
    return f"Bad request: {error}. Help: {help_}"
