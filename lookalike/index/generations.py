"""Generations of an index: one for each encoder that filled it, complete in itself. A pointer says which is current.

A generation that no pointer names is not complete, and is never asked.
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
    """current: the generation that new frames go to. previous: the one to go back to, complete as well, if any."""

    current: str
    previous: str | None = None


class IndexLocation(Protocol):
    """Where the generations of one index are; its text names it in messages."""

    def pointer(self) -> Pointer | None:
        """None if there is no index."""
        ...

    def point(self, to: Pointer) -> None:
        """Change the pointer: whatever happens meanwhile, it is the old one or the new one."""
        ...

    def space(self, generation: str) -> str | None:
        """The space of the encoder that a generation is for; None if there is no such generation."""
        ...

    def spec(self, generation: str) -> EncoderSpec | None:
        """All that the encoder of a generation said about itself; None if an earlier version stored less."""
        ...

    def open(self, generation: str, spec: EncoderSpec, create: bool = False) -> Engine:
        """Open a generation of that encoder's, and let it store the spec. create: make it if there is none."""
        ...

    def open_as_it_is(self, generation: str) -> Engine:
        """Open a generation, whichever encoder filled it."""
        ...

    def source_records(self, generation: str) -> list[SourceRecord]:
        """The sources that a generation has from end to end; while another process has it open, too."""
        ...

    def generations(self) -> Sequence[str]:
        """All that are there, complete or not."""
        ...

    def check_free(self, generation: str) -> None:
        """Raises: IndexInUse if another process has it open, as only an embedded one can be."""
        ...

    def remove(self, generation: str) -> None:
        """Free its space."""
        ...

    def close(self) -> None:
        """Release what asking took."""
        ...


def generation_of(space: str) -> str:
    """The name of the generation that a reindex makes for a space."""
    return space.rsplit("-", 1)[-1]


def open_generation(location: IndexLocation, spec: EncoderSpec, create: bool) -> Engine:
    """Open the complete generation that this encoder filled; to fill it further (`create`), only the current one.

    Raises: IndexStoreError if there is no index, unless `create`; SpaceMismatch if there is none of this encoder's.
    """
    pointer = location.pointer() if create else existing_pointer(location)
    if pointer is None:
        return location.open(FIRST, spec, create=True)
    current = location.space(pointer.current)
    if current == spec.space:
        return location.open(pointer.current, spec, create)
    if pointer.previous is not None and location.space(pointer.previous) == spec.space:
        if not create:
            return location.open(pointer.previous, spec)
        raise SpaceMismatch(
            f"{location}: was changed over to encoder {current}, this one is {spec.space};"
            " index with that one, or change back with `lookalike reindex --back`"
        )
    raise SpaceMismatch(
        f"{location}: filled by encoder {current}, this one is {spec.space}; {_next_step(location, spec)}"
    )


def stored_spec(location: IndexLocation) -> EncoderSpec:
    """All that the encoder of the current generation said about itself.

    Raises: IndexStoreError if there is no index, or if it was filled by an earlier version, which stored no spec.
    """
    spec = location.spec(existing_pointer(location).current)
    if spec is None:
        raise IndexStoreError(
            f"{location}: filled by an earlier version, which stored no spec of its encoder; pass --encoder once"
        )
    return spec


def _next_step(location: IndexLocation, spec: EncoderSpec) -> str:
    if location.space(generation_of(spec.space)) == spec.space:
        return "`lookalike reindex` to this one is not complete: run it again, or use the encoder that filled it"
    return "use the encoder that filled it, or change over to this one with `lookalike reindex`"


def switch(location: IndexLocation, pointer: Pointer, to: str) -> None:
    """Make a complete generation the current one, and remember the one before."""
    if to != pointer.current:
        location.point(Pointer(to, pointer.current))


def switch_back(location: IndexLocation) -> Pointer:
    """Make the generation before the current one. Returns: what holds now.

    Raises: IndexStoreError if there is none.
    """
    pointer = existing_pointer(location)
    if pointer.previous is None:
        raise IndexStoreError(
            f"{location}: holds no generation to go back to; `lookalike reindex --encoder E` makes one"
        )
    switch(location, pointer, pointer.previous)
    return Pointer(pointer.previous, pointer.current)


def discard(location: IndexLocation) -> list[str]:
    """Remove every generation but the current one. Returns: the spaces of what was removed.

    Raises: IndexInUse if another process has one of them open.
    """
    pointer = existing_pointer(location)
    others = [generation for generation in location.generations() if generation != pointer.current]
    spaces = [location.space(generation) or "unknown" for generation in others]
    for generation in others:
        location.check_free(generation)
    location.point(Pointer(pointer.current))  # first: a generation that is named is whole
    for generation in others:
        location.remove(generation)
    return spaces


def existing_pointer(location: IndexLocation) -> Pointer:
    """Raises: IndexStoreError if there is no index."""
    pointer = location.pointer()
    if pointer is None:
        raise IndexStoreError(
            f"{location}: no index there; make one with `lookalike index SOURCE --encoder E --index {location}`"
        )
    return pointer
