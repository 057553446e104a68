"""Create the two collections of an index on a Qdrant server: the frames, and the ledger.

Every step can be repeated, also by several processes at once: if several create a collection, Qdrant answers all but
the first with "Collection `NAME` already exists!", a 409, or 400 by earlier versions (qdrant/qdrant,
`lib/storage/src/content_manager/errors.rs`, AlreadyExists).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from qdrant_client import QdrantClient, models

from lookalike.errors import IndexStoreError
from lookalike.index.server.errors import CLIENT_ERRORS, EXISTS, REFUSED, answered, failure_of
from lookalike.index.server.options import ServerOptions

logger = logging.getLogger(__name__)

DEAD = models.ReplicaState.DEAD

KEYWORD = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD)
FLOAT = models.FloatIndexParams(type=models.FloatIndexType.FLOAT)
INDEXED_FIELDS = {  # all that `Filters.conditions` names: strict mode refuses other filters
    "camera": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    "source": KEYWORD,
    "source_id": KEYWORD,
    "time_s": FLOAT,
    "end_s": FLOAT,
    "captured_at": models.DatetimeIndexParams(type=models.DatetimeIndexType.DATETIME, is_principal=True),
    "utc_day_s": FLOAT,
    "ended_at": models.DatetimeIndexParams(type=models.DatetimeIndexType.DATETIME),
    "region": KEYWORD,
}


def ledger_of(collection: str) -> str:
    """Return the name of the ledger of a collection."""
    return f"{collection}-ledger"


def create_frames(client: QdrantClient, collection: str, space: str, dim: int, options: ServerOptions) -> None:
    """Create the collection of the frames, unless another process does.

    Vectors are on disk, and as int8 in memory. There is no graph until `optimize`: during a bulk load, the graph would
    be rebuilt repeatedly.
    """
    int8 = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
    with _unless_there():
        client.create_collection(
            collection,
            vectors_config={space: models.VectorParams(size=dim, distance=models.Distance.COSINE, on_disk=True)},
            shard_number=options.shards,
            replication_factor=options.replication,
            quantization_config=models.ScalarQuantization(scalar=int8),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=0),
        )


def complete(client: QdrantClient, collection: str) -> None:
    """Create the missing payload indexes, the ledger and its missing copies. collection: of the frames; it exists."""
    info = client.get_collection(collection)
    for field, schema in INDEXED_FIELDS.items():
        if field not in info.payload_schema:
            # For stored frames it may take minutes, and strict mode accepts it immediately.
            client.create_payload_index(collection, field, schema, wait=not info.points_count)
    params, ledger = info.config.params, ledger_of(collection)
    if not client.collection_exists(ledger):
        with _unless_there():
            client.create_collection(
                ledger,
                vectors_config={},
                shard_number=params.shard_number,
                replication_factor=params.replication_factor,
            )
    if (params.replication_factor or 1) > 1:
        try:
            with answered():
                _replicate(client, collection, ledger, params.replication_factor or 1)
        except IndexStoreError as error:  # such as a key without this right; frames are stored nevertheless
            logger.warning("%s has fewer copies than its frames, and gets no more: %s", ledger, error)


def _replicate(client: QdrantClient, frames: str, ledger: str, copies: int) -> None:
    """Let nodes without a copy of a shard of the ledger fetch one, in the background, until each shard has `copies`.

    A new `replication_factor` alone applies to new shards only (qdrant.tech, "Distributed deployment").
    """
    if (client.get_collection(ledger).config.params.replication_factor or 1) < copies:
        client.update_collection(ledger, collection_params=models.CollectionParamsDiff(replication_factor=copies))
    cluster = client.cluster_status()
    if not isinstance(cluster, models.ClusterStatusOneOf1):
        return  # one node has no copies
    info = client.collection_cluster_info(ledger)
    held, active = _replicas(info)
    if all(len(nodes) >= copies for nodes in held.values()):
        return
    dead = {shard.peer_id for shard in client.collection_cluster_info(frames).remote_shards if shard.state == DEAD}
    alive = {int(node) for node in cluster.peers} - dead
    load = {node: sum(node in nodes for nodes in held.values()) for node in alive}
    for shard, nodes in sorted(held.items()):
        if shard not in active:
            continue  # all its nodes are lost; when they are back, the next opening copies it
        source = min(active[shard])
        # The nodes with the fewest copies, from the next one in a ring.
        free = sorted(alive - nodes, key=lambda node: (load[node], node < source, node))
        for node in free[: max(copies - len(nodes), 0)]:
            copy = models.ReplicateShard(shard_id=shard, from_peer_id=source, to_peer_id=node)
            with _unless_under_way():
                client.cluster_collection_update(ledger, models.ReplicateShardOperation(replicate_shard=copy))
            load[node] += 1


@contextmanager
def _unless_under_way() -> Iterator[None]:
    """Ignore the error for a shard that another process copies; Qdrant makes one copy of a shard at a time.

    Source: "Shard 0 is already involved in transfer 1 -> 2", qdrant/qdrant, `lib/collection/src/shards/transfer`.
    """
    try:
        yield
    except CLIENT_ERRORS as error:
        failure = failure_of(error)
        if failure.status != REFUSED or "is already involved in transfer" not in failure.text:
            raise


def _replicas(info: models.CollectionClusterInfo) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """Return, by shard, the nodes that have a copy or are fetching one, and the nodes whose copy is complete."""
    held: dict[int, set[int]] = {}
    active: dict[int, set[int]] = {}
    there = [(shard.shard_id, info.peer_id, shard.state) for shard in info.local_shards]
    there += [(shard.shard_id, shard.peer_id, shard.state) for shard in info.remote_shards]
    for shard, peer, state in there:
        held.setdefault(shard, set()).add(peer)
        if state == models.ReplicaState.ACTIVE:
            active.setdefault(shard, set()).add(peer)
    for transfer in info.shard_transfers:
        held.setdefault(transfer.shard_id, set()).add(transfer.to)
    return held, active


@contextmanager
def _unless_there() -> Iterator[None]:
    """Ignore the error for a collection that another process has created."""
    try:
        yield
    except CLIENT_ERRORS as error:
        failure = failure_of(error)
        if failure.status != EXISTS and not (failure.status == REFUSED and "already exists" in failure.text):
            raise
