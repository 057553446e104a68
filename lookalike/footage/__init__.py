"""A folder, an image, a video or a stream -> `Frame`s, lazily."""

from lookalike.footage.frame import Frame
from lookalike.footage.read import Ended, Skipped, frame_at, read_frames, read_source
from lookalike.footage.sources import Source, find_sources

__all__ = ["Ended", "Frame", "Skipped", "Source", "find_sources", "frame_at", "read_frames", "read_source"]
