"""What the environment says of the network, which httpx reads when a client is made, and what an error of it means."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from lookalike.errors import LookalikeError

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
PROXIES = tuple(name for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (proxy, proxy.lower()))


@contextmanager
def checked_environment(raised: type[LookalikeError]) -> Iterator[None]:
    """Make a client of httpx in the block.

    Raises: `raised` if variables name certificates or a proxy that cannot be used. A proxy is not shown: it may have a
    password.
    """
    try:
        yield
    except OSError as error:
        if not (names := _set_of(CERTIFICATES)):
            raise
        named = f"{names[0]} is {os.environ[names[0]]}, which cannot be used ({error.strerror or error})"
        raise raised(f"{named}; expected a file of certificates (PEM)") from error
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        if not (names := _set_of(PROXIES)):
            raise
        raise raised(f"{', '.join(names)}: not a proxy that can be used; expected http://HOST:PORT") from error


def _set_of(names: Sequence[str]) -> list[str]:
    return [name for name in names if os.environ.get(name)]


def scheme_advice(error: httpx.TransportError) -> str:
    """Say, to be appended to an error, what to write if the scheme of the URL seems to be the wrong one."""
    text = str(error)
    if "WRONG_VERSION_NUMBER" in text:
        return "; it serves no HTTPS there: write http://"
    return " If it serves HTTPS there, write https://" if "without sending a response" in text else ""
