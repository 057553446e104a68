"""What a search shall be like or unlike -> what to search by: a stored frame, a moment, or a kept picture."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from lookalike.footage import frame_at
from lookalike.index import Filters
from lookalike.index.ask import FrameMoment, QueryExample
from lookalike.pixels import fit
from lookalike.region import Region
from serving.example import Example
from serving.gallery import Gallery, moment_of, not_served
from serving.pipeline import Pipeline, pixels_of
from serving.refusals import Refusal
from serving.stills import Moment


class Examples:
    """Embeds examples, as uploaded images are: in batches, with others."""

    def __init__(self, pipeline: Pipeline, gallery: Gallery) -> None:
        self._pipeline, self._gallery = pipeline, gallery

    async def embedded(self, examples: Sequence[Example]) -> list[QueryExample]:
        """Raises: as `Pipeline.embed`; Refusal 404 for what is not known, 410 for what was indexed elsewhere, 400 for a
        recording that is gone."""
        return list(await asyncio.gather(*(self._embedded(one) for one in examples)))

    async def _embedded(self, one: Example) -> QueryExample:
        if one.kind == "frame" and one.region is None:
            return await self._pipeline.stored(one.id)
        name, pixels = await self._decoding(one)
        vector = await self._pipeline.embed_one(name, pixels)
        if one.kind == "moment" and one.region is None:
            return QueryExample(vector, moment=FrameMoment(Filters(source_ids=(one.id,)), one.time_s))
        return QueryExample(vector, one.region is not None)

    async def _decoding(self, one: Example) -> tuple[str, Callable[[], np.ndarray]]:
        """What it is called in messages, and what gives its pixels, uint8 (S, S, 3)."""
        side = self._pipeline.spec.input_px
        if one.kind == "picture":
            return "picture", partial(pixels_of, await self._gallery.picture(one.id), one.region, side, "picture")
        moment = await self._moment(one)
        return moment.source, partial(_of_recording, self._gallery, moment, one.region, side)

    async def _moment(self, one: Example) -> Moment:
        if one.kind == "frame":
            return moment_of(await self._gallery.frame(one.id))
        recording = await self._gallery.recording(one.id)
        if not recording.served:
            raise Refusal(410, "gone", not_served(recording.source))
        return Moment(recording.source, recording.source_id, one.time_s)


def _of_recording(gallery: Gallery, moment: Moment, region: Region | None, side: int) -> np.ndarray:
    gallery.unchanged.check(moment.source, moment.source_id)
    shown = frame_at(moment.source, moment.time_s, None if region else side)
    return fit(region.crop(shown), side) if region else shown
