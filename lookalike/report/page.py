"""The parts of a report, and the page that shows them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from lookalike.errors import LookalikeError
from lookalike.files import durable

THUMB_PX = (208, 128)


@dataclass(frozen=True)
class Thumb:
    """A picture with its caption. uri: a data URI. right: whether it is a correct hit; None if unknown."""

    uri: str
    camera: str
    time_s: float
    score: float | None = None
    note: str = ""
    right: bool | None = None


@dataclass(frozen=True)
class Sheet:
    """A query and its hits, best first."""

    query: Thumb
    hits: list[Thumb]


@dataclass(frozen=True)
class HitRow:
    """The hits of one encoder or baseline, best first. note: how many of them are correct."""

    name: str
    note: str
    hits: list[Thumb]


@dataclass(frozen=True)
class Comparison:
    """A query, with a row of hits for each encoder or baseline."""

    query: Thumb
    rows: list[HitRow]


@dataclass(frozen=True)
class Chart:
    """An SVG drawing with a note on how to read it."""

    title: str
    svg: str
    note: str


@dataclass(frozen=True)
class Meter:
    """A number on a scale. share: how much of the bar is full, 0 to 1. note: what the number means."""

    title: str
    value: str
    share: float
    note: str


@dataclass(frozen=True)
class Table:
    """Rows of text. strong: row numbers that are highlighted."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""
    strong: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """A whole page, top to bottom. baselines: the tables that the verdict comes from, or a summary of them."""

    title: str
    verdict: str
    facts: list[tuple[str, str]]
    baselines: list[Table] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    comparisons_note: str = ""
    meters: list[Meter] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)
    sheets_note: str = ""
    commands: list[str] = field(default_factory=list)


def thumb_uri(picture: np.ndarray) -> str:
    """Encode uint8 (H, W, 3) as a JPEG data URI, at most THUMB_PX large."""
    image = Image.fromarray(picture)
    image.thumbnail((THUMB_PX[0] * 2, THUMB_PX[1] * 2))  # twice, for dense screens
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=78)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def write_report(report: Report, path: Path) -> None:
    """Write a report as one self-contained HTML file."""
    write_page("page.html", path, report=report)


def write_page(template: str, path: Path, **values: Any) -> None:
    """Fill a template of this package, and replace a file. Raises: LookalikeError if it cannot be written."""
    environment = Environment(loader=PackageLoader("lookalike.report", "."), autoescape=True, undefined=StrictUndefined)
    text = environment.get_template(template).render(**values)
    try:
        with durable.replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LookalikeError(f"{path}: cannot write ({error.strerror})") from error
