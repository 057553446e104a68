"""A certificate and its key, as clients that check it will find them."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

OUT_OF_DATE = frozenset({9, 10})  # OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED


def out_of_date(cert: Path, key: Path) -> str | None:
    """Say whether a certificate has expired or is not yet valid; None if it is valid now.

    A handshake in memory with a client that trusts this certificate decides: `ssl` reads no certificate by itself.
    Raises: OSError or ssl.SSLError if they cannot be used together.
    """
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(cert, key, password="")  # else OpenSSL asks for a passphrase on the terminal
    client = ssl.create_default_context(cafile=cert)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking, answering = client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True)
    try:
        for side in (asking, answering, asking):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message if error.verify_code in OUT_OF_DATE else None
    return None
