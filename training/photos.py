"""Folders of photos: what is different from footage of fixed cameras."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from lookalike.footage import Source
from training.augment import smallest_crop
from training.config import TrainConfig, Views

PHOTOS = (
    "photos, no video: views keep colour, may be mirrored, and crop to {crop:.0%} of a picture; no regions, and each"
    " photo counts the same. If these are stills of fixed cameras, give --views camera"
)


def are_photos(sources: Iterable[Source]) -> bool:
    """Whether all sources are images, in folders or in zips."""
    return all(source.kind == "image" for source in sources)


def settle_views(config: TrainConfig, photos: bool, say: Callable[[str], None] = lambda line: None) -> TrainConfig:
    """The config without `auto` views, and with what goes with them; what is given stays.

    say: called with one line where the run is made for photos.
    """
    made_for_photos = photos and config.views in ("auto", "photo")
    views: Views = ("photo" if photos else "camera") if config.views == "auto" else config.views
    crop = smallest_crop(views) if config.crop_area_min is None else config.crop_area_min
    settled = dataclasses.replace(config, views=views, crop_area_min=crop)
    if not made_for_photos:
        return settled
    say(PHOTOS.format(crop=crop))
    return dataclasses.replace(settled, novelty=False, region_share=0.0)
