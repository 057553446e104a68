"""The real service over recordings of four cameras, and a browser that looks at its page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, ViewportSize, expect

from lookalike.encoder import Encoder
from lookalike.footage import find_sources
from lookalike.footage.naming import Naming
from lookalike.footage.sampling import Sampling
from lookalike.index import open_index
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import IngestSettings
from tests.browser.chromium import NoBrowser, chromium
from tests.browser.footage import NAME_PATTERN, Scene, png_of, write_recordings
from tests.serving.running import ROOT, bentoml_env, served
from tests.tiny import SPEC

FPS = 4.0  # copies are found with four frames a second
WAIT_MS = 60_000  # far more than anything takes: a busy machine must not fail the tests
WIDE, NARROW = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)


@dataclass
class Shown:
    """A running service, a moment of each of its recordings, and those frames as somebody would upload them."""

    url: str
    scenes: list[Scene]
    pngs: list[bytes] = field(repr=False)


@dataclass
class Watched:
    """What a page asked for from elsewhere, and what it complained of."""

    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def expected(self, words: str) -> None:
        """The browser itself notes each request that fails."""
        others = [one for one in self.complaints if words not in one]
        assert len(others) < len(self.complaints)
        self.complaints[:] = others


@pytest.fixture(scope="session")
def shown(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    home = tmp_path_factory.mktemp("page")
    (home / "recordings").mkdir()
    scenes = write_recordings(home / "recordings", home / "rendered")
    sources = find_sources([home / "recordings"], Naming(pattern=re.compile(NAME_PATTERN)))
    with open_index(home / "index", SPEC, create=True) as index:
        index_footage(sources, Encoder(tiny_encoder, "cpu"), index, IngestSettings(Sampling(fps=FPS, regions=None)))
    settings = {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_INDEX": home / "index", "LOOKALIKE_CACHE": home / "cache"}
    with served("serving.service:Lookalike", bentoml_env(home, settings), ROOT, home / "log") as client:
        yield Shown(str(client.base_url).rstrip("/"), scenes, [png_of(home / "recordings", scene) for scene in scenes])


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Closed before tests of another kind: an event loop runs in this thread meanwhile, and they want their own."""
    try:
        with chromium() as running:
            yield running
    except NoBrowser as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def context(browser: Browser, shown: Shown) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=shown.url, viewport=WIDE, timezone_id="Europe/Zurich", locale="en-GB")
    opened.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    yield opened
    opened.close()


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def page(context: BrowserContext, shown: Shown, watched: Watched) -> Iterator[Page]:
    """At the end it must have asked nobody else for anything, and complained of nothing."""
    opened = context.new_page()
    opened.on("request", lambda request: watched.foreign.extend(_foreign(request, shown.url)))
    opened.on("console", lambda message: watched.complaints.extend(_complaint(message)))
    opened.on("pageerror", lambda error: watched.complaints.append(str(error)))
    yield opened
    assert watched.foreign == []
    assert watched.complaints == []


def _foreign(request: Request, own: str) -> list[str]:
    at = urlsplit(request.url)
    return [] if at.scheme in ("blob", "data") or f"{at.scheme}://{at.netloc}" == own else [request.url]


def _complaint(message: ConsoleMessage) -> list[str]:
    return [message.text] if message.type in ("error", "warning") else []
