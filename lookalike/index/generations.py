"""Generations of an index: one for each encoder that filled it. A pointer names the current one.

A generation that no pointer names is incomplete, and is never searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lookalike.contract import EncoderSpec
from lookalike.errors import IndexStoreError, SpaceMismatch
from lookalike.index.engine import Engine
from lookalike.index.schema import SourceRecord

FIRST = ""  # the generation that an index begins with, at its own location


@dataclass(frozen=True)
class Pointer:
    """current: the generation that new frames go to. previous: a complete one to switch back to, if any."""

    current: str
    previous: str | None = None


class IndexLocation(Protocol):
    """Where the generations of one index are; `str` of it names the index in messages."""

    def pointer(self) -> Pointer | None:
        """Return the pointer; None if there is no index."""
        ...

    def point(self, to: Pointer) -> None:
        """Change the pointer atomically."""
        ...

    def space(self, generation: str) -> str | None:
        """Return the space of a generation's encoder; None if there is no such generation."""
        ...

    def spec(self, generation: str) -> EncoderSpec | None:
        """Return the spec of a generation's encoder; None if an earlier version did not store it."""
        ...

    def open(self, generation: str, spec: EncoderSpec, create: bool = False) -> Engine:
        """Open a generation of this encoder, and store the spec if it is missing. create: make a missing generation."""
        ...

    def open_as_it_is(self, generation: str) -> Engine:
        """Open a generation, whichever encoder filled it."""
        ...

    def source_records(self, generation: str) -> list[SourceRecord]:
        """Return the records of a generation's complete sources, even while another process has it open."""
        ...

    def generations(self) -> Sequence[str]:
        """Return the names of all generations, complete or not."""
        ...

    def check_free(self, generation: str) -> None:
        """Check that no process has an embedded generation open. Raises: IndexInUse."""
        ...

    def remove(self, generation: str) -> None:
        """Remove a generation from the disk."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


def generation_of(space: str) -> str:
    """Return the name of the generation that a reindex makes for a space."""
    return space.rsplit("-", 1)[-1]


def open_generation(location: IndexLocation, spec: EncoderSpec, create: bool) -> Engine:
    """Open the complete generation that this encoder filled; to add frames (`create`), only the current one.

    Raises: IndexStoreError if there is no index, unless `create`; SpaceMismatch if other encoders filled it.
    """
    pointer = location.pointer() if create else existing_pointer(location)
    if pointer is None:
        return location.open(FIRST, spec, create=True)
    current = _space_of(location, pointer.current)
    if current == spec.space:
        return location.open(pointer.current, spec, create)
    if pointer.previous is not None and location.space(pointer.previous) == spec.space:
        if not create:
            return location.open(pointer.previous, spec)
        raise SpaceMismatch(
            f"{location}: was switched to encoder {current}, this one is {spec.space};"
            " index with that one, or switch back with `lookalike reindex --back`"
        )
    raise SpaceMismatch(
        f"{location}: filled by encoder {current}, this one is {spec.space}; {_next_step(location, spec)}"
    )


def stored_spec(location: IndexLocation) -> EncoderSpec:
    """Return the spec of the encoder of the current generation.

    Raises: IndexStoreError if there is no index, or if an earlier version filled it, which stored no spec.
    """
    spec = location.spec(existing_pointer(location).current)
    if spec is None:
        raise IndexStoreError(
            f"{location}: filled by an earlier version, which stored no spec of its encoder; pass --encoder once"
        )
    return spec


def _space_of(location: IndexLocation, generation: str) -> str:
    """Return the space of a generation that the pointer names. Raises: IndexStoreError if it is not there."""
    space = location.space(generation)
    if space is None:
        raise IndexStoreError(f"{location}: its generation {generation!r} is not there; restore a snapshot")
    return space


def _next_step(location: IndexLocation, spec: EncoderSpec) -> str:
    if location.space(generation_of(spec.space)) == spec.space:
        return "`lookalike reindex` to this one is not complete: run it again, or use the encoder that filled it"
    return "use the encoder that filled it, or switch to this one with `lookalike reindex`"


def switch(location: IndexLocation, pointer: Pointer, to: str) -> None:
    """Make a complete generation the current one, and keep the current one as the previous."""
    if to != pointer.current:
        location.point(Pointer(to, pointer.current))


def switch_back(location: IndexLocation) -> Pointer:
    """Make the previous generation the current one. Returns: the new pointer.

    Raises: IndexStoreError if there is no previous generation, or it is gone.
    """
    pointer = existing_pointer(location)
    if pointer.previous is None:
        raise IndexStoreError(
            f"{location}: has no previous generation; `lookalike reindex --encoder E` makes another one"
        )
    _space_of(location, pointer.previous)
    switch(location, pointer, pointer.previous)
    return Pointer(pointer.previous, pointer.current)


def discard(location: IndexLocation) -> list[str]:
    """Remove every generation except the current one. Returns: the spaces of those removed.

    Raises: IndexInUse if another process has one of them open; IndexStoreError if the current one is gone.
    """
    pointer = existing_pointer(location)
    _space_of(location, pointer.current)  # else all that is there would be removed
    others = [generation for generation in location.generations() if generation != pointer.current]
    spaces = [location.space(generation) or "unknown" for generation in others]
    for generation in others:
        location.check_free(generation)
    location.point(Pointer(pointer.current))  # first, since a generation that the pointer names must be complete
    for generation in others:
        location.remove(generation)
    return spaces


def existing_pointer(location: IndexLocation) -> Pointer:
    """Return the pointer of an index. Raises: IndexStoreError if there is no index."""
    pointer = location.pointer()
    if pointer is None:
        raise IndexStoreError(
            f"{location}: no index there; make one with `lookalike index SOURCE --encoder E --index {location}`"
        )
    return pointer
