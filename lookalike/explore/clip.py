"""A short video, embedded as it is and in the versions that it may have been before somebody altered it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lookalike import pixels
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.explore.borders import Watch
from lookalike.footage import Ended, Frame, Source, find_sources, read_source
from lookalike.ingest.prefetch import prefetch
from lookalike.ingest.settings import USUAL
from lookalike.sampling import Sampling

View = Callable[[np.ndarray], np.ndarray]  # uint8 (H, W, 3) -> uint8 (H', W', 3)
_Small = tuple[float, np.ndarray]  # time in seconds; uint8 (views, S, S, 3)


@dataclass(frozen=True, eq=False)
class Version:
    """vectors: float32 (N, D), of the clip's frames. mirrored: whether left and right were exchanged for it."""

    vectors: np.ndarray
    mirrored: bool = False


@dataclass(frozen=True, eq=False)
class Clip:
    """times_s: of the frames, (N,), ascending, at least two. versions: as it is first. reason: why there are no more
    frames, if something is wrong."""

    times_s: np.ndarray
    versions: tuple[Version, ...]
    reason: str | None = None


def read_clip(path: str, encoder: Encoder, sampling: Sampling) -> Clip:
    """Embed all of a short video: as it is; without its bars, if it has any; with its banner filled, if it has one;
    and each of these mirrored. Bars and banners cost a second reading, so those of a stream are not looked for.

    Raises: FootageError if there are not two frames to be compared over time.
    """
    source, *more = find_sources([path])
    if more:
        raise FootageError(f"{path}: {1 + len(more)} files, expected one video")
    source = source if source.kind != "video" else replace(source, track=source.track or 1)
    watch, sampling = Watch(), replace(sampling, regions=None)  # copies are compared as wholes
    clip = _embed(source, encoder, sampling, [lambda rgb: rgb], watch.look)
    if len(clip.times_s) < 2:
        what = clip.reason or f"{len(clip.times_s)} frame(s)"
        raise FootageError(f"{path}: {what}, expected a video of two frames or more")
    views = watch.borders().views() if source.kind != "stream" else []
    if not views:
        return clip
    altered = _embed(source, encoder, sampling, views)
    if not np.array_equal(altered.times_s, clip.times_s):
        raise FootageError(f"{path}: it changed while it was read; try again")
    return replace(clip, versions=clip.versions + altered.versions)


def _embed(
    source: Source,
    encoder: Encoder,
    sampling: Sampling,
    views: Sequence[View],
    look: Callable[[np.ndarray], None] = lambda rgb: None,
) -> Clip:
    """Read a video once: each view of it, and each mirrored. look: called with each picture, uint8 (H, W, 3)."""
    times_s: list[float] = []
    embedded: list[list[np.ndarray]] = [[] for _ in range(2 * len(views))]
    ended: list[Ended] = []
    items = prefetch(_small(source, sampling, views, encoder.spec.input_px, look), USUAL.queue_frames)
    for batch in _batches(_until_end(items, source, ended)):
        times_s += [time_s for time_s, _ in batch]
        seen = np.stack([small for _, small in batch])  # (N, views, S, S, 3)
        for view in range(len(views)):
            straight = np.ascontiguousarray(seen[:, view])
            embedded[2 * view].append(encoder.embed(straight))
            embedded[2 * view + 1].append(encoder.embed(np.ascontiguousarray(straight[:, :, ::-1])))
    versions = (Version(np.concatenate(parts), bool(number % 2)) for number, parts in enumerate(embedded) if parts)
    return Clip(np.array(times_s), tuple(versions), ended[0].reason if ended else None)


def _small(
    source: Source, sampling: Sampling, views: Sequence[View], size_px: int, look: Callable[[np.ndarray], None]
) -> Iterator[_Small | Ended]:
    """The frames, each made small in each view: uint8 (views, S, S, 3)."""
    for item in read_source(source, sampling):
        if isinstance(item, Frame):
            look(item.image)
            fitted = [pixels.fit(np.ascontiguousarray(view(item.image)), size_px) for view in views]
            yield item.time_s, np.stack(fitted)
        else:
            yield item


def _until_end(items: Iterable[_Small | Ended], source: Source, ended: list[Ended]) -> Iterator[_Small]:
    """The frames; how the source ended goes to `ended`. Ctrl-C ends a stream, which has no other end."""
    try:
        for item in items:
            if isinstance(item, Ended):
                ended.append(item)
            else:
                yield item
    except KeyboardInterrupt:
        if source.kind != "stream":
            raise


def _batches(items: Iterator[_Small]) -> Iterator[list[_Small]]:
    while batch := list(itertools.islice(items, USUAL.batch_frames)):
        yield batch
