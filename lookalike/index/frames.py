"""The frame index: what the verbs and the service talk to, whichever engine is below."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import numpy as np

from lookalike.contract import EncoderSpec
from lookalike.errors import FootageError, IndexStoreError
from lookalike.footage import Frame
from lookalike.footage.sampler import GRID
from lookalike.index.ask import (
    LEAST_AREA,
    MOST_REGIONS,
    FrameMoment,
    Moving,
    QueryExample,
    Question,
    SearchRequest,
    questions_of,
)
from lookalike.index.background import Background
from lookalike.index.engine import Engine
from lookalike.index.folder import FolderPlace
from lookalike.index.generations import Place, open_generation, stored_spec
from lookalike.index.moments import collapse
from lookalike.index.schema import FROM_ELSEWHERE, REMOTE, Choice, Finished, Hit, Scored, Where, first_not_unit, payload
from lookalike.index.spread import spread
from lookalike.parts import LAYOUT, SMALLEST, span, weigh
from lookalike.region import Region
from lookalike.server_options import ONE_NODE, ServerOptions

DEFAULT_COLLECTION = "lookalike"
FIRST_FETCH = 500  # neighbouring frames fill a page: fetch many, then collapse
LAST_FETCH = 8000
CANDIDATES = 5  # hits to choose each of those from that shall differ from each other
EVERYWHERE, WHOLE = Where(), Where(whole=True)
EVERY_MOMENT = Choice()
PAGE = 1000  # frames whose embeddings are read at a time
DIGITS = 6  # of scores that tell: engines differ in the seventh
SAME_PICTURE = 0.98  # cosine of a picture and a stored frame that it was cut from, compressed again
SAME_CAMERA = 0.5  # cosine, of the layout of frames: of one camera they have more, of two less (docs/regions.md)
SAME_S = 1e-6  # times that are less apart are the same
_GRID = {str(region) for region in GRID}  # regions that are cut whether or not something moves in them


class FrameIndex:
    """Frames of one space. Use as a context manager, so that an embedded index is released."""

    def __init__(self, engine: Engine, spec: EncoderSpec, place: Place | None = None) -> None:
        """place: closed with the index."""
        self._engine, self._place = engine, place
        self._background = Background(engine)
        self.spec = spec

    def add(self, frames: Sequence[Frame], embeddings: np.ndarray, remote: bool = False) -> None:
        """Store frames with their embeddings, float32 (N, D).

        remote: their sources are named by a table from elsewhere: none is opened until it is indexed here, see `claim`.
        Raises: ValueError if an embedding is not finite or not of length 1 (the engine would take it silently).
        """
        if (worst := first_not_unit(embeddings)) is not None:
            length = np.linalg.norm(embeddings[worst])
            raise ValueError(f"embedding of {frames[worst].source} has length {length}, expected 1")
        mark = {REMOTE: True} if remote else {}
        self._engine.upsert([frame.id for frame in frames], embeddings, [payload(frame) | mark for frame in frames])

    def claim(self, frames: Sequence[Frame]) -> None:
        """Let stored frames of sources that are read here be opened from now on, if a table had brought them.

        frames: some that are stored; one of each source counts.
        """
        of_sources = {frame.source_id: frame for frame in frames}
        stored = self._engine.points([frame.id for frame in of_sources.values()]) if of_sources else {}
        for frame in of_sources.values():
            if frame.id in stored and stored[frame.id][1].get(REMOTE):
                fields = {"source": frame.source, "camera": frame.camera, REMOTE: False}
                self._engine.rename(frame.source_id, fields)

    def missing(self, frames: Sequence[Frame]) -> list[Frame]:
        """Those of `frames` that are not stored yet, each id once."""
        existing = self._engine.existing([frame.id for frame in frames])
        new: dict[str, Frame] = {}
        for frame in frames:
            if frame.id not in existing:
                new.setdefault(frame.id, frame)
        return list(new.values())

    def ask(self, request: SearchRequest) -> list[Hit]:
        """The moments, or clips, that a request asks for; best first, or in the order in which they add most.

        Raises: QueryError if the examples cancel out, or for weights that the encoder cannot follow.
        """
        moving = self._moving(request.like[0]) if len(request.like) == 1 else Moving()
        questions = questions_of(request, moving, self.spec)
        return self._search(questions, request.top, request.where, request.choice)

    def search(
        self, vector: np.ndarray, top: int = 10, where: Where = EVERYWHERE, choice: Choice = EVERY_MOMENT
    ) -> list[Hit]:
        """The `top` moments, or clips, most similar to a vector, float32 (D,), of any length but 0.

        A hit's score is the dot product of the two.
        Returns: hits, best first; or in the order in which they add most, if `choice` is diverse.
        """
        return self._search([Question(vector)], top, where, choice)

    def _search(self, questions: Sequence[Question], top: int, where: Where, choice: Choice) -> list[Hit]:
        wanted, fetch = top * (CANDIDATES if choice.diverse else 1), max(FIRST_FETCH, top)
        vectors, before = np.stack([one.vector for one in questions]), -1
        while True:
            found = [self._nearest(one, fetch, where, choice.min_score) for one in questions]
            is_last = fetch >= LAST_FETCH or all(len(one) < fetch for one in found)
            hits = collapse(_merged(found, None if is_last else fetch), by_clip=choice.by == "clip")
            if choice.min_percentile is not None:
                hits = self._background.above(choice.min_percentile, vectors, hits)
            in_vain = choice.min_percentile is not None and len(hits) == before  # what is further away is below, too
            if len(hits) >= wanted or is_last or in_vain:
                chosen = self._chosen(hits[:wanted], top, choice.diverse, questions[0])
                return self._background.calibrate(vectors, chosen)
            before, fetch = len(hits), fetch * 4

    def _nearest(self, question: Question, limit: int, where: Where, min_score: float | None) -> list[Scored]:
        """Engines compare vectors of length 1; scores are of the question as it is."""
        length = question.length
        least = None if min_score is None else min_score / length
        found = self._engine.nearest((question.vector / length).astype(np.float32), limit, where, least)
        return [dataclasses.replace(one, score=one.score * length, asked=question.asked) for one in found]

    def _chosen(self, hits: Sequence[Hit], top: int, diverse: float, question: Question) -> list[Hit]:
        """question: by whose weights hits are compared with each other."""
        if not diverse:
            return list(hits[:top])
        stored = self._engine.points([hit.id for hit in hits])
        there = [hit for hit in hits if hit.id in stored]  # else forgotten meanwhile
        if not there:
            return []
        vectors = np.stack([stored[hit.id][0] for hit in there])
        if question.scale is not None:
            vectors = vectors * question.scale
        return [there[number] for number in spread(np.array([hit.score for hit in there]), vectors, top, diverse)]

    def _moving(self, example: QueryExample) -> Moving:
        """What moves in the stored frame that an example is of; of another picture, the usual view of its camera."""
        if example.is_region:
            return Moving()
        fields, vectors = self._near(example.moment)
        if not fields:
            fields, vectors = self._near(self._stored_as(example.vector))
        if not fields:
            return Moving(usual=self._usual_beyond(example.vector))
        rows = [row for row, one in enumerate(fields) if self._moves(one)]
        if not rows:
            return Moving()
        areas = {row: _area(fields[row]["region"]) for row in rows}
        least = LEAST_AREA * max(areas.values())
        large = sorted((row for row in rows if areas[row] >= least), key=lambda row: -areas[row])
        regions = [(fields[row]["region"], vectors[row]) for row in large[:MOST_REGIONS]]
        return Moving(regions, self._background.usual(fields[rows[0]]["camera"]))

    def _near(self, moment: FrameMoment | None) -> tuple[list[dict[str, Any]], np.ndarray]:
        """The frame that is nearest to a moment of its recording, and its regions; with vectors, float32 (N, D)."""
        nothing: tuple[list[dict[str, Any]], np.ndarray] = [], np.empty((0, 0), np.float32)
        if moment is None:
            return nothing
        since, until = moment.time_s - moment.within_s, moment.time_s + moment.within_s
        near = dataclasses.replace(moment.where, since=since, until=until)
        fields, vectors = next(self._engine.vectors(near, PAGE), nothing)
        nearest_s = min((one["time_s"] for one in fields), key=lambda time_s: abs(time_s - moment.time_s), default=0.0)
        rows = [row for row, one in enumerate(fields) if one["time_s"] == nearest_s]
        return [fields[row] for row in rows], vectors[rows]

    def _stored_as(self, vector: np.ndarray) -> FrameMoment | None:
        """The stored frame that a picture is a copy of, float32 (D,); None if it is not stored."""
        question = Question(weigh(vector, self.spec.parts, self.spec.frame))
        found = self._nearest(question, 1, WHOLE, SAME_PICTURE) if question.length >= SMALLEST else []
        if not found:
            return None
        stored = found[0].payload
        return FrameMoment(Where(source_ids=(stored["source_id"],)), stored["time_s"], SAME_S)

    def _usual_beyond(self, vector: np.ndarray) -> np.ndarray | None:
        """The usual view of the camera that took a picture, if it is far from that; None if no stored camera did.

        vector: float32 (D,). Frames of one camera are alike in layout; encoders of one piece compare all of it.
        """
        parts = self.spec.parts
        has_layout = any(part.name == "layout" for part in parts)
        question = Question(weigh(vector, parts, LAYOUT) if has_layout else vector)
        found = self._nearest(question, 1, WHOLE, SAME_CAMERA) if question.length >= SMALLEST else []
        if not found:
            return None
        return self._background.usual_beyond(found[0].payload["camera"], vector, span(parts, "layout"))

    def _moves(self, fields: dict[str, Any]) -> bool:
        """Whether it is a region because something moves in it that does not always: no whole frame, and no cell."""
        region = fields.get("region")
        if not region or region in _GRID:
            return False
        return not self._background.moves_always(fields["camera"], Region.parse(region))

    def example(self, frame_id: str) -> QueryExample:
        """A stored frame, or a stored region of one, to search by. Raises: IndexStoreError if the id is unknown."""
        vector, fields = self._point(frame_id)
        if fields.get("region"):
            return QueryExample(vector, is_region=True)
        recording = Where(source_ids=(fields["source_id"],))
        return QueryExample(vector, moment=FrameMoment(recording, fields["time_s"], SAME_S))

    def vector(self, frame_id: str) -> np.ndarray:
        """The stored embedding of a frame, float32 (D,). Raises: IndexStoreError if the id is unknown."""
        return self._point(frame_id)[0]

    def read_here(self, sources: Collection[str]) -> set[str]:
        """Those of these sources that were indexed on this machine; what only a table names is not opened."""
        if not sources:
            return set()
        here = (fields for fields in self.frames(Where(sources=tuple(sources))) if not fields.get(REMOTE))
        return {fields["source"] for fields in here} & set(sources)

    def place(self, frame_id: str) -> tuple[str, float]:
        """Where a frame is from: its source, and seconds into it.

        Raises: IndexStoreError if the id is unknown; FootageError if its source was named from elsewhere.
        """
        fields = self._point(frame_id)[1]
        if fields.get(REMOTE):
            raise FootageError(
                f"{fields['source']}: named {FROM_ELSEWHERE}, so not opened; give the picture, or on its machine --at"
            )
        return fields["source"], fields["time_s"]

    def _point(self, frame_id: str) -> tuple[np.ndarray, dict[str, Any]]:
        found = self._engine.points([frame_id]).get(str(UUID(frame_id))) if is_frame_id(frame_id) else None
        if found is None:
            raise IndexStoreError(f"no frame has the id {frame_id!r}; take one from a search hit")
        return found

    def finished(self, source_id: str, sampler: str) -> Finished | None:
        """What is known of a source that was stored from end to end; None if it was not, or with another sampler."""
        return self._engine.finished(source_id, sampler)

    def finish(self, done: Sequence[Finished]) -> None:
        """Note that all frames of these sources were added. They are made durable first: a crash in between only
        costs reading those sources again."""
        self._engine.flush()
        if done:
            self._engine.finish(done)

    def rename(self, known: Finished, source: str, camera: str) -> None:
        """Let a finished source be known by another name from now on, and belong to another camera."""
        self._engine.rename(known.source_id, {"source": source, "camera": camera})
        self.finish([dataclasses.replace(known, source=source, camera=camera)])

    def frames(self, where: Where = EVERYWHERE) -> Iterator[dict[str, Any]]:
        """What is stored with each frame that meets the conditions: its payload, and `id`; in no particular order."""
        return (fields | {"id": frame_id} for frame_id, fields in self._engine.scroll(where))

    def vectors(self, where: Where = EVERYWHERE) -> Iterator[tuple[list[dict[str, Any]], np.ndarray]]:
        """The frames that meet the conditions, a page at a time: as `frames`, and their embeddings, float32 (N, D)."""
        return self._engine.vectors(where, PAGE)

    def all_finished(self) -> Iterator[Finished]:
        """Every source that was stored from end to end."""
        return self._engine.all_finished()

    def forget(self, where: Where) -> int:
        """Remove the frames that meet the conditions; their sources are no longer finished. Returns: how many.

        A crash in between leaves frames that the next call removes.
        """
        source_ids = [fields["source_id"] for fields in self.frames(where)]
        if source_ids:
            self._engine.unfinish(set(source_ids))
            self._engine.delete(where)
            self._engine.flush()
        return len(source_ids)

    @property
    def engine(self) -> Engine:
        """What is below, for who passes on what others ask of it."""
        return self._engine

    def has_another_generation(self) -> bool:
        """Whether one of another encoder is kept, to go back to."""
        pointer = self._place.pointer() if self._place else None
        return pointer is not None and pointer.previous is not None

    def count(self) -> int:
        return self._engine.count()

    def optimize(self) -> None:
        self._engine.optimize()

    def close(self) -> None:
        self._engine.close()
        if self._place:
            self._place.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _merged(found: Sequence[Sequence[Scored]], fetched: int | None) -> list[Scored]:
    """What several questions found, best first; of a frame that several did, the best score.

    fetched: how many each was asked for, where more can be fetched: what scores below the last that a question brought
    is left out, since that question may still find more there. None takes all.
    """
    floor = max((one[-1].score for one in found if len(one) == fetched), default=-np.inf)
    best: dict[str, Scored] = {}
    # Of equal ones the first question's: a part says more than the whole.
    for scored in sorted((scored for one in found for scored in one), key=lambda scored: -round(scored.score, DIGITS)):
        best.setdefault(scored.id, scored)
    return [scored for scored in best.values() if scored.score >= floor]


def _area(region: str) -> float:
    box = Region.parse(region)
    return box.w * box.h


def is_frame_id(text: str) -> bool:
    """Whether it has the form of an id; there may be no such frame."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def open_index(
    location: str | Path,
    spec: EncoderSpec | None = None,
    create: bool = False,
    live: bool = False,
    options: ServerOptions = ONE_NODE,
) -> FrameIndex:
    """Open the index at a folder, at a service's URL (`http://host:3000`), or at a Qdrant server's
    (`http://host:6333[/collection]`).

    spec: of the encoder to search or fill it with; None takes the one that the index stores.
    create: make it if there is none, which takes a spec. live: a folder that goes on answering while it is filled, for
    who owns it long.
    options: of a new collection on a Qdrant server.
    QDRANT_API_KEY is sent to a Qdrant server, LOOKALIKE_TOKEN to a service.
    Raises: IndexStoreError if it is missing, broken or in use, or stores no spec and none is given; SpaceMismatch if
    another encoder filled it.
    """
    about = _service_at(location)
    if options != ONE_NODE and (about or "://" not in str(location)):
        raise IndexStoreError(f"{location}: --shards and --replication are for a new collection of a Qdrant server")
    if about:
        from lookalike.index.service import ServiceEngine, served_spec

        url = str(location).rstrip("/")
        spec = spec or served_spec(url, about)
        return FrameIndex(ServiceEngine(url, about, spec.space, spec.dim, create), spec)
    place = _place_at(location, live, options)
    spec = spec or stored_spec(place)
    return FrameIndex(open_generation(place, spec, create), spec, place)


def place_of(location: str | Path) -> Place:
    """Where the generations of an index are, or would be; nothing is opened yet.

    Raises: IndexStoreError for a service, whose index is asked and not kept over HTTP.
    """
    if _service_at(location):
        raise IndexStoreError(f"{location}: a service; give the folder of its index, or the URL of its Qdrant server")
    return _place_at(location)


def _service_at(location: str | Path) -> dict[str, Any] | None:
    """What a Lookalike service at this URL says of itself; None if it is none."""
    from lookalike.index.service import ask_who

    parts = urlsplit(str(location))
    if parts.scheme not in ("http", "https") or parts.path.strip("/"):
        return None
    return ask_who(f"{parts.scheme}://{parts.netloc}")


def _place_at(location: str | Path, live: bool = False, options: ServerOptions = ONE_NODE) -> Place:
    if str(location).startswith(("http://", "https://")):
        return _collection_at(str(location), options)
    if "://" in str(location):
        raise IndexStoreError(f"{location}: expected a folder, or a URL that begins with http:// or https://")
    return FolderPlace(Path(location), live)


def _collection_at(url: str, options: ServerOptions) -> Place:
    from qdrant_client import QdrantClient

    from lookalike.index.collection import CollectionPlace
    from lookalike.index.uploads import STREAMS

    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    # The client's own default port is 6333 even for a URL that names none.
    client = QdrantClient(url=base, api_key=os.environ.get("QDRANT_API_KEY"), timeout=30, **_grpc())
    return CollectionPlace(client, base, parts.path.strip("/") or DEFAULT_COLLECTION, options, STREAMS)


def _grpc() -> dict[str, Any]:
    """Where QDRANT_GRPC_PORT is set, frames and queries travel as gRPC.

    Raises: IndexStoreError if it is no port.
    """
    port = os.environ.get("QDRANT_GRPC_PORT") or ""
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise IndexStoreError(f"QDRANT_GRPC_PORT is {port!r}, expected a port such as 6334")
    chosen: dict[str, Any] = {"check_compatibility": False}
    return chosen | {"prefer_grpc": True, "grpc_port": int(port)} if port else chosen
