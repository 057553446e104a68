"""Searches, regions and ids from strangers that were faults once, kept small, and what each is answered now."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from lookalike.errors import FootageError
from lookalike.index.clock import TimeOfDay
from lookalike.region import Region
from lookalike.search import Example
from lookalike.search.fields import read_pairs, read_values, write_values

pytestmark = pytest.mark.trust


def test_a_region_that_begins_at_infinity_is_refused() -> None:
    with pytest.raises(ValueError, match="expected x and y from 0"):
        Region.parse("inf,0,1,1")
    with pytest.raises(FootageError, match="the region begins at 10000000000"):
        Region.parse("1e300,0,1,1").crop(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize("text", ["0.1234567,0,0.5,1", "1234567,0,1234567.25,9", "0,0,1e-07,0.3333333333333333"])
def test_a_region_is_written_as_it_was_read(text: str) -> None:
    assert str(Region.parse(text)) == text
    request = read_pairs([("like", f"7#{text}")])
    assert read_values(write_values(request)) == request


def test_an_example_of_many_commas_takes_no_quadratic_time() -> None:
    text = "#" + "," * 60_000 + "#"  # took a minute
    assert Example.parse(text) == Example(text)


@pytest.mark.parametrize("field", ["like", "unlike", "id", "at"])
def test_a_region_of_nothing_is_refused(field: str) -> None:
    """It was taken for the picture that comes with the request."""
    reason = f"{field}: got the region '#0,0,.5,1', expected a picture, an id or a moment before it"
    with pytest.raises(ValueError, match=f"^{reason}$"):
        read_pairs([("like", "7"), (field, "#0,0,.5,1")])


@pytest.mark.parametrize("text", ["24:00-00:00", "24:00-24:00", "00:00-00:00"])
def test_a_time_of_day_without_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid time of day"):
        TimeOfDay.parse(text)


def test_a_name_that_takes_quadratic_time_to_compare_is_refused() -> None:
    """Marks in the wrong order are sorted one by one: 64 KiB of them took 2.5 s."""
    camera = "a" + "\u0301\u0327" * 2048
    assert unicodedata.normalize("NFD", camera) != camera
    with pytest.raises(ValueError, match=r"^camera has 4,097 characters, expected at most 4,096$"):
        read_pairs([("like", "7"), ("camera", camera)])


def test_two_regions_are_one_short_line() -> None:
    """The message held all of an example, with its line ends."""
    with pytest.raises(ValueError, match=r"two regions: got '\\n#0,0,9,2' and region 0,0,9,1, expected one of them$"):
        read_pairs([("at", "\n#0,0,9,2"), ("region", "0,0,9,1")])
