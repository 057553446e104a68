"""The frame index, which verbs and the service use with every engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from types import TracebackType
from typing import Self
from uuid import UUID

import numpy as np

from lookalike.contract import EncoderSpec
from lookalike.errors import FootageError, UnknownFrame
from lookalike.footage import Frame
from lookalike.footage.sampler import GRID
from lookalike.index.ask import (
    LEAST_AREA,
    MOST_REGIONS,
    EmbeddedRequest,
    FrameMoment,
    Moving,
    QueryExample,
    Question,
    questions_of,
)
from lookalike.index.calibration import ScoreCalibrator
from lookalike.index.diversify import diversify
from lookalike.index.embedded.effort import needs_graph
from lookalike.index.engine import MOST_NEAREST, Engine, IndexState, Inspected
from lookalike.index.filters import Filters
from lookalike.index.generations import IndexLocation
from lookalike.index.moments import collapse
from lookalike.index.record import FROM_ELSEWHERE, StoredFrame, is_frame_id
from lookalike.index.schema import Hit, Scored, SourceRecord, first_not_unit
from lookalike.parts import LAYOUT, SMALLEST, span, weigh
from lookalike.region import Region
from lookalike.search_fields import USUAL, SearchOptions

FIRST_FETCH = 500  # neighbouring frames fill a page: fetch many, then collapse
CANDIDATES = 5  # hits to choose each diverse hit from
EVERYWHERE, WHOLE = Filters(), Filters(whole=True)
PAGE = 1000  # frames whose embeddings are read at a time
DIGITS = 6  # of a score that are compared: engines differ in the seventh
SAME_PICTURE = 0.98  # cosine of a stored frame and a picture of it that was compressed again
SAME_CAMERA = 0.5  # cosine of the layout of frames: more within a camera, less between two (docs/regions.md)
SAME_S = 1e-6  # tolerance of a stored time
_GRID = {str(region) for region in GRID}  # regions that are cut whether or not something moves in them


class FrameIndex:
    """Frames of one space. Use as a context manager, so that an embedded index is released."""

    def __init__(self, engine: Engine, spec: EncoderSpec, location: IndexLocation | None = None) -> None:
        """location: closed with the index."""
        self._engine, self._location = engine, location
        self._calibrator = ScoreCalibrator(engine)
        self.spec = spec

    def add(self, frames: Sequence[Frame], embeddings: np.ndarray, remote: bool = False) -> None:
        """Store frames with their embeddings, float32 (N, D).

        remote: their sources are named by a table from elsewhere, and not opened until they are indexed here: `claim`.
        Raises: ValueError if an embedding is not finite or not of length 1, which the engine would accept silently.
        """
        if (worst := first_not_unit(embeddings)) is not None:
            length = np.linalg.norm(embeddings[worst])
            raise ValueError(f"embedding of {frames[worst].source} has length {length}, expected 1")
        self._engine.upsert([StoredFrame.from_frame(frame, remote) for frame in frames], embeddings)

    def claim(self, frames: Sequence[Frame]) -> None:
        """Allow the sources of stored frames to be opened from now on, if a table had named them.

        frames: some that are stored; one per source is enough.
        """
        of_sources = {frame.source_id: frame for frame in frames}
        stored = self._engine.points([frame.id for frame in of_sources.values()]) if of_sources else {}
        for frame in of_sources.values():
            if frame.id in stored and stored[frame.id][1].remote:
                self._engine.rename(frame.source_id, frame.source, frame.camera, remote=False)

    def state(self) -> IndexState | None:
        """How much is stored, and how much of it is in the search graph; None if the engine does not know."""
        return self._engine.state() if isinstance(self._engine, Inspected) else None

    def missing(self, frames: Sequence[Frame]) -> list[Frame]:
        """Return the `frames` that are not stored yet, each id once."""
        existing = self._engine.existing([frame.id for frame in frames])
        new: dict[str, Frame] = {}
        for frame in frames:
            if frame.id not in existing:
                new.setdefault(frame.id, frame)
        return list(new.values())

    def ask(self, request: EmbeddedRequest) -> list[Hit]:
        """Find the hits of a request: best first, or if it is diverse, in the order of choice.

        Raises: QueryError if the examples cancel out, or for weights of parts that the encoder does not have.
        """
        moving = self._moving(request.like[0]) if len(request.like) == 1 else Moving()
        questions = questions_of(request, moving, self.spec)
        return self._search(questions, request.filters, request.options)

    def search(self, vector: np.ndarray, filters: Filters = EVERYWHERE, options: SearchOptions = USUAL) -> list[Hit]:
        """Find the hits most similar to a vector, float32 (D,), of any length but 0.

        A hit's score is the dot product of the two.
        Returns: hits, best first; or in the order of choice, if `options` are diverse.
        """
        return self._search([Question(vector)], filters, options)

    def _search(self, questions: Sequence[Question], filters: Filters, options: SearchOptions) -> list[Hit]:
        top = options.top
        wanted, fetch = top * (CANDIDATES if options.diverse else 1), max(FIRST_FETCH, top)
        vectors, before = np.stack([question.vector for question in questions]), -1
        while True:
            nearest = [self._nearest(question, fetch, filters, options.min_score) for question in questions]
            is_last = fetch >= MOST_NEAREST or all(len(scored) < fetch for scored in nearest)
            hits = collapse(_merged(nearest, None if is_last else fetch), by_clip=options.by == "clip")
            if options.min_percentile is not None:
                hits = self._calibrator.above(options.min_percentile, vectors, hits)
            # Frames that are further away have lower percentiles.
            in_vain = options.min_percentile is not None and len(hits) == before
            if len(hits) >= wanted or is_last or in_vain:
                chosen = self._chosen(hits[:wanted], top, options.diverse, questions[0])
                return self._calibrator.calibrate(vectors, chosen)
            before, fetch = len(hits), fetch * 4

    def _nearest(self, question: Question, limit: int, filters: Filters, min_score: float | None) -> list[Scored]:
        """Search with a unit vector, as engines need it, and scale the scores back."""
        length = question.length
        least = None if min_score is None else min_score / length
        nearest = self._engine.nearest((question.vector / length).astype(np.float32), limit, filters, least)
        return [dataclasses.replace(scored, score=scored.score * length, asked=question.asked) for scored in nearest]

    def _chosen(self, hits: Sequence[Hit], top: int, diverse: float, question: Question) -> list[Hit]:
        """Choose the top hits. question: its weights compare hits with each other."""
        if not diverse:
            return list(hits[:top])
        stored = self._engine.points([hit.id for hit in hits])
        hits = [hit for hit in hits if hit.id in stored]  # others were forgotten in the meantime
        if not hits:
            return []
        vectors = np.stack([stored[hit.id][0] for hit in hits])
        if question.scale is not None:
            vectors = vectors * question.scale
        return [hits[number] for number in diversify(np.array([hit.score for hit in hits]), vectors, top, diverse)]

    def _moving(self, example: QueryExample) -> Moving:
        """Find what moves in the stored frame of an example; for another picture, the usual view of its camera."""
        if example.is_region:
            return Moving()
        frames, vectors = self._near(example.moment)
        if not frames:
            frames, vectors = self._near(self._stored_as(example.vector))
        if not frames:
            return Moving(usual=self._usual_beyond(example.vector))
        moving = [
            (region, vector)
            for frame, vector in zip(frames, vectors, strict=True)
            if (region := self._moving_in(frame))
        ]
        if not moving:
            return Moving()
        least = LEAST_AREA * max(region.w * region.h for region, _ in moving)
        large = [(region, vector) for region, vector in moving if region.w * region.h >= least]
        large.sort(key=lambda pair: -pair[0].w * pair[0].h)
        regions = [(str(region), vector) for region, vector in large[:MOST_REGIONS]]
        return Moving(regions, self._calibrator.usual(frames[0].camera))

    def _near(self, moment: FrameMoment | None) -> tuple[list[StoredFrame], np.ndarray]:
        """Return the frame nearest to a moment of its recording, and its regions; with vectors, float32 (N, D)."""
        nothing: tuple[list[StoredFrame], np.ndarray] = [], np.empty((0, 0), np.float32)
        if moment is None:
            return nothing
        since, until = moment.time_s - moment.within_s, moment.time_s + moment.within_s
        near = dataclasses.replace(moment.filters, since=since, until=until)
        frames, vectors = next(self._engine.vectors(near, PAGE), nothing)
        nearest_s = min((frame.time_s for frame in frames), key=lambda time_s: abs(time_s - moment.time_s), default=0.0)
        rows = [row for row, frame in enumerate(frames) if frame.time_s == nearest_s]
        return [frames[row] for row in rows], vectors[rows]

    def _stored_as(self, vector: np.ndarray) -> FrameMoment | None:
        """Return the moment of the stored frame that a picture, (D,), is a copy of; None if it is not a copy."""
        question = Question(weigh(vector, self.spec.parts, self.spec.frame))
        nearest = self._nearest(question, 1, WHOLE, SAME_PICTURE) if question.length >= SMALLEST else []
        if not nearest:
            return None
        stored = nearest[0].frame
        return FrameMoment(Filters(source_ids=(stored.source_id,)), stored.time_s, SAME_S)

    def _usual_beyond(self, vector: np.ndarray) -> np.ndarray | None:
        """Return the usual view of the stored camera that took a picture, if the picture is far from it; else None.

        vector: float32 (D,). Frames of one camera are alike in layout; without parts, whole embeddings are compared.
        """
        parts = self.spec.parts
        has_layout = any(part.name == "layout" for part in parts)
        question = Question(weigh(vector, parts, LAYOUT) if has_layout else vector)
        nearest = self._nearest(question, 1, WHOLE, SAME_CAMERA) if question.length >= SMALLEST else []
        if not nearest:
            return None
        return self._calibrator.usual_beyond(nearest[0].frame.camera, vector, span(parts, "layout"))

    def _moving_in(self, frame: StoredFrame) -> Region | None:
        """Return a frame's region if something moves in it that does not always; None for a whole frame or a cell."""
        if not frame.region or frame.region in _GRID:
            return None
        region = Region.parse(frame.region)
        return None if self._calibrator.moves_always(frame.camera, region) else region

    def example(self, frame_id: str) -> QueryExample:
        """Return a stored frame or region as an example. Raises: UnknownFrame."""
        vector, frame = self._point(frame_id)
        if frame.region:
            return QueryExample(vector, is_region=True)
        recording = Filters(source_ids=(frame.source_id,))
        return QueryExample(vector, moment=FrameMoment(recording, frame.time_s, SAME_S))

    def vector(self, frame_id: str) -> np.ndarray:
        """Return the stored embedding of a frame, float32 (D,). Raises: UnknownFrame."""
        return self._point(frame_id)[0]

    def read_here(self, sources: Collection[str]) -> set[str]:
        """Return the sources that were indexed on this machine; others, which a table named, are not opened."""
        if not sources:
            return set()
        here = {frame.source for frame in self.frames(Filters(sources=tuple(sources))) if not frame.remote}
        return here & set(sources)

    def place(self, frame_id: str) -> tuple[str, float]:
        """Return the source of a frame, and its time in seconds.

        Raises: UnknownFrame; FootageError if its source was named from elsewhere.
        """
        frame = self._point(frame_id)[1]
        if frame.remote:
            raise FootageError(
                f"{frame.source}: named {FROM_ELSEWHERE}, so not opened; give the picture, or on its machine --at"
            )
        return frame.source, frame.time_s

    def _point(self, frame_id: str) -> tuple[np.ndarray, StoredFrame]:
        known = str(UUID(frame_id)) if is_frame_id(frame_id) else None  # engines do not take every spelling
        point = self._engine.points([known]).get(known) if known else None
        if point is None:
            raise UnknownFrame(f"no frame has the id {frame_id!r}; take an id of a search hit")
        return point

    def source_record(self, source_id: str, sampler: str) -> SourceRecord | None:
        """Return the record of a complete source; None if it is incomplete, or has another sampler."""
        return self._engine.source_record(source_id, sampler)

    def mark_complete(self, records: Sequence[SourceRecord]) -> None:
        """Record that all frames of these sources were added.

        The frames are made durable first, so after a crash in between, the sources are only read again.
        """
        self._engine.flush()
        if records:
            self._engine.mark_complete(records)

    def rename(self, known: SourceRecord, source: str, camera: str) -> None:
        """Change the name and the camera of a complete source."""
        self._engine.rename(known.source_id, source, camera)
        self.mark_complete([dataclasses.replace(known, source=source, camera=camera)])

    def frames(self, filters: Filters = EVERYWHERE) -> Iterator[StoredFrame]:
        """Yield each frame that meets the conditions, in any order."""
        return self._engine.scroll(filters)

    def vectors(self, filters: Filters = EVERYWHERE) -> Iterator[tuple[list[StoredFrame], np.ndarray]]:
        """Yield the frames that meet the conditions, a page at a time, and their embeddings, float32 (N, D)."""
        return self._engine.vectors(filters, PAGE)

    def source_records(self) -> Iterator[SourceRecord]:
        """Yield the record of every complete source."""
        return self._engine.source_records()

    def forget(self, filters: Filters) -> int:
        """Remove the frames that meet the conditions; their sources are incomplete then. Returns: how many frames.

        After a crash in between, call it again to remove the rest.
        """
        source_ids = [frame.source_id for frame in self.frames(filters)]
        if source_ids:
            self._engine.unmark(set(source_ids))
            self._engine.delete(filters)
            self._engine.flush()
        return len(source_ids)

    @property
    def engine(self) -> Engine:
        """The engine below, for a service that passes on operations."""
        return self._engine

    def has_another_generation(self) -> bool:
        """Whether a previous generation is kept."""
        pointer = self._location.pointer() if self._location else None
        return pointer is not None and pointer.previous is not None

    def count(self) -> int:
        return self._engine.count()

    def optimize(self) -> None:
        self._engine.optimize()

    def lacks_graph(self) -> bool:
        """Whether many frames are outside of the search graph, and no graph is built: a build was interrupted."""
        state = self.state()
        return state is not None and not state.building and needs_graph(state.unindexed, self.spec.dim)

    def close(self) -> None:
        self._engine.close()
        if self._location:
            self._location.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _merged(nearest: Sequence[Sequence[Scored]], fetched: int | None) -> list[Scored]:
    """Merge the frames that several questions found, best first; each frame with its best score.

    fetched: the limit of each question, if more can be fetched. Then frames below the last score of a question that
    reached its limit are left out, since that question may find more there. None keeps all.
    """
    least = max((scored[-1].score for scored in nearest if len(scored) == fetched), default=-np.inf)
    best: dict[str, Scored] = {}
    every = [scored for of_question in nearest for scored in of_question]
    # For equal scores, the first question counts: a region says more than the whole.
    for scored in sorted(every, key=lambda scored: -round(scored.score, DIGITS)):
        best.setdefault(scored.frame.id, scored)
    return [scored for scored in best.values() if scored.score >= least]
