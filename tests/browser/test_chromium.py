"""The page opens in a browser; and where there is none, that is said in one line."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser import chromium


def test_the_page_opens(page: Page) -> None:
    page.goto("/ui")
    assert page.title() == "Lookalike"


def test_a_browser_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(chromium.NoBrowser, match="CHROMIUM is '/nowhere/chromium', expected the path of a Chromium"):
        chromium.find_chromium()


def test_without_any_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on PATH, so neither is apt-get; and Playwright has nowhere to put one."""
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", "/proc/nowhere")
    with pytest.raises(chromium.NoBrowser, match=r"no chromium, chromium-browser, google-chrome on PATH, .* CHROMIUM"):
        chromium.find_chromium()
