"""What a request may see: the index and the recordings of all cameras, or of those that its key is limited to."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from starlette.requests import Request

from lookalike.keys import Key
from serving.auth.state import state_of
from serving.inference.pipeline import Pipeline
from serving.recordings.recordings import Recordings

KEPT = 32  # sets of cameras; of another one, what was cached is made again


@dataclass(frozen=True)
class View:
    """What handlers work with."""

    pipeline: Pipeline
    recordings: Recordings


class Views:
    """Use it in the event loop that serves the requests. What it is made of is closed elsewhere."""

    def __init__(self, pipeline: Pipeline, recordings: Recordings) -> None:
        self._whole = View(pipeline, recordings)
        self._limited: OrderedDict[frozenset[str], View] = OrderedDict()

    def of(self, key: Key | None) -> View:
        """key: None if the service asks for no key."""
        if key is None or not key.cameras:
            return self._whole
        cameras = frozenset(key.cameras)
        if cameras not in self._limited:
            pipeline = self._whole.pipeline.limited_to(cameras)
            self._limited[cameras] = View(pipeline, self._whole.recordings.limited_to(pipeline))
        self._limited.move_to_end(cameras)
        if len(self._limited) > KEPT:
            self._limited.popitem(last=False)
        return self._limited[cameras]


def view_of(request: Request) -> View:
    """What this request may see."""
    views: Views = request.app.state.views
    return views.of(state_of(request.scope).key)
