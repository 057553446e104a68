"""Open an index: in a folder, behind a service, or on a Qdrant server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lookalike.contract import EncoderSpec
from lookalike.errors import IndexStoreError
from lookalike.index.embedded.folder import FolderLocation
from lookalike.index.frames import FrameIndex
from lookalike.index.generations import IndexLocation, open_generation, stored_spec
from lookalike.index.server.options import ONE_NODE, ServerOptions

if TYPE_CHECKING:
    from lookalike.index.patience import OnWait

DEFAULT_COLLECTION = "lookalike"


def open_index(
    location: str | Path,
    spec: EncoderSpec | None = None,
    create: bool = False,
    live: bool = False,
    options: ServerOptions = ONE_NODE,
    on_wait: OnWait | None = None,
) -> FrameIndex:
    """Open the index at a folder, at a service's URL (`http://host:3000`), or at a Qdrant server's
    (`http://host:6333[/collection]`; the nodes of a cluster with commas: `http://a:6333,http://b:6333/collection`).

    spec: of the encoder to search or fill it with; None takes the spec that the index stores.
    create: make the index if it is missing, which needs a spec. live: answer searches while a folder is filled, for a
    long-running service.
    options: of a new collection on a Qdrant server.
    on_wait: called with a line when a server stops answering, and when it answers again. Its requests are repeated
    meanwhile: for QDRANT_RETRY_S, of a service for 300 s. None raises the first failure.
    QDRANT_API_KEY is sent to a Qdrant server, LOOKALIKE_TOKEN to a service.
    Raises: IndexStoreError if it is missing, broken or in use, or stores no spec and `spec` is None; SpaceMismatch if
    another encoder filled it; IndexUnavailable if its server does not answer.
    """
    about = _service_at(location)
    if options != ONE_NODE and (about or "://" not in str(location)):
        raise IndexStoreError(f"{location}: --shards and --replication are for a new collection of a Qdrant server")
    if about:
        from lookalike.index.service import ServiceEngine, served_spec

        url = str(location).rstrip("/")
        spec = spec or served_spec(url, about)
        return FrameIndex(ServiceEngine(url, about, spec.space, spec.dim, create, on_wait), spec)
    at = _location_at(location, live, options, on_wait)
    spec = spec or stored_spec(at)
    return FrameIndex(open_generation(at, spec, create), spec, at)


def location_of(location: str | Path, on_wait: OnWait | None = None) -> IndexLocation:
    """Return the location of an index, which may not exist yet; nothing is opened. on_wait: as for `open_index`.

    Raises: IndexStoreError for a service, which does not offer its generations over HTTP.
    """
    if _service_at(location):
        raise IndexStoreError(f"{location}: a service; give the folder of its index, or the URL of its Qdrant server")
    return _location_at(location, on_wait=on_wait)


def _service_at(location: str | Path) -> dict[str, Any] | None:
    """Return what a Lookalike service at this URL reports at /readyz; None for other URLs and folders."""
    from lookalike.index.service import ask_who

    if "," in str(location):
        return None  # nodes of a Qdrant server
    try:
        parts = urlsplit(str(location))
    except ValueError:
        return None  # `_nodes_of` says why
    if parts.scheme not in ("http", "https") or parts.path.strip("/"):
        return None
    return ask_who(f"{parts.scheme}://{parts.netloc}")


def _location_at(
    location: str | Path, live: bool = False, options: ServerOptions = ONE_NODE, on_wait: OnWait | None = None
) -> IndexLocation:
    if str(location).startswith(("http://", "https://")):
        return _collection_at(str(location), live, options, on_wait)
    if "://" in str(location):
        raise IndexStoreError(f"{location}: expected a folder, or a URL that begins with http:// or https://")
    return FolderLocation(Path(location), live)


def _collection_at(urls: str, live: bool, options: ServerOptions, on_wait: OnWait | None) -> IndexLocation:
    """live: several clients send frames, and must know whether theirs are stored: frames are sent immediately."""
    from lookalike.index.server.client import connect
    from lookalike.index.server.collection import CollectionLocation
    from lookalike.index.server.uploads import STREAMS

    nodes, name = _nodes_of(urls)
    client = connect(nodes, on_wait)
    return CollectionLocation(client, nodes[0], name, options, 0 if live else STREAMS)


def _nodes_of(urls: str) -> tuple[list[str], str]:
    """Return the URLs of the nodes of a Qdrant server, and the collection, which one or more of the URLs name.

    Raises: IndexStoreError for an invalid URL, or different collections.
    """
    try:
        parts = [urlsplit(url.strip()) for url in urls.split(",")]
        valid = all(part.scheme in ("http", "https") and part.hostname and part.port != 0 for part in parts)
    except ValueError:  # a port that is not a number, or a bracket too few
        valid = False
    if not valid or any(part.path.strip("/") in (".", "..") for part in parts):
        raise IndexStoreError(f"{urls}: expected URLs such as http://host:6333, with commas, and one collection")
    names = {name for part in parts if (name := part.path.strip("/"))}
    if len(names) > 1:
        raise IndexStoreError(f"{urls}: names the collections {', '.join(sorted(names))}; expected one")
    return [f"{part.scheme}://{part.netloc}" for part in parts], names.pop() if names else DEFAULT_COLLECTION
