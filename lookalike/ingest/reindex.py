"""Another encoder for an index, while the previous one still answers.

The sources that the current generation has from end to end are embedded into another one; when that has the same
frames, the pointer is changed. Stopped at any moment, the current generation is as it was, and the next run resumes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from lookalike.encoder import Encoder
from lookalike.errors import IndexInUse, IndexStoreError
from lookalike.footage import Source
from lookalike.footage.sampling import Sampling
from lookalike.footage.sources import stored_source
from lookalike.index import Filters, FrameIndex, SourceRecord
from lookalike.index.generations import IndexLocation, existing_pointer, generation_of, switch
from lookalike.index.maintenance import is_there, verify
from lookalike.ingest.embed import OnFrames
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import USUAL, IngestSettings
from lookalike.ingest.summary import Summary

Bar = Callable[[Sequence[Source]], AbstractContextManager[OnFrames]]


@dataclass
class Outcome:
    """What a reindex did. before, now: the spaces. sources: how many the index had from end to end.

    missing: what of the index is not in the new generation: (source, why). differing: sources of which there are not
    as many frames: (source, before, now). seen: whether frames of no whole source could be looked for, which an index
    that another process has open does not allow. switched: whether the new generation answers now.
    """

    before: str
    now: str
    sources: int = 0
    frames: int = 0
    added: int = 0
    missing: list[tuple[str, str]] = field(default_factory=list)
    differing: list[tuple[str, int, int]] = field(default_factory=list)
    seen: bool = True
    switched: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Seen:
    """From the frames of a generation. cameras: of each source, and when it began. loose: names of sources
    that are not there from end to end, and how many frames of each are."""

    cameras: dict[str, tuple[str, str | None]]
    loose: Counter[str]


_Found = Mapping[IngestSettings, Sequence[Source]]


def reindex(
    location: IndexLocation,
    encoder: Encoder,
    bar: Bar,
    without_missing: bool = False,
    settings: IngestSettings = USUAL,
) -> Outcome:
    """Fill a generation for an encoder from the sources of the current one, and make it the current one.

    Where it is that already, it takes in what the generation before got since. bar: shows the progress over sources.
    without_missing: make it the current one although sources of the one before cannot be read any more.
    settings: each source is sampled as it was before, whatever these say.
    Raises: IndexStoreError if there is no index, or its ledger says too little; IndexInUse if another process fills
    the same generation.
    """
    pointer, space = existing_pointer(location), encoder.spec.space
    there = (generation for generation in location.generations() if location.space(generation) == space)
    target = next(there, generation_of(space))
    catching_up = target == pointer.current
    origin = pointer.previous if catching_up else pointer.current
    if origin is None:
        return Outcome(space, space, switched=True)
    outcome = Outcome(location.space(origin) or "unknown", space)
    seen = _look(location, origin)
    with FrameIndex(location.open(target, encoder.spec, create=True), encoder.spec) as index:
        while True:
            before = location.source_records(origin)
            summary = _embed(before, _by_settings(before, seen, settings), encoder, index, bar)
            outcome.sources, outcome.frames = len({one.source_id for one in before}), summary.frames
            outcome.added += summary.added
            if location.source_records(origin) == before:  # else the process that has it open took in more
                break
        if not catching_up:
            _forget_others(index, before)
        _compare(before, seen, index, outcome)
        if not outcome.differing and (without_missing or not outcome.missing):
            index.mark_complete([])  # durable before it is named
            switch(location, pointer, target)
            outcome.switched = True
    return outcome


def _look(location: IndexLocation, generation: str) -> _Seen | None:
    """What only the frames of a generation say; None while another process has it open."""
    complete = {one.source_id for one in location.source_records(generation)}
    try:
        engine = location.open_as_it_is(generation)
    except IndexInUse:
        return None
    seen = _Seen({}, Counter())
    for frame in engine.scroll(Filters()):
        if frame.source_id not in seen.cameras:
            seen.cameras[frame.source_id] = frame.camera, frame.began_at
        if frame.source_id not in complete:
            seen.loose[frame.source] += 1
    engine.close()
    return seen


def _by_settings(before: Sequence[SourceRecord], seen: _Seen | None, settings: IngestSettings) -> _Found:
    """What is there of these sources, by how it is embedded: each is sampled as it was then."""
    found: dict[IngestSettings, list[Source]] = {}
    for one in before:
        if is_there(one.source):
            found.setdefault(replace(settings, sampling=_sampling(one)), []).append(_source(one, seen))
    return found


def _embed(before: Sequence[SourceRecord], found: _Found, encoder: Encoder, index: FrameIndex, bar: Bar) -> Summary:
    """Embed sources; what is in `index` already is not decoded.

    A client of a service may have written a record: it does not know the content of a file that it may not read.
    """
    summary, contents = Summary(), frozenset(one.source_id for one in before)
    for settings, sources in found.items():
        with bar(sources) as saw:
            summary += index_footage(sources, encoder, index, settings, saw, contents=contents)
    return summary


def _sampling(known: SourceRecord) -> Sampling:
    try:
        return Sampling.parse(known.sampler)
    except ValueError as error:
        raise IndexStoreError(
            f"{known.source}: indexed in a way that this version does not know ({error}); forget it, and index it again"
        ) from error


def _source(known: SourceRecord, seen: _Seen | None) -> Source:
    camera, began_at = known.camera, known.began_at
    if camera is None:
        if seen is None:
            raise IndexStoreError(
                f"{known.source}: indexed by an earlier version, whose ledger has no cameras, and the frames are in use"
                " by another process; stop it, and run it again"
            )
        camera, began_at = seen.cameras.get(known.source_id, ("", None))
    return stored_source(known.source, camera, datetime.fromisoformat(began_at) if began_at else None)


def _forget_others(index: FrameIndex, before: Sequence[SourceRecord]) -> None:
    """Remove frames of sources that the previous generation does not have: forgotten meanwhile, or replaced by
    another recording."""
    known = {one.source_id for one in before}
    others = {frame.source_id for frame in index.frames() if frame.source_id not in known}
    if others:
        index.forget(Filters(source_ids=tuple(others)))


def _compare(before: Sequence[SourceRecord], seen: _Seen | None, index: FrameIndex, outcome: Outcome) -> None:
    now = {(one.source_id, one.sampler): one.frames for one in index.source_records()}
    for one in before:
        frames = now.get((one.source_id, one.sampler))
        if frames is None:
            why = "its content is another, or cannot be read" if is_there(one.source) else "no such file"
            outcome.missing.append((one.source, why))
        elif frames != one.frames:
            outcome.differing.append((one.source, one.frames, frames))
    outcome.differing += [(source, said, stored) for source, stored, said in verify(index).short]
    outcome.seen = seen is not None
    for source, frames in sorted(seen.loose.items()) if seen else []:
        outcome.missing.append((source, f"{frames} frames of no recording that is there from end to end"))
