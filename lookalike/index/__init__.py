"""Qdrant: one schema, two engines (embedded, server), every query."""

from lookalike.index.frames import FrameIndex, open_index
from lookalike.index.schema import Finished, Hit, Where

__all__ = ["Finished", "FrameIndex", "Hit", "Where", "open_index"]
