"""Uploads -> pixels -> encoder -> index: the path of a request, and all that requests share."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, closing, nullcontext, suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from lookalike.contract import EncoderSpec
from lookalike.encoder import MAX_BATCH, Encoder
from lookalike.errors import (
    DiskFull,
    FootageError,
    ImageError,
    IndexStoreError,
    QueryError,
    UnknownFrame,
)
from lookalike.index import FrameIndex, Hit, StoredFrame, open_index
from lookalike.index.ask import EmbeddedRequest, QueryExample
from lookalike.index.embedded.folder import FolderLocation
from lookalike.index.engine import Watched
from lookalike.index.restricted import RestrictedEngine
from lookalike.pixels import decode, decode_to_fit, decoding_cost, fit
from lookalike.region import Region
from lookalike.search_fields import SearchOptions
from serving.http.bodies import Budget, Upload
from serving.http.errors import ApiError
from serving.http.limits import (
    DECODE_THREADS,
    HEAVY_PIXELS,
    MAX_PIXELS,
    MAX_UPLOAD_BYTES,
    MAX_WAIT_S,
    SEARCH_THREADS,
)
from serving.inference.backlog import Backlog, Busy
from serving.inference.batching import Batcher, Decode, RunFailed
from serving.inference.cameras import Cameras
from serving.inference.counted_threads import CountedThreads
from serving.inference.fair_threads import FairThreads
from serving.inference.index_health import IndexHealth, noting_failures
from serving.inference.late_index import open_soon
from serving.inference.metrics import BATCH_IMAGES, ENCODER, FRAMES_INDEXED, IMAGES, STAGE_SECONDS
from serving.inference.sampler import Sampler
from serving.settings import Settings

logger = logging.getLogger("bentoml.lookalike")  # BentoML sets up the loggers below its own name

IMAGE_PIXELS = 200_000  # what an image costs besides its pixels: it is read, resized and run through the encoder
PIXELS_PER_BYTE = 16  # of a photograph that is compressed a lot; flat pictures have more
FRAME_PIXELS = HEAVY_PIXELS + 1  # of a recording: some frames before it may have to be decoded as well

T = TypeVar("T")


class Pipeline:
    """Made by `open_pipeline`."""

    def __init__(
        self, encoder: Encoder, index: FrameIndex | None, max_wait_s: float = MAX_WAIT_S, writable: bool = False
    ) -> None:
        """max_wait_s: how long a request may wait for its turn. writable: clients may add and remove frames."""
        self.spec, self.writable, self.max_wait_s = encoder.spec, writable, max_wait_s
        self.upload_budget = Budget(MAX_UPLOAD_BYTES)
        self._encoder, self._index = encoder, index
        self.cameras = Cameras()
        self.health: IndexHealth | None = None  # only for an index on a server
        self._decoders = FairThreads(DECODE_THREADS + 1, "decode", max_wait_s)  # one of them runs the encoder
        self._searchers = FairThreads(SEARCH_THREADS, "search", max_wait_s)
        self._writer = CountedThreads(1, "write")  # one change at a time
        self._batcher = Batcher(self._run, self._decoders, MAX_BATCH, max_wait_s)
        self._backlog = Backlog(max_wait_s, MAX_PIXELS)

    def limited_to(self, cameras: Collection[str]) -> Pipeline:
        """The same encoder, queues and limits, for those who may see some cameras only. It is closed with this one."""
        limited = copy.copy(self)
        limited.writable = False
        if self._index:
            limited._index = FrameIndex(RestrictedEngine(self._index.engine, cameras), self.spec)
        return limited

    def about(self) -> dict[str, Any]:
        """What runs, for probes and logs: the content of /readyz, which needs no key. It names no recordings."""
        spec, index = dataclasses.replace(self.spec, fitted_to=""), self._index is not None
        return {
            "space": spec.space,
            "dim": spec.dim,
            "encoder": json.loads(spec.to_json()),
            "precision": spec.precision,
            "provider": self._encoder.provider,
            "index": index,
            "writable": self.writable,
        }

    def check_index(self) -> None:
        """Raises: ApiError 503 while the index does not answer, or cannot be written."""
        if self.health:
            return self.health.check()
        engine = self._index.engine if self._index else None
        if isinstance(engine, Watched) and (trouble := engine.trouble()) is not None:
            raise ApiError(503, "index_unavailable", trouble)

    def is_up(self) -> bool:
        """Whether the index answers; True without one."""
        try:
            self.check_index()
        except ApiError:
            return False
        return True

    def let_in(self, size: int) -> Callable[[], None]:
        """Returns: what to call when the request is over.

        Raises: Busy if images of so many bytes, which were not read yet, would wait too long.
        """
        return partial(self._backlog.gone, self._backlog.let_in(size, PIXELS_PER_BYTE))

    async def embed(self, uploads: Sequence[Upload]) -> np.ndarray:
        """Decode, then embed: a corrupt upload fails before it is batched with others.

        Returns: float32 (len(uploads), D), rows of length 1.
        Raises: Busy; RunFailed; ApiError 400 or 413 that names the first corrupt image, or for too many pixels.
        """
        costs = await self.costs(uploads)
        decodes = [partial(self._pixels, upload) for upload in uploads]
        return await self._embed(uploads, decodes, costs, sum(len(upload.data) for upload in uploads))

    async def costs(self, uploads: Sequence[Upload]) -> list[int]:
        """What each image costs to decode, in pixels, as its headers state. Raises: ApiError 413 for too many."""
        costs = await asyncio.to_thread(_costs, uploads)  # does not queue behind images that are decoded
        cost = sum(costs)
        if len(uploads) > 1 and cost > MAX_PIXELS:
            message = f"{len(uploads)} images of {cost:,} pixels to decode, at most {MAX_PIXELS:,} in one request"
            raise ApiError(413, "too_large", message)
        return costs

    async def _embed(
        self, uploads: Sequence[Upload], decodes: Sequence[Decode], costs: Sequence[int], size: int
    ) -> np.ndarray:
        with self._backlog.admit(sum(costs) + IMAGE_PIXELS * len(costs), size):
            outcomes = await self._batcher.embed(decodes, [cost > HEAVY_PIXELS for cost in costs])
        embeddings = np.stack(self._embedded(outcomes, uploads))
        _check_finite(embeddings, uploads)
        IMAGES.labels("embedded").inc(len(uploads))
        return embeddings

    async def embed_one(self, name: str, pixels: Decode, cost: int = FRAME_PIXELS, size: int = 0) -> np.ndarray:
        """Embed one image. name: for messages. pixels: called in a thread. cost: of these, by `costs`. size: in bytes.

        Returns: float32 (D,). Raises: as `embed`.
        """
        return (await self._embed([Upload(None, name, b"")], [pixels], [cost], size))[0]

    def check(self, options: SearchOptions) -> None:
        """Raises: ApiError 409 without an index, 400 for weights of parts that the encoder does not have."""
        _ = self.index
        try:
            options.check_parts(self.spec)
        except QueryError as error:
            raise ApiError(400, "bad_request", str(error)) from error

    async def search(self, request: EmbeddedRequest) -> list[Hit]:
        """Hits, best first. Raises: ApiError 409 without an index, 503 if it fails, 400 if examples cancel out."""
        return await self.ask(partial(_hits, request))

    async def stored(self, frame_id: str) -> QueryExample:
        """A stored frame, to search by. Raises: ApiError 404 for an unknown id, 409, 503."""
        return await self.ask(partial(_example, frame_id))

    async def ask(self, question: Callable[[FrameIndex], T], heavy: bool = False) -> T:
        """Call a function with the index, in a thread: it takes milliseconds, or a network round trip.

        heavy: it looks at all frames, and leaves a thread to searches.
        Raises: ApiError 409 without an index, 503 if it fails or its server does not answer.
        """
        return await self._searchers.run(self._call(question), heavy)

    async def write(self, change: Callable[[FrameIndex], T]) -> T:
        """Call a function that changes the index, one at a time. Raises: as `ask`."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._call(change))

    def note_stored(self, frames: Sequence[StoredFrame]) -> None:
        """Count frames that a client has stored."""
        FRAMES_INDEXED.inc(len(frames))
        self.cameras.note(frames)

    @property
    def index(self) -> FrameIndex:
        """Raises: ApiError 409 without one."""
        if self._index is None:
            raise ApiError(409, "no_index", "this service has no index; start it with one, as LOOKALIKE_INDEX")
        return self._index

    async def run_in_thread(self, work: Callable[..., T], *arguments: Any, heavy: bool = False) -> T:
        """Run slow work in a thread of the decoders, so that other requests are read in the meantime.

        heavy: it takes as long as a large image. Raises: what it raises; Busy if its turn does not come in time.
        """
        return await self._decoders.run(partial(work, *arguments), heavy)

    def close(self) -> None:
        if self.health:
            self.health.close()
        self._decoders.shutdown()
        self._searchers.shutdown()
        self._writer.shutdown()

    def _embedded(self, outcomes: Sequence[np.ndarray | BaseException], uploads: Sequence[Upload]) -> list[np.ndarray]:
        """The embeddings, if none failed. Raises: ApiError for the first corrupt image, else RunFailed; Busy."""
        failed = [outcome for outcome in outcomes if isinstance(outcome, RunFailed)]
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, Busy):
                raise outcome
            if isinstance(outcome, BaseException) and not isinstance(outcome, RunFailed):
                IMAGES.labels("unreadable").inc()
                raise unreadable(outcome, index, uploads[index].name) from outcome
        if failed:
            IMAGES.labels("failed").inc(len(uploads))
            logger.error("%s", failed[0])
            raise failed[0]
        return [outcome for outcome in outcomes if isinstance(outcome, np.ndarray)]

    def _pixels(self, upload: Upload) -> np.ndarray:
        with STAGE_SECONDS.labels("decode").time():
            return decode_to_fit(upload.data, self.spec.input_px, upload.name)

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        BATCH_IMAGES.observe(len(pixels))
        with STAGE_SECONDS.labels("encode").time():
            return self._encoder.embed(pixels)

    def _call(self, question: Callable[[FrameIndex], T]) -> Callable[[], T]:
        """Prepare a call for a thread. Raises: ApiError 409 without an index, 503 while its server does not answer."""
        index = self.index
        if self.health:
            self.health.check()
        call = partial(_call, question, index, self.health)
        return partial(copy_context().run, call)  # with the ids of the request, for the log


def _costs(uploads: Sequence[Upload]) -> list[int]:
    return [decoding_cost(upload.data) for upload in uploads]


def unreadable(error: BaseException, index: int, name: str) -> ApiError:
    """The response to an image that could not be decoded. index: its number in the request."""
    if isinstance(error, ImageError):
        kind = "too_large" if error.http_status == 413 else "bad_image"
        return ApiError(error.http_status, kind, str(error), index, name)
    if isinstance(error, FootageError):  # a region lies outside, or the recording is gone
        return ApiError(400, "bad_request", str(error), index, name)
    logger.error("the decoder failed on %s", name, exc_info=error)  # a bug of the decoder; only this image fails
    return ApiError(400, "bad_image", f"{name}: broken image ({type(error).__name__})", index, name)


def _check_finite(embeddings: np.ndarray, uploads: Sequence[Upload]) -> None:
    """Raises: ApiError 503 for NaN and infinity: JSON has neither, and the index would store them silently."""
    broken = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if broken.size:
        index = int(broken[0])
        message = f"{uploads[index].name}: the encoder gave a value that is not finite"
        raise ApiError(503, "encoder_failed", message, index, uploads[index].name)


def pixels_of(data: bytes, region: Region | None, side_px: int, name: str) -> np.ndarray:
    """Decode an image, or the region of it: uint8 (side_px, side_px, 3). Raises: ImageError; FootageError."""
    with STAGE_SECONDS.labels("decode").time():
        return fit(region.crop(decode(data, name)), side_px) if region else decode_to_fit(data, side_px, name)


def _example(frame_id: str, index: FrameIndex) -> QueryExample:
    try:
        return index.example(frame_id)
    except UnknownFrame as error:
        raise ApiError(404, "not_found", str(error)) from error


def _hits(request: EmbeddedRequest, index: FrameIndex) -> list[Hit]:
    try:
        with STAGE_SECONDS.labels("search").time():
            return index.ask(request)
    except QueryError as error:
        raise ApiError(400, "bad_request", str(error)) from error


def _call(question: Callable[[FrameIndex], T], index: FrameIndex, health: IndexHealth | None) -> T:
    try:
        with noting_failures(health):
            return question(index)
    except ApiError:
        raise
    except DiskFull as error:
        raise ApiError(507, "disk_full", str(error)) from error
    except BaseException as error:  # a panic of the embedded engine is a BaseException, and must not end this thread
        logger.exception("the index did not answer")
        raise ApiError(503, "index_failed", f"the index did not answer ({type(error).__name__})") from error


@asynccontextmanager
async def open_pipeline(settings: Settings) -> AsyncIterator[Pipeline]:
    """Load the encoder, run it once at each power of two up to the largest batch, and open the index.

    Raises: EncoderError, DeviceError, IndexStoreError, SpaceMismatch.
    """
    Image.init()  # otherwise the first decode loads Pillow's plugins, 0.2 s
    encoder = Encoder(settings.encoder, settings.device, settings.threads)
    side = encoder.spec.input_px
    for power in range(MAX_BATCH.bit_length()):  # the first run of a size allocates, and on a GPU selects algorithms
        encoder.embed(np.zeros((1 << power, side, side, 3), np.uint8))
    ENCODER.labels(encoder.spec.space, encoder.spec.precision, encoder.provider).set(1)

    index = _open(settings, encoder.spec)
    if settings.index and settings.embedded and settings.url:
        with suppress(IndexStoreError):  # a read-only folder can be served as well
            FolderLocation(Path(settings.index)).say_served(settings.url)
    with (
        closing(index) if index else nullcontext(),
        closing(Pipeline(encoder, index, settings.max_wait_s, settings.writable)) as pipeline,
    ):
        if index and not settings.embedded:
            pipeline.health = IndexHealth(index)
            pipeline.health.start()
        logger.info("encoder %s on %s, index %s", encoder.spec.space, encoder.provider, settings.index)
        with closing(_sampler(settings, index, pipeline)) as sampler:
            sampler.start()
            yield pipeline


def _open(settings: Settings, spec: EncoderSpec) -> FrameIndex | None:
    """Raises: IndexStoreError, SpaceMismatch."""
    if settings.index is None:
        return None
    writable = settings.writable
    open_ = partial(open_index, settings.index, spec, create=writable, live=writable)
    return open_() if settings.embedded else open_soon(open_, spec)


def _sampler(settings: Settings, index: FrameIndex | None, pipeline: Pipeline) -> Sampler:
    folder = Path(settings.index) if settings.index and settings.embedded else None
    disks = {"cache": settings.cache} | ({"index": folder} if folder else {})
    return Sampler(index, pipeline.cameras, disks, folder, pipeline.is_up)
