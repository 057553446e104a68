"""Qdrant: one schema, two engines (embedded, server), every query."""

from lookalike.index.frames import FrameIndex, is_frame_id, open_index
from lookalike.index.schema import Finished, Hit, Where

__all__ = ["Finished", "FrameIndex", "Hit", "Where", "is_frame_id", "open_index"]
