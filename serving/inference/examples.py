"""The examples of a search -> vectors: the uploaded picture, stored frames, moments, kept pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import numpy as np

from lookalike.index import Filters
from lookalike.index.ask import EmbeddedRequest, FrameMoment, QueryExample
from lookalike.pixels import fit
from lookalike.region import Region
from lookalike.search import Example, SearchRequest
from serving.http.bodies import Upload
from serving.http.errors import ApiError
from serving.inference.pipeline import Pipeline, pixels_of
from serving.recordings.recordings import Recordings, moment_of, not_served
from serving.recordings.thumbnails import Moment


class Examples:
    """Embeds the examples of one request, batched with uploads of others. Opens no path that a client names."""

    def __init__(self, pipeline: Pipeline, recordings: Recordings, upload: Upload | None) -> None:
        """upload: the picture of the request."""
        self._pipeline, self._recordings, self._upload = pipeline, recordings, upload

    async def embedded(self, request: SearchRequest) -> EmbeddedRequest:
        """Raises: as `Pipeline.embed`; ApiError 404 for an unknown example, 410 for a recording that was indexed
        elsewhere, 400 for a recording that is gone, or for weights of parts that the encoder does not have."""
        self._pipeline.check(request.options)  # before anything is decoded
        like = asyncio.gather(*(self._embedded(example) for example in request.like))
        unlike = asyncio.gather(*(self._embedded(example) for example in request.unlike))
        liked, avoided = await asyncio.gather(like, unlike)
        return EmbeddedRequest(liked, [example.vector for example in avoided], request.filters, request.options)

    async def _embedded(self, example: Example) -> QueryExample:
        region = example.region
        if not example.text and self._upload:
            return QueryExample(await self._uploaded(self._upload, region), region is not None)
        if example.picture_id is not None:
            jpeg, side = await self._recordings.picture(example.picture_id), self._pipeline.spec.input_px
            vector = await self._pipeline.embed_one("picture", partial(pixels_of, jpeg, region, side, "picture"))
            return QueryExample(vector, region is not None)
        if example.moment:
            return await self._at(*example.moment, region)
        if region is None:
            return await self._pipeline.stored(example.text)
        moment = moment_of(await self._recordings.frame(example.text))
        return QueryExample(await self._shown(moment, region), is_region=True)

    async def _uploaded(self, upload: Upload, region: Region | None) -> np.ndarray:
        """float32 (D,)."""
        [cost] = await self._pipeline.costs([upload])
        pixels = partial(pixels_of, upload.data, region, self._pipeline.spec.input_px, upload.name)
        return await self._pipeline.embed_one(upload.name, pixels, cost, len(upload.data))

    async def _at(self, source: str, time_s: float, region: Region | None) -> QueryExample:
        """source: as hits name it, or its source_id."""
        if time_s < 0:
            raise ApiError(400, "bad_request", f"{source[:200]}: nothing at {time_s:g} s, expected a moment from 0 s")
        recording = await self._recordings.recording_named(source)
        if not recording.served:
            raise ApiError(410, "gone", not_served(recording.source))
        vector = await self._shown(Moment(recording.source, recording.source_id, time_s), region)
        filters = Filters(source_ids=(recording.source_id,))
        return QueryExample(vector, region is not None, None if region else FrameMoment(filters, time_s))

    async def _shown(self, moment: Moment, region: Region | None) -> np.ndarray:
        """float32 (D,)."""
        pixels: Callable[[], np.ndarray] = partial(
            _of_recording, self._recordings, moment, region, self._pipeline.spec.input_px
        )
        return await self._pipeline.embed_one(moment.source, pixels)


def _of_recording(recordings: Recordings, moment: Moment, region: Region | None, side: int) -> np.ndarray:
    """uint8 (side, side, 3)."""
    recordings.verifier.check(moment.source, moment.source_id)
    with recordings.media.worker() as worker:
        shown = worker.pixels(moment.source, moment.time_s, None if region else side)
    return fit(region.crop(shown), side) if region else shown
