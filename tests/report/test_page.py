"""The report is one file that needs nothing beside it, and shows what it was given."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from lookalike.report.charts import training_charts
from lookalike.report.page import (
    THUMB_PX,
    Comparison,
    HitRow,
    Meter,
    Report,
    Sheet,
    Table,
    Thumb,
    thumb_uri,
    write_report,
)

EVIL = "<script>alert('x')</script> & \"gate\""
PICTURE = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
FETCHING = {"action", "background", "data", "formaction", "href", "poster", "src", "srcset", "xlink:href"}


class Page(HTMLParser):
    """What a browser would see: elements, the addresses that it would fetch, and the text of each table cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.addresses: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self._open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in FETCHING]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open and self._open[-1] == "style":
            return
        self.text += data
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.fixture
def charts(tmp_path):
    lines = [{"step": step, "loss": 4 - step / 10, "feature_std": 0.9} for step in range(1, 20)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return training_charts(tmp_path / "metrics.jsonl")


@pytest.fixture
def html(tmp_path, charts):
    query = Thumb(thumb_uri(PICTURE), EVIL, 12.34)
    report = Report(
        title=f"Report {EVIL}",
        verdict=f"verdict {EVIL}",
        facts=[("footage", EVIL), ("frames", "1,234")],
        charts=charts,
        tables=[
            Table("Baselines", ["", "precision"], [["encoder", "0.912"], [EVIL, "0.400"]], note=EVIL, strong=[0]),
            Table("Time", ["stage", "seconds"], [["train", "12.0 s"]]),
        ],
        sheets=[Sheet(query, [Thumb(thumb_uri(PICTURE), "dock", 7.0, 0.98765, EVIL)])],
        sheets_note=EVIL,
        commands=["lookalike search a.jpg", EVIL],
    )
    write_report(report, tmp_path / "report.html")
    assert [path.name for path in tmp_path.glob("report*")] == ["report.html"]
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_nothing_is_fetched_from_elsewhere(html):
    page = Page(html)
    pictures = [address for address in page.addresses if not address.startswith("#")]  # "#": a part of the same page
    assert len(pictures) == 2
    assert all(address.startswith("data:image/jpeg;base64,") for address in pictures)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.elements)
    assert not re.search(r"@import|url\((?!\s*[\"']?#)", html)


def test_addresses_only_name_the_language_of_the_drawings(html):
    """An xmlns, or the vocabulary of an SVG's metadata, is a name and not fetched."""
    assert set(re.findall(r'(?:xmlns(?::\w+)?|rdf:resource)="(http[^"]*)"', html)) == set(
        re.findall(r"https?://[^\"'\s<]*", html)
    )


def test_names_are_text_and_never_markup(html):
    page = Page(html)
    # title, heading, verdict, fact, note of the table, cell, alt is an attribute, caption and note of two pictures,
    # note of the sheets, command
    assert page.text.count(EVIL) == 10
    assert "<script" not in html


def test_each_table_has_its_rows(html):
    assert Page(html).rows == [
        ["", "precision"],
        ["encoder", "0.912"],
        [EVIL, "0.400"],
        ["stage", "seconds"],
        ["train", "12.0 s"],
    ]
    assert html.count('<tr class="strong">') == 1


def test_the_tables_of_the_verdict_stand_first(tmp_path):
    [first, other] = (Table(title, ["", "n"], [[title, "1"]]) for title in ("Baselines", "Time"))
    sheet = Sheet(Thumb(thumb_uri(PICTURE), "gate", 1.0), [])
    write_report(Report("T", "V", [], baselines=[first], tables=[other], sheets=[sheet]), tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.rows == [["", "n"], ["Baselines", "1"], ["", "n"], ["Time", "1"]]
    assert page.text.index("Baselines") < page.text.index("What it finds") < page.text.index("Time")


@pytest.mark.parametrize(("share", "width"), [(0.25, "25.0"), (0.0, "0.0"), (1.07, "100.0"), (-1.0, "0.0")])
def test_a_meter_is_as_full_as_its_share(tmp_path, share, width):
    write_report(Report("T", "V", [], meters=[Meter("Rank", "3 of 12", share, EVIL)]), tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f'<i style="width: {width}%">' in html
    assert Page(html).text.count(EVIL) == 1
    assert "Rank 3 of 12" in " ".join(Page(html).text.split())


def test_a_sheet_shows_the_query_and_its_hits(html):
    text = " ".join(Page(html).text.split())
    assert f"query · {EVIL} · 12.3 s" in text
    assert f"0.988 · dock · 7.0 s{EVIL}" in text


def test_the_first_line_of_a_verdict_is_its_summary(tmp_path):
    write_report(Report("T", f"Wins 1 of 2.\nCrops: won.\nFrames: {EVIL}", []), tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<p class="verdict">Wins 1 of 2.</p>' in html
    assert "<li>Crops: won.</li><li>Frames: &lt;script&gt;" in html


def test_a_comparison_has_a_row_for_each_and_marks_hits_in_words(tmp_path):
    uri = thumb_uri(PICTURE)
    hits = [Thumb(uri, "gate", 3.0, right=True), Thumb(uri, "dock", 4.25, right=False), Thumb(uri, "hall", 5.0)]
    rows = [HitRow("HSV histogram", "1 right of 2 possible", hits), HitRow(EVIL, "", [])]
    comparison = Comparison(Thumb(uri, "gate", 1.0, note="red_car"), rows)
    write_report(Report("T", "V", [], comparisons=[comparison], comparisons_note=EVIL), tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    text = " ".join(Page(html).text.split())
    assert "red_car · gate · 1.0 s HSV histogram · 1 right of 2 possible" in text
    assert "✓ right gate · 3.0 s" in text
    assert "✗ wrong dock · 4.2 s hall · 5.0 s" in text
    assert text.count(" ".join(EVIL.split())) == 2
    assert [html.count(f'class="{kind}"') for kind in ("query", "right", "wrong", "hits")] == [1, 1, 1, 2]


def test_a_report_without_parts_has_only_its_head(tmp_path):
    write_report(Report("Title", "Verdict", [("frames", "3")]), tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.rows == []
    assert not {"h2", "figure", "pre"} & set(page.elements)
    assert " ".join(page.text.split()) == "Title Title Verdict frames3"


def test_charts_are_drawings_with_their_numbers(charts):
    assert [chart.title for chart in charts] == ["Loss", "Collapse meter"]
    for chart in charts:
        assert chart.svg.startswith("<svg")
        assert "step" in Page(chart.svg).text
        assert not re.search(r"<svg[^>]* width=", chart.svg)  # the page decides


def test_what_the_monitor_measured_twice_is_a_curve(tmp_path):
    lines = [{"step": step, "loss": 1.0, "feature_std": 0.9} for step in (10, 20, 30)]
    lines[0] |= {"effective_rank": 5.0, "self_retrieval": 0.1}
    lines[2] |= {"effective_rank": 9.0}
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [chart.title for chart in training_charts(tmp_path / "metrics.jsonl")] == [
        *("Loss", "Collapse meter", "Effective rank")
    ]


@pytest.mark.parametrize(("size_px", "expected"), [((1600, 1600), (256, 256)), ((160, 90), (160, 90))])
def test_thumbnails_fit_twice_their_frame_and_never_grow(size_px, expected):
    uri = thumb_uri(np.zeros((size_px[1], size_px[0], 3), np.uint8))
    prefix = "data:image/jpeg;base64,"
    assert uri.startswith(prefix)
    assert THUMB_PX == (208, 128)
    assert Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(prefix)))).size == expected
