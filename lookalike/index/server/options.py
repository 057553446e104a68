"""Options of a new collection on a Qdrant server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerOptions:
    """Sharding of a collection. The fields' docstrings are the help texts of the flags."""

    shards: int = 1
    """Shards of a new collection on a Qdrant server, distributed over the nodes of a cluster."""
    replication: int = 1
    """Nodes that hold each shard."""

    def check(self) -> None:
        """Check the flags. Raises: ValueError that names the flag, its value and what was expected."""
        for flag, value in (("--shards", self.shards), ("--replication", self.replication)):
            if value < 1:
                raise ValueError(f"{flag} is {value}, expected at least 1")


ONE_NODE = ServerOptions()
