"""An index on a Qdrant server: a collection for each generation, and aliases that say which is current."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from qdrant_client import QdrantClient, models

from lookalike.contract import EncoderSpec
from lookalike.errors import EncoderError, IndexStoreError
from lookalike.index.engine import Engine
from lookalike.index.generations import FIRST, Pointer, generation_of
from lookalike.index.schema import SourceRecord
from lookalike.index.server.engine import ServerEngine, read_ledger
from lookalike.index.server.errors import answered
from lookalike.index.server.options import ONE_NODE, ServerOptions
from lookalike.index.server.schema import ledger_of

METADATA_KEY = "lookalike"  # of the spec, in the metadata of a collection
UNKNOWN = "unknown"  # the space of a collection that is not ours
SPACE = re.compile(r".*-[0-9a-f]{12}", re.DOTALL)  # as EncoderSpec.space makes it


class CollectionLocation:
    """The generations of one index: NAME is the first, NAME-GENERATION any other; NAME-current and NAME-previous are
    aliases, without which the first is current."""

    def __init__(
        self, client: QdrantClient, base: str, name: str, options: ServerOptions = ONE_NODE, streams: int = 0
    ) -> None:
        """base: the server's URL. options, streams: as for ServerEngine."""
        self._client, self._base, self._name = client, base, name
        self._options, self._streams = options, streams

    def __str__(self) -> str:
        return f"{self._base}/{self._name}"

    def pointer(self) -> Pointer | None:
        with answered():
            aliases = {alias.alias_name: alias.collection_name for alias in self._client.get_aliases().aliases}
            if current := aliases.get(self._alias("current")):
                previous = aliases.get(self._alias("previous"))
                return Pointer(self._generation(current), previous and self._generation(previous))
            if not self._client.collection_exists(self._name):
                return None
            config = self._client.get_collection(self._name).config
        if not _is_ours(config):
            raise IndexStoreError(
                f"{self}: the collection {self._name!r} was not made by Lookalike; give another name, as"
                f" {self._base}/frames"
            )
        return Pointer(FIRST)

    def point(self, to: Pointer) -> None:
        """Change both aliases in one request, which the server applies atomically."""
        with answered():
            known = {alias.alias_name for alias in self._client.get_aliases().aliases}
            operations: list[models.AliasOperations] = [
                models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
                for alias in (self._alias("current"), self._alias("previous"))
                if alias in known
            ]
            for role, generation in (("current", to.current), ("previous", to.previous)):
                if generation is not None:
                    names = models.CreateAlias(collection_name=self.at(generation), alias_name=self._alias(role))
                    operations.append(models.CreateAliasOperation(create_alias=names))
            self._client.update_collection_aliases(operations)

    def space(self, generation: str) -> str | None:
        with answered():
            if not self._client.collection_exists(self.at(generation)):
                return None
            vectors = self._client.get_collection(self.at(generation)).config.params.vectors
        return next(iter(vectors), UNKNOWN) if isinstance(vectors, dict) else UNKNOWN

    def spec(self, generation: str) -> EncoderSpec | None:
        with answered():
            metadata = self._client.get_collection(self.at(generation)).config.metadata or {}
        try:
            return EncoderSpec.from_json(json.dumps(metadata.get(METADATA_KEY)), str(self))
        except EncoderError:
            return None

    def open(self, generation: str, spec: EncoderSpec, create: bool = False) -> Engine:
        name, options = self.at(generation), self._options if generation == FIRST else self._as_now()
        engine = ServerEngine(self._client, name, spec.space, spec.dim, create, options, self._streams)
        if self.spec(generation) is None:
            with suppress(IndexStoreError), answered():  # a search works with a key that may only read
                self._client.update_collection(name, metadata={METADATA_KEY: json.loads(spec.to_json())})
        return engine

    def _as_now(self) -> ServerOptions:
        """Return the options of the current generation, for a later one."""
        pointer = self.pointer()
        with answered():
            params = self._client.get_collection(self.at(pointer.current if pointer else FIRST)).config.params
        return ServerOptions(params.shard_number or 1, params.replication_factor or 1)

    def open_as_it_is(self, generation: str) -> Engine:
        with answered():
            vectors = self._client.get_collection(self.at(generation)).config.params.vectors
        if not isinstance(vectors, dict) or not vectors:
            raise IndexStoreError(f"{self}: not an index: it holds vectors without a name")
        ((space, params), *_) = vectors.items()
        return ServerEngine(self._client, self.at(generation), space, params.size, create=False)

    def source_records(self, generation: str) -> list[SourceRecord]:
        return list(read_ledger(self._client, self.at(generation), self.space(generation) or UNKNOWN))

    def generations(self) -> list[str]:
        with answered():
            names = [collection.name for collection in self._client.get_collections().collections]
        later = re.compile(re.escape(self._name) + "-([0-9a-f]+)")
        candidates = [match[1] for name in sorted(names) if (match := later.fullmatch(name))]
        # Others belong to another index.
        ours = [
            generation for generation in candidates if generation_of(self.space(generation) or UNKNOWN) == generation
        ]
        return [FIRST, *ours] if self._name in names else ours

    def check_free(self, generation: str) -> None:
        """Do nothing: several processes may use a server's collection."""

    def remove(self, generation: str) -> None:
        """The ledger comes first: without its frames, it would say that all sources are complete."""
        with answered():
            for collection in (ledger_of(self.at(generation)), self.at(generation)):
                self._client.delete_collection(collection)

    def close(self) -> None:
        self._client.close()

    def at(self, generation: str) -> str:
        """Return the name of a generation's collection."""
        return self._name if generation == FIRST else f"{self._name}-{generation}"

    def _generation(self, collection: str) -> str:
        return collection.removeprefix(self._name).removeprefix("-")

    def _alias(self, role: str) -> str:
        return f"{self._name}-{role}"


def _is_ours(config: models.CollectionConfig) -> bool:
    """Whether a collection belongs to an index: it has a spec, or before that is stored, a vector named by a space."""
    vectors = config.params.vectors
    named = isinstance(vectors, dict) and any(SPACE.fullmatch(name) for name in vectors)
    return METADATA_KEY in (config.metadata or {}) or named
