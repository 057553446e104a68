"""Read a folder, an image, a video or a stream as `Frame`s, lazily."""

from lookalike.footage.frame import Frame
from lookalike.footage.read import Ended, Skipped, duration_s, read_frames, read_source
from lookalike.footage.sources import Source, find_sources
from lookalike.footage.still import frame_at

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
