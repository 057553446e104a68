"""Uploads -> pixels -> encoder -> index: one request's way, and all that the requests share."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from lookalike.encoder import MAX_BATCH, Encoder
from lookalike.errors import FootageError, ImageError, IndexStoreError, IndexUnavailable, QueryError
from lookalike.index import FrameIndex, Hit, open_index
from lookalike.index.ask import EmbeddedRequest, QueryExample
from lookalike.index.engine import Engine
from lookalike.index.folder import FolderLocation
from lookalike.pixels import decode, decode_to_fit, decoding_cost, fit
from lookalike.region import Region
from lookalike.search_fields import SearchOptions
from serving.http.bodies import Budget, Upload
from serving.http.errors import ApiError
from serving.http.limits import (
    DECODE_THREADS,
    MAX_HELD_BYTES,
    MAX_HELD_PIXELS,
    MAX_PIXELS,
    MAX_QUEUED_IMAGES,
    SEARCH_THREADS,
)
from serving.inference.batching import Batcher, Decode, RunFailed
from serving.inference.index_health import IndexHealth, unavailable
from serving.inference.metrics import BATCH_IMAGES, ENCODER, IMAGES, RUN_SECONDS
from serving.settings import Settings

logger = logging.getLogger("bentoml.lookalike")  # BentoML sets up the loggers below its own name

T = TypeVar("T")


class Pipeline:
    """Made by `open_pipeline`."""

    def __init__(
        self, encoder: Encoder, index: FrameIndex | None, capacity: int = MAX_QUEUED_IMAGES, writable: bool = False
    ) -> None:
        """capacity: images on their way at a time. writable: clients may add and remove frames."""
        self.spec, self.writable = encoder.spec, writable
        self.held = Budget(MAX_HELD_BYTES)
        self._pixels_held = Budget(MAX_HELD_PIXELS, "too many large images are on their way")
        self._encoder, self._index = encoder, index
        self.health: IndexHealth | None = None  # of an index that has a server
        self._decoders = ThreadPoolExecutor(DECODE_THREADS + 1, "decode")  # one of them runs the encoder
        self._searchers = ThreadPoolExecutor(SEARCH_THREADS, "search")
        self._writer = ThreadPoolExecutor(1, "write")  # one after the other
        self._batcher = Batcher(self._run, self._decoders, MAX_BATCH, capacity)

    def about(self) -> dict[str, Any]:
        """What runs, for probes and logs."""
        spec, index = self.spec, self._index is not None
        return {
            "space": spec.space,
            "dim": spec.dim,
            "encoder": json.loads(spec.to_json()),
            "precision": spec.precision,
            "provider": self._encoder.provider,
            "index": index,
            "writable": self.writable,
        }

    async def embed(self, uploads: Sequence[Upload]) -> np.ndarray:
        """Decode, then embed: a broken upload never meets those that would share its batch.

        Returns: float32 (len(uploads), D), rows of length 1.
        Raises: Busy; RunFailed; ApiError 400 or 413 that names the first image which is none, or for too many pixels.
        """
        async with self.decoding(uploads):
            return await self._embed(uploads, [partial(self._pixels, upload) for upload in uploads])

    @asynccontextmanager
    async def decoding(self, uploads: Sequence[Upload]) -> AsyncIterator[None]:
        """Hold room for the pixels of images, known from their headers, while they are decoded.

        Raises: ApiError 413 if one request has too many; Busy if all together have.
        """
        cost = await asyncio.to_thread(_cost, uploads)  # not behind images that are decoded
        if len(uploads) > 1 and cost > MAX_PIXELS:
            message = f"{len(uploads)} images of {cost:,} pixels to decode, at most {MAX_PIXELS:,} in one request"
            raise ApiError(413, "too_large", message)
        with self._pixels_held.lease() as take:
            take(cost)
            yield

    async def _embed(self, uploads: Sequence[Upload], decodes: Sequence[Decode]) -> np.ndarray:
        with self._batcher.admit(len(uploads)):
            outcomes = await self._batcher.embed(decodes)
        embeddings = np.stack(self._embedded(outcomes, uploads))
        _check_finite(embeddings, uploads)
        IMAGES.labels("embedded").inc(len(uploads))
        return embeddings

    async def embed_one(self, name: str, pixels: Decode) -> np.ndarray:
        """One image. name: for messages. pixels: called in a thread.

        Returns: float32 (D,). Raises: as `embed`.
        """
        return (await self._embed([Upload(None, name, b"")], [pixels]))[0]

    def check(self, options: SearchOptions) -> None:
        """Raises: ApiError 409 without an index, 400 for weights that the encoder cannot follow."""
        _ = self.index
        try:
            options.check_parts(self.spec)
        except QueryError as error:
            raise ApiError(400, "bad_request", str(error)) from error

    async def search(self, request: EmbeddedRequest) -> list[Hit]:
        """Hits, best first. Raises: ApiError 409 without an index, 503 if it fails, 400 if examples cancel out."""
        return await self._ask(partial(_hits, self.index, request))

    async def stored(self, frame_id: str) -> QueryExample:
        """A stored frame, to search by. Raises: ApiError 404 for an unknown id, 409, 503."""
        return await self._ask(partial(_known, self.index.example, frame_id))

    @property
    def engine(self) -> Engine:
        """Of the index. Raises: ApiError 409 without one."""
        return self.index.engine

    async def ask(self, question: Callable[[Engine], T]) -> T:
        """Put a question to the engine of the index. Raises: ApiError 409 without one, 503 if it does not answer."""
        return await self._ask(partial(question, self.engine))

    async def write(self, change: Callable[[Engine], T]) -> T:
        """The same for what changes the index, one at a time."""
        return await self._ask(partial(change, self.engine), self._writer)

    @property
    def index(self) -> FrameIndex:
        """Raises: ApiError 409 without one."""
        if self._index is None:
            raise ApiError(409, "no_index", "this service has no index; start it with one, as LOOKALIKE_INDEX")
        return self._index

    async def aside(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run what takes a while in a thread that decodes, so that other requests are read meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work, *arguments)

    def close(self) -> None:
        if self.health:
            self.health.close()
        self._decoders.shutdown()
        self._searchers.shutdown()
        self._writer.shutdown()

    def _embedded(self, outcomes: Sequence[np.ndarray | BaseException], uploads: Sequence[Upload]) -> list[np.ndarray]:
        """The embeddings, if all are. Raises: ApiError for the first image that is none, else RunFailed."""
        failed = [one for one in outcomes if isinstance(one, RunFailed)]
        for index, one in enumerate(outcomes):
            if isinstance(one, BaseException) and not isinstance(one, RunFailed):
                IMAGES.labels("unreadable").inc()
                raise unreadable(one, index, uploads[index].name) from one
        if failed:
            IMAGES.labels("failed").inc(len(uploads))
            raise failed[0]
        return [one for one in outcomes if isinstance(one, np.ndarray)]

    def _pixels(self, upload: Upload) -> np.ndarray:
        return decode_to_fit(upload.data, self.spec.input_px, upload.name)

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        BATCH_IMAGES.observe(len(pixels))
        with RUN_SECONDS.time():
            return self._encoder.embed(pixels)

    async def _ask(self, question: Callable[[], T], threads: ThreadPoolExecutor | None = None) -> T:
        """Put a question to the index, in a thread: an answer takes milliseconds, or a network round trip."""
        if self.health:
            self.health.check()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads or self._searchers, _answered, question, self.health)


def _cost(uploads: Sequence[Upload]) -> int:
    return sum(decoding_cost(upload.data) for upload in uploads)


def unreadable(error: BaseException, index: int, name: str) -> ApiError:
    """What to answer when an image, the one of this number, could not be decoded."""
    if isinstance(error, ImageError):
        kind = "too_large" if error.http_status == 413 else "bad_image"
        return ApiError(error.http_status, kind, str(error), index, name)
    if isinstance(error, FootageError):  # of a region: it lies outside, or the recording is gone
        return ApiError(400, "bad_request", str(error), index, name)
    logger.error("the decoder fell over %s", name, exc_info=error)  # a fault of the decoder's, met by this image only
    return ApiError(400, "bad_image", f"{name}: broken image ({type(error).__name__})", index, name)


def _check_finite(embeddings: np.ndarray, uploads: Sequence[Upload]) -> None:
    """JSON cannot say NaN, and the index would take it silently."""
    broken = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if broken.size:
        index = int(broken[0])
        message = f"{uploads[index].name}: the encoder gave a value that is not finite"
        raise ApiError(503, "encoder_failed", message, index, uploads[index].name)


def pixels_of(data: bytes, region: Region | None, side_px: int, name: str) -> np.ndarray:
    """Decode an image, or the region of it: uint8 (side_px, side_px, 3). Raises: ImageError; FootageError."""
    return fit(region.crop(decode(data, name)), side_px) if region else decode_to_fit(data, side_px, name)


def _known(look_up: Callable[[str], T], frame_id: str) -> T:
    try:
        return look_up(frame_id)
    except IndexUnavailable:
        raise
    except IndexStoreError as error:
        raise ApiError(404, "not_found", str(error)) from error


def _hits(index: FrameIndex, asked: EmbeddedRequest) -> list[Hit]:
    try:
        return index.ask(asked)
    except QueryError as error:
        raise ApiError(400, "bad_request", str(error)) from error


def _answered(question: Callable[[], T], health: IndexHealth | None) -> T:
    try:
        return question()
    except ApiError:
        raise
    except IndexUnavailable as error:
        logger.error("%s", error)
        if health:
            health.suspect()
        raise unavailable() from error
    except BaseException as error:  # a panic in the embedded engine is no Exception, and this thread no place to stop
        logger.exception("the index did not answer")
        raise ApiError(503, "index_failed", f"the index did not answer ({type(error).__name__})") from error


@asynccontextmanager
async def open_pipeline(settings: Settings) -> AsyncIterator[Pipeline]:
    """Load the encoder, run it once at each power of two up to the largest batch, and open the index.

    Raises: EncoderError, DeviceError, IndexStoreError, SpaceMismatch.
    """
    Image.init()  # else the first decode loads Pillow's plugins, 0.2 s
    encoder = Encoder(settings.encoder, settings.device, settings.threads)
    side = encoder.spec.input_px
    for power in range(MAX_BATCH.bit_length()):  # the first run of a size allocates, and on a GPU picks algorithms
        encoder.embed(np.zeros((1 << power, side, side, 3), np.uint8))
    ENCODER.labels(encoder.spec.space, encoder.spec.precision, encoder.provider).set(1)

    writable = settings.writable
    index = open_index(settings.index, encoder.spec, create=writable, live=writable) if settings.index else None
    if settings.index and settings.embedded and settings.url:
        with suppress(IndexStoreError):  # a folder that may only be read is served as well
            FolderLocation(Path(settings.index)).say_served(settings.url)
    with (
        closing(index) if index else nullcontext(),
        closing(Pipeline(encoder, index, writable=writable)) as pipeline,
    ):
        if index and not settings.embedded:
            pipeline.health = IndexHealth(index.engine)
            pipeline.health.start()
        logger.info("encoder %s on %s, index %s", encoder.spec.space, encoder.provider, settings.index)
        yield pipeline
