"""Turn a search with embedded examples into a few questions to an engine.

A stored frame in which something moves is searched by that: each moving region is searched for anywhere, and the whole
frame by its difference from the camera's usual view. What moves all the time, such as a burned-in clock, does not
count. If several questions find a moment, its best score counts. The reason: frames of one camera are alike whatever
happens in them, so for the frame as it is, every empty frame of the same camera would score higher than the same thing
anywhere else. A picture that is not stored has no regions. If it is from a stored camera and far from the camera's
usual view, it is searched by its difference from that view.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from lookalike.contract import EncoderSpec
from lookalike.errors import QueryError
from lookalike.index.filters import Filters
from lookalike.index.schema import DIFFERENCE
from lookalike.parts import SMALLEST, Part, Weights, split, weigh
from lookalike.search_fields import USUAL, SearchOptions

MOST_REGIONS = 3  # of a frame that are searched for; with the whole frame, a search is four questions at most
LEAST_AREA = 0.5  # of a region, relative to the largest: smaller ones are mostly a shadow, a cloud or a leaf
NEAR_S = 0.25  # a stored frame this close stands for a moment of its recording
NO_DIFFERENCE = 0.01  # between unit vectors: as much as two decodes of one picture differ


@dataclass(frozen=True)
class FrameMoment:
    """A moment of a recording. filters: match the recording. time_s: seconds into it. within_s: its tolerance."""

    filters: Filters
    time_s: float
    within_s: float = NEAR_S


@dataclass(frozen=True, eq=False)
class QueryExample:
    """An example to search by.

    vector: float32 (D,), of length 1. is_region: whether it is a region of a picture. moment: of the recording that it
    is a whole frame of, whose moving regions may be stored; None for a region, or a picture of an unknown camera.
    """

    vector: np.ndarray
    is_region: bool = False
    moment: FrameMoment | None = None


@dataclass(frozen=True, eq=False)
class EmbeddedRequest:
    """A search request whose examples are embedded.

    like: at least one. unlike: vectors to avoid, float32 (D,) each, of length 1.
    """

    like: Sequence[QueryExample]
    unlike: Sequence[np.ndarray] = ()
    filters: Filters = field(default_factory=Filters)
    options: SearchOptions = USUAL


@dataclass(frozen=True, eq=False)
class Moving:
    """What moves in a frame. regions: as stored, with their vectors, float32 (D,), the largest first; empty for a
    picture that is not stored.

    usual: the usual view of its camera, float32 (D,), of length 1; None if it is unknown, or close to a picture that is
    not stored.
    """

    regions: Sequence[tuple[str, np.ndarray]] = ()
    usual: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Question:
    """One of the searches that a request becomes.

    vector: float32 (D,), weighted: its dot product with a stored embedding is the score. asked: the region of the
    query that it is of; DIFFERENCE; None for the whole. scale: float32 (D,), the factors for embeddings with which the
    dot product of two is their similarity by this question's weights; None leaves them.
    """

    vector: np.ndarray
    asked: str | None = None
    scale: np.ndarray | None = None

    @property
    def length(self) -> float:
        return float(np.linalg.norm(self.vector))


def questions_of(request: EmbeddedRequest, moving: Moving, spec: EncoderSpec) -> list[Question]:
    """Return the searches for a request: one for each moving region of the example, and one for the whole frame.

    moving: of the only example in `like`; empty if there are several. A picture without regions is searched by its
    difference alone: the whole picture would score higher everywhere.
    Raises: QueryError if the examples cancel out, or for weights that leave nothing to compare.
    """
    request.options.check_parts(spec)
    crop, frame = request.options.weights(spec.crop), request.options.weights(spec.frame)
    like = [example.vector for example in request.like]
    usual = [moving.usual] if moving.usual is not None else []
    if not moving.regions and usual and not request.unlike:
        with suppress(QueryError):  # by these weights there is no difference
            return [_question(combine(like, usual, spec.parts), DIFFERENCE, frame, spec.parts)]
    if not moving.regions:
        weights = crop if all(example.is_region for example in request.like) else frame
        return [_question(combine(like, request.unlike, spec.parts), None, weights, spec.parts)]
    questions = [
        _question(combine([vector], request.unlike, spec.parts), region, crop, spec.parts)
        for region, vector in moving.regions[:MOST_REGIONS]
    ]
    try:
        whole = combine(like, request.unlike or usual, spec.parts)
    except QueryError:  # only the regions differ from the usual view
        return questions
    return [*questions, _question(whole, None, frame, spec.parts)]


def combine(like: Sequence[np.ndarray], unlike: Sequence[np.ndarray] = (), parts: Sequence[Part] = ()) -> np.ndarray:
    """Combine examples into one vector near all of `like`, of which there is at least one, and away from `unlike`.

    like, unlike: (D,) each, of length 1. For each part, with a and b the normalised means of the two and c their
    cosine, it is (1 - c) a + (a - b). For unrelated examples this is Qdrant's recommendation by average vector, 2a - b;
    the more alike they are, the more it is only their difference. It never points towards b: b * it = -(1 - c)^2.
    parts: of the encoder; with none or one, the vector is one piece.
    Returns: float32 (D,), of length 1. Raises: QueryError if the examples cancel out.
    """
    pieces = parts if len(parts) > 1 else [Part("content", len(like[0]))]
    wanted = [np.mean(part, 0) for part in zip(*(split(vector, pieces) for vector in like), strict=True)]
    avoided = [np.mean(part, 0) for part in zip(*(split(vector, pieces) for vector in unlike), strict=True)]
    if avoided:
        wanted = [_apart(a, b) for a, b in zip(wanted, avoided, strict=True)]
    lengths = [float(np.linalg.norm(piece)) for piece in wanted]
    if max(lengths) < SMALLEST:
        raise QueryError("the examples cancel out: `like` and `unlike` are the same")
    unit = [piece / length if length >= SMALLEST else piece * 0 for piece, length in zip(wanted, lengths, strict=True)]
    joined = np.concatenate(unit)
    return (joined / np.linalg.norm(joined)).astype(np.float32)


def _apart(like: np.ndarray, unlike: np.ndarray) -> np.ndarray:
    """Combine the means of one part, (D_i,). Returns: a vector of any length; zero if they are the same."""
    lengths = np.linalg.norm(like), np.linalg.norm(unlike)
    if min(lengths) < SMALLEST:  # one of them has no direction
        return like
    a, b = like.astype(float) / lengths[0], unlike.astype(float) / lengths[1]
    if np.linalg.norm(a - b) < NO_DIFFERENCE:
        return a * 0
    return (1 - max(float(a @ b), 0.0)) * a + (a - b)


def _question(vector: np.ndarray, asked: str | None, weights: Weights, parts: Sequence[Part]) -> Question:
    try:
        weighed = weigh(vector, parts, weights)
    except ValueError as error:
        raise QueryError(f"{error}. Give other weights.") from error
    if np.linalg.norm(weighed) < SMALLEST:
        raise QueryError("nothing to compare: the weighted parts of the examples are empty. Give other weights.")
    return Question(weighed, asked, _scale(weights, parts))


def _scale(weights: Weights, parts: Sequence[Part]) -> np.ndarray | None:
    if len(parts) < 2:
        return None
    roots = [(share * len(parts)) ** 0.5 for share in weights.shares(parts)]
    return np.concatenate([np.full(part.dim, root, np.float32) for part, root in zip(parts, roots, strict=True)])
