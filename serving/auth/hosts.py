"""Which names the service answers to, and which pages may have a browser change something.

A page of another site can have a browser send requests here: by a name that it lets resolve to this machine (DNS
rebinding), or as a form (CSRF). Source: OWASP Cheat Sheet Series, "Cross-Site Request Forgery Prevention".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from serving.http.errors import ApiError, error_response

PROBES = ("/livez", "/readyz")  # asked by address, and without a key
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OF_BROWSERS = frozenset((b"origin", b"sec-fetch-dest", b"sec-fetch-site"))  # headers; other clients say nothing
OWN_SITES = ("none", "same-origin")  # Sec-Fetch-Site: none is what somebody typed
HOSTS = 256  # hosts and addresses that are remembered
WILDCARDS = ("", "0.0.0.0", "::")  # --host that listens on every address; empty if it is not known
DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@?#\\\s]+?)\.?(?::(\d{1,5}))?")
_NAME = re.compile(r"[a-z0-9._-]+")
_ORIGIN = re.compile(r"(https?)://(.+)")


@dataclass(frozen=True)
class AllowedHosts:
    """names: in lower case. any_address: IP addresses are answered as well; rebinding needs a name."""

    names: frozenset[str]
    any_address: bool = False

    @classmethod
    def of(cls, host: str, allowed: Iterable[str] = ()) -> AllowedHosts:
        """host: that the service listens on, or a wildcard. allowed: further names, as `allowed_name` takes them."""
        own = () if host in WILDCARDS else (_canonical(host.lower()),)
        return cls(frozenset((*own, *map(allowed_name, allowed))), host in WILDCARDS)

    def allows(self, host: str) -> bool:
        """host: without a port, in lower case."""
        if _canonical(host) in self.names or is_loopback(host):
            return True
        return self.any_address and address_of(_bare(host)) is not None


class Hosts:
    """ASGI middleware. 421 for a name that is not ours, 403 for a change that another site's page asks for."""

    def __init__(self, app: ASGIApp, allowed: AllowedHosts) -> None:
        self._app = app
        self._allows = lru_cache(HOSTS)(allowed.allows)

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        if connection["type"] == "http" and (error := self._error(connection)):
            return await error_response(error)(connection, receive, send)
        await self._app(connection, receive, send)

    def _error(self, connection: Connection) -> ApiError | None:
        hosts = [value.decode("latin-1") for name, value in connection["headers"] if name == b"host"]
        parts = split_host(hosts[0]) if len(hosts) == 1 else None
        is_ours = parts is not None and self._allows(parts[0])
        if not is_ours and connection["path"] not in PROBES:
            message = f"this service is not {', '.join(hosts)[:100] or 'named'}; allow a name with --allowed-host"
            return ApiError(421, "wrong_host", message)
        headers = Headers(raw=[header for header in connection["headers"] if header[0] in OF_BROWSERS])
        if not headers.raw:
            return None
        if connection["method"] in SAFE_METHODS:
            is_refused = _is_embedded(headers) and connection["path"] not in PROBES
        else:
            is_refused = _is_foreign(headers, connection.get("scheme", "http"), parts)
        if is_refused:
            return ApiError(403, "foreign_origin", "a page of another site asks for this; pages of this service may")
        return None


def split_host(text: str) -> tuple[str, int | None] | None:
    """`Name.:3000` -> ("name", 3000); None if it is not a host. An IPv6 address keeps its brackets."""
    found = _HOST.fullmatch(text.strip().lower())
    return (found[1], int(found[2]) if found[2] else None) if found else None


def allowed_name(text: str) -> str:
    """`Films.Example.` -> "films.example"; an address is given with or without brackets.

    Raises: ValueError for what no client sends as a name: a scheme, a port, a path, a pattern, several names, and
    letters that are sent as xn--... A name counts at every port.
    """
    bare = text.strip().lower()
    parts = (bare, None) if address_of(bare) else split_host(bare)
    if parts is None or parts[1] is not None or not (address_of(_bare(parts[0])) or _NAME.fullmatch(parts[0])):
        raise ValueError(
            f"invalid name {text[:100]!r}: expected a host without scheme and port, such as films.example; one with"
            " other letters as browsers send it, xn--..."
        )
    return _canonical(parts[0])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host: localhost, 127.0.0.0/8 or ::1."""
    address = address_of(_bare(host))
    return host.lower() == "localhost" if address is None else address.is_loopback


def _is_foreign(headers: Headers, scheme: str, host: tuple[str, int | None] | None) -> bool:
    """Whether a browser says that a page of another site sends this."""
    if headers.get("sec-fetch-site", "none") not in OWN_SITES:
        return True
    origin = headers.get("origin")
    return origin is not None and not _is_own(origin, scheme, host)


def _is_embedded(headers: Headers) -> bool:
    """Whether a browser says that a page of another site fetches this, other than by a link that is followed.

    Source: W3C, "Fetch Metadata Request Headers".
    """
    is_foreign = headers.get("sec-fetch-site", "none") not in OWN_SITES
    return is_foreign and headers.get("sec-fetch-dest", "document") != "document"


def _is_own(origin: str, scheme: str, host: tuple[str, int | None] | None) -> bool:
    """A proxy that ends TLS leaves scheme http: then either is taken."""
    found = _ORIGIN.fullmatch(origin.strip().lower())
    parts = split_host(found[2]) if found else None
    if not found or not parts or not host or (scheme == "https" and found[1] != "https"):
        return False
    default = DEFAULT_PORTS[found[1]]
    return (parts[0], parts[1] or default) == (host[0], host[1] or default)


def _canonical(host: str) -> str:
    """A name as it is; an address in one spelling, without brackets."""
    bare = _bare(host)
    return str(address_of(bare) or bare)


def _bare(host: str) -> str:
    return host.removeprefix("[").removesuffix("]")


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
