"""Which files one worker of pytest takes together, and which begin first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.schedule import FIRST, TOGETHER, place_of, unit_of

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", [*FIRST, *TOGETHER])
def test_what_is_named_is_there(name: str) -> None:
    """A file that was renamed would begin last, and nobody would see why the suite takes longer."""
    assert (ROOT / name).is_dir() if name.endswith("/") else (ROOT / name).is_file()


def test_a_long_file_of_a_folder_comes_before_the_rest_of_it() -> None:
    names = ["tests/test_words.py", "tests/e2e/test_watch.py", "tests/e2e/test_kill.py", "tests/browser/test_browse.py"]
    assert sorted(names, key=place_of) == [names[3], names[2], names[1], names[0]]


def test_files_that_ask_one_service_are_one_unit_and_others_are_their_own() -> None:
    assert unit_of("tests/browser/test_browse.py::test_a[1-x::y]") == "tests/browser/"
    assert unit_of("tests/browser/test_weights.py::test_b") == "tests/browser/"
    assert unit_of("tests/test_words.py::test_c[a::b]") == "tests/test_words.py"
