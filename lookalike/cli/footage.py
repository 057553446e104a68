"""What verbs do with their SOURCE arguments: find what they stand for, and account for every other entry."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from lookalike.footage.limits import LIMITS, Limits
from lookalike.footage.naming import Naming, NamingFlags
from lookalike.footage.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lookalike.footage import Source
    from lookalike.footage.sources import LeftOut
    from lookalike.ingest.summary import Summary

EVERY_ENTRY, UNNAMED, NAMELESS = Selection(), Naming(), NamingFlags()
WhichFiles = Annotated[Selection, Parameter(name="*", group="Which files")]
KINDS_SHOWN = 8


def _check_naming(type_: type[NamingFlags], naming: NamingFlags) -> None:
    naming.read()


def _check_limits(type_: type[Limits], limits: Limits) -> None:
    limits.check()


@dataclass(frozen=True)
class FootageFlags:
    """What a user says of footage that is embedded: where it is from, how much of it is read, and which files."""

    naming: Annotated[NamingFlags, Parameter(name="*", group="Where they are from", validator=_check_naming)] = NAMELESS
    limits: Annotated[Limits, Parameter(name="*", group="Limits", validator=_check_limits)] = LIMITS
    selection: WhichFiles = EVERY_ENTRY


class Tally:
    """The entries of folders and zips that are not read: which are to be named, and how many there are of the rest."""

    def __init__(self) -> None:
        self.skipped: list[LeftOut] = []
        self._counted: dict[str, Counter[str]] = {"not footage": Counter(), "system": Counter(), "excluded": Counter()}

    def add(self, entry: LeftOut) -> None:
        if entry.group == "skipped":
            self.skipped.append(entry)
        else:
            self._counted[entry.group][entry.reason] += 1

    def summary(self) -> Summary:
        """Skipped entries count as sources that could not be read."""
        from lookalike.footage import Skipped
        from lookalike.ingest.summary import Summary

        counts = {group.replace(" ", "_"): kinds.total() for group, kinds in self._counted.items()}
        skipped = [Skipped(entry.path, entry.reason, 0) for entry in self.skipped]
        return Summary(sources=len(skipped), skipped=skipped, **counts)

    def line(self) -> str | None:
        """Such as `left out: 5 not footage (.csv 3, .txt 2), 1 of the system (.DS_Store)`; None if nothing is."""
        words = {"not footage": "not footage", "system": "of the system", "excluded": "excluded"}
        parts = [
            f"{kinds.total():,} {words[group]} ({_most(kinds)})" for group, kinds in self._counted.items() if kinds
        ]
        return f"left out: {', '.join(parts)}" if parts else None


def find(
    sources: Iterable[str], selection: Selection = EVERY_ENTRY, naming: Naming = UNNAMED, named: bool = True
) -> tuple[list[Source], Tally]:
    """Expand SOURCE arguments, and say what is left out. named: what is skipped is named now; else a summary does it.

    Raises: FootageError as `find_sources`.
    """
    from lookalike.console import say
    from lookalike.footage import find_sources

    tally = Tally()
    found = find_sources(sources, naming, tally.add, selection)
    if named:
        say_skipped(tally)
    if line := tally.line():
        say(line)
    return found, tally


def say_skipped(tally: Tally) -> None:
    from lookalike.console import warn_all_skipped

    warn_all_skipped(tally.summary().skipped)


def _most(kinds: Counter[str]) -> str:
    shown = [f"{kind} {count:,}" if count > 1 else kind for kind, count in kinds.most_common(KINDS_SHOWN)]
    return ", ".join(shown + (["..."] if len(kinds) > KINDS_SHOWN else []))
