"""Read a folder, an image, a video or a stream as `Frame`s, lazily.

Each name is imported when it is first used: the modules of flags (`sampling`, `naming`, ...) load no decoder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.lazy import lazily

__all__ = [
    "Ended",
    "Frame",
    "Skipped",
    "Source",
    "duration_s",
    "find_sources",
    "frame_at",
    "read_frames",
    "read_source",
]

_MODULES = {  # where each name of __all__ is from, as below
    "Ended": "lookalike.footage.read",
    "Frame": "lookalike.footage.frame",
    "Skipped": "lookalike.footage.read",
    "Source": "lookalike.footage.sources",
    "duration_s": "lookalike.footage.read",
    "find_sources": "lookalike.footage.sources",
    "frame_at": "lookalike.footage.still",
    "read_frames": "lookalike.footage.read",
    "read_source": "lookalike.footage.read",
}

if TYPE_CHECKING:
    from lookalike.footage.frame import Frame
    from lookalike.footage.read import Ended, Skipped, duration_s, read_frames, read_source
    from lookalike.footage.sources import Source, find_sources
    from lookalike.footage.still import frame_at
else:
    __getattr__, __dir__ = lazily(__name__, _MODULES)
