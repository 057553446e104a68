"""Embed a short video as it is, and in versions that undo possible alterations."""

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
from lookalike.footage.sampling import Sampling
from lookalike.ingest.prefetch import Prefetch
from lookalike.ingest.settings import USUAL

View = Callable[[np.ndarray], np.ndarray]  # uint8 (H, W, 3) -> uint8 (H', W', 3)
_Small = tuple[float, np.ndarray]  # time in seconds; uint8 (views, S, S, 3)


@dataclass(frozen=True, eq=False)
class Version:
    """One version of a clip. vectors: float32 (N, D), of its frames. mirrored: whether the frames were mirrored."""

    vectors: np.ndarray
    mirrored: bool = False


@dataclass(frozen=True, eq=False)
class Clip:
    """An embedded clip. times_s: of its frames, (N,), ascending. versions: the clip as it is first.

    reason: why it ended early, if so.
    """

    times_s: np.ndarray
    versions: tuple[Version, ...]
    reason: str | None = None


def read_clip(path: str, encoder: Encoder, sampling: Sampling) -> Clip:
    """Embed a short video: as it is; if it has bars, without them; if it has a banner, with the banner filled; and each
    of these mirrored. Bars and banners need a second reading, so they are ignored in streams.

    Raises: FootageError if there are fewer than two frames.
    """
    source, *more = find_sources([path])
    if more:
        raise FootageError(f"{path}: {1 + len(more)} files, expected one video")
    source = source if source.kind != "video" else replace(source, track=source.track or 1)
    watch, sampling = Watch(), replace(sampling, regions=None)  # copies are compared as wholes
    clip = _embed(source, encoder, sampling, [lambda rgb: rgb], watch.look)
    if len(clip.times_s) < 2:
        problem = clip.reason or f"{len(clip.times_s)} frame(s)"
        raise FootageError(f"{path}: {problem}, expected a video of two frames or more")
    views = watch.borders().views() if source.kind != "stream" else []
    if not views:
        return clip
    altered = _embed(source, encoder, sampling, views)
    if not np.array_equal(altered.times_s, clip.times_s):
        raise FootageError(f"{path}: the file changed while it was read; try again")
    return replace(clip, versions=clip.versions + altered.versions)


def _embed(
    source: Source,
    encoder: Encoder,
    sampling: Sampling,
    views: Sequence[View],
    look: Callable[[np.ndarray], None] = lambda rgb: None,
) -> Clip:
    """Read a video once, and embed each view, also mirrored. look: called with each picture, uint8 (H, W, 3)."""
    times_s: list[float] = []
    embedded: list[list[np.ndarray]] = [[] for _ in range(2 * len(views))]
    ended: list[Ended] = []
    items = Prefetch(_small(source, sampling, views, encoder.spec.input_px, look), USUAL.queue_frames)
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
    """Yield the frames, each reduced in each view: uint8 (views, S, S, 3)."""
    for item in read_source(source, sampling):
        if isinstance(item, Frame):
            look(item.image)
            fitted = [pixels.fit(np.ascontiguousarray(view(item.image)), size_px) for view in views]
            yield item.time_s, np.stack(fitted)
        else:
            yield item


def _until_end(items: Iterable[_Small | Ended], source: Source, ended: list[Ended]) -> Iterator[_Small]:
    """Yield the frames, and append how the source ended to `ended`. Ctrl-C ends a stream."""
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
