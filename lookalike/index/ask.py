"""A search whose examples are embedded, and the few questions that are made of it.

A stored frame in which something moves that does not always, as a burned-in clock does, is asked by that: each of its
moving regions is looked for anywhere, and the whole frame by what it shows beyond its camera's usual view. Of a moment
that several questions find, the best score counts. Why: frames of one camera are alike whatever happens in them, so
that next to the whole frame as it is, every empty frame of the same camera would score higher than the same thing
anywhere else. A picture that is not stored has no regions: if a stored camera took it, and it is far from that camera's
usual view, it is asked by what it shows beyond that view.
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

MOST_REGIONS = 3  # of a frame that are asked by; with the whole, a search is four questions at most
LEAST_AREA = 0.5  # of the largest one's, of a region that is asked by: less is mostly a shadow, a cloud or a leaf
NEAR_S = 0.25  # as near as this, what moves in a stored frame stands for what moves at a moment of its recording
NO_DIFFERENCE = 0.01  # between unit vectors: as much as two decodes of one picture differ


@dataclass(frozen=True)
class FrameMoment:
    """A whole frame of a recording. filters: name the recording. time_s: into it. within_s: how exact that is."""

    filters: Filters
    time_s: float
    within_s: float = NEAR_S


@dataclass(frozen=True, eq=False)
class QueryExample:
    """What to look for.

    vector: float32 (D,), of length 1. is_region: a part of a picture. moment: of what recording it is a whole frame,
    if it is one whose moving regions may be stored; without one a whole picture is of an unknown camera.
    """

    vector: np.ndarray
    is_region: bool = False
    moment: FrameMoment | None = None


@dataclass(frozen=True, eq=False)
class EmbeddedRequest:
    """A search request whose examples are embedded.

    like: at least one. unlike: what to keep away from, float32 (D,) each, of length 1.
    """

    like: Sequence[QueryExample]
    unlike: Sequence[np.ndarray] = ()
    filters: Filters = field(default_factory=Filters)
    options: SearchOptions = USUAL


@dataclass(frozen=True, eq=False)
class Moving:
    """What moves in a frame. regions: as stored, with their vectors, float32 (D,), the largest first; none of a picture
    that is not stored.

    usual: what its camera usually shows, float32 (D,), of length 1; None if that is not known, or a picture that is not
    stored is near to it.
    """

    regions: Sequence[tuple[str, np.ndarray]] = ()
    usual: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Question:
    """One of the searches that a request becomes.

    vector: float32 (D,), weighed: the dot product with a stored embedding is the score. asked: the region of the query
    that it is of; DIFFERENCE; None for the whole. scale: float32 (D,), what embeddings are multiplied by so that the
    dot product of two is their similarity as this question weighs it; None leaves them.
    """

    vector: np.ndarray
    asked: str | None = None
    scale: np.ndarray | None = None

    @property
    def length(self) -> float:
        return float(np.linalg.norm(self.vector))


def questions_of(request: EmbeddedRequest, moving: Moving, spec: EncoderSpec) -> list[Question]:
    """The searches that answer a request: one for each moving region of what is liked, and one for the whole.

    moving: of the one example that is liked; empty where several are. A picture without regions is asked by its
    difference alone: next to the whole as it is, which scores higher everywhere, that would change nothing.
    Raises: QueryError if the examples cancel out, or for weights that leave nothing to compare by.
    """
    request.options.check_parts(spec)
    crop, frame = request.options.weights(spec.crop), request.options.weights(spec.frame)
    like = [one.vector for one in request.like]
    usual = [moving.usual] if moving.usual is not None else []
    if not moving.regions and usual and not request.unlike:
        with suppress(QueryError):  # by these weights it is as usual
            return [_question(combine(like, usual, spec.parts), DIFFERENCE, frame, spec.parts)]
    if not moving.regions:
        weights = crop if all(one.is_region for one in request.like) else frame
        return [_question(combine(like, request.unlike, spec.parts), None, weights, spec.parts)]
    found = [
        _question(combine([vector], request.unlike, spec.parts), region, crop, spec.parts)
        for region, vector in moving.regions[:MOST_REGIONS]
    ]
    try:
        whole = combine(like, request.unlike or usual, spec.parts)
    except QueryError:  # nothing of it but the regions is unlike the usual view
        return found
    return [*found, _question(whole, None, frame, spec.parts)]


def combine(like: Sequence[np.ndarray], unlike: Sequence[np.ndarray] = (), parts: Sequence[Part] = ()) -> np.ndarray:
    """One vector near all of `like`, and away from `unlike`: each (D,), of length 1; at least one to be like.

    Part by part: with a and b the means of the two, brought to length 1, and c their cosine, (1 - c) a + (a - b).
    Where the two have nothing in common that is Qdrant's recommendation by average vector, 2a - b; the more alike they
    are, the more it is only what differs between them. It never points towards b: b * it = -(1 - c)^2.
    parts: of the encoder; none or one are one piece.
    Returns: float32 (D,), of length 1. Raises: QueryError if the examples cancel out.
    """
    pieces = parts if len(parts) > 1 else [Part("content", len(like[0]))]
    wanted = [np.mean(of_part, 0) for of_part in zip(*(split(one, pieces) for one in like), strict=True)]
    avoided = [np.mean(of_part, 0) for of_part in zip(*(split(one, pieces) for one in unlike), strict=True)]
    if avoided:
        wanted = [_apart(a, b) for a, b in zip(wanted, avoided, strict=True)]
    lengths = [float(np.linalg.norm(piece)) for piece in wanted]
    if max(lengths) < SMALLEST:
        raise QueryError("the examples cancel out: what to be like is what to be unlike")
    unit = [piece / length if length >= SMALLEST else piece * 0 for piece, length in zip(wanted, lengths, strict=True)]
    joined = np.concatenate(unit)
    return (joined / np.linalg.norm(joined)).astype(np.float32)


def _apart(like: np.ndarray, unlike: np.ndarray) -> np.ndarray:
    """like, unlike: means of one part, (D_i,). Returns: what to look for, of any length; zero if they are the same."""
    lengths = np.linalg.norm(like), np.linalg.norm(unlike)
    if min(lengths) < SMALLEST:  # one of them says nothing
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
        raise QueryError("nothing to compare by: the weighted parts of the examples say nothing. Give other weights.")
    return Question(weighed, asked, _scale(weights, parts))


def _scale(weights: Weights, parts: Sequence[Part]) -> np.ndarray | None:
    if len(parts) < 2:
        return None
    roots = [(share * len(parts)) ** 0.5 for share in weights.shares(parts)]
    return np.concatenate([np.full(part.dim, root, np.float32) for part, root in zip(parts, roots, strict=True)])
