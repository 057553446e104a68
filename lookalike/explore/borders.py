"""Find what was added to a clip's picture: bars of one colour around it, and a static banner over its edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

FLAT = 24  # levels between the darkest and the brightest pixel of a bar, over all frames: compression causes as much
STILL = 24  # levels that most pixels of a banner change by over the clip, at most
MOST = (2, 98)  # percentiles of a row that represent it: edges ring at a few pixels
LEAST_BAR = 0.04  # of the height or the width; smaller bars hardly change an embedding
LEAST_LEFT = 0.4  # of the height and the width that must remain without bars
ENOUGH_PX = 400  # pixels of a row or a column that are compared
BANNER = (0.06, 0.22)  # of the height
EDGE = 8  # levels of the step where a banner begins ...
ACROSS = 25  # ... that this percentile of a row makes: letters make a step in part of it only
STILL_ACROSS = 60  # the percentile of a row that must be static: badly compressed letters flicker


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: from `top` and `left` up to, but excluding, `bottom` and `right`."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    def flipped(self, height: int) -> Box:
        """Return the box for the picture, of this height, turned upside down."""
        return replace(self, top=height - self.bottom, bottom=height - self.top)

    def crop(self, rgb: np.ndarray) -> np.ndarray:
        """Cut the box from a picture, uint8 (H, W, 3). Returns: a view."""
        return rgb[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Borders:
    """The borders of a clip. whole: the full picture. picture: within the bars; `whole` if there are no bars.

    under_banner: the picture that a banner covers a part of. free: the part that it does not cover. None without one.
    """

    whole: Box
    picture: Box
    under_banner: Box | None = None
    free: Box | None = None

    def views(self) -> list[Callable[[np.ndarray], np.ndarray]]:
        """Return functions that undo alterations: remove the bars, fill the banner. Empty if there are none.

        Each takes uint8 (H, W, 3) and returns it, or a part of it; pictures of another size are returned unchanged.
        """
        return [self._trim] * (self.picture != self.whole) + [self._fill] * (self.under_banner is not None)

    def flipped(self, height: int) -> Borders:
        """Return the borders for the picture, of this height, turned upside down."""
        under, free = (box and box.flipped(height) for box in (self.under_banner, self.free))
        return Borders(self.whole.flipped(height), self.picture.flipped(height), under, free)

    def _trim(self, rgb: np.ndarray) -> np.ndarray:
        return self.picture.crop(rgb) if rgb.shape[:2] == self.whole.shape else rgb

    def _fill(self, rgb: np.ndarray) -> np.ndarray:
        """Fill the banner with the rows next to it, mirrored, which are closer to the original than any colour.

        The picture must keep its size: cutting the banner off finds fewer copies.
        """
        if self.under_banner is None or self.free is None or rgb.shape[:2] != self.whole.shape:
            return rgb
        under, free = self.under_banner, self.free
        rows = np.arange(under.top, under.bottom)
        rows = np.where(rows < free.top, 2 * free.top - 1 - rows, rows)
        rows = np.where(rows >= free.bottom, 2 * free.bottom - 1 - rows, rows)
        return rgb[np.clip(rows, free.top, free.bottom - 1), under.left : under.right]


class Watch:
    """Collects the minimum, the maximum and the mean of each pixel over all frames of a clip."""

    def __init__(self) -> None:
        self._frames = 0
        self._darkest = self._brightest = np.empty((0, 0, 3), np.uint8)
        self._sum = np.empty((0, 0, 3), np.float32)

    def look(self, rgb: np.ndarray) -> None:
        """Add a frame, uint8 (H, W, 3). Frames of another size than the first are ignored."""
        if not self._frames:
            self._darkest, self._brightest, self._sum = rgb.copy(), rgb.copy(), np.zeros(rgb.shape, np.float32)
        if rgb.shape == self._darkest.shape:
            np.minimum(self._darkest, rgb, out=self._darkest)
            np.maximum(self._brightest, rgb, out=self._brightest)
            self._sum += rgb
            self._frames += 1

    def borders(self) -> Borders:
        """Find the borders. Raises: ValueError if there was no frame."""
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
    """Return the rows between two bars; all rows if there are no bars. darkest, brightest: uint8 (H, W, 3)."""
    step = max(darkest.shape[1] // ENOUGH_PX, 1)
    low = np.percentile(darkest[:, ::step], MOST[0], axis=1)  # (H, 3)
    high = np.percentile(brightest[:, ::step], MOST[1], axis=1)
    count = len(low)
    first, last = _bar(low, high), _bar(low[::-1], high[::-1])
    return (first, count - last) if count - first - last >= LEAST_LEFT * count else (0, count)


def _bar(low: np.ndarray, high: np.ndarray) -> int:
    """Count the rows of one colour from the first on; 0 if they are too few for a bar. low, high: (H, 3)."""
    differ = (np.maximum.accumulate(high) - np.minimum.accumulate(low)).max(1) > FLAT
    count = int(differ.argmax()) if differ.any() else len(differ)
    return count if count >= LEAST_BAR * len(differ) else 0


def _with_banner(whole: Box, picture: Box, change: np.ndarray, mean: np.ndarray) -> Borders:
    """Find a banner at the bottom or at the top, where its edge is sharper.

    change: of each pixel over the clip, (H, W). mean: of all frames, float (H, W, 3).
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
    """Return how many rows from the first on a banner covers, and the step at its edge, which covers about two rows.

    0 and 0 if no step stands out from those between all rows.
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
