"""What people look at: the index as a library, and pictures of what it holds."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path
from uuid import UUID

from lookalike.errors import FootageError
from lookalike.index import StoredFrame, is_frame_id
from lookalike.index.record import FROM_ELSEWHERE
from serving.http.errors import ApiError
from serving.http.limits import PICTURE_BYTES, PROXY_BYTES, THUMB_BYTES
from serving.inference.pipeline import Pipeline
from serving.recordings.disk_cache import DiskCache, open_cache
from serving.recordings.explorer import Explorer
from serving.recordings.library import Library, Recorded
from serving.recordings.playback import Player
from serving.recordings.single_flight import SingleFlight
from serving.recordings.source_verifier import SourceVerifier
from serving.recordings.thumbnails import Moment, Thumbnails

PICTURE_ID = 32  # digits of a picture's id
_SOURCE_ID = re.compile("[0-9a-f]{64}")


class Recordings:
    """Used in the event loop that serves the requests. Close it when that ends.

    Only recordings that were indexed here, not named over HTTP or by a table, are opened; never a path from a client.
    """

    def __init__(self, pipeline: Pipeline, cache: Path) -> None:
        """cache: the folder for what is made."""
        self._pipeline = pipeline
        self.library = Library(pipeline)
        self.unchanged, folder = SourceVerifier(), open_cache(cache)
        self._stills = Thumbnails(self.unchanged)
        self.player = Player(self.unchanged, DiskCache(folder / "proxies", PROXY_BYTES))
        self.explorer = Explorer()
        self._thumbs = DiskCache(folder / "thumbs", THUMB_BYTES)
        self._pictures = DiskCache(folder / "pictures", PICTURE_BYTES)
        self._cutting = SingleFlight[bytes]()

    def close(self) -> None:
        self._stills.close()
        self.player.close()
        self.explorer.close()

    async def frame(self, frame_id: str) -> StoredFrame:
        """Raises: ApiError 404 if there is none, else as `Pipeline.ask`."""
        known = str(UUID(frame_id)) if is_frame_id(frame_id) else ""
        found = await self._pipeline.ask(lambda engine: engine.points([known])) if known else {}
        if known not in found:
            raise ApiError(404, "not_found", f"no frame has the id {frame_id!r}; take one from a search hit")
        return found[known][1]

    async def recording(self, source_id: str) -> Recorded:
        """Raises: ApiError 404 if no frame is of it, else as `Pipeline.ask`."""
        found = await self.library.recording(source_id) if _SOURCE_ID.fullmatch(source_id) else None
        if found is None:
            raise ApiError(404, "not_found", f"no recording has the id {source_id!r}; take one from /library")
        return found

    async def recording_named(self, name: str) -> Recorded:
        """name: a source, as hits name it, or its source_id. Raises: as `recording`."""
        if _SOURCE_ID.fullmatch(name):
            return await self.recording(name)
        if (found := await self.library.recording_of(name)) is None:
            raise ApiError(404, "not_found", f"no recording is stored as {name[:200]!r}; take a source from a hit")
        return found

    async def keep(self, jpeg: bytes) -> str:
        """Keep a picture that was sent, to be named in searches. Returns: its id.

        Raises: ApiError 503 if it cannot be written.
        """
        picture_id = hashlib.sha256(jpeg).hexdigest()[:PICTURE_ID]
        if await asyncio.to_thread(self._pictures.put, f"{picture_id}.jpg", jpeg) is None:
            raise ApiError(503, "not_kept", "the picture could not be kept; the log of the service says why")
        return picture_id

    async def picture(self, picture_id: str) -> bytes:
        """A picture that was sent, JPEG. Raises: ApiError 404 if it is not kept any more."""
        known = re.fullmatch(f"[0-9a-f]{{{PICTURE_ID}}}", picture_id)
        jpeg = await asyncio.to_thread(self._pictures.read, f"{picture_id}.jpg") if known else None
        if jpeg is None:
            raise ApiError(404, "not_found", f"picture {picture_id[:64]!r} is no longer kept; drop it again")
        return jpeg

    async def thumb(self, name: str, moment: Moment, longest_px: int) -> bytes:
        """A small JPEG, kept by its name. Raises: ApiError 410 if the recording does not give it; Busy."""
        if (kept := await asyncio.to_thread(self._thumbs.read, name)) is not None:
            return kept

        async def make() -> bytes:
            jpeg = await self.still(moment, longest_px)
            await asyncio.to_thread(self._thumbs.put, name, jpeg)
            return jpeg

        return await self._cutting(name, make)

    async def still(self, moment: Moment, longest_px: int | None = None) -> bytes:
        """A JPEG, whole if no size is given. Raises: as `thumb`."""
        try:
            return await self._stills.jpeg(moment, longest_px)
        except FootageError as error:
            raise ApiError(410, "gone", str(error)) from error


def moment_of(frame: StoredFrame) -> Moment:
    """Where a stored frame is from. Raises: ApiError 410 if its source was named from elsewhere."""
    if frame.remote:
        raise ApiError(410, "gone", not_served(frame.source))
    return Moment(frame.source, frame.source_id, frame.time_s)


def not_served(source: str) -> str:
    return f"{source}: named {FROM_ELSEWHERE}, so not opened; index it on this machine"
