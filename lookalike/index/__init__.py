"""Qdrant: one schema, every query; an engine for a folder, for a server, and for a service that owns a folder.

Each name is imported when it is first used: `server.options`, which is flags, loads no engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.lazy import lazily

__all__ = ["Filters", "FrameIndex", "Hit", "SourceRecord", "StoredFrame", "TimeOfDay", "is_frame_id", "open_index"]

_MODULES = {  # where each name of __all__ is from, as below
    "Filters": "lookalike.index.filters",
    "FrameIndex": "lookalike.index.frames",
    "Hit": "lookalike.index.schema",
    "SourceRecord": "lookalike.index.schema",
    "StoredFrame": "lookalike.index.record",
    "TimeOfDay": "lookalike.index.clock",
    "is_frame_id": "lookalike.index.record",
    "open_index": "lookalike.index.open",
}

if TYPE_CHECKING:
    from lookalike.index.clock import TimeOfDay
    from lookalike.index.filters import Filters
    from lookalike.index.frames import FrameIndex
    from lookalike.index.open import open_index
    from lookalike.index.record import StoredFrame, is_frame_id
    from lookalike.index.schema import Hit, SourceRecord
else:
    __getattr__, __dir__ = lazily(__name__, _MODULES)
