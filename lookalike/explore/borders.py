"""What was laid around a clip's picture, or over its edge: bars of one colour, and banners that stand still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

FLAT = 24  # levels between the darkest and the brightest of a bar, over all frames: encoding leaves that much
STILL = 24  # levels that most pixels of a banner change by over the clip, at most
MOST = (2, 98)  # percentiles of a row that stand for all of it: edges ring at a few pixels
LEAST_BAR = 0.04  # of the height or the width; less hardly moves an embedding
LEAST_LEFT = 0.4  # of the height and the width that is left when bars are trimmed
ENOUGH_PX = 400  # of a row or a column are looked at
BANNER = (0.06, 0.22)  # of the height
EDGE = 8  # levels of the step where a banner begins ...
ACROSS = 25  # ... that this percentile of a row makes: letters make a step in part of it only
STILL_ACROSS = 60  # the percentile of a row that must stand still: letters flicker when they are encoded badly


@dataclass(frozen=True)
class Box:
    """A part of a picture, in pixels: from `top` and `left` up to, not including, `bottom` and `right`."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    def flipped(self, height: int) -> Box:
        """The same of a picture of this height that stands on its head."""
        return replace(self, top=height - self.bottom, bottom=height - self.top)

    def crop(self, rgb: np.ndarray) -> np.ndarray:
        """rgb: uint8 (H, W, 3). Returns: that part of it, which shares its memory."""
        return rgb[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Borders:
    """What was found. whole: the picture as it is. picture: within the bars; the same as `whole` if there are none.

    under_banner: all that one banner is laid over; beside_banner: what it leaves free. None if there is no banner.
    """

    whole: Box
    picture: Box
    under_banner: Box | None = None
    beside_banner: Box | None = None

    def views(self) -> list[Callable[[np.ndarray], np.ndarray]]:
        """What makes the picture as it may have been before: without its bars, with its banner filled. None, if none.

        Each takes uint8 (H, W, 3) and gives as much or a part of it; a picture of another size is given back as it is.
        """
        return [self._trim] * (self.picture != self.whole) + [self._fill] * (self.under_banner is not None)

    def flipped(self, height: int) -> Borders:
        """The same of a picture of this height that stands on its head."""
        under, beside = (box and box.flipped(height) for box in (self.under_banner, self.beside_banner))
        return Borders(self.whole.flipped(height), self.picture.flipped(height), under, beside)

    def _trim(self, rgb: np.ndarray) -> np.ndarray:
        return self.picture.crop(rgb) if rgb.shape[:2] == self.whole.shape else rgb

    def _fill(self, rgb: np.ndarray) -> np.ndarray:
        """The rows of the banner show those that lie next to it, in reverse: nearer to what was there than any colour.

        What was there still weighs in an embedding, so it must be of its size: cutting the banner off finds less.
        """
        if self.under_banner is None or self.beside_banner is None or rgb.shape[:2] != self.whole.shape:
            return rgb
        under, free = self.under_banner, self.beside_banner
        rows = np.arange(under.top, under.bottom)
        rows = np.where(rows < free.top, 2 * free.top - 1 - rows, rows)
        rows = np.where(rows >= free.bottom, 2 * free.bottom - 1 - rows, rows)
        return rgb[np.clip(rows, free.top, free.bottom - 1), under.left : under.right]


class Watch:
    """Looks at all frames of a clip, one after the other: how dark and how bright each pixel gets, and its mean."""

    def __init__(self) -> None:
        self._frames = 0
        self._darkest = self._brightest = np.empty((0, 0, 3), np.uint8)
        self._sum = np.empty((0, 0, 3), np.float32)

    def look(self, rgb: np.ndarray) -> None:
        """rgb: uint8 (H, W, 3); all of the size of the first, others are not looked at."""
        if not self._frames:
            self._darkest, self._brightest, self._sum = rgb.copy(), rgb.copy(), np.zeros(rgb.shape, np.float32)
        if rgb.shape == self._darkest.shape:
            np.minimum(self._darkest, rgb, out=self._darkest)
            np.maximum(self._brightest, rgb, out=self._brightest)
            self._sum += rgb
            self._frames += 1

    def borders(self) -> Borders:
        """Raises: ValueError if nothing was looked at."""
        if not self._frames:
            raise ValueError("no frame was looked at")
        height, width = self._darkest.shape[:2]
        whole = Box(0, height, 0, width)
        top, bottom = _bars(self._darkest, self._brightest)
        part = slice(top, bottom)
        left, right = _bars(self._darkest[part].swapaxes(0, 1), self._brightest[part].swapaxes(0, 1))
        picture = Box(top, bottom, left, right)
        sides = slice(None), slice(left, right, max((right - left) // ENOUGH_PX, 1))
        change = (self._brightest[sides].astype(np.int16) - self._darkest[sides]).max(2)
        return _with_banner(whole, picture, change, self._sum[sides] / self._frames)


def _bars(darkest: np.ndarray, brightest: np.ndarray) -> tuple[int, int]:
    """The rows between two bars; all of them if there are none. darkest, brightest: uint8 (H, W, 3)."""
    step = max(darkest.shape[1] // ENOUGH_PX, 1)
    low = np.percentile(darkest[:, ::step], MOST[0], axis=1)  # (H, 3)
    high = np.percentile(brightest[:, ::step], MOST[1], axis=1)
    count = len(low)
    first, last = _bar(low, high), _bar(low[::-1], high[::-1])
    return (first, count - last) if count - first - last >= LEAST_LEFT * count else (0, count)


def _bar(low: np.ndarray, high: np.ndarray) -> int:
    """How many rows from the first on are of one colour; 0 if that is too few for a bar. low, high: (H, 3)."""
    differ = (np.maximum.accumulate(high) - np.minimum.accumulate(low)).max(1) > FLAT
    count = int(differ.argmax()) if differ.any() else len(differ)
    return count if count >= LEAST_BAR * len(differ) else 0


def _with_banner(whole: Box, picture: Box, change: np.ndarray, mean: np.ndarray) -> Borders:
    """Whichever begins more sharply, at the bottom or at the top.

    change: how much each pixel changes over the clip, (H, W). mean: of all frames, float (H, W, 3).
    """
    height = len(change)
    still = np.percentile(change, STILL_ACROSS, axis=1) <= STILL
    _, above_edge = _banner(still, mean)
    below, below_edge = _banner(still[::-1], mean[::-1])
    if max(above_edge, below_edge) == 0:
        return Borders(whole, picture)
    if below_edge < above_edge:
        upside_down = _with_banner(whole, picture.flipped(height), change[::-1], mean[::-1])
        return upside_down.flipped(height)
    slack = LEAST_BAR / 2 * height + 2  # rows: where a bar ends, encoding blurs two
    bar_above, bar_below = picture.top, height - picture.bottom
    free = replace(picture, bottom=height - below)
    if bar_above and abs(below - bar_above) <= 2 * slack:
        return Borders(whole, free)  # a bar like that above, with letters in it or without
    if below <= bar_below + slack:
        picture = replace(picture, bottom=min(picture.bottom, free.bottom))
    else:
        picture = replace(picture, bottom=height)  # what was of one colour is the margin of a banner
    return Borders(whole, picture, replace(picture, bottom=height), free)


def _banner(still: np.ndarray, mean: np.ndarray) -> tuple[int, float]:
    """How many rows from the first on a banner covers, and the step where it ends, which spreads over two rows or so.

    0 and 0 if there is no step that stands out from those between all rows.
    """
    rows = len(still)
    stands = int(still.argmin()) if not still.all() else rows
    least, most = max(round(BANNER[0] * rows), 2), min(round(BANNER[1] * rows), stands + 2, rows - 2)
    if most < least:
        return 0, 0.0
    steps = np.percentile(np.abs(mean[3:] - mean[:-3]).max(2), ACROSS, axis=1)  # of the rows from the second on
    best = least + int(steps[least - 2 : most - 1].argmax())
    edge = float(steps[best - 2])
    return (best, edge) if edge >= EDGE + np.median(steps) else (0, 0.0)
