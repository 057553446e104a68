"""Read the limits of strict mode, which managed Qdrant clusters enable.

Source: qdrant/qdrant, `lib/collection/src/operations/verification/mod.rs`: a `limit` above `max_query_limit`, `exact`
without `search_allow_exact`, an oversampling above `search_max_oversampling` and more points than
`upsert_max_batchsize` are refused with a 400.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from qdrant_client import models

T = TypeVar("T")

OVERSAMPLING = 4.0  # int8 alone finds .92 of the neighbours; with four times as many candidates and full vectors, all


@dataclass(frozen=True)
class CollectionLimits:
    """query: points of one response. upsert: points of one request. None: no limit.

    oversampling: at most. exact: whether exact counts are allowed.
    """

    query: int | None = None
    upsert: int | None = None
    oversampling: float = OVERSAMPLING
    exact: bool = True

    @classmethod
    def of(cls, config: models.CollectionConfig) -> CollectionLimits:
        """Read the limits that a collection states."""
        strict = config.strict_mode_config
        if strict is None or not strict.enabled:
            return cls()
        oversampling = OVERSAMPLING if strict.search_max_oversampling is None else strict.search_max_oversampling
        return cls(
            strict.max_query_limit,
            strict.upsert_max_batchsize,
            min(OVERSAMPLING, oversampling),
            strict.search_allow_exact is not False,
        )

    def page(self, wanted: int) -> int:
        """Return how many points to request at a time."""
        return wanted if self.query is None else max(1, min(wanted, self.query))

    def batches(self, points: Sequence[T]) -> Iterator[list[T]]:
        """Divide points into requests of an allowed size."""
        size = self.upsert or len(points) or 1
        return (list(points[start : start + size]) for start in range(0, len(points), size))

    def search_params(self) -> models.SearchParams:
        """Find candidates by int8 vectors, and compare their full vectors."""
        again = models.QuantizationSearchParams(rescore=True, oversampling=max(1.0, self.oversampling))
        return models.SearchParams(quantization=again)
