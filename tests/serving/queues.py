"""What /metrics says of a queue, in this process."""

from __future__ import annotations

from prometheus_client import REGISTRY


def waiting(queue: str) -> float:
    """How much work waits."""
    return REGISTRY.get_sample_value("lookalike_queue_depth", {"queue": queue}) or 0.0


def waited(queue: str) -> float:
    """How much work has begun, or was dropped, so far."""
    return REGISTRY.get_sample_value("lookalike_wait_seconds_count", {"queue": queue}) or 0.0
