"""Settings for folders of photos, where they differ from footage of fixed cameras."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from lookalike.footage import Source
from training.augment import smallest_crop
from training.config import TrainConfig, Views

PHOTOS = (
    "all sources are images, treated as photos: views keep colour, may be mirrored, and crop to {crop:.0%} of a"
    " picture; no regions, equal weights. For stills of fixed cameras, use --views camera"
)


def are_photos(sources: Iterable[Source]) -> bool:
    """Return whether all sources are images, in folders or in zips."""
    return all(source.kind == "image" for source in sources)


def settle_views(config: TrainConfig, photos: bool, say: Callable[[str], None] = lambda line: None) -> TrainConfig:
    """Resolve `auto` views and the settings that depend on views; other settings stay.

    say: called with one line if the run is for photos.
    """
    made_for_photos = photos and config.views in ("auto", "photo")
    views: Views = ("photo" if photos else "camera") if config.views == "auto" else config.views
    crop = smallest_crop(views) if config.crop_area_min is None else config.crop_area_min
    settled = dataclasses.replace(config, views=views, crop_area_min=crop)
    if not made_for_photos:
        return settled
    say(PHOTOS.format(crop=crop))
    return dataclasses.replace(settled, novelty=False, region_share=0.0)
