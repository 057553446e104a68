"""Qdrant: one schema, two engines (embedded, server), every query."""

from lookalike.index.clock import TimeOfDay
from lookalike.index.frames import FrameIndex, is_frame_id, open_index
from lookalike.index.schema import Choice, Finished, Hit, Where

__all__ = ["Choice", "Finished", "FrameIndex", "Hit", "TimeOfDay", "Where", "is_frame_id", "open_index"]
