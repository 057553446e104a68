"""How a new collection of a Qdrant server is made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerOptions:
    """The fields' docstrings are the help texts of the flags."""

    shards: int = 1
    """Parts that the collection is made of, over the nodes of a cluster."""
    replication: int = 1
    """Nodes that hold each part."""

    def check(self) -> None:
        """Raises: ValueError that names the flag, what it is and what was expected."""
        for flag, value in (("--shards", self.shards), ("--replication", self.replication)):
            if value < 1:
                raise ValueError(f"{flag} is {value}, expected at least 1")


ONE_NODE = ServerOptions()
