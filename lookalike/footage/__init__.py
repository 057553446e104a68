"""A folder, an image, a video or a stream -> `Frame`s, lazily."""

from lookalike.footage.frame import Frame
from lookalike.footage.read import Skipped, frame_at, read_frames
from lookalike.footage.sources import Source, find_sources

__all__ = ["Frame", "Skipped", "Source", "find_sources", "frame_at", "read_frames"]
