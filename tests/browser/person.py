"""What a person does on the page, and what they see."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, expect

from tests.browser.footage import Scene

CARRY = """async ([target, kind, type, name, data]) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0))
  const carried = new DataTransfer()
  carried.items.add(new File([bytes], name, { type }))
  const how = { bubbles: true, cancelable: true }
  const event = kind === "paste" ? new ClipboardEvent(kind, { clipboardData: carried, ...how })
    : new DragEvent(kind, { dataTransfer: carried, ...how })
  document.querySelector(target).dispatchEvent(event)
}"""


@dataclass(frozen=True)
class Seen:
    """A hit on the page."""

    id: str
    camera: str
    time_s: float

    def is_of(self, scene: Scene) -> bool:
        """Its best frame is the very one, or one within two seconds that looks the same."""
        return self.camera == scene.camera and abs(self.time_s - scene.time_s) <= 2


def hook(page: Page, name: str) -> Locator:
    return page.locator(f"[data-test={name}]")


def drop(page: Page, data: bytes, name: str = "picture.png") -> None:
    _carry(page, "[data-test=drop]", "drop", data, name)


def paste(page: Page, data: bytes) -> None:
    _carry(page, "body", "paste", data, "image.png")


def choose(page: Page, data: bytes) -> None:
    hook(page, "file").set_input_files({"name": "picture.png", "mimeType": "image/png", "buffer": data})


@contextmanager
def new_results(page: Page) -> Iterator[None]:
    """What is done within is a search: afterwards its results are on the page."""
    with page.expect_response(lambda response: urlsplit(response.url).path == "/search"):
        yield
    expect(page.locator("[data-phase=done][aria-busy=false]")).to_be_attached()


def search(page: Page, data: bytes) -> list[Seen]:
    """Open the page, drop a picture, and see the results."""
    page.goto("/ui")
    with new_results(page):
        drop(page, data)
    return hits(page)


def hits(page: Page) -> list[Seen]:
    """Best first."""
    found = hook(page, "hit").evaluate_all("hits => hits.map(hit => ({...hit.dataset}))")
    return [Seen(one["id"], one["camera"], float(one["time"])) for one in found]


def address(page: Page) -> dict[str, list[str]]:
    """What the URL says."""
    return parse_qs(urlsplit(page.url).query)


def unfiltered(page: Page, top: int = 100) -> list[dict[str, Any]]:
    """The hits of the search in the URL, but for its filters, as the service has them."""
    examples = {name: values for name, values in address(page).items() if name in ("like", "unlike")}
    response = page.request.post("/search", data=examples | {"top": top})
    assert response.ok, response.text()
    return response.json()["hits"]


def draw(page: Page, surface: Locator, left: float, top: float, right: float, bottom: float) -> None:
    """A box, in shares of the surface."""
    box = surface.bounding_box()
    assert box
    x, y = (lambda share: box["x"] + share * box["width"]), (lambda share: box["y"] + share * box["height"])
    page.mouse.move(x(left), y(top))
    page.mouse.down()
    page.mouse.move(x((left + right) / 2), y((top + bottom) / 2))
    page.mouse.move(x(right), y(bottom))
    page.mouse.up()


def _carry(page: Page, target: str, kind: str, data: bytes, name: str) -> None:
    page.evaluate(CARRY, [target, kind, "image/png", name, base64.b64encode(data).decode()])
