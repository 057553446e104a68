"""Qdrant: one schema, every query; an engine for a folder, for a server, and for a service that owns a folder."""

from lookalike.index.clock import TimeOfDay
from lookalike.index.filters import Filters
from lookalike.index.frames import FrameIndex
from lookalike.index.open import open_index
from lookalike.index.record import StoredFrame, is_frame_id
from lookalike.index.schema import Hit, SourceRecord

__all__ = ["Filters", "FrameIndex", "Hit", "SourceRecord", "StoredFrame", "TimeOfDay", "is_frame_id", "open_index"]
