"""Qdrant: one schema, every query; an engine for a folder, for a server, and for a service that owns a folder."""

from lookalike.index.clock import TimeOfDay
from lookalike.index.filters import Filters
from lookalike.index.frames import FrameIndex, open_index
from lookalike.index.record import StoredFrame, is_frame_id
from lookalike.index.schema import Choice, Finished, Hit

__all__ = [
    "Choice",
    "Filters",
    "Finished",
    "FrameIndex",
    "Hit",
    "StoredFrame",
    "TimeOfDay",
    "is_frame_id",
    "open_index",
]
