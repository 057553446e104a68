"""Qdrant: one schema, every query; an engine for a folder, for a server, and for a service that owns a folder."""

from lookalike.index.clock import TimeOfDay
from lookalike.index.frames import FrameIndex, is_frame_id, open_index
from lookalike.index.schema import Finished, Hit, Where

__all__ = ["Finished", "FrameIndex", "Hit", "TimeOfDay", "Where", "is_frame_id", "open_index"]
