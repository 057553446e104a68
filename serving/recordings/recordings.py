"""The library of an index, and the pictures of its frames."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from lookalike.errors import FootageError
from lookalike.footage.playable import choose_encoder
from lookalike.index import StoredFrame, is_frame_id
from lookalike.index.record import FROM_ELSEWHERE
from lookalike.proxy_encoders import ProxyEncoder
from serving.http.errors import ApiError
from serving.http.limits import PICTURE_BYTES, PICTURE_WAITS, PROXY_BYTES, THUMB_BYTES, THUMBNAIL_THREADS
from serving.inference.operations import stored_points
from serving.inference.pipeline import Pipeline
from serving.media.worker import MediaPool
from serving.recordings.disk_cache import DiskCache, open_cache
from serving.recordings.explorer import Explorer
from serving.recordings.library import Library, Recording
from serving.recordings.playback import Player
from serving.recordings.single_flight import SingleFlight
from serving.recordings.source_verifier import SourceVerifier
from serving.recordings.thumbnails import NICE, Moment, Thumbnails

PICTURE_ID = 32  # digits of a picture's id
_SOURCE_ID = re.compile("[0-9a-f]{64}")


class Recordings:
    """Use it in the event loop that serves the requests, and close it.

    Opens recordings that were indexed on this machine only: none that a client or a table names.
    """

    def __init__(self, pipeline: Pipeline, cache: Path, proxy_encoder: ProxyEncoder | None = None) -> None:
        """cache: the folder for thumbnails, proxies and uploaded pictures. proxy_encoder: None for what there is."""
        self._pipeline = pipeline
        self.library = Library(pipeline)
        self.verifier, folder = SourceVerifier(), open_cache(cache)
        self.media = MediaPool(THUMBNAIL_THREADS, NICE)
        self._thumbnails = Thumbnails(self.verifier, self.media, PICTURE_WAITS * pipeline.max_wait_s)
        proxies, encoder = DiskCache(folder / "proxies", PROXY_BYTES), choose_encoder(proxy_encoder)
        self.player = Player(self.verifier, self.media, proxies, encoder)
        self.explorer = Explorer()
        self._cache = DiskCache(folder / "thumbs", THUMB_BYTES)
        self._pictures = DiskCache(folder / "pictures", PICTURE_BYTES)
        self._in_flight = SingleFlight[bytes]()

    def limited_to(self, pipeline: Pipeline) -> Recordings:
        """The same decoders and caches, over the index of another pipeline. It is closed with this one.

        What is cached is named by ids, which are looked up in that index first.
        """
        limited = copy.copy(self)
        limited._pipeline, limited.library = pipeline, Library(pipeline)
        limited.explorer = self.explorer.separate()
        return limited

    def close(self) -> None:
        self.media.close()
        self._thumbnails.close()
        self.player.close()
        self.explorer.close()

    async def frame(self, frame_id: str) -> StoredFrame:
        """Raises: ApiError 404 for an unknown id, else as `Pipeline.ask`."""
        frames = await self.frames([frame_id])
        if frame_id not in frames:
            raise unknown_frame(frame_id)
        return frames[frame_id]

    async def frames(self, frame_ids: Sequence[str]) -> dict[str, StoredFrame]:
        """Those that are stored, by id as it was given. Raises: as `Pipeline.ask`."""
        known = {frame_id: str(UUID(frame_id)) for frame_id in frame_ids if is_frame_id(frame_id)}
        if not known:
            return {}
        points = await self._pipeline.ask(lambda index: stored_points(index, sorted(set(known.values()))))
        return {frame_id: points[stored][1] for frame_id, stored in known.items() if stored in points}

    async def recording(self, source_id: str) -> Recording:
        """Raises: ApiError 404 if no frame of it is stored, else as `Pipeline.ask`."""
        recording = await self.library.recording(source_id) if _SOURCE_ID.fullmatch(source_id) else None
        if recording is None:
            raise ApiError(404, "not_found", f"no recording has the id {source_id!r}; take an id of /library")
        return recording

    async def recording_named(self, name: str) -> Recording:
        """name: a source, as hits name it, or its source_id. Raises: as `recording`."""
        if _SOURCE_ID.fullmatch(name):
            return await self.recording(name)
        if (recording := await self.library.recording_of(name)) is None:
            raise ApiError(404, "not_found", f"no recording is stored as {name[:200]!r}; take the source of a hit")
        return recording

    async def keep(self, jpeg: bytes) -> str:
        """Keep an uploaded picture, so that searches can name it. Returns: its id.

        Raises: ApiError 503 if it cannot be written.
        """
        picture_id = hashlib.sha256(jpeg).hexdigest()[:PICTURE_ID]
        if await asyncio.to_thread(self._pictures.put, f"{picture_id}.jpg", jpeg) is None:
            raise ApiError(503, "not_kept", "the picture could not be stored; see the log of the service")
        return picture_id

    async def picture(self, picture_id: str) -> bytes:
        """An uploaded picture, JPEG. Raises: ApiError 404 if it is no longer kept."""
        known = re.fullmatch(f"[0-9a-f]{{{PICTURE_ID}}}", picture_id)
        jpeg = await asyncio.to_thread(self._pictures.read, f"{picture_id}.jpg") if known else None
        if jpeg is None:
            raise ApiError(404, "not_found", f"picture {picture_id[:64]!r} is no longer kept; upload it again")
        return jpeg

    async def thumb(self, name: str, moment: Moment, longest_px: int) -> bytes:
        """A small JPEG, cached by name. Raises: ApiError 410 if the recording is gone or cannot be read; Busy."""
        if (cached := await asyncio.to_thread(self._cache.read, name)) is not None:
            return cached

        async def make() -> bytes:
            jpeg = await self.jpeg(moment, longest_px)
            await asyncio.to_thread(self._cache.put, name, jpeg)
            return jpeg

        return await self._in_flight(name, make)

    async def jpeg(self, moment: Moment, longest_px: int | None = None) -> bytes:
        """A JPEG, in full size by default. Raises: as `thumb`."""
        try:
            return await self._thumbnails.jpeg(moment, longest_px)
        except FootageError as error:
            raise ApiError(410, "gone", str(error)) from error


def unknown_frame(frame_id: str) -> ApiError:
    """The response to an id that no stored frame has."""
    return ApiError(404, "not_found", f"no frame has the id {frame_id!r}; take an id of a search hit")


def moment_of(frame: StoredFrame) -> Moment:
    """The moment of a stored frame. Raises: ApiError 410 if its source was indexed elsewhere."""
    if frame.remote:
        raise ApiError(410, "gone", not_served(frame.source))
    return Moment(frame.source, frame.source_id, frame.time_s)


def not_served(source: str) -> str:
    """Why a recording that was indexed elsewhere is not opened."""
    return f"{source}: named {FROM_ELSEWHERE}, so not opened; index it on this machine"
