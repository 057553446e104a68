"""A contact sheet is one file that needs nothing beside it; a recording that is gone leaves an empty frame."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from lookalike.errors import LookalikeError
from lookalike.report.sheet import Sheet, Shot, Strip, write_sheet
from tests.clips import picture
from tests.report.test_page import EVIL, Page


@pytest.fixture
def sheet(tmp_path: Path) -> Sheet:
    Image.fromarray(picture(5)).save(tmp_path / "there.png")
    shots = [Shot(str(tmp_path / "there.png"), "gate", 0.0, 0.5, EVIL), Shot(str(tmp_path / "gone.mp4"), "dock", 12.34)]
    return Sheet("Outliers", "What is unusual.", [Strip("first", EVIL, shots), Strip("", "", shots[1:], columns=4)])


def test_it_shows_what_it_was_given_and_fetches_nothing(sheet: Sheet, tmp_path: Path) -> None:
    write_sheet(sheet, tmp_path / "sheet.html", sheet.sources)
    html = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    page = Page(html)
    assert [address[:23] for address in page.addresses] == ["data:image/jpeg;base64,"]
    assert page.elements.count("img") == 1
    assert page.text.count("recording not found") == 2
    assert "script" not in page.elements
    for text in ("What is unusual.", "first", EVIL, "0.500 · gate · 0.0\xa0s", "dock · 12.3\xa0s"):
        assert text in page.text
    assert "{{" not in html
    assert not list(tmp_path.glob("*.partial"))


def test_each_picture_is_reported(sheet: Sheet, tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []
    write_sheet(
        sheet, tmp_path / "sheet.html", sheet.sources, lambda done, source: told.append((done, Path(source).name))
    )
    assert told == [(1, "there.png"), (2, "gone.mp4"), (3, "gone.mp4")]
    assert sheet.shots == 3


def test_where_it_cannot_be_written_is_reported(sheet: Sheet, tmp_path: Path) -> None:
    with pytest.raises(LookalikeError, match=r"nowhere/sheet\.html: cannot write \(No such file or directory\)"):
        write_sheet(sheet, tmp_path / "nowhere" / "sheet.html", ())


def test_a_source_that_may_not_be_opened_leaves_an_empty_frame(sheet: Sheet, tmp_path: Path) -> None:
    write_sheet(sheet, tmp_path / "sheet.html", sheet.sources)
    assert "data:image" in (tmp_path / "sheet.html").read_text("utf-8")
    write_sheet(sheet, tmp_path / "sheet.html", ())
    assert "data:image" not in (tmp_path / "sheet.html").read_text("utf-8")
