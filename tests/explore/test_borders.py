"""Bars and banners around noise, whose rows and columns are neither of one colour nor still."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from lookalike.explore.borders import Borders, Box, Watch
from tests.explore.copies import letterboxed, mirrored, pillarboxed, with_banner, with_banner_above

HEIGHT, WIDTH = 100, 160
BAR_ROWS, BAR_COLUMNS, BANNER_ROWS = 16, 24, 12  # as the copies have them: .15 and .13, in twos


def noise(still: bool = False) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    frames = [rng.integers(40, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(8)]
    return frames[:1] * 8 if still else frames


def borders(frames: Iterable[np.ndarray]) -> Borders:
    watch = Watch()
    for rgb in frames:
        watch.look(rgb)
    return watch.borders()


@pytest.mark.parametrize("alter", [lambda rgb: rgb, mirrored])
@pytest.mark.parametrize("still", [False, True])
def test_a_picture_that_nothing_was_laid_around_has_no_other_view(alter: Callable, still: bool) -> None:
    """Also if all of it stands still: a banner has a straight edge."""
    found = borders(map(alter, noise(still)))
    assert (found.picture, found.under_banner) == (Box(0, HEIGHT, 0, WIDTH), None)
    assert found.views() == []


def test_bars_are_trimmed() -> None:
    frames = noise()
    found = borders(map(letterboxed, frames))
    assert found.picture == Box(BAR_ROWS, BAR_ROWS + HEIGHT, 0, WIDTH)
    (trim,) = found.views()
    assert (trim(letterboxed(frames[3])) == frames[3]).all()
    found = borders(map(pillarboxed, frames))
    assert found.picture == Box(0, HEIGHT, BAR_COLUMNS, BAR_COLUMNS + WIDTH)


def test_a_clip_of_one_colour_is_not_trimmed_away() -> None:
    assert borders([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 3).views() == []


@pytest.mark.parametrize("still", [False, True])
def test_a_banner_is_filled_with_what_lies_next_to_it(still: bool) -> None:
    """Found by its edge where the rest stands still too; the edge is sharp to two rows."""
    frames = noise(still)
    found = borders(map(with_banner, frames))
    assert found.picture == Box(0, HEIGHT, 0, WIDTH)
    assert found.free is not None
    free = found.free.bottom
    assert free == pytest.approx(HEIGHT - BANNER_ROWS, abs=2)
    filled = found.views()[-1](with_banner(frames[3]))
    assert filled.shape == frames[3].shape
    assert (filled[:free] == with_banner(frames[3])[:free]).all()
    assert (filled[free:] == filled[2 * free - HEIGHT : free][::-1]).all()
    above = borders(map(with_banner_above, frames)).free
    assert above is not None
    assert (above.top, above.bottom) == (pytest.approx(BANNER_ROWS, abs=2), HEIGHT)


def test_a_bar_with_letters_in_it_is_trimmed_as_the_one_opposite_is() -> None:
    frames = [letterboxed(rgb) for rgb in noise()]
    for rgb in frames:
        rgb[HEIGHT + BAR_ROWS + 6 : HEIGHT + BAR_ROWS + 12, 20:100:3] = 255
    found = borders(frames)
    assert len(found.views()) == 1
    assert (found.picture.top, found.picture.bottom) == (
        pytest.approx(BAR_ROWS, abs=2),
        pytest.approx(BAR_ROWS + HEIGHT, abs=2),
    )
    assert borders(rgb[::-1] for rgb in frames) == found.flipped(HEIGHT + 2 * BAR_ROWS)


def test_a_picture_of_another_size_is_left_as_it_is() -> None:
    frames = list(map(letterboxed, noise()))
    other = np.full((20, 20, 3), 77, np.uint8)
    found = borders([*frames, other])
    assert found.picture == Box(BAR_ROWS, BAR_ROWS + HEIGHT, 0, WIDTH)
    assert all(view(other) is other for view in found.views())
