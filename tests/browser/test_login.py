"""The page with keys: it asks once, shows pictures and recordings, and forgets the key. Nothing breaks the policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lookalike.encoder import Encoder
from lookalike.footage import find_sources
from lookalike.footage.sampling import Sampling
from lookalike.index import open_index
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import IngestSettings
from lookalike.keys import KeyFile
from tests.browser.conftest import WAIT_MS, _complaint, _foreign
from tests.browser.person import hook
from tests.serving.auth.conftest import Keys, write_keys
from tests.serving.running import ROOT, bentoml_env, served
from tests.tiny import SPEC
from tests.two_clips import write_two_clips

pytestmark = pytest.mark.trust


@dataclass(frozen=True)
class Guarded:
    url: str
    keys: Keys


@pytest.fixture(scope="module")
def guarded(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("login")
    keys, footage = write_keys(home / "keys.json"), home / "recordings"
    footage.mkdir()
    write_two_clips(footage)
    with open_index(home / "index", SPEC, create=True) as index:
        settings = IngestSettings(Sampling(fps=1, regions=None))
        index_footage(find_sources([footage]), Encoder(tiny_encoder, "cpu"), index, settings)
    named = {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_INDEX": home / "index", "LOOKALIKE_KEYS": keys.path}
    with served("serving.service:Lookalike", bentoml_env(home, named), ROOT, home / "log") as client:
        yield Guarded(str(client.base_url).rstrip("/"), keys)


def log_in(page: Page, guarded: Guarded, holder: str) -> None:
    page.get_by_label("Key").fill(guarded.keys.secrets[holder])
    page.get_by_role("button", name="Log in").click()


@pytest.fixture
def page(browser: Browser, guarded: Guarded) -> Iterator[Page]:
    """At the end it must have asked nobody else for anything, and complained of nothing but what was 401."""
    foreign, complaints = list[str](), list[str]()
    opened = browser.new_page(base_url=guarded.url)
    opened.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    opened.on("request", lambda request: foreign.extend(_foreign(request, guarded.url)))
    opened.on("console", lambda message: complaints.extend(_complaint(message)))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    opened.close()
    assert foreign == []
    assert [text for text in complaints if "401 (Unauthorized)" not in text] == []


def test_the_page_asks_for_a_key_once(page: Page, guarded: Guarded) -> None:
    page.goto(f"{guarded.url}/ui?browse=cameras")
    expect(page.get_by_role("heading", name="Lookalike")).to_be_visible()
    page.get_by_label("Key").fill("lk_guessed")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("This key is not known here.")
    log_in(page, guarded, "viewer")
    expect(page).to_have_url(f"{guarded.url}/ui?browse=cameras")
    expect(hook(page, "logout")).to_be_visible()
    image = page.locator("#browse img").first
    expect(image).to_be_visible()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    page.reload()
    expect(hook(page, "logout")).to_be_visible()
    hook(page, "logout").click()
    expect(page.get_by_label("Key")).to_be_visible()
    page.goto(f"{guarded.url}/ui")
    expect(page.get_by_label("Key")).to_be_visible()


def test_a_key_that_is_revoked_ends_the_session(page: Page, guarded: Guarded) -> None:
    page.goto(f"{guarded.url}/ui")
    log_in(page, guarded, "owner")
    expect(hook(page, "logout")).to_be_visible()
    KeyFile(guarded.keys.path).revoke("owner")
    hook(page, "tab-browse").click()
    page.reload()
    expect(page.get_by_label("Key")).to_be_visible()


def test_the_page_of_the_api_keeps_to_the_policy(page: Page, guarded: Guarded) -> None:
    page.goto(f"{guarded.url}/ui")
    log_in(page, guarded, "viewer")
    expect(hook(page, "logout")).to_be_visible()
    page.goto(f"{guarded.url}/")
    expect(page.get_by_text("Where else does this appear?").first).to_be_visible()


def test_the_browser_enforces_the_policy(browser: Browser, guarded: Guarded) -> None:
    """So that no complaint on the other pages means that they keep to it."""
    opened = browser.new_page(base_url=guarded.url)
    opened.goto("/ui")
    with opened.expect_console_message(lambda message: "Content Security Policy" in message.text):
        opened.evaluate("document.body.setAttribute('style', 'color: red')")
    opened.close()
