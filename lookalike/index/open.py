"""Open an index: in a folder, behind a service, or on a Qdrant server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lookalike.contract import EncoderSpec
from lookalike.errors import IndexStoreError
from lookalike.index.folder import FolderLocation
from lookalike.index.frames import FrameIndex
from lookalike.index.generations import IndexLocation, open_generation, stored_spec
from lookalike.server_options import ONE_NODE, ServerOptions

DEFAULT_COLLECTION = "lookalike"


def open_index(
    location: str | Path,
    spec: EncoderSpec | None = None,
    create: bool = False,
    live: bool = False,
    options: ServerOptions = ONE_NODE,
) -> FrameIndex:
    """Open the index at a folder, at a service's URL (`http://host:3000`), or at a Qdrant server's
    (`http://host:6333[/collection]`).

    spec: of the encoder to search or fill it with; None takes the spec that the index stores.
    create: make the index if it is missing, which needs a spec. live: answer searches while a folder is filled, for a
    long-running service.
    options: of a new collection on a Qdrant server.
    QDRANT_API_KEY is sent to a Qdrant server, LOOKALIKE_TOKEN to a service.
    Raises: IndexStoreError if it is missing, broken or in use, or stores no spec and `spec` is None; SpaceMismatch if
    another encoder filled it.
    """
    about = _service_at(location)
    if options != ONE_NODE and (about or "://" not in str(location)):
        raise IndexStoreError(f"{location}: --shards and --replication are for a new collection of a Qdrant server")
    if about:
        from lookalike.index.service import ServiceEngine, served_spec

        url = str(location).rstrip("/")
        spec = spec or served_spec(url, about)
        return FrameIndex(ServiceEngine(url, about, spec.space, spec.dim, create), spec)
    at = _location_at(location, live, options)
    spec = spec or stored_spec(at)
    return FrameIndex(open_generation(at, spec, create), spec, at)


def location_of(location: str | Path) -> IndexLocation:
    """Return the location of an index, which may not exist yet; nothing is opened.

    Raises: IndexStoreError for a service, which does not offer its generations over HTTP.
    """
    if _service_at(location):
        raise IndexStoreError(f"{location}: a service; give the folder of its index, or the URL of its Qdrant server")
    return _location_at(location)


def _service_at(location: str | Path) -> dict[str, Any] | None:
    """Return what a Lookalike service at this URL reports at /readyz; None for other URLs and folders."""
    from lookalike.index.service import ask_who

    parts = urlsplit(str(location))
    if parts.scheme not in ("http", "https") or parts.path.strip("/"):
        return None
    return ask_who(f"{parts.scheme}://{parts.netloc}")


def _location_at(location: str | Path, live: bool = False, options: ServerOptions = ONE_NODE) -> IndexLocation:
    if str(location).startswith(("http://", "https://")):
        return _collection_at(str(location), options)
    if "://" in str(location):
        raise IndexStoreError(f"{location}: expected a folder, or a URL that begins with http:// or https://")
    return FolderLocation(Path(location), live)


def _collection_at(url: str, options: ServerOptions) -> IndexLocation:
    from qdrant_client import QdrantClient

    from lookalike.index.collection import CollectionLocation
    from lookalike.index.uploads import STREAMS

    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    # The client's own default port is 6333 even for a URL that names none.
    client = QdrantClient(url=base, api_key=os.environ.get("QDRANT_API_KEY"), timeout=30, **_grpc())
    return CollectionLocation(client, base, parts.path.strip("/") or DEFAULT_COLLECTION, options, STREAMS)


def _grpc() -> dict[str, Any]:
    """Return the client's options: gRPC for frames and queries if QDRANT_GRPC_PORT is set.

    Raises: IndexStoreError if it is not a port number.
    """
    port = os.environ.get("QDRANT_GRPC_PORT") or ""
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise IndexStoreError(f"QDRANT_GRPC_PORT is {port!r}, expected a port such as 6334")
    chosen: dict[str, Any] = {"check_compatibility": False}
    return chosen | {"prefer_grpc": True, "grpc_port": int(port)} if port else chosen
