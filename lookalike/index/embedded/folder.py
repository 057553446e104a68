"""An embedded index in a folder. The first generation is at the top, later ones below `generations/`.

lookalike.json, shard/, ledger.sqlite    the first generation: its encoder, its frames, its complete sources
shard-*/, in-use                         where a service rebuilt the search graph: see `shards`
generations/NAME/                        the same three for another generation
current.json                             the pointer; without it the first generation is current
served-at                                the URL of the service that had the index open last
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from lookalike.contract import EncoderSpec
from lookalike.errors import DiskFull, EncoderError, IndexInUse, IndexStoreError
from lookalike.files import durable
from lookalike.index.embedded.ledger import LEDGER, Ledger
from lookalike.index.embedded.shards import FIRST as SHARD
from lookalike.index.embedded.shards import current_shard, remove_shards
from lookalike.index.engine import Engine
from lookalike.index.generations import FIRST, Pointer
from lookalike.index.schema import SourceRecord

SIDECAR = "lookalike.json"  # which encoder filled a generation
POINTER = "current.json"
GENERATIONS = "generations"
SERVED = "served-at"


class FolderLocation:
    """The generations of an embedded index."""

    def __init__(self, folder: Path, live: bool = False) -> None:
        """live: an opened index answers searches while it is filled."""
        self._folder, self._live = folder, live

    def __str__(self) -> str:
        return str(self._folder)

    def pointer(self) -> Pointer | None:
        path = self._folder / POINTER
        if path.exists():
            try:
                pointer = Pointer(**_read_json(path))
                if not isinstance(pointer.current, str) or not isinstance(pointer.previous, str | None):
                    raise TypeError("expected names")
                return pointer
            except TypeError as error:
                raise IndexStoreError(f"{path}: unreadable ({error}); it names no generation") from error
        return Pointer(FIRST) if (self._folder / SIDECAR).exists() else None

    def point(self, to: Pointer) -> None:
        _write(self._folder / POINTER, json.dumps({"current": to.current, "previous": to.previous}))

    def space(self, generation: str) -> str | None:
        sidecar = self.at(generation) / SIDECAR
        return _space_and_dim(sidecar)[0] if sidecar.exists() else None

    def spec(self, generation: str) -> EncoderSpec | None:
        sidecar = self.at(generation) / SIDECAR
        try:
            return EncoderSpec.from_json(json.dumps(_read_json(sidecar)), str(sidecar))
        except EncoderError:
            return None

    def open(self, generation: str, spec: EncoderSpec, create: bool = False) -> Engine:
        folder = self.at(generation)
        if create and not (folder / SIDECAR).exists():
            if generation == FIRST and folder.exists() and _is_foreign(folder):
                raise IndexStoreError(
                    f"{folder}: neither an index nor an empty folder; choose another place for the index"
                )
            if generation != FIRST:
                self.remove(generation)  # the rest of one whose removal was interrupted
            _write(folder / SIDECAR, spec.to_json())
        engine = self.open_as_it_is(generation)
        if self.spec(generation) is None:
            with suppress(IndexStoreError):  # a read-only folder can be searched as well
                _write(folder / SIDECAR, spec.to_json())
        return engine

    def open_as_it_is(self, generation: str) -> Engine:
        folder = self.at(generation)
        space, dim = _space_and_dim(folder / SIDECAR)
        if not current_shard(folder).exists():
            self._check_empty(generation)  # else an empty shard would be made
        if self._live:
            from lookalike.index.embedded.live import LiveEngine as FolderEngine
        else:
            from lookalike.index.embedded.edge import EdgeEngine as FolderEngine
        try:
            engine = FolderEngine(folder, space, dim)
        except IndexInUse as error:
            if url := self._served_at(space):
                raise IndexInUse(
                    f"{self}: in use by the service at {url}; give that URL, as --index {url}, or stop it"
                ) from error
            raise
        try:
            if not engine.count():
                self._check_empty(generation)
        except IndexStoreError:
            engine.close()
            raise
        return engine

    def _check_empty(self, generation: str) -> None:
        """Check that no source of a generation without frames is complete: it would never be read again."""
        if any(record.stored for record in self.source_records(generation)):
            raise IndexStoreError(
                f"{self.at(generation)}: its frames are gone, but its ledger has complete sources; restore a snapshot,"
                " or remove the folder and index the footage again"
            )

    def say_served(self, url: str) -> None:
        """Store the URL of the service that has the index open, for other processes that find it in use."""
        _write(self._folder / SERVED, url)

    def _served_at(self, space: str) -> str | None:
        """Return the stored URL if a service of this space answers there."""
        from lookalike.index.service import ask_who

        path = self._folder / SERVED
        url = path.read_text(errors="replace").strip() if path.is_file() else ""
        is_served = url.startswith("http") and url.isprintable() and (ask_who(url) or {}).get("space") == space
        return url if is_served else None

    def source_records(self, generation: str) -> list[SourceRecord]:
        path = self.at(generation) / LEDGER
        if not path.exists():
            return []
        ledger = Ledger(path)
        try:
            return list(ledger.all())
        finally:
            ledger.close()

    def generations(self) -> list[str]:
        below = self._folder / GENERATIONS
        names = sorted(path.name for path in below.iterdir()) if below.is_dir() else []
        has_first = (self._folder / SIDECAR).exists() or any(self._folder.glob(f"{SHARD}*"))
        return [FIRST, *names] if has_first else names

    def check_free(self, generation: str) -> None:
        folder = self.at(generation)
        try:
            if (folder / SIDECAR).exists() and current_shard(folder).exists():
                self.open_as_it_is(generation).close()
        except (IndexInUse, DiskFull):
            raise
        except IndexStoreError:
            return  # damaged, so no process has it open

    def remove(self, generation: str) -> None:
        """The sidecar comes first: if this is interrupted, the rest is not taken for an index."""
        folder = self.at(generation)
        for name in (SIDECAR, LEDGER):
            (folder / name).unlink(missing_ok=True)
        remove_shards(folder)
        if generation != FIRST:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Do nothing: no resource is held."""

    def at(self, generation: str) -> Path:
        """Return the folder of a generation."""
        return self._folder if generation == FIRST else self._folder / GENERATIONS / generation


def _is_foreign(folder: Path) -> bool:
    """Whether a path that is not an index holds anything that an interrupted creation of one does not leave."""
    left = durable.partial_of(folder / SIDECAR)
    return not folder.is_dir() or any(path != left for path in folder.iterdir())


def _space_and_dim(sidecar: Path) -> tuple[str, int]:
    entry = _read_json(sidecar)
    try:
        return entry["space"], entry["dim"]
    except KeyError as error:
        raise IndexStoreError(f"{sidecar}: unreadable ({error}); index the footage again") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        entry = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise IndexStoreError(f"{path}: unreadable ({error}); index the footage again") from error
    if not isinstance(entry, dict):
        raise IndexStoreError(f"{path}: unreadable (no JSON object); index the footage again")
    return entry


def _write(path: Path, text: str) -> None:
    """Replace a file atomically, also in case of a power loss."""
    try:
        durable.make_folder(path.parent)
        with durable.replacing(path) as partial:
            partial.write_text(f"{text}\n")
    except OSError as error:
        raise IndexStoreError(f"{path.parent}: cannot make an index there ({error.strerror})") from error
