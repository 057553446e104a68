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
from lookalike.index.schema import Finished

FIRST = ""  # the generation that an index begins with, at its own place


@dataclass(frozen=True)
class Pointer:
    """current: the generation that new frames go to. previous: the one to go back to, complete as well, if any."""

    current: str
    previous: str | None = None


class Place(Protocol):
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

    def finished(self, generation: str) -> list[Finished]:
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


def open_generation(place: Place, spec: EncoderSpec, create: bool) -> Engine:
    """Open the complete generation that this encoder filled; to fill it further (`create`), only the current one.

    Raises: IndexStoreError if there is no index, unless `create`; SpaceMismatch if there is none of this encoder's.
    """
    pointer = place.pointer() if create else existing_pointer(place)
    if pointer is None:
        return place.open(FIRST, spec, create=True)
    current = place.space(pointer.current)
    if current == spec.space:
        return place.open(pointer.current, spec, create)
    if pointer.previous is not None and place.space(pointer.previous) == spec.space:
        if not create:
            return place.open(pointer.previous, spec)
        raise SpaceMismatch(
            f"{place}: was changed over to encoder {current}, this one is {spec.space};"
            " index with that one, or change back with `lookalike reindex --back`"
        )
    raise SpaceMismatch(f"{place}: filled by encoder {current}, this one is {spec.space}; {_next_step(place, spec)}")


def stored_spec(place: Place) -> EncoderSpec:
    """All that the encoder of the current generation said about itself.

    Raises: IndexStoreError if there is no index, or if it was filled by an earlier version, which stored no spec.
    """
    spec = place.spec(existing_pointer(place).current)
    if spec is None:
        raise IndexStoreError(
            f"{place}: filled by an earlier version, which did not store the spec of its encoder; pass --encoder once"
        )
    return spec


def _next_step(place: Place, spec: EncoderSpec) -> str:
    if place.space(generation_of(spec.space)) == spec.space:
        return "`lookalike reindex` to this one is not complete: run it again, or use the encoder that filled it"
    return "use the encoder that filled it, or change over to this one with `lookalike reindex`"


def switch(place: Place, pointer: Pointer, to: str) -> None:
    """Make a complete generation the current one, and remember the one before."""
    if to != pointer.current:
        place.point(Pointer(to, pointer.current))


def switch_back(place: Place) -> Pointer:
    """Make the generation before the current one. Returns: what holds now.

    Raises: IndexStoreError if there is none.
    """
    pointer = existing_pointer(place)
    if pointer.previous is None:
        raise IndexStoreError(f"{place}: holds no generation to go back to; `lookalike reindex --encoder E` makes one")
    switch(place, pointer, pointer.previous)
    return Pointer(pointer.previous, pointer.current)


def discard(place: Place) -> list[str]:
    """Remove every generation but the current one. Returns: the spaces of what was removed.

    Raises: IndexInUse if another process has one of them open.
    """
    pointer = existing_pointer(place)
    others = [generation for generation in place.generations() if generation != pointer.current]
    spaces = [place.space(generation) or "unknown" for generation in others]
    for generation in others:
        place.check_free(generation)
    place.point(Pointer(pointer.current))  # first: a generation that is named is whole
    for generation in others:
        place.remove(generation)
    return spaces


def existing_pointer(place: Place) -> Pointer:
    """Raises: IndexStoreError if there is no index."""
    pointer = place.pointer()
    if pointer is None:
        raise IndexStoreError(
            f"{place}: no index there; make one with `lookalike index SOURCE --encoder E --index {place}`"
        )
    return pointer
